#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many hosts ask, and everything that can happen to a daemon and its router happens meanwhile, as a seed says. After each
misfortune, what clients were told, what the daemon shows, what the packet filter has and what real packets do must agree,
and the epochs must have told who had to know. The same seed is the same story, the timing of packets apart.

  chaos.py [--seconds S] [--seed N] [--events N]
"""
import argparse
import os
import random
import signal
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), d) for d in ('.', '../lab')]
import lab
from clients import Clients
from events import EITHER, GO, Fate
from hosts import V4, V6, Host, gather
from model import Model
from world import World

ROUND_S = 20.0
AT_ONCE_S = 0.2  # an answer that took longer says less of when its epoch began
SAME_S, NEAR_S = 1.35, 1.6  # a told epoch is up to a second old; so far apart are two that are the same, and two that differ


class Chaos:
    def __init__(self, net, seed):
        self.net, self.seed = net, seed
        self.dice = random.Random(seed)
        self.model, self.world = Model(lab.EXT), World(net)
        net.sh('lan', 'ip', '-batch', '-', input=''.join(
            [f'addr add {a}/24 dev eth0\n' for a in V4] + [f'addr add {a}/64 dev eth0 nodad\n' for a in V6]))
        self.hosts = [Host(net, self.model, a) for a in V4 + V6]
        self.clients = Clients(net, self.model)
        self.fate = Fate(self.world, self.model, self.dice, self.burst)
        self.bursts = self.packets = self.doubtful = self.judged = 0
        self.story, self.counts = [], {}
        self.ask4, self.ask6 = net.client('lan2'), net.client('lan2')
        self.origins = None

    # Load

    def burst(self, after=None, then=None):
        """Each host asks for something. after: when so many have their answers, then() happens."""
        n = self.bursts
        self.bursts += 1
        dice = random.Random(f'{self.seed} {n}')
        some = dice.sample(self.hosts, dice.choice((8, 30, len(self.hosts))))
        self.model.strict = then is None and self.model.address == self.world.address and self.world.address is not None
        for h in some:
            h.send(h.think(f'{self.seed} {n} {h.address}'))
        wrong, waiting = gather(some, ROUND_S, after)
        if then:
            then()
            more, waiting = gather(some, ROUND_S if self.world.daemon else 0)
            wrong += more
        assert not (waiting and self.model.strict), ('no answer', [(h.address, h.ask.kind) for h in waiting])
        for h in waiting:
            h.lose()
        self.model.strict = True
        assert not wrong, wrong

    # Checks

    def epochs(self):
        """When each epoch began, by what is told now, on the clock of time.monotonic()."""
        return self.origin(self.ask4.public), self.origin(self.ask6.announce)

    def origin(self, ask):
        """By the answer that was there soonest."""
        best = None
        for _ in range(50):
            begin = time.monotonic()
            epoch = lab.wait(lambda: self.told(ask))
            end = time.monotonic()
            best = min(best or (end - begin, end - epoch), (end - begin, end - epoch))
            if best[0] < AT_ONCE_S:
                break
        return best[1]

    @staticmethod
    def told(ask):
        try:
            return ask().epoch + 1e-9  # 0 is an answer, too
        except OSError:
            return None

    def check_epochs(self, expected, begin):
        now = self.epochs()
        ahead, self.fate.ahead = self.fate.ahead, 0
        for name, before, after, what in zip(('NAT-PMP', 'PCP'), self.origins, now, expected):
            if name == 'PCP' and what == GO:
                before -= ahead
            on, anew = abs(after - before) < SAME_S, after > begin - 0.05
            if what == EITHER or before > begin - NEAR_S:
                self.doubtful += 1
                assert on or anew, (name, 'neither', what)
            else:
                self.judged += 1
                ages = [round(time.monotonic() - t, 1) for t in (before, after, begin)]
                assert on if what == GO else anew, (f"{name}'s epoch must be one that {what}", 'ages before, now, of the event', ages)
        self.origins = now

    def check(self):
        """It is quiet: everything must agree."""
        for h in self.hosts:
            h.read()
        wrong = self.world.settled(self.model)
        assert not wrong, wrong
        sure = self.model.sure(30)
        known = {k: e for k, e in sure.items() if k[3] is None and e.external[1]}
        good = [(k[0], e.external, k[1:3]) for k, e in known.items() if e.filtered is not False]
        shut = [(k[0], e.external) for k, e in known.items() if e.filtered is False]
        open_ = {(k[0], there) for k, there in self.world.shown()[0].items()}
        shut += [g for g in self.model.graves if g not in open_ and
                 (g[1][0] == self.world.address or ':' in g[1][0])]
        dice = random.Random(f'{self.seed} packets {len(self.story)}')
        good, shut = (dice.sample(v, min(n, len(v))) for v, n in ((good, 14), (shut, 8)))
        wrong = self.world.packets(good, shut)
        self.packets += len(good) + len(shut)
        assert not wrong, wrong

    # The story

    def run(self, seconds, events):
        self.world.start()
        self.origins = self.epochs()
        end = time.monotonic() + seconds
        while time.monotonic() < end and (not events or len(self.story) < events):
            for _ in range(self.dice.choice((1, 1, 2, 4))):
                self.burst()
            with_clients = self.dice.random() < 0.25
            name, event = self.fate.next()
            self.story.append(name)
            self.counts[name] = self.counts.get(name, 0) + 1
            with_clients = with_clients and name in ('kill', 'kill_in_burst', 'terminate', 'reload')
            if with_clients:
                self.clients.begin(random.Random(f'{self.seed} clients {len(self.story)}'))
            for h in self.model.history:
                self.model.note(h, name)
            begin, starts = time.monotonic(), self.fate.starts
            self.fate.detail = ''
            expected = event()
            if self.fate.detail:
                self.story[-1] += f' ({self.fate.detail})'
            for h in self.model.history:
                self.model.note(h, f'{name} is over, NAT-PMP\'s epoch {expected[0]}, PCP\'s {expected[1]}')
            self.check_epochs(expected, begin)
            if with_clients:
                wrong = self.clients.end(self.fate.starts > starts)
                assert not wrong, wrong
            self.check()
        self.world.end(signal.SIGTERM)

    def say(self):
        c = self.model.counts
        print(f'    seed {self.seed}: {len(self.story)} events, {self.fate.kills} kills, {self.fate.starts} starts, {c.asked} requests '
              f'({c.answered} answered, {c.lost} lost), {self.clients.ran} runs of real clients, {self.packets} flows of packets, '
              f'{self.judged} epochs judged ({self.doubtful} too young), {len(self.model.sure())} mappings at the end')
        print('    ' + ', '.join(f'{n} {self.counts[n]}' for n in sorted(self.counts)))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--seconds', type=float, default=60)
    p.add_argument('--seed', type=int, default=random.randrange(1 << 32))
    p.add_argument('--events', type=int, default=0)
    a = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def test_chaos(net):
        """Nothing that was answered is lost, nothing else is open, and the epochs tell no lie"""
        print(f'    seed {a.seed}', flush=True)
        chaos = Chaos(net, a.seed)
        try:
            chaos.run(a.seconds, a.events)
        except BaseException as e:
            told = str(e)
            for key, notes in chaos.model.history.items():
                if str(key) in told:
                    print('\n        '.join([f'    {key}', *notes]))
            print(f'    make chaos SEED={a.seed} replays: {" ".join(chaos.story)}')
            if not chaos.world.daemon:
                print('\n'.join('    natpcpd: ' + line for line in chaos.world.last_log[-40:]))
            raise
        finally:
            chaos.say()
            chaos.clients.close()
            chaos.world.close()
    sys.argv[1:] = []
    lab.main({'test_chaos': test_chaos})

if __name__ == '__main__':
    main()
