#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The nftables backend against the kernel, without the daemon: changes, their verdicts, and what is there afterwards."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
from driver import TCP, UDP, Driver, count, counts, elements, nat
from lab import EXT, EXT2, LAN, LAN2, LAN6, WAN, WAN2, WAN6, wait

TWO = 'external "b" { interface = "wan1" }\n'


def test_changes(net):
    """Mappings are made, renewed and removed, as elements in the kernel and in the list"""
    d = Driver(net)
    a, b, c, e = nat(TCP, 80, 8080), nat(UDP, 5000, 5000), f'pin 17 {LAN6} 5000 {LAN6} 5000', f'pin 6 {LAN} 22 {LAN} 22'
    assert d.commit(*(f'add {m} 60000' for m in (a, b, c, e))) == ['0'] * 4
    assert counts(net) == [2, 2, 1, 1] and d.list() == sorted([a, b, c, e])
    table = net.table()
    assert f'tcp . {EXT} . 8080 ' in table and f': {LAN} . 80' in table, table
    assert f'udp . {LAN} . 5000 ' in table and f': {EXT} . 5000' in table, table
    assert f'udp . {LAN6} . 5000 ' in table and f'tcp . {LAN} . 22 ' in table, table
    assert d.commit(f'renew {a} 600000', f'remove {b}', f'remove {e}', f'renew {c} 30000') == ['0'] * 4
    assert counts(net) == [1, 1, 0, 1] and d.list() == sorted([a, c])
    assert 500000 < d.remaining(a) <= 600000 and d.remaining(c) <= 30000
    # what is not there can be removed
    assert d.commit(f'remove {b}', f'remove {a}', f'remove {c}') == ['0'] * 3
    assert counts(net) == [0, 0, 0, 0]
    d.end()


def test_peers(net):
    """Mappings of single peers stand beside each other and beside the one for everybody (6887-12.1-10)"""
    d = Driver(net)

    def peers():
        return counts(net, *('peer-' + name for name in ('dnat4', 'snat4-wan', 'pin4', 'pin6')))

    def listed():
        return sorted(' '.join(w[:6] + w[8:]) for w in map(str.split, d.ask('list')))
    a, same, other = nat(UDP, 5000, 5000), f'{WAN} 4000', f'{WAN2} 4000'
    six, four = f'pin 17 {LAN6} 5000 {LAN6} 5000', f'pin 17 {LAN} 5000 {LAN} 5000'
    assert d.commit(f'add {a} 60000', f'add {a} 60000 7 {same}', f'add {a} 60000 8 {other}',
                    f'add {six} 60000 9 {WAN6} 4000', f'add {four} 60000 10 {same}') == ['0'] * 5
    assert counts(net) == [1, 1, 0, 0] and peers() == [2, 2, 1, 1], net.table()
    everything = sorted([a, f'{a} {same}', f'{a} {other}', f'{six} {WAN6} 4000', f'{four} {same}'])
    assert listed() == everything
    # both sides are known by their peer
    assert d.commit(f'add {nat(UDP, 5001, 5000)} 60000 1 {same}', f'add {nat(UDP, 5000, 5001)} 60000 2 {same}',
                    f'add {nat(UDP, 5001, 5000)} 60000 3 {WAN2} 4001') == ['EEXIST', 'EEXIST', '0']
    assert d.commit(f'remove {nat(UDP, 5001, 5000)} 0 1 {WAN2} 4001', f'add {a} 600 2 {WAN6} 4000') == \
        ['0', 'EAFNOSUPPORT']
    assert d.commit(f'renew {a} 600000 1 {same}', f'remove {a} 0 2', f'renew {six} 50000 3 {WAN6} 4000') == ['0'] * 3
    assert counts(net) == [0, 0, 0, 0] and peers() == [2, 2, 1, 1]
    assert d.commit(f'renew {six} 1200 3 {WAN6} 4000') == ['0']
    wait(lambda: peers() == [2, 2, 1, 0])
    table = net.table()
    assert f'udp . {LAN} . 5000 . {WAN} . 4000' in table, table
    # the next one takes them over; another ruleset of the same name does not stay
    d.end()
    d = Driver(net)
    assert listed() == sorted([f'{a} {same}', f'{a} {other}', f'{four} {same}'])
    d.end('clear')


def test_filters(net):
    """Mappings with filters, for old kernels and new ones: made, changed, renewed, ended, and read back as filters

    6887-13.3-03, 6887-13.3-15, 6887-13.3-16, 6887-13.3-19
    """
    d = Driver(net)

    def filtered():
        """Mappings with filters, and the pieces of their filters."""
        sets = {o[k]['name']: len(o[k].get('elem', [])) for k in ('map', 'set')
                for o in json.loads(net.nft('-j', 'list', 'table', 'inet', 'natpcpd'))['nftables'] if k in o}
        return [*(sets['filter-' + name] for name in ('dnat4', 'pin4', 'pin6')),
                sum(n for name, n in sets.items() if name.startswith('from'))]

    def listed():
        return sorted(' '.join(w[:6] + w[7:]) for w in map(str.split, d.ask('list')))
    a, b = nat(UDP, 5000, 5000), nat(TCP, 5001, 5001)
    six, four = f'pin 17 {LAN6} 5000 {LAN6} 5000', f'pin 17 {LAN} 5002 {LAN} 5002'
    one, two = 'filters=203.0.113.0/120:0', 'filters=203.0.113.0/120:443,203.0.113.7/128:0,198.51.100.0/120:53'
    for kernel in ('1 1', '1 0', '0 0'):
        d.ask('pretend ' + kernel)
        assert d.commit(f'add {a} 60000 {one}', f'add {b} 60000', f'add {six} 0 filters=2001:db8:2::/48:443',
                        f'add {four} 60000 {two}') == ['0'] * 4
        assert counts(net) == [1, 2, 0, 0] and filtered() == [1, 1, 1, 5], net.table()
        everything = sorted([f'{a} {one}', b, f'{six} filters=2001:db8:2::/48:443', f'{four} {two}'])
        assert [sorted(x.replace('=', ',').split(',')) for x in listed()] == \
            [sorted(x.replace('=', ',').split(',')) for x in everything], listed()
        # taken, inside or outside, and by itself
        assert d.commit(f'add {nat(UDP, 5000, 5009)} 60000 {one}', f'add {nat(UDP, 5009, 5000)} 60000 {one}',
                        f'add {a} 60000 {one}') == ['EEXIST'] * 3
        # others in their place, in one group; the second of its changes is refused, so the first is not done
        assert d.commit(f'remove {a} 0 1 {one}', f'add {a} 60000 1 {two}') == ['0', '0'] and filtered() == [1, 1, 1, 7]
        assert d.commit(f'remove {a} 0 1 {two}', f'add {nat(UDP, 5000, 5000)} 60000 1 {one}',
                        f'add {b} 60000 1') == ['EEXIST'] * 3 and filtered() == [1, 1, 1, 7]
        assert d.commit(f'remove {a} 0 1 {two}', f'add {a} 60000 1') == ['0', '0']
        assert counts(net) == [2, 2, 0, 0] and filtered() == [0, 1, 1, 4]
        assert d.commit(f'remove {a} 0 1', f'add {a} 1000000 1 {one}') == ['0', '0']
        # renewals are of every element
        assert d.commit(f'renew {four} 600000 1 {two}', f'renew {six} 700000 2 filters=2001:db8:2::/48:443') == ['0'] * 2
        for name, low in (('filter-pin4', 590000), ('from4-32', 590000), ('filter-pin6', 690000), ('from6-48', 690000)):
            left = [e['elem']['expires'] for e in elements(net, name)]
            assert left and all(low / 1000 <= x <= 701 for x in left), left
        # other families, and more than there may be
        assert d.commit(f'add {nat(UDP, 1, 1)} 600 1 filters=2001:db8::/32:0',
                        f'add pin 17 {LAN6} 1 {LAN6} 1 600 2 filters=203.0.113.0/120:0',
                        f'add {nat(UDP, 1, 1)} 600 3 filters=203.0.113.0/90:0',
                        f'add {nat(UDP, 2, 2)} 600 4 filters={",".join(["203.0.113.0/120:0"] * 33)}') == \
            ['EAFNOSUPPORT'] * 3 + ['E2BIG']
        assert d.commit(f'remove {a} 0 1 {one}', f'remove {b} 0 2', f'remove {four} 0 3 {two}',
                        f'remove {six} 0 4 filters=2001:db8:2::/48:443') == ['0'] * 4
        assert counts(net) == [0, 0, 0, 0] and filtered() == [0, 0, 0, 0], net.table()
    # as many as there can be, in one transaction with others; they are gone when their time is over
    most = ','.join(f'0.0.0.0/96:{i + 1}' for i in range(32))
    d.ask('pretend 1 1')
    assert d.commit(*(f'add {nat(UDP, 6000 + i, 6000 + i)} 60000 {i} filters={most}' for i in range(4))) == ['0'] * 4
    assert filtered() == [4, 0, 0, 4 * 512]
    assert [len(x.split('=')[1].split(',')) for x in listed()] == [32] * 4
    assert d.commit(*(f'renew {nat(UDP, 6000 + i, 6000 + i)} 1000 {i} filters={most}' for i in range(4))) == ['0'] * 4
    wait(lambda: filtered() == [0, 0, 0, 0])
    # pieces without their mapping are for nobody, a mapping without its pieces is too, and says so
    assert d.commit(f'add {a} 60000 1 {one}', f'add {six} 60000 2 filters=2001:db8:2::/48:443') == ['0'] * 2
    d.end()
    net.nft('delete', 'element', 'inet', 'natpcpd', 'from4-24', f'{{ udp . {EXT} . 5000 . 203.0.113.0 . 0 }}')
    net.nft('delete', 'element', 'inet', 'natpcpd', 'filter-pin6', f'{{ udp . {LAN6} . 5000 }}')
    d = Driver(net)
    assert listed() == [f'{a} filters=0.0.0.0/128:0']
    d.end('clear')


def test_all_ports(net):
    """All ports of a protocol, and of a host, beside single ones and beside each other (6887-11.3-05, 6887-11.3-07)"""
    d = Driver(net)

    def wide():
        return counts(net, 'protocol-pin4', 'protocol-pin6', 'host-pin4', 'host-pin6')
    udp6, gre, host, host6 = (f'pin {p} {a} 0 {a} 0' for p, a in ((17, LAN6), (47, LAN), (0, LAN), (0, LAN6)))
    one = f'pin 17 {LAN6} 4000 {LAN6} 4000'
    everything = sorted([udp6, gre, host, host6, one])
    assert d.commit(*(f'add {m} 60000' for m in everything)) == ['0'] * 5
    assert counts(net) == [0, 0, 0, 1] and wide() == [1, 1, 1, 1] and d.list() == everything, net.table()
    assert d.commit(f'add {udp6} 60000', f'add {host} 60000') == ['EEXIST'] * 2
    for destroy, update in ((None, None), (0, 0)):
        if update is not None:
            d.ask(f'pretend {destroy} {update}')
        assert d.commit(f'renew {gre} 600000', f'renew {host6} 600000') == ['0'] * 2
        assert d.remaining(gre) > 500000 and d.remaining(host6) > 500000 and d.remaining(host) <= 60000
    assert d.commit(f'remove {udp6}', f'remove {host}') == ['0'] * 2
    assert counts(net) == [0, 0, 0, 1] and wide() == [1, 0, 0, 1] and d.list() == sorted([gre, host6, one])
    # with filters they are elsewhere, and found with them
    some = 'filters=2001:db8:2::/48:443,2001:db8:3::/64:0'
    assert d.commit(f'add {udp6} 60000 1 {some}', f'add {host} 60000 2 filters=::ffff:203.0.113.0/120:0') == ['0'] * 2
    assert wide() == [1, 0, 0, 1] and counts(net, 'filter-protocol-pin6', 'filter-host-pin4') == [1, 1]
    d.end()
    d = Driver(net)
    assert d.list() == sorted([gre, host6, one, udp6, host])
    assert some in ' '.join(d.ask('list')), d.ask('list')
    assert d.commit(f'remove {udp6} 0 1 {some}', f'remove {host} 0 2 filters=::ffff:203.0.113.0/120:0') == ['0'] * 2
    assert d.list() == sorted([gre, host6, one]) and count(net, 'from6-48') == count(net, 'from4-24') == 0
    d.end('clear')


def test_timeouts(net):
    """The kernel ends a mapping by itself; 0 is for ever; a renewal counts from now also with the same time"""
    d = Driver(net)
    a, b, c, e = (nat(UDP, 5000 + i, 5000 + i) for i in range(4))
    assert d.commit(f'add {a} 300', f'add {b} 0', f'add {c} 60000', f'add {e} 400') == ['0'] * 4
    assert d.remaining(b) == 0 and 0 < d.remaining(c) <= 60000
    # by then it has lost 400 ms, and gets them back
    wait(lambda: d.list() == sorted([b, c]))
    begin = time.monotonic()
    assert d.commit(f'renew {c} 60000') == ['0']
    left = d.remaining(c)
    assert left > 60000 - 100 - 1000 * (time.monotonic() - begin), left
    # for ever and back
    assert d.commit(f'renew {b} 60000', f'renew {c} 0') == ['0'] * 2
    assert 0 < d.remaining(b) <= 60000 and d.remaining(c) == 0
    assert d.commit(f'renew {b} 500') == ['0']
    wait(lambda: d.list() == [c])
    # what the kernel ended can be made again at once
    assert d.commit(f'add {a} 60000', f'add {b} 60000') == ['0'] * 2
    d.end()


def test_older_kernels(net):
    """Without destroy (6.3) and timeouts that can be changed (6.12) the same is done in other words"""
    d = Driver(net)
    d.ask('pretend 0 0')
    a, b, c, pin = *(nat(UDP, 5000 + i, 5000 + i) for i in range(3)), f'pin 17 {LAN6} 5000 {LAN6} 5000'
    assert d.commit(f'add {a} 60000', f'add {b} 0', f'add {pin} 60000') == ['0'] * 3
    assert d.commit(f'renew {a} 600000', f'renew {b} 60000', f'renew {pin} 120000') == ['0'] * 3
    assert d.remaining(a) > 500000 and 0 < d.remaining(b) <= 60000 and d.remaining(pin) > 80000
    assert d.commit(f'renew {c} 60000', f'remove {c}') == ['ENOENT', 'ENOENT'] and counts(net) == [2, 2, 0, 1]
    # removals of what is not there, of what is, of what is half there
    assert d.commit(f'remove {c}', f'remove {pin}', f'add {nat(TCP, 1, 1)}') == ['0'] * 3
    assert counts(net) == [3, 3, 0, 0]
    assert d.commit('remove ' + nat(TCP, 1, 2), 'remove ' + nat(TCP, 2, 1)) == ['0'] * 2 and counts(net) == [2, 2, 0, 0]
    assert d.commit(f'renew {b} 500') == ['0']
    wait(lambda: d.list() == [a])
    assert d.commit(f'add {b}', f'remove {a}', f'remove {b}') == ['0'] * 3 and counts(net) == [0, 0, 0, 0]
    d.end()


def test_one_of_64(net):
    """One bad change among 64 is refused alone (6887-7.3-11)"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 4000, 4031, inside=LAN2)) == ['0']
    verdicts = d.commit(*('add ' + nat(UDP, 4000 + i, 4000 + i) for i in range(64)))
    assert verdicts == ['0'] * 31 + ['EEXIST'] + ['0'] * 32, verdicts
    assert counts(net) == [64, 64, 0, 0]
    # the inside is taken, not the outside: nothing of it stays
    assert d.commit('add ' + nat(UDP, 4000, 4999)) == ['EEXIST']
    assert counts(net) == [64, 64, 0, 0]
    d.end()


def test_groups(net):
    """A group stands or falls together, and so do later changes on its mappings"""
    d = Driver(net)
    a, b, c, e = (nat(TCP, 80 + i, 8080 + i) for i in range(4))
    taken = nat(TCP, 99, 8080)
    assert d.commit(f'add {a}') == ['0']
    assert d.commit(f'add {b} 60000 1', f'add {taken} 60000 1', f'add {c} 60000 2') == ['EEXIST', 'EEXIST', '0']
    assert d.list() == sorted([a, c])
    # a removal that is taken back
    assert d.commit(f'remove {a} 0 1', f'add {nat(TCP, 1, 8082)} 60000 1') == ['EEXIST'] * 2
    assert d.list() == sorted([a, c])
    # a move
    moved = nat(TCP, 80, 9090)
    assert d.commit(f'remove {a} 0 1', f'add {moved} 60000 1') == ['0'] * 2
    assert d.list() == sorted([moved, c])
    # later changes on a refused mapping, in another group
    assert d.commit(f'add {nat(TCP, 2, 9090)} 60000 1', f'remove {nat(TCP, 2, 9090)} 0 2', f'add {e} 60000 2',
                    f'add {b} 60000 3') == ['EEXIST'] * 3 + ['0']
    assert d.list() == sorted([moved, c, b])
    # what failed only because of a refused group is tried again
    assert d.commit(f'add {a} 60000 1', f'add {nat(TCP, 2, 9090)} 60000 1',
                    f'add {nat(TCP, 3, 8080)} 60000 2') == ['EEXIST', 'EEXIST', '0']
    d.end()


def test_runs(net):
    """Changes of one kind share messages; what the kernel refuses is told apart all the same, and order counts"""
    d = Driver(net)
    nats = [nat(UDP, 5000 + i, 5000 + i) for i in range(6)]
    pins = [f'pin 17 {LAN6} {5000 + i} {LAN6} {5000 + i}' for i in range(3)]
    ports = f'nat 6 {LAN} 7000-7003 {EXT} 7000'
    everything = [*nats[:2], pins[0], nats[2], ports, *pins[1:]]
    assert d.commit(*(f'add {m}' for m in everything)) == ['0'] * len(everything)
    assert d.list() == sorted(everything)
    # twice in one run, of which one is refused; the other kinds around it
    assert d.commit(f'remove {nats[0]}', f'remove {nats[0]}', f'add {nats[3]}', f'add {pins[0]}', f'add {nats[4]}',
                    f'add {nats[3]}', f'renew {nats[1]} 600000', f'renew {nats[1]} 700000') == \
        ['0', '0', '0', 'EEXIST', '0', 'EEXIST', '0', '0']
    assert d.list() == sorted([*everything[1:], *nats[3:5]]) and d.remaining(nats[1]) > 600000
    # a renewal of what is another's: in a run, it alone is refused
    other = nat(UDP, 5001, 5001, inside=LAN2)
    assert d.commit(f'renew {nats[2]} 800000', f'renew {other} 800000', f'renew {pins[1]} 800000') == ['0', 'EEXIST', '0']
    assert d.remaining(nats[2]) > 700000 and d.remaining(pins[1]) > 700000
    # one after the other
    assert d.commit(f'remove {nats[3]}', f'add {nats[5]}', f'remove {nats[5]}', f'add {nats[3]}') == ['0'] * 4
    assert nats[3] in d.list() and nats[5] not in d.list()
    assert d.commit(f'add {nats[5]}', f'renew {nats[5]}', f'remove {nats[5]}', f'add {nats[5]} 900000') == ['0'] * 4
    assert d.remaining(nats[5]) > 800000
    assert d.commit(*(f'remove {m}' for m in [*everything, *nats])) == ['0'] * 13
    assert d.list() == []
    d.end('clear')


def test_many(net):
    """Thousands of changes in one commit, a few of them refused"""
    d = Driver(net)
    bad = [7, 1999, 2000, 2048, 4000]
    assert d.commit(*('add ' + nat(UDP, 60000, 10000 + i, inside=f'198.18.0.{n}') for n, i in enumerate(bad))) == ['0'] * 5
    verdicts = d.commit(*('add ' + nat(UDP, 1000 + i, 10000 + i) for i in range(5000)))
    assert [i for i, v in enumerate(verdicts) if v != '0'] == bad
    assert counts(net) == [5000, 5000, 0, 0]
    assert d.commit(*('remove ' + nat(UDP, 1000 + i, 10000 + i) for i in range(5000))) == ['0'] * 5000
    # the bad ones went by their outside, which a removal names; their inside stays with nobody's
    assert counts(net)[0] == 0
    d.end('clear')


def test_large_group(net):
    """A group that is larger than a transaction usually is: all or nothing"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 9, 17000, inside=LAN2)) == ['0']
    group = ['add ' + nat(UDP, 1000 + i, 10000 + i) + ' 60000 7' for i in range(8000)]
    verdicts = d.commit('add ' + nat(UDP, 1, 1), *group, 'add ' + nat(UDP, 2, 2))
    assert verdicts == ['0'] + ['EEXIST'] * 8000 + ['0'] and counts(net)[:2] == [3, 3]
    assert d.commit('remove ' + nat(UDP, 9, 17000, inside=LAN2)) == ['0']
    assert d.commit(*group) == ['0'] * 8000 and counts(net)[:2] == [8002, 8002]
    d.end('clear')


def test_not_v4(net):
    """Address translation of IPv6 is refused, not garbled"""
    d = Driver(net)
    assert d.commit('add ' + nat(UDP, 1, 2, inside=LAN6), 'add ' + nat(UDP, 3, 4)) == ['EAFNOSUPPORT', '0']
    assert counts(net) == [1, 1, 0, 0]
    d.end()


def asked(d, *mappings):
    """What the driver says of these mappings when it is asked for them alone."""
    for m in mappings:
        d.ask(f'remove {m}')
    return sorted(' '.join(w[:6] + w[7:]) for w in map(str.split, d.ask('ask')))


def test_asked(net):
    """Mappings are found by their keys, whatever is inside, and among many that are not there"""
    d = Driver(net, extra=TWO)
    a, of_b, peer = nat(TCP, 80, 8080), nat(UDP, 5001, 50001, LAN2, EXT2), f'{nat(UDP, 5000, 5000)} 60000 1 {WAN} 4000'
    six, ports, four = f'pin 17 {LAN6} 5000 {LAN6} 5000', f'nat 17 {LAN} 7000-7007 {EXT} 7000', f'pin 6 {LAN} 22 {LAN} 22'
    everything = [a, f'{of_b} 60000 2 - 0 1', peer, six, ports, four, f'pin 0 {LAN6} 0 {LAN6} 0']
    found = sorted([a, f'{of_b} external 1', f'{nat(UDP, 5000, 5000)} 0 {WAN} 4000', six, ports, four,
                    f'pin 0 {LAN6} 0 {LAN6} 0'])
    assert asked(d, *everything) == []
    assert d.commit(*('add ' + m for m in everything)) == ['0'] * 7
    assert asked(d, *everything) == found, (asked(d, *everything), found)
    assert d.ask('count') == ['7']
    # what is there is told of, and not what was asked for: its inside, its external, its ports
    assert asked(d, nat(TCP, 99, 8080, LAN2)) == [a]
    assert asked(d, f'{of_b} 60000 2 - 0 0') == [of_b]
    assert asked(d, f'nat 17 {LAN} 7000-7003 {EXT} 7000') in ([], [ports])
    # by the inside
    assert asked(d, nat(TCP, 80, 0, outside='0.0.0.0'), nat(TCP, 81, 0, outside='0.0.0.0')) == [a]
    assert asked(d, f'{nat(UDP, 5001, 0, LAN2, "0.0.0.0")} 60000 2 - 0 1') == [f'{of_b} external 1']
    # those with filters are listed by themselves
    with_filter, two = nat(UDP, 5009, 50009, LAN2, EXT2), 'filters=203.0.113.0/120:443'
    assert d.ask('filtered') == []
    assert d.commit(f'add {with_filter} 60000 2 - 0 1 {two}') == ['0'] and asked(d, f'{with_filter} 60000 2 - 0 1') == []
    assert [' '.join(w[:6] + w[7:]) for w in map(str.split, d.ask('filtered'))] == [f'{with_filter} external 1 {two}']
    assert d.commit(f'remove {with_filter} 0 2 - 0 1 {two}') == ['0'] and d.ask('count') == ['7']
    # more than the kernel is asked for at once, each second of them missing
    assert d.commit(*('add ' + nat(UDP, 10000 + i, 10000 + i) for i in range(0, 5000, 2))) == ['0'] * 2500
    assert asked(d, *(nat(UDP, 10000 + i, 10000 + i) for i in range(5000))) == \
        sorted(nat(UDP, 10000 + i, 10000 + i) for i in range(0, 5000, 2))
    assert asked(d, *(nat(UDP, 20000 + i, 20000 + i) for i in range(3000))) == []
    assert d.ask('count') == ['2507'] and len(d.ask('list')) == 2507
    # what has ended is not found, and soon not counted
    assert d.commit(f'renew {a} 300') == ['0']
    wait(lambda: asked(d, a) == [])
    wait(lambda: d.ask('count') == ['2506'])
    d.end('clear')


def test_mirrors(net):
    """Each external has mirrors of its own; a mapping is listed with its external; an external that goes takes its mirrors"""
    d = Driver(net, extra=TWO)
    of_b = nat(UDP, 5001, 50001, LAN2, EXT2)
    assert d.commit('add ' + nat(UDP, 5000, 50000), f'add {of_b} 60000 7 - 0 1') == ['0', '0']
    assert counts(net) == [2, 1, 0, 0] and count(net, 'snat4-b') == 1
    assert sorted(d.ask('list'))[1].endswith('external 1') and 'external' not in sorted(d.ask('list'))[0], d.ask('list')
    # whatever their order is in the configuration, and in another process
    d.end()
    d = Driver(net, before=TWO)
    assert [x.endswith('external 1') for x in sorted(d.ask('list'))] == [True, False], d.ask('list')
    assert d.commit(f'remove {of_b} 0 7') == ['0'] and count(net, 'snat4-b') == 0
    assert d.commit(f'add {of_b} 60000 7') == ['0'] and count(net, 'snat4-b') == 1
    d.ask('reload ' + d.conf(''))
    assert count(net, 'snat4-b') == count(net, 'peer-snat4-b') == -1 and counts(net) == [2, 1, 0, 0]
    assert d.commit(f'remove {of_b} 0 7 - 0 9') == ['0'] and counts(net) == [1, 1, 0, 0]
    # many of them, with names that nft has no words for
    many = ''.join(f'external "Anschluß {i} \\"{"x" * 40}" {{ interface = "ppp{i}" }}\n' for i in range(250))
    d.ask('reload ' + d.conf('', extra=many))
    assert counts(net) == [1, 1, 0, 0] and net.table().count('map snat4-') == 251
    d.ask('reload ' + d.conf(''))
    d.ask('reload ' + d.conf(''))
    d.end()


lab.main(globals())
