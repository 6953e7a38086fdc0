# SPDX-License-Identifier: GPL-2.0-or-later
"""The misfortunes. Each does one thing to the world, tells the model what it means, and what must be so of the epochs."""
import os
import shutil
import signal
import time

import journal
from hosts import V4, V6
from lab import EXT, EXT2, LAN, LAN2, wait
from model import GRACE_S, SLACK_S
from world import GROUPS

GO, ANEW, EITHER = 'goes on', 'starts anew', 'either'
EPOCHS = {(GO, GO): 'go on', (ANEW, GO): "PCP's goes on", (ANEW, ANEW): 'start anew'}  # in the daemon's log
FOREIGN_BOOTS = [bytes([n]) * 16 for n in range(1, 250)]


def hosts_of(groups):
    low = {0: (16, 32), 1: (32, 48), 2: (48, 64)}
    found = set()
    for g in groups:
        found |= {h for h in V4 if low[g][0] <= int(h.split('.')[3]) < low[g][1]} if g in low else \
            {h for h in V6 if int(h.rpartition(':')[2], 16) < 0x200}
    return found


class Fate:
    """What the seed says happens next."""

    def __init__(self, world, model, dice, load):
        self.world, self.model, self.dice, self.load = world, model, dice, load
        self.kills = self.starts = 0

    # how often each is drawn
    CHOICE = {'kill': 24, 'kill_in_burst': 24, 'terminate': 6, 'reload': 6, 'rules_while_dead': 4, 'flush': 3, 'wan': 3,
              'wan_in_burst': 2, 'wan_away': 2, 'wan_while_dead': 3, 'disk_full': 3, 'disk_full_then_free': 3, 'directory_gone': 3,
              'reboot': 6, 'table_gone': 3, 'journal_gone': 2, 'journal_damaged': 3, 'all_gone': 2, 'damaged_reboot': 2,
              'long_dead': 1}

    def next(self):
        name = self.dice.choices(list(self.CHOICE), list(self.CHOICE.values()))[0]
        return name, getattr(self, name)

    # Ends and starts

    def kill(self):
        self.die(signal.SIGKILL)
        return self.rise()

    def terminate(self):
        self.die(signal.SIGTERM)
        return self.rise()

    def kill_in_burst(self):
        """The answers to some of many requests are never heard."""
        self.load(after=self.dice.randrange(30), then=lambda: self.die(signal.SIGKILL, False))
        self.check_dead()
        return self.rise()

    def die(self, sig, check=True):
        self.kills += sig == signal.SIGKILL
        self.world.end(sig)
        if check:
            self.check_dead()

    def check_dead(self):
        """The packet filter goes on alone: what was answered is there, and what has long expired is not."""
        now = time.monotonic()
        k = self.world.kernel()
        assert k, 'the table went with the daemon'
        for key, e in self.model.sure().items():
            assert self.model.agrees(e, k[0].get(key, (None, None))), ('not in the packet filter, the daemon being dead', key, e, k[0].get(key))
        for key in k[0]:
            e = self.model.entries.get(key)
            ended = [x for x in self.model.graves[-30:] if x == (key[0], k[0][key])]
            assert e and e.high + GRACE_S + SLACK_S > now or not e and ended, \
                ('in the packet filter without an answer, the daemon being dead', key, k[0][key], e)

    def rise(self, wan=None, full=False):
        """Starts it with what there is, and says what the epochs must do. wan: the outside address is another now."""
        past = self.world.past()
        same = past.boot is not None and past.boot == self.boot()
        table = self.world.kernel() is not None
        epochs = judged = self.judge(past, same, table)
        if wan:
            self.model.move(wan)
            if epochs[1] == GO:
                epochs = (epochs[0], ANEW if any(':' not in k[1] for k in self.model.sure()) else EITHER)
        before = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000
        self.world.start()
        self.starts += 1
        # younger than clients can tell apart, it is as wrong
        said = self.world.daemon.logged('event=journal-read .*epochs="(.*)"')
        assert said[1] == EPOCHS[judged], ('the journal is judged otherwise', judged, past.found, said.string)
        if past.found == 'whole' and not wan and not self.changed:
            self.check_replay(past, same, before)
        self.changed = False
        return epochs

    changed, detail = False, ''  # the rules are others than when the journal was written; more of what happened

    @staticmethod
    def boot():
        with open('/proc/sys/kernel/random/boot_id') as f:
            return bytes.fromhex(f.read().strip().replace('-', ''))

    def judge(self, past, same, table):
        """What the next start has to go on from, and what that means for what was answered."""
        m = self.model
        if past.found == 'whole':
            for key, e in m.sure().items():
                there = self.of(past, key)
                assert there and m.agrees(e, there), ('the journal says that it is whole, but lacks', key, e, there)
            if same:
                return GO, GO
            known = time.time() * 1000 >= past.wall_ms + max(0, past.last_ms - past.state_ms)
            if known and (past.clean or past.always):
                return ANEW, GO
            m.open_nonces()
            return ANEW, ANEW
        if table:
            m.adopted()
        elif past.found == 'none':
            m.lose_all()
        else:
            # what stands at the start of the file comes back, be it ended or not
            for key in list(m.entries):
                m.doubt(key, 0)
            for key, lease in past.leases.items():
                for i in range(lease.more + 1):
                    m.doubt((key[0], key[1], key[2] + i, key[3]), 3600)
            for key in [k for k in m.entries if k[1] in m.denied]:
                m.forget(key)
            m.open_nonces()
        return ANEW, ANEW

    @staticmethod
    def of(past, key):
        for (protocol, address, port, remote), x in past.leases.items():
            if (protocol, address, remote) == (key[0], key[1], key[3]) and port <= key[2] <= port + x.more:
                return x.external[0], x.external[1] + key[2] - port
        return None

    def check_replay(self, past, same, now_ms):
        """A start from a whole journal has just what is in it."""
        shown = self.world.shown()[0]
        # the start, too, may have taken its time
        later = time.clock_gettime(time.CLOCK_BOOTTIME) * 1000 - now_ms
        elapsed = 0 if same else max(0, time.time() * 1000 - past.wall_ms - max(0, past.last_ms - past.state_ms))
        now = now_ms if same else past.last_ms + elapsed
        told = {}
        for (protocol, address, port, remote), x in past.leases.items():
            for i in range(x.more + 1):
                told[protocol, address, port + i, remote] = (x.external[0], x.external[1] + i), x.expires_ms
        for key, (external, expires_ms) in told.items():
            assert shown.get(key) == external or expires_ms < now + later + 5000, ('in the journal, but not shown', key, external, shown.get(key))
        for key in shown:
            if key[1] in (LAN, LAN2):
                continue  # the programs there may have asked by now
            assert key in told and told[key][1] > now - 5000, ('shown, but not in the journal', key, shown[key])

    # The configuration

    def draw_rules(self):
        groups = tuple(g for g in range(len(GROUPS)) if self.dice.random() < 0.3)
        self.world.sync = self.dice.choice(('always', 'interval', 'none'))
        return groups

    def reload(self):
        groups = self.draw_rules()
        self.world.denied = groups
        self.world.reload()
        self.model.deny(hosts_of(groups))
        return GO, GO

    def rules_while_dead(self):
        groups = self.draw_rules()
        self.die(signal.SIGKILL)
        self.world.denied = groups
        self.changed = True
        epochs = self.rise()
        self.model.deny(hosts_of(groups))
        return epochs

    # The packet filter

    def flush(self):
        mine = self.world.owned()
        mark = len(self.world.daemon.lines)
        self.world.flush()
        if mine:
            return GO, GO
        self.world.daemon.logged('ruleset-lost', start=mark)
        self.model.open_nonces()
        return ANEW, ANEW

    def table_gone(self):
        """Somebody removes the table while the daemon is dead. The next one is nobody's, or the daemon's."""
        mine = self.dice.random() < 0.5
        self.die(signal.SIGKILL)
        assert self.world.table_gone()
        self.world.forget_flows()
        epochs = self.rise()
        if not mine:
            self.disown()
        return epochs

    def disown(self):
        self.die(signal.SIGKILL)
        assert self.world.table_gone()
        self.world.net.nft('add', 'table', 'inet', 'natpcpd')
        self.rise()

    # The outside address

    def other(self):
        return EXT2 if self.world.address == EXT else EXT

    def wan(self):
        address = self.other()
        self.world.wan(address)
        self.model.move(address)
        return GO, ANEW

    def wan_in_burst(self):
        address = self.other()
        self.load(after=self.dice.randrange(30), then=lambda: self.world.wan(address))
        self.model.move(address)
        return GO, ANEW

    def wan_away(self):
        old = self.world.address
        self.world.wan(None)
        self.load()
        self.world.wan(old)
        self.model.move(old)
        return GO, ANEW

    def wan_while_dead(self):
        address = self.other()
        self.die(signal.SIGKILL)
        self.world.wan(address)
        return self.rise(wan=address)

    # The disk

    def disk_full(self):
        """And it dies while that is so, or ends."""
        sig = self.dice.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        rounds, freed = self.dice.randrange(1, 4), self.dice.random() < 0.3
        self.world.fill_disk()
        for _ in range(rounds):
            self.load()
        if freed:
            self.world.free_disk()
        self.die(sig)
        epochs = self.rise()
        self.world.free_disk()
        return epochs

    def disk_full_then_free(self):
        """It goes on alive, behind or whole again whenever it dies the next time."""
        self.world.fill_disk()
        self.load()
        self.world.free_disk()
        return GO, GO

    def directory_gone(self):
        rounds, sig = self.dice.randrange(3), self.dice.choice((signal.SIGKILL, signal.SIGTERM))
        shutil.rmtree(os.path.dirname(self.world.path))
        for _ in range(rounds):
            self.load()
        self.die(sig)
        return self.rise()

    def journal_gone(self):
        self.die(signal.SIGKILL)
        os.unlink(self.world.path)
        return self.rise()

    def damage(self):
        where, bit, cut = self.dice.random(), self.dice.randrange(8), self.dice.random() < 0.5
        if not os.path.exists(self.world.path):
            return
        size = os.path.getsize(self.world.path)
        at = int(where * size)
        with open(self.world.path, 'r+b') as f:
            if cut:
                f.truncate(at)
                return
            f.seek(at)
            c = f.read(1)
            f.seek(at)
            f.write(bytes([c[0] ^ 1 << bit]) if c else b'')

    def journal_damaged(self):
        self.die(signal.SIGKILL)
        self.damage()
        return self.rise()

    def all_gone(self):
        self.die(signal.SIGKILL)
        self.world.table_gone()
        self.world.forget_flows()
        if os.path.exists(self.world.path):
            os.unlink(self.world.path)
        return self.rise()

    # The machine

    def reboot(self, damaged=False):
        """The table and connection tracking are empty, the boot is another, the wall clock shows something else."""
        sig = self.dice.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGTERM))
        ahead_s = self.dice.choice((0, 0, 30, 1000, 5000, -1000))
        boot = self.dice.choice(FOREIGN_BOOTS)
        self.detail = f'{sig.name}, the clock {ahead_s:+} s'
        self.die(sig)
        if damaged:
            self.damage()
        self.world.table_gone()
        self.world.forget_flows()
        past = self.world.past()
        if past.found != 'none':
            try:
                journal.change(self.world.path, boot=boot, wall=-ahead_s * 1000)
            except ValueError:
                pass  # only the good part counts, and the boot is as it was
            # nobody can say how long it was if the clock went back: nothing is taken off
            idle = time.clock_gettime(time.CLOCK_BOOTTIME) - past.last_ms / 1000
            self.model.pass_time(max(ahead_s, 0), idle + 1 if ahead_s < 0 else 0)
            self.ahead = max(ahead_s, 0)
        return self.rise()

    ahead = 0  # by so much PCP's epoch is older than it was before

    def damaged_reboot(self):
        return self.reboot(True)

    def long_dead(self):
        """So long that what was short is closed by the packet filter itself."""
        self.load()
        self.die(signal.SIGKILL)
        short = [e.high for e in self.model.entries.values() if e.high < time.monotonic() + 4]
        end = max(short, default=0) + GRACE_S + SLACK_S
        wait(lambda: time.monotonic() > end, 60)
        self.check_dead()
        return self.rise()

