#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""judge_ctl.py BUILD   natpcpctl without a server: what it says of a configuration, and whether shells and its manual page know it."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.join(HERE, '../../..')
sys.path.insert(0, os.path.join(TREE, 'tests/lab'))
import parts

BUILD = os.path.abspath(sys.argv[1])
CTL = os.path.join(BUILD, 'natpcpctl')
COMPLETION = os.path.join(TREE, 'conf/completion/natpcpctl.')
LAN = '192.0.2.11'


def run(*argv, **options):
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, **options)


def usage():
    """What natpcpctl says of itself: its commands with their options, and the options that go with all."""
    out = run(CTL, 'help').stdout
    commands, everywhere = out.split('For all commands:')
    everywhere = options(everywhere)
    own = {}
    for name in re.findall(r'^  (\w+) ', commands, re.M):
        own[name] = options(run(CTL, 'help', name).stdout.split('For all commands:')[0])
    assert {'status', 'leases', 'help'} <= set(own) and '--client' in own['leases'] and '--json' in everywhere
    return own, everywhere


def options(text):
    lines = re.findall(r'^  (-.*?)  ', text, re.M)
    return {word for line in lines for word in re.findall(r'(?:^|, )(-[-\w]+)', line)}


def t_check_as_natpcpd():
    """natpcpctl check: the messages of natpcpd -t, exit code 0 or 2, without a server"""
    good_text = open(os.path.join(TREE, 'conf/natpcpd.conf')).read()
    path = os.path.join(WORK, 'it.conf')
    for text, good in ((good_text, True), ('nonsense', False), (good_text.replace('allow', 'alow'), False), ('', False)):
        with open(path, 'w') as f:
            f.write(text)
        said = run(CTL, 'check', path)
        daemon = run(os.path.join(BUILD, 'natpcpd'), '-t', '-c', path)
        assert (said.returncode, said.stdout, said.stderr) == (daemon.returncode, daemon.stdout, daemon.stderr), said
        assert said.returncode == (0 if good else 2) and bool(said.stderr) != good
        x = json.loads(run(CTL, '--json', 'check', path).stdout)
        assert (x['schema'], x['good'], x['file']) == (1, good, path), x
        if not good:
            assert x['error'] == said.stderr.strip() and f'{path}:{x["line"]}:' in x['error'], x
    p = run(CTL, 'check', path + '.none')
    assert p.returncode == 2 and 'No such file' in p.stderr


def complete_bash(*words):
    script = f'. {COMPLETION}bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _natpcpctl; printf "%s\\n" "${{COMPREPLY[@]}}"'
    p = run('bash', '-c', script, 'bash', 'natpcpctl', *words)
    assert p.returncode == 0 and not p.stderr, p
    return p.stdout.split()


def t_bash_completion():
    """What bash completes are the commands and options that there are"""
    own, everywhere = usage()
    assert set(complete_bash('')) == set(own) == set(complete_bash('help', ''))
    assert complete_bash('-s', '/x', 'le') == ['leases']
    for command, options in own.items():
        assert set(complete_bash(command, '-')) == options | everywhere, command
    assert set(complete_bash('-')) == everywhere
    assert complete_bash('explain', LAN, 'ud') == ['udp', 'udplite']
    assert complete_bash('watch', '--types', 'made,ren') == ['made,renewed']
    assert complete_bash('leases', '--sort', 'cl') == ['client'] == complete_bash('leases', '--sort', '=', 'cl')
    assert 'expires' in complete_bash('leases', '--sort', '=')
    assert complete_bash('check', COMPLETION + 'ba') == [COMPLETION + 'bash']


def t_zsh_completion():
    """What zsh completes are the commands and options that there are"""
    if not shutil.which('zsh'):
        return 'zsh is not installed'
    assert run('zsh', '-n', COMPLETION + 'zsh').returncode == 0
    own, everywhere = usage()
    # what zsh would offer, as the function says it to zsh
    script = f'''
_arguments() {{ [[ $1 == -C ]] && {{ state=$STATE; return 1; }}; print -rl -- "$@"; }}
_describe() {{ print -rl -- $commands; }}
words=("$@"); . {COMPLETION}zsh'''

    def told(state, *words):
        p = run('zsh', '-fc', script, 'zsh', *words, env={**os.environ, 'STATE': state})
        assert p.returncode == 0 and not p.stderr, p
        return p.stdout
    assert set(re.findall(r'^(\w+):', told('command'), re.M)) == set(own)
    for command, options in own.items():
        found = set(re.findall(r'^(?:\(.*?\))?(-[-\w]+)', told('argument', command), re.M))
        assert found == options | everywhere, (command, found ^ (options | everywhere))


def t_fish_completion():
    """What fish completes are the commands and options that there are"""
    if not shutil.which('fish'):
        return 'fish is not installed'

    def complete(line):
        p = run('fish', '-N', '-c', f'source {COMPLETION}fish; complete -C {json.dumps(line)}',
                env={**os.environ, 'HOME': WORK, 'XDG_CONFIG_HOME': WORK})
        assert p.returncode == 0 and not p.stderr, p
        return {x.split('\t')[0] for x in p.stdout.splitlines()}
    own, everywhere = usage()
    assert complete('natpcpctl ') == set(own)
    for command, options in own.items():
        assert complete(f'natpcpctl {command} -') == options | everywhere, command
    assert complete('natpcpctl watch --types made,ren') == {'made,renewed'}


def t_manual_page():
    """natpcpctl(8) has every command, option, order and event, and mandoc finds nothing wrong with it"""
    page = os.path.join(TREE, 'server/natpcpctl.8')
    text = open(page).read()
    own, everywhere = usage()
    assert set(re.findall(r'^\.Ss (\w+)$', text[text.index('.Sh COMMANDS'):text.index('.Sh JSON')], re.M)) == set(own)
    for command, options in own.items():
        section = re.search(rf'^\.Ss {command}$(.*?)^\.S[sh] ', text, re.M | re.S).group(1)
        named = {'-' + x for x in re.findall(r'(?:Fl|\|) (-?[a-z0-9][-a-z]*)', section)}
        assert options <= named, (command, options - named)
    for option in everywhere:
        assert f'Fl {option[1:]}' in text, option
    for name in re.search(r'by (.*)', run(CTL, 'help', 'leases').stdout).group(1).replace(' or ', ', ').split(', '):
        assert re.search(rf'^\.Cm {name}( [,.])?$', text, re.M), name
    p = run(CTL, 'watch', '--types', 'none')
    for name in re.search(r'but (\S+)', p.stderr).group(1).split(','):
        assert f'.It Cm {name}\n' in text, name
    if shutil.which('mandoc'):
        p = run('mandoc', '-Tlint', '-Wwarning', page)
        assert p.returncode == 0 and not p.stdout, p.stdout


with tempfile.TemporaryDirectory() as WORK:
    sys.exit(0 if parts.play(globals()) else 1)
