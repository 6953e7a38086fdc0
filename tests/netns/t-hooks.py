#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs of the operator that are told what happens: what they get, and that nobody waits for them."""
import glob
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../lab'))
import lab
import pcp
from lab import EXT, EXT2, LAN, conf, wait
from pcp import NOT_AUTHORIZED, SUCCESS, TCP, UDP

PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

# A run is a line of JSON, or, of one that waits at the gate, one at its beginning and one at its end.
REPORT = '''#!/usr/bin/python3 -IS
import json, os, time
def say(**more):
    fd = os.open('@DIR@/told', os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(fd, (json.dumps(dict(more, pid=os.getpid())) + '\\n').encode())
    os.close(fd)
def status():
    return dict(x.rstrip('\\n').split(':\\t', 1) for x in open('/proc/self/status') if ':\\t' in x)
'''
TELL = REPORT + '''import sys
fds = {n: os.readlink('/proc/self/fd/' + n) for n in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + n)}
# python adds to os.environ
env = dict(x.split('=', 1) for x in open('/proc/self/environ').read().split('\\0') if x)
say(argv=sys.argv, env=env, status=status(), fds=fds, cwd=os.getcwd(), group=os.getpgid(0))
'''
GATE = REPORT + '''e = os.environ
what = [e['NATPCPD_EVENT'], e['NATPCPD_INTERNAL_ADDRESS'], e['NATPCPD_INTERNAL_PORT']]
say(begin=what)
os.close(os.open('@DIR@/gate', os.O_RDONLY))
say(end=what)
'''
# Neither the process nor the one that it leaves in its group ends when it is asked to.
HANG = REPORT + '''import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child:
    say(event=os.environ['NATPCPD_EVENT'], child=child)
time.sleep(1000)
'''
# It ends at once, and leaves a child behind.
LEAVE = REPORT + '''child = os.fork()
if child:
    say(child=child)
else:
    time.sleep(1000)
'''


def script(net, name, text):
    """Makes a program, which others than root can read and run; its path."""
    path = os.path.join(net.dir, name)
    with open(path, 'w') as f:
        f.write(text.replace('@DIR@', net.dir))
    os.chmod(path, 0o755)
    with open(os.path.join(net.dir, 'told'), 'a') as f:
        os.chmod(f.name, 0o666)
    os.chmod(net.dir, 0o777)
    return path


class Gate:
    """Programs wait at it until it is opened; those that come later pass."""

    def __init__(self, net):
        self.path = os.path.join(net.dir, 'gate')
        os.mkfifo(self.path)

    def open(self):
        # opened for reading and writing, a FIFO has both ends
        self.fd = os.open(self.path, os.O_RDWR)


def hook(path, *events, name='test', more=''):
    return f'hook "{name}" {{ exec = "{path}"  events = {{ {", ".join(events)} }}  {more} }}'


def told(net, n=0):
    """What the programs said, when there are n lines of it at least."""
    def read():
        with open(os.path.join(net.dir, 'told')) as f:
            lines = [json.loads(x) for x in f]
        return lines if len(lines) >= n else None
    return wait(read, 60, f'{n} lines from hooks') or []


def alive(pid):
    """True unless the process is gone or a zombie."""
    try:
        with open(f'/proc/{pid}/stat') as f:
            return f.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def test_environment(net):
    """The environment is what the shipped configuration says, and nothing else"""
    path = script(net, 'tell', TELL)
    rule = 'rule "low ports" { action = deny  internal-ports = { "1-1000" } }\nrule "hosts" { action = allow }'
    text = conf(hook(path, 'made', 'renewed', 'ended', 'moved', 'refused', 'external', 'reload', name='a hook'), rule=rule)
    d = net.daemon(text)
    c, n = net.client(), 0

    def next_one(event, **more):
        nonlocal n
        n += 1
        x = told(net, n)[n - 1]
        assert x['argv'] == [path, event], x
        env = {'PATH': PATH, 'NATPCPD_HOOK': 'a hook', 'NATPCPD_EVENT': event}
        env.update(('NATPCPD_' + k, str(v)) for k, v in more.items())
        assert x['env'] == env, (x['env'], env)
        return x
    next_one('external', EXTERNAL='wan', INTERFACE='wan0', STATE='ok', EXTERNAL_ADDRESS=EXT)
    mapping = {'PROTOCOL': 'udp', 'INTERNAL_ADDRESS': LAN, 'INTERNAL_PORT': 4000, 'EXTERNAL_ADDRESS': EXT,
               'EXTERNAL_PORT': 40000}
    # a text of the client's, with all that shells love
    evil = pcp.description('$(reboot) `id` ;\n"\' \\ \x1b[2J')
    secret = pcp.nonce()
    assert c.map(UDP, 4000, 40000, lifetime=600, options=[evil], nonce=secret).result == SUCCESS
    x = next_one('made', BY='pcp', CLIENT=LAN, LIFETIME=600, RULE='hosts', **mapping)
    assert c.map(UDP, 4000, 40000, lifetime=700, nonce=secret).result == SUCCESS
    next_one('renewed', BY='pcp', CLIENT=LAN, LIFETIME=700, RULE='hosts', **mapping)
    assert c.map(TCP, 80, 8080).result == NOT_AUTHORIZED
    next_one('refused', BY='pcp', CLIENT=LAN, PROTOCOL='tcp', INTERNAL_ADDRESS=LAN, INTERNAL_PORT=80, EXTERNAL_PORT=8080,
             OPCODE='MAP', RESULT='NOT_AUTHORIZED', RULE='low ports', WHY='denied by rule')
    net.ip('gw', 'addr', 'add', EXT2 + '/24', 'dev', 'wan0')
    net.ip('gw', 'addr', 'del', EXT + '/24', 'dev', 'wan0')
    events = {x['env']['NATPCPD_EVENT'] for x in told(net, n + 2)[n:]}
    assert events == {'external', 'moved'}, events
    n += 2
    for x in told(net)[n - 2:]:
        assert x['env']['NATPCPD_EXTERNAL_ADDRESS'] == EXT2, x['env']
    mapping['EXTERNAL_ADDRESS'] = EXT2
    assert c.map(UDP, 4000, lifetime=0, nonce=secret).result == SUCCESS
    next_one('ended', CLIENT=LAN, RULE='hosts', WHY='deleted by its client', **mapping)
    d.reload(text)
    next_one('reload')
    # a pool of addresses that the internet does not know; none of them is on any interface
    d.reload(text.replace('interface = "wan0"', 'addresses = { "10.7.0.1" }  private-address = "refuse"'))
    last = told(net, n + 2)[n:]
    n += 2
    env = {x['env']['NATPCPD_EVENT']: x['env'] for x in last}
    assert set(env) == {'external', 'reload'}, last
    assert env['external']['NATPCPD_STATE'] == 'private' and env['external']['NATPCPD_REFUSED_ADDRESS'] == '10.7.0.1', env
    assert 'NATPCPD_EXTERNAL_ADDRESS' not in env['external'] and env['external']['NATPCPD_WHY'], env
    assert n == len(told(net)), told(net)[n:]
    assert not any(isinstance(v, str) and 'reboot' in v for x in told(net) for v in x['env'].values())


def test_nothing_is_passed_on(net):
    """No capabilities, however natpcpd was started: as root, as a user, or with ambient ones as by the unit"""
    path = script(net, 'tell', TELL)
    ambient = ('setpriv', '--reuid=nobody', '--clear-groups', '--inh-caps=+net_admin,+net_raw',
               '--ambient-caps=+net_admin,+net_raw')
    ways = [('root', '', ()), ('user', 'nobody', ()), ('unit', 'nobody', ambient)]
    for i, (way, user, prefix) in enumerate(ways):
        if prefix:
            for f in glob.glob(os.path.join(net.dir, 'natpcpd.conf')):
                os.chmod(f, 0o644)
        d = net.daemon(conf(hook(path, 'made'), process=f'process {{ user = "{user}" }}'), prefix=prefix)
        assert net.client().map(UDP, 4000 + i, 40000 + i).result == SUCCESS
        x = told(net, i + 1)[i]
        s = x['status']
        for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
            # who is no root cannot narrow the bounding set, nor use it
            if not (name == 'CapBnd' and prefix):
                assert int(s[name], 16) == 0, (way, name, s[name])
        assert s['NoNewPrivs'] == '1' and int(s['SigBlk'], 16) == 0, (way, s)
        # python ignores the first two itself; the others are the C library's own, and stay as whoever started this had them
        assert int(s['SigIgn'], 16) & ~(1 << 12 | 1 << 24 | 3 << 31) == 0, (way, s["SigIgn"])
        fds = {n: f for n, f in x['fds'].items() if not f.startswith('/proc/')}
        assert fds == {'0': '/dev/null', '1': '/dev/null', '2': '/dev/null'}, (way, fds)
        assert x['cwd'] == '/' and x['group'] == x['pid'], (way, x)
        assert (s['Uid'].split()[0] == '0') == (way == 'root'), (way, s['Uid'])
        assert d.stop() == 0


def test_order(net):
    """Of one mapping one event is told at a time, in order; of several, so many at once as limits.hooks says"""
    gate, path = Gate(net), script(net, 'wait', GATE)
    net.daemon(conf(hook(path, 'made', 'renewed', 'ended') + '\nlimits { hooks = 3 }'))
    c = net.client()
    assert c.natpmp(UDP, 4000, 40000).result == SUCCESS
    for _ in range(5):
        assert c.natpmp(UDP, 4000, 40000, lifetime=700).result == SUCCESS
    for i in range(1, 6):
        assert c.natpmp(UDP, 4000 + i, 40000 + i).result == SUCCESS
    assert c.natpmp(UDP, 4000, 0, lifetime=0).result == SUCCESS
    assert c.natpmp(UDP, 4000, 40000).result == SUCCESS
    told(net, 3)
    gate.open()
    wait(lambda: sum('end' in x for x in told(net)) == sum('begin' in x for x in told(net)) == 9)
    running, most, of_4000 = [], 0, []
    for x in told(net):
        if 'begin' in x:
            assert x['begin'][1:] not in running, 'two of one mapping at once'
            running.append(x['begin'][1:])
            most = max(most, len(running))
            if x['begin'][2] == '4000':
                of_4000.append(x['begin'][0])
        else:
            running.remove(x['end'][1:])
    assert most == 3, most
    # renewals that waited are one; what came between is told
    assert of_4000 == ['made', 'renewed', 'ended', 'made'], of_4000


def test_time_limit(net):
    """A program that hangs, and ignores that it is asked to end, is killed with its children; nobody waits meanwhile"""
    path = script(net, 'hang', HANG)
    d = net.daemon(conf(hook(path, 'made', more='timeout = 1h') + '\nlimits { hooks = 1 }'))
    c = net.client()
    assert c.map(UDP, 4000, 40000).result == SUCCESS
    x = told(net, 1)[0]
    assert alive(x['pid']) and alive(x['child'])
    for i in range(50):
        assert c.map(UDP, 5000 + i, 41000 + i).result == SUCCESS
    assert alive(x['pid'])
    assert d.stop() == 0
    # a second, in which the program must have begun: on a busy machine the next one may be the first that has
    d = net.daemon(conf(hook(path, 'made', more='timeout = 1') + '\nlimits { hooks = 1 }'))
    over = r'hook-failed hook=test of=made why="ended for its time limit"'
    for i in range(20):
        assert c.map(UDP, 6000 + i, 42000 + i).result == SUCCESS
    x = told(net, 2)[1]
    d.logged(over)
    wait(lambda: not alive(x['pid']) and not alive(x['child']))
    # the next one has its turn
    assert told(net, 3)[2]['event'] == 'made'


def test_leaves_none(net):
    """What a program leaves behind in its process group ends with it"""
    path = script(net, 'leave', LEAVE)
    net.daemon(conf(hook(path, 'made')))
    assert net.client().map(UDP, 4000, 40000).result == SUCCESS
    child = told(net, 1)[0]['child']
    wait(lambda: not alive(child))


def test_flood(net):
    """Many refusals of a host are one in a while, and what is too much for the queue is dropped, and said; hosts are served"""
    Gate(net)
    path = script(net, 'wait', GATE)
    tell = script(net, 'tell', TELL)
    d = net.daemon(conf(hook(path, 'made', 'ended') + hook(tell, 'refused', name='refusals') +
                        '\nlimits { hooks = 1  requests-per-second = 0  mappings-per-client = 2000 }',
                        rule='rule "low" { action = deny  internal-ports = { "1-1000" } }\nrule "hosts" { action = allow }',
                        log='log { level = "info" }'))
    c, other = net.client(), net.client('lan2')
    begin = time.monotonic()
    assert other.map(UDP, 3000, 30000).result == SUCCESS
    for i in range(30):
        assert c.natpmp(UDP, 10 + i, 0).result == NOT_AUTHORIZED
    for i in range(400):
        assert c.natpmp(UDP, 4000 + i, 20000 + i).result == SUCCESS
    d.logged('hook-dropped of=made waiting=[0-9]+ why="too many of one client wait"')
    # the first of a kind, and each 10 s another
    assert 1 <= sum('hook-dropped' in x for x in d.lines) <= 1 + (time.monotonic() - begin) / 10
    # one host's many leave room for the others
    assert other.map(UDP, 3001, 30001).result == SUCCESS
    assert len([x for x in told(net) if x.get('env', {}).get('NATPCPD_EVENT') == 'refused']) <= 1
    assert len(d.leases()) == 402
    x = d.status()['hooks']
    assert 29 - (time.monotonic() - begin) / 10 <= x['limited'] <= 29 and x['dropped'] > 100 and x['running'] == 1 and x['waiting'] <= 1024, x


def test_reload_and_stop(net):
    """A reload changes hooks, or is refused; the end of natpcpd is the end of them, and nothing waits long for it"""
    tell, hang = script(net, 'tell', TELL), script(net, 'hang', HANG)
    d = net.daemon(conf(hook(tell, 'ended')))
    c = net.client()
    assert c.natpmp(UDP, 4000, 40000).result == SUCCESS
    d.reload(conf(hook(net.dir + '/absent', 'made')))
    d.logged(r'reload-failed.*natpcpd.conf:[0-9]+: hook .*test.*: exec: .*absent.*: No such file')
    os.chmod(tell, 0o644)
    d.write(conf(hook(tell, 'made')))
    p = net.run('gw', os.path.join(lab.BUILD, 'natpcpd'), '-t', '-c', d.path)
    assert p.returncode == 2 and p.stderr.endswith('is not executable\n') and ' exec: ' in p.stderr, p.stderr
    os.chmod(tell, 0o755)
    d.write(conf(hook(net.dir, 'made')))
    p = net.run('gw', os.path.join(lab.BUILD, 'natpcpd'), '-t', '-c', d.path)
    assert p.returncode == 2 and p.stderr.endswith('is not a file\n'), p.stderr
    assert c.natpmp(UDP, 4000, 0, lifetime=0).result == SUCCESS
    assert told(net, 1)[0]['env']['NATPCPD_EVENT'] == 'ended'
    d.reload(conf(hook(hang, 'made', more='timeout = 1h')))
    assert c.natpmp(UDP, 4001, 40001).result == SUCCESS
    x = told(net, 2)[1]
    assert d.stop() == 0
    wait(lambda: not alive(x['pid']) and not alive(x['child']))


def test_exit_code(net):
    """Another exit code than 0, and a program that is no program, are a line in the log"""
    path = script(net, 'bad', '#!/bin/sh\nexit 3\n')
    d = net.daemon(conf(hook(path, 'made')))
    c = net.client()
    assert c.natpmp(UDP, 4000, 40000).result == SUCCESS
    d.logged('hook-failed hook=test of=made why="exit code 3"')
    x = d.status()['hooks']
    assert (x['runs'], x['failures'], x['dropped'], x['waiting'], x['running']) == (1, 1, 0, 0, 0), x
    assert 'hooks           1 run, 1 failure\n' in d.ctl('status').stdout
    shown = d.ctl('metrics').stdout
    assert '\nnatpcpd_hooks_runs_total 1\n' in shown and '\nnatpcpd_hooks_failures_total 1\n' in shown, shown
    assert d.stop() == 0
    path = script(net, 'none', 'no program\n')
    d = net.daemon(conf(hook(path, 'made')))
    assert c.natpmp(UDP, 4001, 40001).result == SUCCESS
    d.logged('hook-failed hook=test of=made why="Exec format error"')


lab.main(globals())
