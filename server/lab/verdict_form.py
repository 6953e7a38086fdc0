# SPDX-License-Identifier: GPL-2.0-or-later
"""What each request says, taken by itself."""
import ipaddress

from verdict_wire import ANNOUNCE, CLIENT_PORT, MAP, PEER, PORTED, PREFER_FAILURE, SERVER_PORT, THIRD_PARTY, address

EPHEMERAL = range(32768, 61000)  # what Linux chooses from, unless told otherwise
DAY_S = 86400
ANYCAST = '192.0.0.9', '2001:1::1'
ZEROS = {4: '0.0.0.0', 6: '::'}
GUESSABLE = 6                     # octets of a nonce that differ from the one before it, at least, in a pair of random ones


def family(text):
    return ipaddress.ip_address(text).version


def judge(story, f):
    told = {}  # address -> when the client first heard of it
    for a in reversed(story.answers + story.news):
        told[a.message.address] = min(a.at, told.get(a.message.address, a.at))
    asked = {s: ask for ask in story.asks for s in ask.shots}
    for shot in story.shots:
        m = shot.message
        place(story, f, shot)
        if m.version == 0 and not m.wrong:
            natpmp(f, shot)
        elif m.version == 2 and not m.wrong:
            pcp(story, f, shot)
            suggestion(story, f, shot, asked[shot], told)
    ports(story, f)
    nonces(story, f)


def place(story, f, shot):
    row = '6886-3-09' if shot.message.version == 0 else '6887-8.1-01'
    if shot.server in story.gateway:
        f.kept(row, [shot.number], f'asks {shot.server}')
    elif shot.message.version and shot.server in ANYCAST:
        f.unsure(row, f'asks {shot.server}, the anycast address of RFC 7723, too', [shot.number])
    else:
        f.broken(row, [shot.number], f'asks {shot.server}, which is no gateway of this lab')


def natpmp(f, shot):
    m, n = shot.message, [shot.number]
    if not m.maps:
        return
    if m.deletes:
        f.kept('6886-3.4-04', n, 'lifetime 0')
        if m.internal == 0:
            f.kept('6886-3.4-22', n, 'internal port 0')
        if m.external:
            f.broken('6886-3.4-05', n, f'a deletion that suggests external port {m.external}')
        else:
            f.kept('6886-3.4-05', n, 'external port 0')
        return
    if m.lifetime == 7200:
        f.kept('6886-3.3-10', n, 'asks for 7200 s')
    elif m.lifetime > DAY_S:
        f.broken('6886-3.3-10', n, f'asks for {m.lifetime} s, {m.lifetime / DAY_S:.1f} days')
    else:
        f.unsure('6886-3.3-10', f'asks for {m.lifetime} s: somebody may have told it to')
    if m.external in (m.internal, 0):
        f.kept('6886-3.3-36', n, f'internal port {m.internal}, suggests {m.external}')


def pcp(story, f, shot):
    m, n = shot.message, [shot.number]
    if m.client == shot.source:
        f.kept('6887-8.1-03', n, m.client)
    else:
        f.broken('6887-8.1-03', n, f'client IP {m.client} in a datagram from {shot.source}')
    if family(shot.source) == 6:
        a = ipaddress.ip_address(shot.source)
        if a.is_link_local or a in ipaddress.ip_network('fc00::/7'):
            f.broken('6887-8.4-01', n, f'asks from {shot.source}')
        else:
            f.kept('6887-8.4-01', n, f'asks from {shot.source}')
    if m.opcode == ANNOUNCE:
        if m.lifetime:
            f.broken('6887-14.1.2-01', n, f'ANNOUNCE with lifetime {m.lifetime}')
        else:
            f.kept('6887-14.1.2-01', n, 'lifetime 0')
    third = m.option(THIRD_PARTY)
    if third is not None and len(third) == 16:
        if address(third) == shot.source:
            f.broken('6887-13.1-05', n, f'THIRD_PARTY with its own address {shot.source}')
        else:
            f.kept('6887-13.1-05', n, f'THIRD_PARTY names {address(third)}')
    if m.opcode in (MAP, PEER):
        mapping(story, f, shot)


def mapping(story, f, shot):
    m, n = shot.message, [shot.number]
    if m.opcode == MAP:
        if m.option(PREFER_FAILURE) is None:
            f.kept('6887-13.2-04', n, 'no PREFER_FAILURE')
        else:
            f.unsure('6887-13.2-04', 'PREFER_FAILURE: somebody may have told it to', n)
    if m.protocol == 0:
        if m.internal:
            f.broken('6887-11.2-03', n, f'protocol 0 with internal port {m.internal}')
        else:
            f.kept('6887-11.2-03', n, 'protocol 0, internal port 0')
    elif m.protocol not in PORTED:
        if m.internal or m.external:
            f.broken('6887-11.2-02', n, f'protocol {m.protocol} with ports {m.internal} and {m.external}')
        else:
            f.kept('6887-11.2-02', n, f'protocol {m.protocol}, ports 0')
    if m.deletes:
        if m.external:
            f.broken('6887-15.1-05', n, f'a deletion that suggests external port {m.external}')
        else:
            f.kept('6887-15.1-05', n, 'external port 0')
        return
    if m.lifetime == 0:
        return
    if m.external or m.address not in ZEROS.values():
        f.kept('6887-11.2-08', n, f'suggests {m.address} {m.external}')


def suggestion(story, f, shot, ask, told):
    """An address that nobody has told it cannot be known to it. That of a host behind a NAT is no external address."""
    m, n = shot.message, [shot.number]
    if m.opcode not in (MAP, PEER) or not m.lifetime:
        return
    row = '6887-11.1-10' if m.opcode == MAP else '6887-12.1-09'
    own = family(shot.source)
    if m.address == ZEROS[own]:
        f.kept(row, n, f'suggests {m.address if own == 6 else "::ffff:0.0.0.0"}')
    elif told.get(m.address, shot.at) < shot.at or m.address in story.external:
        return
    elif own == 4 and m.address == shot.source:
        f.broken(row, n, f'suggests its own address {m.address} behind a NAT, and no gateway has told it an external one')
    elif own == 4 and m.address == '::':
        if ask.granted and family(ask.granted.message.address) == 4:
            f.broken(row, [shot.number, ask.granted.number],
                     'an IPv4 host suggests ::, which asks for an IPv6 address (RFC 6887 5 and 10), where it wants an IPv4 one')
        else:
            f.unsure(row, 'an IPv4 host suggests ::, and may want an IPv6 address', n)
    else:
        f.unsure(row, f'suggests {m.address}: somebody may have told it to', n)


def ports(story, f):
    """Only PCP asks for random ports; one that the kernel chose passes for random."""
    for (source, port), asks in story.sockets.items():
        asks = [a for a in asks if a.message.version == 2]
        if not asks:
            continue
        n = [asks[0].first.number]
        if port in EPHEMERAL:
            f.kept('6887-8.1-02', n, f'source port {port}, from the ephemeral range')
        elif port in (CLIENT_PORT, SERVER_PORT):
            f.broken('6887-8.1-02', n, f'source port {port}')
        elif any(port == a.message.internal for a in asks):
            f.unsure('6887-8.1-02', f'source port {port} is the port that it maps: one socket for both', n)
        else:
            f.unsure('6887-8.1-02', f'source port {port} may be random or not', n)


def nonces(story, f):
    first = {}
    for shot in story.shots:
        m = shot.message
        if m.nonce is None:
            continue
        first.setdefault(m.nonce, shot)
        if len(set(m.nonce)) <= 2:
            f.broken('6887-11.2-04', [shot.number], f'nonce {m.nonce.hex()}')
    pairs = list(first.items())
    for (a, one), (b, two) in zip(pairs, pairs[1:]):
        n = [one.number, two.number]
        if sum(x != y for x, y in zip(a, b)) < GUESSABLE:
            f.broken('6887-11.2-04', n, f'nonce {b.hex()} after {a.hex()}')
        else:
            f.kept('6887-11.2-04', n, f'{len(pairs)} nonces without a visible pattern')
    if len({s.message.nonce for s in story.shots if s.message.opcode == MAP and s.message.nonce}) > 1:
        f.kept('6887-11.2-07', [one.number for _, one in pairs], f'{len(pairs)} nonces')
