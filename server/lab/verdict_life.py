# SPDX-License-Identifier: GPL-2.0-or-later
"""What becomes of a mapping that was granted: renewal, suggestion, the end; and of a request that was refused."""
import ipaddress

import verdict_retry
from verdict_story import MATTER, thing_of
from verdict_wire import NATPMP_CODES, NO_RESOURCES, PEER, TCP, UNSUPP_VERSION

RENEWAL = 0.3        # of the lifetime: what comes sooner is no renewal by schedule
RECOVERY_S = 15      # after an epoch that restarted, requests need no other reason
APART_S, RETRANSMITTED_S = 4, 2.7  # RFC 6887 11.2.1, and 8.1.1 for one that was lost
FLOOD = 5            # requests for what was just granted
HOLD_OFF_MOST_S = 1800
SOON_S = 3
SYN, SYN_ACK = 2, 18


def judge(story, f, resets):
    for ask in story.asks:
        if ask.message.version not in (0, 2) or ask.message.wrong or not ask.message.maps:
            continue
        if not ask.message.deletes:
            if ask.granted:
                renewal(story, f, ask, resets)
            outbound(story, f, ask)
    exhausted = 0
    for ask in story.asks:
        error = next((a for a in ask.answers if a.message.result), None)
        if error and ask.message.version == 2 and error.message.version:
            exhausted += error.message.result == NO_RESOURCES
            refusal(story, f, ask, error, exhausted < MATTER)
        elif error and ask.message.version == 0 and error.message.result > NATPMP_CODES:
            unknown(story, f, ask, error)
    floods(story, f, resets)
    apart(story, f, resets)
    cleanup(story, f)


def room(story, lifetime):
    return min(1.0, 0.02 * lifetime + 0.3) + story.link.jitter + story.link.delay


def grant_of(ask, before=None):
    """The last success of a request, or the last before a time."""
    return [a for a in ask.answers if a.message.result == 0 and a.message.lifetime and (before is None or a.at < before)][-1:]


def deleted(story, ask, after):
    """True if the client asked for the end of that mapping, or of all."""
    thing = thing_of(ask)
    for other in story.asks:
        if other.message.deletes and other.shots[-1].at > after:
            t = thing_of(other)
            if t == thing or t[:4] == thing[:4] and other.message.internal == 0:
                return other
    return None


def renewal(story, f, ask, resets):
    after = ask.next
    grant = grant_of(ask, after.first.at if after else None)
    if not grant:
        return
    grant = grant[0]
    lifetime, natpmp = grant.message.lifetime, ask.message.version == 0
    expires = grant.at + lifetime
    slack = room(story, lifetime)
    if after is None:
        gone = deleted(story, ask, grant.at)
        late = not gone or gone.first.at > expires + slack  # it lived on in the client's mind only
        if late and not story.link.lossy and story.alive(expires + slack) and not other_version(story, ask, grant.at):
            f.broken('6886-3.3-34' if natpmp else '6887-11.2.1-01', [grant.number],
                     f'{lifetime} s were granted, and it never asked again, though the client was there '
                     f'{story.end - grant.at:.0f} s more')
        return
    waited = after.first.at - grant.at
    part, n = waited / lifetime, [grant.number, after.first.number]
    if any(grant.at < r.at < after.first.at + 0.01 and after.first.at - r.at < RECOVERY_S for r in resets):
        suggested(f, after, grant, natpmp)
        return
    if part < RENEWAL:
        return  # another program, or another wish
    what = f'{waited:.1f} s after {lifetime} s were granted: at {100 * part:.0f} % of the lifetime'
    if waited > lifetime + slack:
        same = after.first.port == ask.first.port
        if not story.link.lossy and same:
            f.broken('6886-3.3-34' if natpmp else '6887-11.2.1-01 6887-11.4-04', n, what + ', when it was over')
        return
    suggested(f, after, grant, natpmp)
    if natpmp:
        in_time = -0.05 * lifetime - slack <= waited - lifetime / 2 <= 0.05 * lifetime + slack
        schedule(story, f, '6886-3.3-34', in_time, n, what)
        return
    f.kept('6887-11.2.1-01 6887-11.4-04 6887-15-07', n, what)
    in_time = lifetime / 2 - slack <= waited <= lifetime * 5 / 8 + slack
    schedule(story, f, '6887-11.2.1-03 6887-8.1.1-07', in_time, n, what)
    if after.first.server != ask.first.server:
        f.broken('6887-8.1.1-07', n, f'renews at {after.first.server} what {ask.first.server} granted')


def schedule(story, f, rows, in_time, n, what):
    if in_time:
        f.kept(rows, n, what)
    elif story.link.lossy:
        f.unsure(rows, what + ', and one before it may have been lost', n)
    else:
        f.broken(rows, n, what)


def other_version(story, ask, after):
    return any(s.at > after and s.source == ask.first.source and s.message.version != ask.message.version and
               s.message.internal == ask.message.internal for s in story.shots)


def suggested(f, after, grant, natpmp):
    m, g, n = after.message, grant.message, [grant.number, after.first.number]
    row = '6886-3.3-35' if natpmp else '6887-11.2.1-02'
    if m.external != g.external:
        f.broken(row, n, f'asks for external port {m.external or "0, any"} where {g.external} was assigned')
    elif not natpmp and m.address != g.address:
        f.broken(row, n, f'suggests address {m.address} where {g.address} was assigned')
    else:
        f.kept(row, n, f'asks for {g.external}, which it has')


def outbound(story, f, ask):
    """RFC 6887 10.2: what an application sends from the port itself, before it was told its mapping."""
    m = ask.message
    if m.version != 2 or m.opcode == PEER or not ask.granted or any(a.granted for a in ask.earlier()):
        return
    near = ipaddress.ip_network(f'{ask.first.source}/{24 if "." in ask.first.source else 64}', strict=False)
    kind = 'tcp' if m.protocol == TCP else 'udp'
    for p in story.others:
        far = ipaddress.ip_address(p.destination)
        if (p.kind, p.source, p.source_port) != (kind, ask.first.source, m.internal) or far.is_multicast or far in near:
            continue
        if p.kind == 'tcp' and p.data[0] & SYN_ACK != SYN:
            continue
        if p.at < ask.granted.at:
            f.broken('6887-10.2-02', [p.number, ask.granted.number],
                     f'sends from port {m.internal} to {p.destination} {ask.granted.at - p.at:.3f} s before its success')
        else:
            f.kept('6887-10.2-02', [ask.granted.number, p.number], 'sends only after its success')
        return


def refusal(story, f, ask, error, all_of_it):
    """RFC 6887 8.3: an error says how long it lasts."""
    m = error.message
    lasts = min(m.lifetime or 0, HOLD_OFF_MOST_S)
    row = '6887-9-07' if m.result == UNSUPP_VERSION else '6887-8.3-10'
    until = error.at + lasts - 1 - story.link.delay
    if not lasts or story.link.lossy or until <= error.at:
        return
    again = ask.next
    # what was on its way already
    while again and again.first.at < error.at + story.link.delay + 0.05:
        again = again.next
    strip = lambda x: (x.lifetime, x.external, x.address, x.options)
    if again and again.first.at < until:
        n = [error.number, again.first.number]
        what = f'asks again {again.first.at - error.at:.1f} s after result {m.result} for {m.lifetime} s'
        if strip(again.message) == strip(ask.message):
            f.broken(row, n, what)
        else:
            f.unsure(row, what + ', with another wish', n)
    elif again or story.alive(until):
        f.kept(row, [error.number] + ([again.first.number] if again else []), f'no second request within {lasts} s after result {m.result}')
    if m.result == NO_RESOURCES and all_of_it:
        resources(story, f, ask, error, until)


def resources(story, f, ask, error, until):
    """RFC 6887 11.4 and 12.4: no room for one mapping is no room for others."""
    begin = error.at + story.link.delay + 0.2
    row = '6887-11.4-03' if ask.message.deletes else '6887-12.4-02' if ask.message.opcode == PEER else '6887-11.4-02'
    for other in story.asks:
        if other is ask or other.message.version != 2 or other.first.server != ask.first.server or not begin < other.first.at < until:
            continue
        known = any(a.granted for a in other.earlier())
        if ask.message.deletes or other.message.maps and other.message.lifetime and not known:
            f.broken(row, [error.number, other.first.number],
                     f'{other.message.says()} {other.first.at - error.at:.1f} s after NO_RESOURCES for {error.message.lifetime} s')
            return
    if story.alive(until):
        f.kept(row, [error.number], f'nothing new for {error.message.lifetime} s')


def unknown(story, f, ask, error):
    """RFC 6886 3.5: a result code that the RFC does not list ends the request. Once again is no loop yet."""
    n, again, last = [error.number], ask.next, error
    while again and last and again.first.at - last.at < SOON_S:
        if again.first.at > last.at and again.message.data == ask.message.data:
            n.append(again.first.number)
            last = next((a for a in again.answers if a.message.result > NATPMP_CODES), None)
        again = again.next
    if len(n) > 2 and not story.link.lossy:
        f.broken('6886-3.5-16', n, f'asks the same again {len(n) - 1} times, each within {SOON_S} s after result {error.message.result}')
    elif len(n) > 1:
        f.unsure('6886-3.5-16', f'asks the same again once after result {error.message.result}', n)
    elif ask.next and ask.next.first.at - error.at < SOON_S:
        f.unsure('6886-3.5-16', f'asks again after result {error.message.result}, with another wish', [*n, ask.next.first.number])
    elif len(n) == 1 and (story.alive(error.at + SOON_S) or verdict_retry.ended_itself(story)):
        f.kept('6886-3.5-16', n, f'does not repeat its request after result {error.message.result}')


def floods(story, f, resets):
    """The same again and again, though it was granted each time."""
    for ask in story.asks:
        chain = [ask]
        while chain[-1].next and grant_of(chain[-1], chain[-1].next.first.at) and \
                chain[-1].next.first.at - chain[-1].first.at < APART_S - 0.1 and \
                grant_of(chain[-1])[0].message.lifetime > 2 * APART_S:
            chain.append(chain[-1].next)
        if len(chain) > FLOOD and not story.link.lossy and not any(chain[0].first.at - RECOVERY_S < r.at < chain[-1].first.at
                                                                   for r in resets):
            f.broken('6886-3.3-34' if ask.message.version == 0 else '6887-11.2.1-04', [a.first.number for a in chain],
                     f'{len(chain)} requests for what it has, in {chain[-1].first.at - chain[0].first.at:.1f} s')
            return


def apart(story, f, resets):
    """RFC 6887 11.2.1: renewals at least 4 s apart, also the last ones before the end."""
    if story.link.lossy:
        return
    for ask in story.asks:
        grant, after = ask.granted, ask.next
        if ask.message.version != 2 or not grant or not after:
            continue
        lifetime = grant.message.lifetime
        if any(grant.at < r.at <= grant.at + lifetime for r in resets) or after.first.at < grant.at + RENEWAL * lifetime:
            continue
        shots, last = [], after
        while last and last.first.port == ask.first.port and last.first.at < grant.at + lifetime:
            shots += last.shots
            last = last.next
        unanswered = [s for s in shots if not after.answers or s.at < after.answered_at]
        later_windows(story, f, grant, unanswered)
        for a, b in zip(shots, shots[1:]):
            gap, n = b.at - a.at, [a.number, b.number]
            if gap >= APART_S - 0.1:
                f.kept('6887-11.2.1-04', n, f'{gap:.1f} s apart')
            elif gap < RETRANSMITTED_S - story.link.jitter:
                f.broken('6887-11.2.1-04', n, f'two renewals {gap:.2f} s apart')
            else:
                f.unsure('6887-11.2.1-04', f'{gap:.2f} s apart, as retransmissions are (RFC 6887 8.1.1)', n)


def later_windows(story, f, grant, shots):
    """RFC 6887 11.2.1: what follows a renewal that nobody answered."""
    lifetime = grant.message.lifetime
    for k, (a, b) in enumerate(zip(shots, shots[1:]), 2):
        begin, slack = 1 - 0.5 ** k, room(story, lifetime)
        part, n = (b.at - grant.at) / lifetime, [grant.number, a.number, b.number]
        if lifetime * 0.5 ** k < APART_S or b.at - a.at < APART_S:
            return
        fits = lifetime * begin - slack <= b.at - grant.at <= lifetime * (begin + 0.5 ** (k + 2)) + slack
        schedule(story, f, '6887-11.2.1-03', fits, n, f'renewal {k} at {100 * part:.0f} % of the lifetime')


def cleanup(story, f):
    """RFC 6886 3.1: at least one deletion. A program that ends by itself may want its mapping to stay."""
    last = {}
    for ask in story.asks:
        if ask.message.version == 0 and ask.message.maps and not ask.message.deletes and ask.granted:
            last[thing_of(ask)] = ask
    for ask in last.values():
        grant = grant_of(ask)[0]
        gone = deleted(story, ask, grant.at)
        if gone:
            f.kept('6886-3.1-09', [grant.number, gone.first.number], 'a deletion')
        elif grant.at + grant.message.lifetime < story.end or story.link.lossy:
            continue
        elif story.stopped:
            f.broken('6886-3.1-09', [grant.number],
                     f'was ended {story.end - grant.at:.1f} s after {grant.message.lifetime} s were granted, without a deletion')
        else:
            f.unsure('6886-3.1-09', 'ended by itself: it may want its mapping to stay', [grant.number])
