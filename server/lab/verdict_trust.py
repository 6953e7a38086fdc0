# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a client believes: answers that it must drop, and gateways that speak another version.

What was dropped shows when the client asks again. What was believed shows less well: the client must have stopped asking where it
is known to go on, or have ended at once, or use what only the wrong answer said.
"""
import verdict_retry
from verdict_story import MATTER
from verdict_wire import PEER, UNSUPP_VERSION

CRASHED = (-4, -6, -7, -8, -11, 132, 134, 135, 136, 139)
AT_ONCE_S = 0.3
FALLBACK_S = 1.0     # well below the first retransmission of PCP
REACTION_S = 5.0
PATIENCE = 2.5
WHAT = {'source': 'of another source address', 'port': 'of another source port', 'nonce': 'with another nonce',
        'length': 'of a length that cannot be', 'short': 'too short', 'request': 'that is no response',
        'opcode': 'of another opcode', 'unasked': 'to a request that was not sent'}


def rows_of(ask, bad):
    if ask.message.version == 0:
        return ('6886-3.3-33' if ask.message.maps else '6886-3.2-07') if bad == 'source' else ''
    nonce = '6887-12.4-01' if ask.message.opcode == PEER else '6887-11.4-01'
    return {'source': '6887-8.3-01', 'port': '6887-8.3-01', 'short': '6887-8.3-03', 'request': '6887-8.3-03',
            'length': '6887-8.3-05', 'opcode': '6887-8.3-06', 'unasked': '6887-8.3-08 ' + nonce, 'nonce': nonce}.get(bad, '')


def judge(story, f):
    patience = {version: stamina(story, version) for version in (0, 2)}
    for ask in story.asks:
        for answer in ask.bad[:MATTER]:
            rows = rows_of(ask, answer.bad)
            if rows:
                believed(story, f, ask, answer, rows, patience)
    for ask in story.asks:
        if ask.message.version == 2:
            for answer in ask.answers[:1]:
                if answer.message.result == UNSUPP_VERSION and answer.message.version == 0 and not answer.unheard:
                    fallback(story, f, ask, answer)
    first_version(story, f)


def stamina(story, version):
    """(how often, waits) of the request that the client repeated most while nothing at all was answered."""
    series = [a.unanswered() for a in story.asks if a.message.version == version and not a.bad]
    best = max(series, key=len, default=[])
    return len(best), verdict_retry.gaps_of(best)


def believed(story, f, ask, answer, rows, patience):
    what = 'an answer ' + WHAT[answer.bad]
    soon = story.end - answer.at
    if story.exit in CRASHED and not story.stopped and 0 <= soon < 1:
        f.broken(rows, [answer.number], f'died (exit code {story.exit}) at {what}')
        return
    if ask.answered_at and ask.answered_at < answer.at:
        used(f, ask, answer, rows, what)
        return
    after = [s for s in ask.shots if s.at > answer.at + story.link.delay]
    before = [s for s in ask.shots if s.at <= answer.at]
    if after:
        f.kept(rows, [answer.number, after[0].number], f'asks again after {what}')
        return
    if answer.unheard:
        return  # the kernel had dropped it: a connected socket, or one that was closed
    if ask.answers or ask.next or story.link.lossy or not before:
        used(f, ask, answer, rows, what)
        return
    n, last = [before[-1].number, answer.number], before[-1]
    often, gaps = patience.get(ask.message.version, (0, []))
    if often > len(before) and story.alive(last.at + PATIENCE * gaps[len(before) - 1] + 1) and story.said_nothing(answer.at, story.end):
        f.broken(rows, n, f'stops asking after {what}; with no answer at all it asks {often} times')
    elif verdict_retry.ended_itself(story) and story.exit == 0 and 0 <= soon < 1 and not any(a.granted for a in story.asks):
        f.broken(rows, n, f'ends with success {soon:.2f} s after {what}, and had no other')
    elif verdict_retry.ended_itself(story) and story.exit and 0 <= soon < AT_ONCE_S and answer.at - last.at < AT_ONCE_S and \
            story.end - last.at < (verdict_retry.FIRST_S if ask.message.version == 0 else 2.5):
        f.broken(rows, n, f'acts on {what}: it ended {soon:.2f} s later, when it should have dropped it and waited')
    else:
        f.unsure(rows, f'got {what}; what came of it does not show', n)


def used(f, ask, answer, rows, what):
    """A later request for what only the wrong answer said gives it away."""
    m, after = answer.message, ask.next
    right = {a.message.external for a in ask.answers} | {s.message.external for s in ask.shots}
    if m.maps and m.result == 0 and m.external and m.external not in right:
        while after:
            if after.message.external == m.external and not after.message.deletes:
                f.broken(rows, [answer.number, after.first.number], f'asks for external port {m.external}, which only {what} has named')
                return
            after = after.next
    f.unsure(rows, f'got {what}; what came of it does not show', [answer.number])


def fallback(story, f, ask, answer):
    """RFC 6886 1.1, RFC 6887 8.3, 9 and A: what follows when the gateway knows version 0 only."""
    follows = next((s for s in story.shots if s.message.version == 0 and s.at > answer.at and
                    s.source == ask.first.source), None)
    again = ask.next.first if ask.next and ask.next.first.server == ask.first.server else None
    variant = '' if len(answer.message.data) >= 24 else '6887-8.3-04'
    variant += ' 6886-3.5-07' if not answer.packet.data[1] & 128 else ''
    if follows and follows.at - answer.at < FALLBACK_S + 2 * story.link.delay + story.link.jitter:
        n = [ask.first.number, answer.number, follows.number]
        f.kept('6887-9-05 ' + variant + ' 6886-1.1-06' * ask.message.maps, n, f'version 0 {1000 * (follows.at - answer.at):.0f} ms later')
        return
    n = [answer.number] + [s.number for s in (again, follows) if s]
    if story.link.lossy:
        f.unsure('6886-1.1-06', 'the answer may have been lost', n)
    elif follows and not ask.message.maps:
        f.unsure('6886-1.1-06', 'ANNOUNCE has no counterpart in version 0', n)
    elif follows:
        f.broken('6886-1.1-06', n, f'version 0 only {follows.at - answer.at:.1f} s after Unsupported Version')
    elif any(s.message.version == 0 for s in story.shots):
        f.unsure('6886-1.1-06', 'speaks both, and owes nothing for this request', n)
    elif again and again.at - answer.at < 60:
        f.broken('6887-9-07 ' + variant, n, f'asks in version 2 again {again.at - answer.at:.1f} s after Unsupported Version')
    else:
        f.unsure('6886-1.1-06', 'speaks PCP only', n)
        if story.alive(answer.at + 60):
            f.kept('6887-9-07 ' + variant, n[:1], 'does not ask in version 2 again for a minute at least')


def first_version(story, f):
    """A client of both protocols opens with PCP, each time."""
    if len({s.message.version for s in story.shots} & {0, 2}) < 2:
        return
    refused = [(a, ask) for ask in story.asks if ask.message.version == 2 for a in ask.answers if a.message.result == UNSUPP_VERSION]
    for ask in story.asks:
        if ask.message.version != 0:
            continue
        n, begin = [ask.first.number], ask.first.at
        earlier = [(a, q) for a, q in refused if a.at <= begin]
        if not earlier:
            f.broken('6886-1.1-07 6887-A-03', n, 'version 0, though no gateway has refused version 2')
            continue
        if not ask.message.maps or ask.message.deletes:
            continue
        same = [(a, q) for a, q in earlier if (q.message.internal, q.message.protocol) in ((None, None), (ask.message.internal, ask.message.protocol))]
        fresh = [(a, q) for a, q in same if begin - a.at < REACTION_S]
        if fresh:
            a, q = fresh[-1]
            f.kept('6886-1.1-07 6887-A-03', [q.first.number, a.number] + n, 'version 2 first')
            if len(earlier) > 1 and begin - earlier[0][0].at > REACTION_S:
                f.kept('6886-1.1-08', [q.first.number] + n, 'tries version 2 each time')
        else:
            f.broken('6886-1.1-07 6886-1.1-08', [earlier[-1][0].number] + n,
                     f'version 0 at once, {begin - earlier[-1][0].at:.1f} s after the refusal of another request in version 2')
