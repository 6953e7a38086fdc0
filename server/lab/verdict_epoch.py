# SPDX-License-Identifier: GPL-2.0-or-later
"""Epochs and announcements: what told the client that its mappings may be lost, and what it did about it.

An answer to a socket that the client still has was certainly received; whoever did not react to it has broken the rule. That it
receives announcements shows only when it reacts to one.
"""
from collections import namedtuple

from verdict_life import grant_of
from verdict_story import thing_of
from verdict_wire import SERVER_PORT

Reset = namedtuple('Reset', 'at answer version group sure backwards')
Live = namedtuple('Live', 'ask grant')
DELAY_S, ROOM_S, EACH_S = 5, 2, 0.5  # RFC 6886 3.7 and RFC 6887 14.1.3
AT_ONCE_S, ALIKE_S = 0.05, 0.02
KNOWN_S = 60


def implausible(version, before, now, elapsed):
    """(may be, certainly): by RFC 6886 3.6 or RFC 6887 8.5, for any rounding of the clocks."""
    if version == 0:
        below = before + 7 / 8 * elapsed - now
        return below > 1, below > 3.2
    passed = now - before
    if passed < -1:
        return True, True

    def bad(c, room):
        c = max(c, 0)
        s = max(passed, 0)
        return c + room < s - s // 16 or s + room < c - c // 16
    return any(bad(int(elapsed) + d, 2) for d in (-1, 0, 1)), all(bad(int(elapsed) + d, 2) for d in (-1, 0, 1))


def resets(story):
    """Each packet whose epoch says that state was lost, as a client sees it. What a socket heard, it compares with what it heard
    before; announcements with all."""
    found = []
    heard, last = {}, {}
    for a in sorted(story.answers + story.news, key=lambda a: (a.at, a.number)):
        m = a.message
        if a.bad or a.unheard or m.epoch is None or m.version not in (0, 2):
            continue
        everybody = (m.version, a.source)
        mine = everybody + (a.packet.destination, a.packet.destination_port)
        before = (last if a.group else heard).get(everybody if a.group else mine)
        if before:
            maybe, sure = implausible(m.version, before[1], m.epoch, a.at - before[0])
            if maybe:
                sure = sure and not story.link.lossy
                found.append(Reset(a.at, a, m.version, a.group, sure, m.epoch < before[1] - 1))
        if not a.group:
            heard[mine] = (a.at, m.epoch)
        last[everybody] = (a.at, m.epoch)
    return found


def living(story, version, at, socket=None, but=None):
    """The mappings that a client has at a time: the last request for each that was granted."""
    last = {}
    for ask in story.asks:
        if ask.first.at > at or ask.message.version != version or not ask.message.maps or ask is but:
            continue
        thing = thing_of(ask)
        if ask.message.deletes:
            last = {k: v for k, v in last.items() if k != thing and not (ask.message.internal == 0 and k[:4] == thing[:4])}
            continue
        grant = grant_of(ask, at)
        if grant and at < grant[0].at + grant[0].message.lifetime and (socket is None or (ask.first.source, ask.first.port) == socket):
            last[thing] = Live(ask, grant[0])
        elif but is not None and thing == thing_of(but):
            last.pop(thing, None)
    if but is not None:
        last.pop(thing_of(but), None)
    return list(last.values())


def asked(story, live, begin, end):
    """The first request for the same mapping in that time."""
    return next((s for a in story.asks if a.key == live.ask.key for s in a.shots if begin < s.at <= end), None)


def due(live, at):
    """True if it would be renewed about then anyway."""
    lifetime = live.grant.message.lifetime
    return at > live.grant.at + 0.4 * lifetime


def judge(story, f, found):
    delays = {0: [], 2: []}
    listens = {0: [], 2: []}
    for reset in sorted(found, key=lambda r: not r.group):
        reaction(story, f, reset, delays, listens)
    for reset in found:
        if reset.group:
            deaf(story, f, reset, listens)
    for version, rows in ((0, '6886-3.7-05'), (2, '6887-14.1.3-12')):
        chance(story, f, delays[version], rows)
    for news in story.news:
        if news.bad == 'source':
            forged(story, f, news, found, listens)
    calm(story, f, found, listens)
    retry(story, f)


def limit(story, lives):
    return DELAY_S + ROOM_S + EACH_S * len(lives) + 2 * story.link.delay + story.link.jitter


def reaction(story, f, reset, delays, listens):
    answer = reset.answer
    if not reset.group and any(0 < reset.at - at < KNOWN_S for at, _ in listens[reset.version]):
        return  # it knows that from the announcement
    socket = None if reset.group else (answer.packet.destination, answer.packet.destination_port)
    lives = living(story, reset.version, reset.at, socket, answer.ask)
    end = reset.at + limit(story, lives)
    lives = [l for l in lives if not due(l, end)]
    rows = {(0, True): '6886-3.2.1-12 6886-3.6-05 6886-3.6-06 6886-3.7-04', (0, False): '6886-3.6-05 6886-3.6-06 6886-3.7-04',
            (2, True): '6887-8.5-11', (2, False): '6887-8.5-11'}[reset.version, reset.group]
    if reset.version == 2:
        rows += ' 6887-8.5-08' if reset.backwards else ' 6887-8.5-09'
    if not lives:
        f.unsure(rows, 'an implausible epoch, but no other mapping to recreate', [answer.number])
        return
    shots = [asked(story, l, reset.at + 0.001, end) for l in lives]
    n = [answer.number] + [s.number for s in shots if s]
    if all(shots):
        first = min(s.at for s in shots) - reset.at
        what = f'{len(shots)} mapping{"s" * (len(shots) > 1)} again, the first {first:.2f} s after it'
        f.kept(rows, n, what)
        if reset.group:
            listens[reset.version].append((reset.at, answer.number))
            f.kept('6887-14.1.3-10' if reset.version == 2 else '6886-3.2.1-12', n, what)
        if reset.version == 0 or reset.group:
            delays[reset.version].append((first, n))
        if reset.version == 0 and len(shots) > 1:
            one_by_one(story, f, sorted(shots, key=lambda s: s.at))
    elif reset.group and not any(shots):
        return  # see deaf()
    elif not reset.sure or not story.alive(end):
        f.unsure(rows, 'an implausible epoch; what came of it does not show', n)
    else:
        f.broken(rows, n, f'epoch {answer.message.epoch} says that state was lost; {sum(s is not None for s in shots)} of '
                 f'{len(shots)} other mappings asked for again within {end - reset.at:.1f} s')


def deaf(story, f, reset, listens):
    """An announcement without a reaction."""
    rows = '6886-3.2.1-12' if reset.version == 0 else '6887-14.1.3-12'
    lives = [l for l in living(story, reset.version, reset.at) if not due(l, reset.at + limit(story, []))]
    end = reset.at + limit(story, lives)
    if not lives or any(asked(story, l, reset.at, end) for l in lives) or not story.alive(end):
        return
    if listens[reset.version] and reset.sure:
        f.broken(rows, [reset.answer.number], f'no reaction to this announcement, but to packet {listens[reset.version][0][1]}')
    else:
        f.unsure(rows + ('' if reset.version == 0 else ' 6887-14.1.3-10'),
                 'no reaction to an announcement: it does not listen, as it seems', [reset.answer.number])


def chance(story, f, delays, row):
    """0 to 5 s, at random."""
    if not delays:
        return
    room = 0.5 + 2 * story.link.delay + story.link.jitter
    times = [d for d, _ in delays]
    numbers = [n for _, ns in delays for n in ns[:2]]
    said = ', '.join(f'{t:.2f}' for t in times) + ' s'
    if max(times) > DELAY_S + room:
        f.broken(row, numbers, f'first request after {said}')
    elif len(times) > 1 and max(times) < AT_ONCE_S:
        f.broken(row, numbers, f'first request after {said}: no delay')
    elif len(times) > 2 and max(times) - min(times) < ALIKE_S:
        f.broken(row, numbers, f'first request after {said}: not random')
    elif max(times) < AT_ONCE_S:
        f.unsure(row, f'first request after {said}: one event is not enough to tell chance', numbers)
    else:
        f.kept(row, numbers, f'first request after {said}')


def one_by_one(story, f, shots):
    for a, b in zip(shots, shots[1:]):
        ask = next(x for x in story.asks if a in x.shots)
        if ask.answered_at and ask.answered_at <= b.at:
            f.kept('6886-3.7-06', [a.number, ask.answers[0].number, b.number], 'one at a time')
        elif b.at - a.at < 0.2:
            f.broken('6886-3.7-06', [a.number, b.number], f'the next {b.at - a.at:.3f} s after one that had no answer yet')


def forged(story, f, news, found, listens):
    """An announcement of somebody else that would say, if it were true, that state was lost."""
    m, before = news.message, None
    if m.version not in (0, 2) or m.epoch is None:
        return
    row = '6886-3.2.1-10' if m.version == 0 else '6887-8.3-01'
    for a in story.answers + story.news:
        if not a.bad and a.message.version == m.version and a.message.epoch is not None and a.at < news.at:
            before = max((a.at, a.message.epoch), before or (0, 0))
    lives = living(story, m.version, news.at)
    end = news.at + limit(story, lives)
    lives = [l for l in lives if not due(l, end)]
    if not before or not lives or not implausible(m.version, before[1], m.epoch, news.at - before[0])[1] or \
            any(news.at - 20 < r.at < end for r in found):
        return
    shots = [s for s in (asked(story, l, news.at, end) for l in lives) if s]
    if len(shots) == len(lives):
        f.broken(row, [news.number] + [s.number for s in shots],
                 f'asks for its mappings again {shots[0].at - news.at:.2f} s after an announcement of {news.source}')
    elif listens[m.version] and story.alive(end):
        f.kept(row, [news.number], f'no reaction to an announcement of {news.source}')


def calm(story, f, found, listens):
    """After one burst, and for a plausible epoch, nothing is asked for again."""
    for version in (2,):
        if not listens[version]:
            continue
        for news in story.news:
            if news.bad or news.message.version != version or any(r.answer is news for r in found):
                continue
            lives = living(story, version, news.at)
            end = news.at + limit(story, lives)
            # after a reset the burst may still be under way
            busy = any(0 <= news.at - r.at < limit(story, lives) or news.at <= r.at < end for r in found)
            lives = [l for l in lives if not due(l, end)]
            if busy or not lives:
                continue
            shots = [s for s in (asked(story, l, news.at, end) for l in lives) if s]
            if len(shots) == len(lives):
                f.broken('6887-14.1.3-13 6887-8.5-10', [news.number] + [s.number for s in shots],
                         'asks for its mappings again, though the epoch is plausible')
            elif not shots and story.alive(end):
                f.kept('6887-14.1.3-13 6887-8.5-10', [news.number], 'a plausible epoch, nothing asked for')


def retry(story, f):
    """RFC 6886 3.1: who gave up may learn that there is a gateway after all."""
    for ask in story.asks:
        if ask.message.version == 0 and not ask.answers and ask.next and len(ask.shots) >= 2:
            for news in story.news:
                if not news.bad and ask.shots[-1].at + 5 < news.at < ask.next.first.at < news.at + 10:
                    f.kept('6886-3.1-07', [news.number, ask.next.first.number], 'asks again after the announcement')
