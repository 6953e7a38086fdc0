# SPDX-License-Identifier: GPL-2.0-or-later
"""What a client does while no answer comes: when it asks again, what stays the same, when it gives up.

Early is certain: nobody sends before his time because a machine is busy. Late gets more room. On a link that loses packets
nobody here knows how many there were, so a series is judged by whether any loss could explain it.
"""
from verdict_story import MATTER

FIRST_S, ATTEMPTS, LAST_WAIT_S = 0.25, 9, 64   # RFC 6886 3.1
IRT_S, RAND, MRT_S = 3.0, 0.1, 1024            # RFC 6887 8.1.1
TIMED_OUT = 124                                # exit code of timeout(1): the command did not end by itself
LOST_IN_ROW = 6


def near(gap, expected, jitter, early=0.1, late=0.25):
    """-1 too early, 1 too late, 0 neither."""
    if gap < expected * (1 - early) - 0.03 - jitter:
        return -1
    return 1 if gap > expected * (1 + late) + 0.15 + jitter else 0


def explained(gaps, jitter):
    """True if a schedule of RFC 6886 3.1 of which some were lost could look like that."""
    reached = set(range(ATTEMPTS))
    for gap in gaps:
        reached = {j for i in reached for j in range(i + 1, min(i + 1 + LOST_IN_ROW, ATTEMPTS + 1))
                   if near(gap, FIRST_S * (2 ** j - 2 ** i), jitter) == 0}
    return bool(reached)


def gaps_of(shots):
    return [b.at - a.at for a, b in zip(shots, shots[1:])]


def seconds(gaps):
    return ', '.join(f'{g:.2f}' for g in gaps) + ' s'


def before_refusal(ask):
    """What was sent before the gateway said that nobody listens."""
    shots = ask.unanswered()
    return [s for s in shots if not ask.refusals or s.at < ask.refusals[0].at]


def ended_itself(story):
    return not story.stopped and story.exit != TIMED_OUT


def judge(story, f):
    for ask in story.asks:
        version = ask.message.version
        if version == 2:
            same_nonce(f, ask)
        if ask.first.server not in story.gateway:
            continue  # it guesses, and need not insist
        if story.hidden(ask):
            f.unsure('6886-3.1-03' if version == 0 else '6887-8.1.1-02', 'its packets waited until the gateway was found on the link',
                     ask.numbers())
            continue
        if version == 0:
            natpmp(story, f, ask)
            refused(story, f, ask)
        elif version == 2:
            pcp(story, f, ask)
    randomness(story, f)
    serial(story, f)


def natpmp(story, f, ask):
    shots = before_refusal(ask)
    gaps, numbers = gaps_of(shots), [s.number for s in shots]
    rows = '6886-3.1-08' if ask.message.deletes else '6886-3.1-03'
    if story.link.lossy:
        if len(gaps) > 1 and explained(gaps, story.link.jitter):
            f.kept(rows, numbers, f'waits of {seconds(gaps)}, as far as they got through')
        elif gaps and not explained(gaps, story.link.jitter):
            f.broken(rows, numbers, f'waits of {seconds(gaps)}: no loss explains them')
        return
    wrong = next((k for k, g in enumerate(gaps[:ATTEMPTS - 1]) if near(g, FIRST_S * 2 ** k, story.link.jitter)), None)
    if wrong is not None:
        f.broken(rows, numbers[wrong:wrong + 2],
                 f'wait {wrong + 1} took {gaps[wrong]:.3f} s instead of {FIRST_S * 2 ** wrong:g} s; all: {seconds(gaps)}')
    elif gaps:
        f.kept(rows, numbers, f'waits of {seconds(gaps)}')
    if ask.message.maps and not ask.message.deletes and gaps:
        note = f.kept if near(gaps[0], FIRST_S, story.link.jitter) == 0 else f.broken
        note('6886-3.3-11', numbers[:2], f'again after {gaps[0]:.3f} s')
    if not ask.message.deletes:
        silence(story, f, ask, shots, gaps)


def silence(story, f, ask, shots, gaps):
    """What becomes of a request that nobody answers at all."""
    if ask.answers or ask.refusals or not shots:
        return
    last, numbers = shots[-1], [s.number for s in shots]
    wait = FIRST_S * 2 ** (len(shots) - 1)
    due = last.at + (wait if len(shots) < ATTEMPTS else LAST_WAIT_S)
    late = last.at + 1.5 * (due - last.at) + 1
    if len(shots) == ATTEMPTS and ask.next and ask.next.first.at > last.at + 0.9 * LAST_WAIT_S:
        f.kept('6886-3.1-04', numbers, f'nine attempts; begins anew {ask.next.first.at - last.at:.1f} s later')
    if not story.said_nothing(ask.first.at, late) or ask.bad or ask.next and ask.next.first.at < late:
        return  # it was told something else meanwhile, or asks again from another socket
    lived = min(story.end, late) - last.at
    gone = story.end < due and ended_itself(story)
    if len(shots) == 1 and story.alive(late):
        f.broken('6886-3.1-03' + (' 6886-3.3-11' if ask.message.maps else ''), numbers,
                 f'not repeated, though nothing was answered and the client was there {story.end - last.at:.1f} s more')
    if len(shots) > ATTEMPTS:
        f.broken('6886-3.1-04', numbers, f'{len(shots)} attempts')
    elif len(shots) == ATTEMPTS:
        if gone:
            f.broken('6886-3.1-04', numbers, f'gives up {lived:.1f} s after the ninth attempt instead of {LAST_WAIT_S} s')
        elif not story.stopped or story.alive(late):
            f.kept('6886-3.1-04', numbers, f'nine attempts, ends {story.end - last.at:.1f} s later')
    elif len(shots) > 1 and (story.alive(late) or gone and story.end - last.at > 0.05):
        f.broken('6886-3.1-04', numbers, f'gives up after {len(shots)} attempts' +
                 (f': the command ended {story.end - last.at:.1f} s after the last' if gone else ''))


def refused(story, f, ask):
    if not ask.refusals:
        return
    first = ask.refusals[0]
    after = [s for s in ask.shots if s.at > first.at + story.link.delay]
    before = [s for s in ask.shots if s.at < first.at]
    if not after and (ended_itself(story) or story.alive(first.at + 2 * FIRST_S * 2 ** len(before) + 1)):
        f.kept('6886-3.1-06', [before[-1].number if before else ask.first.number, first.number], 'no attempt after it')
    elif after:
        f.unsure('6886-3.1-06', 'goes on: it need not stop', [first.number, after[0].number])


def pcp(story, f, ask):
    shots = before_refusal(ask)
    if ask.key[-1] is True or renewing(ask):
        return  # a deletion may be given up, a renewal has a schedule of its own
    gaps, numbers, jitter = gaps_of(shots), [s.number for s in shots], story.link.jitter
    if gaps and story.link.lossy:
        if gaps[0] < IRT_S * (1 - RAND) - 0.15 - jitter:
            f.broken('6887-8.1.1-02', numbers[:2], f'again after {gaps[0]:.2f} s instead of 3 s at least')
    elif gaps:
        if near(gaps[0], IRT_S, jitter, RAND + 0.01, RAND + 0.02):
            f.broken('6887-8.1.1-02', numbers[:2], f'first retransmission after {gaps[0]:.2f} s; all waits: {seconds(gaps)}')
        else:
            f.kept('6887-8.1.1-02', numbers[:2], f'first retransmission after {gaps[0]:.2f} s')
        for k, (a, b) in enumerate(zip(gaps, gaps[1:])):
            twice = min(2 * a, MRT_S)
            fits = near(b, twice, 2 * jitter, RAND + 0.01, RAND + 0.02) == 0 or \
                near(b, min(IRT_S * 2 ** (k + 1), MRT_S), jitter, RAND + 0.01, RAND + 0.02) == 0
            note = f.kept if fits else f.broken
            note('6887-8.1.1-03', numbers[k:k + 3], f'{b:.2f} s after {a:.2f} s' + ('' if fits else f'; all waits: {seconds(gaps)}'))
    if ask.answers or ask.refusals or ask.bad or not shots or story.link.lossy or ask.next:
        return
    late = shots[-1].at + max(2.4 * gaps[-1] if gaps else 0, IRT_S * 1.2) + 1
    if story.alive(late) and story.said_nothing(shots[-1].at, late):
        f.broken('6887-8.1.1-02', numbers, f'gives up after {len(shots)} transmission{"s" * (len(shots) > 1)}: nothing was answered, '
                 f'and the client was there {story.end - shots[-1].at:.1f} s more')


def renewing(ask):
    """True if the same thing was granted before and may live still."""
    grants = [other.granted for other in ask.earlier() if other.granted]
    return any(g.at < ask.first.at < g.at + g.message.lifetime for g in grants)


def same_nonce(f, ask):
    for a, b in zip(ask.shots, ask.shots[1:]):
        if a.message.nonce is None:
            continue
        if a.message.nonce == b.message.nonce:
            f.kept('6887-8.1.1-01', [a.number, b.number], f'nonce {a.message.nonce.hex()}')
        else:
            f.broken('6887-8.1.1-01', [a.number, b.number],
                     f'nonce {b.message.nonce.hex()} after {a.message.nonce.hex()}, to which nothing had been answered')


def randomness(story, f):
    """Waits that double to the millisecond have no random part."""
    if story.link.lossy or story.link.jitter > 0.01:
        return
    for ask in story.asks:
        if ask.message.version != 2:
            continue
        shots = [] if story.hidden(ask) else before_refusal(ask)
        gaps = gaps_of(shots)
        if len(gaps) < 3 or gaps[0] < 1:
            continue
        off = [abs(g / (gaps[0] * 2 ** k) - 1) for k, g in enumerate(gaps[1:], 1)]
        numbers = [s.number for s in shots]
        if max(off) < 0.004:
            f.broken('6887-8.1.1-04', numbers, f'waits of {", ".join(f"{g:.3f}" for g in gaps)} s')
        elif max(off) > 0.015:
            f.kept('6887-8.1.1-04', numbers, f'waits of {seconds(gaps)}')


def serial(story, f):
    """RFC 6886 3.1: one request of a client at a time. What has its answer on the wire does not count as open."""
    asks = [a for a in story.asks if a.message.version == 0 and not story.hidden(a)]
    waited = None
    for i, later in enumerate(asks):
        begin = later.first.at
        for ask in asks[max(0, i - MATTER):i]:
            sent = [s for s in ask.shots if s.at <= begin]
            if ask.key == later.key or any(p.at <= begin for p in ask.answers + ask.bad + ask.refusals):
                continue
            wait = FIRST_S * 2 ** (len(sent) - 1)
            if len(sent) < len(ask.shots) or begin - sent[-1].at < 0.8 * wait and len(sent) <= ATTEMPTS:
                f.broken('6886-3.1-02', [sent[-1].number, later.first.number],
                         f'another request {begin - sent[-1].at:.3f} s after one that had no answer yet')
        if i and asks[i - 1].answered_at and asks[i - 1].answered_at <= begin:
            waited = waited or [asks[i - 1].first.number, asks[i - 1].answers[0].number, later.first.number]
    if waited:
        f.kept('6886-3.1-02', waited, 'each request after the answer to the one before')
