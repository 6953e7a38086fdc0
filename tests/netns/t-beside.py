#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside what people have on their router: ufw, Docker, firewalld, miniupnpd. Packets go through both, also after the
neighbour has loaded its rules anew."""
import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from lab import EXT, EXT6, GW, GW6, LAN, LAN2, LAN6, WAN, WAN6, conf, wait
from pcp import SUCCESS, TCP, UDP

PEER = os.path.realpath(os.environ.get('PEER', os.path.join(lab.HERE, '../../build/peer')))
BOTH = 'backend { forward-chain = { "ip filter FORWARD", "ip6 filter FORWARD" } }'
BOX, BOX6 = '198.18.0.2', '2001:db8:3::2'  # a container


def peer(program):
    """Where deps.sh unpacked a neighbour."""
    path = os.path.join(PEER, 'usr/sbin', program)
    if not os.path.exists(path):
        raise lab.Skip(f'{program} is not there (tests/lab/deps.sh check)')
    return path


def iptables(net):
    if net.run('gw', 'sh', '-c', 'command -v iptables-nft').returncode:
        raise lab.Skip('iptables-nft is not installed')


def asked(net):
    """The mappings that packets() needs, by both protocols and for both families."""
    c = net.client()
    assert c.map(UDP, 4000, 40000).external == 40000 and c.natpmp(TCP, 4001, 40001).external == 40001
    c = net.client('lan', GW6)
    assert c.map(UDP, 4000, address='::').result == c.map(TCP, 4001, address='::').result == SUCCESS


def out(net, target, proto='udp'):
    """A connection of a LAN host to the outside; the source that it has there."""
    return net.through('wan', target, target, proto, outer='lan').inner


def packets(net):
    """What was mapped, and only that, comes in; hosts of the LAN get out, and to each other's mappings."""
    net.forget()
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.through('lan', (LAN, 4001), (EXT, 40001), 'tcp')
    net.through('lan', (LAN, 4000), (EXT, 40000), outer='lan2')
    net.through('lan', (LAN6, 4000), (LAN6, 4000))
    net.through('lan', (LAN6, 4001), (LAN6, 4001), 'tcp')
    assert out(net, (WAN, 7000))[0] == EXT and out(net, (WAN6, 7000), 'tcp')[0] == LAN6
    with lab.probe.udp(net.ns('wan'), WAN, 7001) as server, lab.probe.udp(net.ns('lan'), LAN, 4000) as s:
        s.sendto(b'out', (WAN, 7001))
        assert server.recvfrom(100)[1] == (EXT, 40000)
    assert net.closed((EXT, 40002), timeout=0.3) and net.closed((LAN6, 4002), timeout=0.3)


def accepts(net, *chains):
    return all(sum('natpcpd' in r for r in net.rules(c)) == 1 for c in chains)


def hosts_know(net, side, interface, v4, v6):
    """A host of a network of its own behind the router: a container, in place of a LAN host."""
    net.ip(side, 'addr', 'flush', 'dev', 'eth0', 'scope', 'global')
    for a, length in ((v4, 16), (v6, 64)):
        gateway = a[:-1] + '1'
        net.ip('gw', 'addr', 'add', f'{gateway}/{length}', 'dev', interface, *(['nodad'] if ':' in a else []))
        net.ip(side, 'addr', 'add', f'{a}/{length}', 'dev', 'eth0', *(['nodad'] if ':' in a else []))
        net.ip(side, 'route', 'replace', 'default', 'via', gateway)


class Apart:
    """A program that keeps its settings in fixed places, in the router, with a file system that only it sees."""

    def __init__(self, net):
        self.net = net
        directory = os.path.join(net.dir, 'apart')
        os.mkdir(directory)
        self.process = subprocess.Popen(net.command('gw', os.path.join(lab.HERE, 'apart.sh'), directory, PEER),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != 'apart\n':
            said = self.process.communicate()[1].strip()
            raise lab.Skip(said) if self.process.returncode == 77 else AssertionError(said)
        assert self.sh('stat -f -c %T /').strip() == 'overlayfs'

    def sh(self, script):
        p = subprocess.run(['nsenter', '-t', str(self.process.pid), '--mount', '--net', '--root', '--wd', 'env', '-i',
                            'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'sh', '-ec', script],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        assert p.returncode == 0, (script, p.returncode, p.stdout, p.stderr)
        return p.stdout

    def close(self):
        self.process.communicate(timeout=60)


def test_ufw(net):
    """ufw: both of its chains are named; mappings of both families work, also after ufw reload"""
    peer('ufw')
    iptables(net)
    net.nft('flush', 'ruleset')
    with contextlib.closing(Apart(net)) as a:
        # what its package does when it is installed, and the masquerade that its manual gives
        a.sh('''cd /usr/share/ufw; cp iptables/*.rules *.init ufw.conf /etc/ufw
            for i in iptables ip6tables iptables-restore ip6tables-restore; do ln -sf xtables-nft-multi /usr/sbin/$i; done
            printf '*nat\\n:POSTROUTING ACCEPT\\n-F POSTROUTING\\n-A POSTROUTING -s 192.0.2.0/24 -o wan0 -j MASQUERADE\\nCOMMIT\\n' \
                >>/etc/ufw/before.rules
            ufw route allow in on br-lan out on wan0
            ufw allow in on br-lan to any port 5351 proto udp
            ufw --force enable''')
        d = net.daemon(conf(backend='backend { type = "nftables" }'))
        written = d.logged(r'event=ruleset-drops .* write (backend {.*})"')[1].replace('\\"', '"')
        assert written == BOTH, written
        asked(net)
        assert net.closed((EXT, 40000), timeout=0.3) and net.closed((LAN6, 4000), timeout=0.3)
        d.reload(conf(backend=written))
        packets(net)
        # its own tool reads what is in its chains, and finds nothing wrong
        assert 'mark match' in a.sh('iptables -L FORWARD -n')
        # it flushes its chains and fills them anew
        a.sh('ufw reload')
        wait(lambda: accepts(net, 'ip filter FORWARD', 'ip6 filter FORWARD'))
        packets(net)
        assert len(d.leases()) == 4 and not any('ruleset-broken' in x for x in d.lines), d.log()


# what Docker writes with iptables-nft, for a network with one container that publishes TCP 8080
DOCKER = '''*filter
:FORWARD DROP
:DOCKER -
:DOCKER-BRIDGE -
:DOCKER-CT -
:DOCKER-FORWARD -
:DOCKER-INTERNAL -
:DOCKER-USER -
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-INTERNAL
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER -d @BOX@ ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
COMMIT
*nat
:DOCKER -
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination @TO@:80
COMMIT
'''
# its jumps come to the front, each time it starts
JUMPS = ('-I FORWARD -j DOCKER-FORWARD', '-I FORWARD -j DOCKER-USER',
         '-t nat -I PREROUTING -m addrtype --dst-type LOCAL -j DOCKER',
         '-t nat -I OUTPUT -m addrtype --dst-type LOCAL ! -d @LOOPBACK@ -j DOCKER',
         '-t nat -I POSTROUTING -s @NETWORK@ ! -o docker0 -j MASQUERADE')


def docker(net, again=False):
    for command, box, to, network, loopback in (('iptables-nft', BOX, BOX, '198.18.0.0/16', '127.0.0.0/8'),
                                                ('ip6tables-nft', BOX6, f'[{BOX6}]', '2001:db8:3::/64', '::1/128')):
        jumps = [j.replace('@NETWORK@', network).replace('@LOOPBACK@', loopback) for j in JUMPS]
        for j in jumps if again else ():
            net.sh('gw', command, *j.replace('-I', '-D').split())
        net.sh('gw', command + '-restore', '--noflush', input=DOCKER.replace('@BOX@', box).replace('@TO@', to))
        for j in jumps:
            net.sh('gw', command, *j.split())
        if not again:
            # what the operator of a router has to add, for Docker drops all that is forwarded
            for rule in ('-m conntrack --ctstate RELATED,ESTABLISHED', '-i br-lan -o wan0'):
                net.sh('gw', command, '-A', 'DOCKER-USER', *rule.split(), '-j', 'ACCEPT')


def test_docker(net):
    """Docker: both of its chains are named; its published port wins, and is not given while it listens; it may start anew"""
    iptables(net)
    net.nft('delete', 'table', 'inet', 'filter')
    for command in ('iptables-nft', 'ip6tables-nft'):
        net.sh('gw', command, '-P', 'FORWARD', 'DROP')
    net.ip('gw', 'link', 'add', 'docker0', 'type', 'bridge')
    net.ip('gw', 'link', 'set', 'docker0', 'up')
    d = net.daemon(conf(backend=BOTH))
    assert 'ruleset-drops' not in d.log(), d.log()
    first = net.client()
    assert first.map(TCP, 8080, 8080).external == 8080
    docker(net)
    asked(net)
    packets(net)
    net.ip('gw', 'link', 'set', 'lp2', 'master', 'docker0')
    hosts_know(net, 'lan2', 'docker0', BOX, BOX6)

    def both():
        # what a container publishes goes to it, though a host has mapped that port
        net.through('lan2', (BOX, 80), (EXT, 8080), 'tcp')
        net.through('lan2', (BOX6, 80), (EXT6, 8080), 'tcp')
        net.forget()
        net.through('lan', (LAN, 4000), (EXT, 40000))
        net.through('lan', (LAN, 4000), (EXT, 40000), outer='lan2')
        net.through('lan', (LAN6, 4001), (LAN6, 4001), 'tcp')
        assert net.through('wan', (WAN, 7000), (WAN, 7000), outer='lan2').inner[0] == EXT
        assert net.closed((EXT, 40002), timeout=0.3) and net.closed((LAN6, 4002), timeout=0.3)
    both()
    docker(net, again=True)
    assert accepts(net, 'ip filter FORWARD', 'ip6 filter FORWARD')
    both()
    # what flushes the chains comes back, and so does our rule
    for command in ('iptables-nft', 'ip6tables-nft'):
        net.sh('gw', command, '-F', 'FORWARD')
    wait(lambda: accepts(net, 'ip filter FORWARD', 'ip6 filter FORWARD'))
    net.forget()
    assert first.map(TCP, 8080, 8080, 0).result == SUCCESS
    assert len(d.leases()) == 4 and d.stop() == 0
    # its proxy listens in the router, so that nobody else gets the port
    with lab.probe.tcp(net.ns('gw'), '0.0.0.0', 8080) as proxy:
        proxy.listen(1)
        net.daemon(conf(backend=BOTH))
        r = first.map(TCP, 8080, 8080)
        assert r.result == SUCCESS and r.external != 8080, vars(r)


def test_bridge_netfilter(net):
    """br_netfilter, which Docker turns on, translates in the bridge: a host reaches its own mapping only when it is off"""
    if net.run('gw', 'test', '-e', '/proc/sys/net/bridge/bridge-nf-call-iptables').returncode:
        raise lab.Skip('the kernel has no br_netfilter')
    net.daemon()
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS

    def itself(seconds):
        net.forget()
        try:
            return net.through('lan', (LAN, 4000), (EXT, 40000), outer='lan', timeout=seconds)
        except OSError:
            return None
    net.sh('gw', 'sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=1')
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.through('lan', (LAN, 4000), (EXT, 40000), outer='lan2')
    assert not itself(0.5)
    net.sh('gw', 'sysctl', '-qw', 'net.bridge.bridge-nf-call-iptables=0')
    assert itself(lab.SOON_S)


# firewalld's table as far as packets meet it, with br-lan in its zone internal and wan0 in external, and a policy between
FIREWALLD = '''
table inet firewalld {
    chain nat_PREROUTING { type nat hook prerouting priority dstnat + 10; }
    chain nat_POSTROUTING {
        type nat hook postrouting priority srcnat + 10;
        meta nfproto ipv4 oifname "wan0" masquerade
    }
    chain filter_PREROUTING {
        type filter hook prerouting priority filter + 10;
        icmpv6 type { nd-router-advert, nd-neighbor-solicit } accept
        meta nfproto ipv6 fib saddr . mark . iif oif missing drop
    }
    chain filter_INPUT {
        type filter hook input priority filter + 10;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        meta l4proto { icmp, ipv6-icmp } accept
        iifname "br-lan" udp dport 5351 accept
        reject with icmpx admin-prohibited
    }
    chain filter_FORWARD {
        type filter hook forward priority filter + 10;
        ct state { established, related } accept
        ct status dnat accept
        iifname "lo" accept
        ct state invalid drop
        iifname "br-lan" oifname { "br-lan", "wan0" } accept
        iifname "wan0" oifname "wan0" accept
        reject with icmpx admin-prohibited
    }
    chain filter_OUTPUT { type filter hook output priority filter + 10; }
}
'''


def test_firewalld(net):
    """firewalld: IPv4 mappings pass as they are, IPv6 ones when its chain is named; it may load its table anew"""
    net.nft('flush', 'ruleset')
    net.nft('-f', '-', input=FIREWALLD)
    d = net.daemon(conf(backend='backend { type = "nftables" }'))
    asked(net)
    net.through('lan', (LAN, 4000), (EXT, 40000))
    net.through('lan', (LAN, 4001), (EXT, 40001), 'tcp', outer='lan2')
    assert net.closed((LAN6, 4000), timeout=0.3)
    # its policy accepts, but its last rule refuses, and the log says that, too
    written = d.logged(r'event=ruleset-drops .* write (backend {.*})"')[1].replace('\\"', '"')
    assert written == 'backend { forward-chain = "inet firewalld filter_FORWARD" }', written
    d.reload(conf(backend=written))
    packets(net)
    # a port of its own (a port forwarded by a zone) comes after a mapped one: the mapping wins
    net.nft('add rule inet firewalld nat_PREROUTING ip daddr 198.51.100.1 udp dport { 40000, 40005 } dnat ip to 192.0.2.12:80')
    net.through('lan', (LAN, 4000), (EXT, 40000), source=(lab.WAN2, 0))
    net.through('lan2', (LAN2, 80), (EXT, 40005))
    # it removes its table, and then makes it anew
    net.nft('delete', 'table', 'inet', 'firewalld')
    d.logged('event=forward-chain-gone .*inet firewalld filter_FORWARD')
    net.nft('-f', '-', input=FIREWALLD)
    wait(lambda: accepts(net, 'inet firewalld filter_FORWARD'))
    packets(net)


UPNP = '''
ext_ifname=wan0
listening_ip=br-lan
ext_ip=5.5.5.5
http_port=5000
enable_natpmp=no
ipv6_disable=%(v4)s
enable_upnp=yes
secure_mode=yes
uuid=00000000-0000-4000-8000-000000000001
upnp_table_name=filter
upnp_nat_table_name=miniupnpd
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
lease_file=%(dir)s/upnp.leases
allow 1024-39999 192.0.2.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
'''
UPNP_TABLE = '''
table inet miniupnpd {
    chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
    chain postrouting { type nat hook postrouting priority srcnat; jump postrouting_miniupnpd; }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
'''
OPERATOR = '''
table inet filter {
    chain miniupnpd { }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "br-lan" oifname "wan0" accept
        jump miniupnpd
    }
}
'''
SOAP = '''<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
 s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>
<u:AddPortMapping xmlns:u="urn:schemas-upnp-org:service:WANIPConnection:1">
<NewRemoteHost></NewRemoteHost><NewExternalPort>{}</NewExternalPort><NewProtocol>{}</NewProtocol>
<NewInternalPort>{}</NewInternalPort><NewInternalClient>{}</NewInternalClient><NewEnabled>1</NewEnabled>
<NewPortMappingDescription>test</NewPortMappingDescription><NewLeaseDuration>3600</NewLeaseDuration>
</u:AddPortMapping></s:Body></s:Envelope>'''


class Upnp:
    """miniupnpd, whose chains are there. Unless it is for IPv4 alone, it takes UDP 5351 of IPv6, though PCP is turned off."""

    def __init__(self, net, v4='yes'):
        self.net = net
        path = os.path.join(net.dir, 'miniupnpd.conf')
        with open(path, 'w') as f:
            f.write(UPNP % {'dir': net.dir, 'v4': v4})
        # the label for the outside address is one that it does not take for private; nothing is sent there
        self.process = subprocess.Popen(net.command('gw', peer('miniupnpd'), '-d', '-f', path, '-P', net.dir + '/upnp.pid'),
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait(lambda: self.process.poll() is not None or ':5000' in net.sh('gw', 'ss', '-Hlnt', 'sport = 5000'))
        assert self.process.poll() is None, self.process.returncode

    def map(self, side, address, protocol, internal, external):
        """What a host asks by UPnP; the status of the answer, and the error if there is one."""
        with lab.probe.inside(self.net.ns(side)):
            s = socket.create_connection((GW, 5000), lab.SOON_S)
        c = http.client.HTTPConnection(GW, 5000)
        c.sock = s
        c.request('POST', '/ctl/IPConn', SOAP.format(external, protocol, internal, address), {
            'Content-Type': 'text/xml; charset="utf-8"',
            'SOAPAction': '"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping"'})
        r = c.getresponse()
        said = re.search(r'<errorCode>(\d+)', r.read().decode())
        c.close()
        return r.status, said and said[1]

    def close(self):
        self.process.terminate()
        self.process.wait(60)


def asking_is_ours(net):
    users = net.sh('gw', 'ss', '-Hlnup', 'sport = 5351')
    assert users.count('natpcpd') == 2 and 'miniupnpd' not in users, users


def test_miniupnpd(net):
    """miniupnpd does UPnP, natpcpd NAT-PMP and PCP: each has ports of its own, and neither disturbs the other's mappings"""
    peer('miniupnpd')
    operator = 'delete table inet filter\n' + OPERATOR
    net.nft('-f', '-', input=operator + UPNP_TABLE)
    with contextlib.closing(Upnp(net)) as upnp:
        d = net.daemon(conf(external='external "wan" { interface = "wan0"  ports = { "40000-65535" } }'))
        # the port of NAT-PMP and PCP is natpcpd's, whoever starts first
        asking_is_ours(net)
        asked(net)
        assert upnp.map('lan2', LAN2, 'UDP', 4000, 30000) == (200, None)
        assert upnp.map('lan2', LAN2, 'TCP', 4001, 30001) == (200, None)
        assert upnp.map('lan2', LAN2, 'UDP', 4002, 40002)[0] == 500, 'not a port of UPnP'
        assert net.client().map(UDP, 4003, 30003).external >= 40000

        def both():
            packets(net)
            net.through('lan2', (LAN2, 4000), (EXT, 30000))
            net.through('lan2', (LAN2, 4001), (EXT, 30001), 'tcp')
        both()
        # one host, one port inside, both protocols
        assert upnp.map('lan', LAN, 'UDP', 4000, 30005) == (200, None)
        both()
        net.through('lan', (LAN, 4000), (EXT, 30005), source=(lab.WAN2, 0))
        n = net.elements()
    # the operator loads his ruleset anew, and starts miniupnpd, whose rules that removed
    net.nft('-f', '-', input=operator + 'delete table inet miniupnpd\n' + UPNP_TABLE)
    wait(lambda: accepts(net, 'inet filter forward'))
    packets(net)
    # one that would take it of IPv6 comes too late, and does without
    with contextlib.closing(Upnp(net, 'no')) as upnp:
        asking_is_ours(net)
        assert upnp.map('lan2', LAN2, 'UDP', 4000, 30000) == upnp.map('lan2', LAN2, 'TCP', 4001, 30001) == (200, None)
        both()
    assert net.elements() == n and len(d.leases()) == 5


if __name__ == '__main__':
    lab.main(globals())
