# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that keep, break or do not touch the rows of RFC 6886. Each case: row, what the verdict has to be, the run."""
import struct

from story import CLIENT, GATEWAY, OTHER, PORT, Run, address, answer, ask, natpmp, news, old, pcp, want

KEPT, BROKEN, SHOULD, NONE = 'kept', 'broken', 'broken (should)', 'not exercised'
A = pcp.natpmp_address()
NINE = [0.25 * (2 ** n - 1) for n in range(9)]
W = want(protocol=pcp.UDP)
M, T = ask(8000, 8000), ask(8001, 8001, protocol=pcp.TCP)


def granted(end=200, lifetime=7200, port=PORT, **more):
    """Two mappings from one socket."""
    return Run(end, **more).both(1, M, natpmp(M, 1000, lifetime=lifetime), port).both(2, T, natpmp(T, 1001, lifetime=lifetime), port)


def again(run, *times, port=PORT, epoch=0):
    for t in times:
        run.both(t, M, natpmp(M, epoch), port).both(t + 0.01, T, natpmp(T, epoch), port)
    return run


CASES = [
    # PCP first
    ('6886-1.1-06', KEPT, Run().both(0, W, old()).both(0.002, M, natpmp(M))),
    ('6886-1.1-06', SHOULD, Run().both(0, W, old()).both(3, M, natpmp(M))),
    ('6886-1.1-06', NONE, Run().both(0, pcp.announce(CLIENT), old()).both(30, M, natpmp(M))),
    ('6886-1.1-06', NONE, Run().both(0, want(), old())),
    ('6886-1.1-07', KEPT, Run().both(0, W, old()).both(0.002, M, natpmp(M))),
    ('6886-1.1-07', SHOULD, Run().out(0, A).out(0, pcp.announce(CLIENT)).back(0.001, address()).back(0.001, old())),
    ('6886-1.1-07', NONE, Run().both(0, M, natpmp(M))),
    ('6886-1.1-08', KEPT, Run().both(0, W, old()).both(0.002, M, natpmp(M)).both(60, W, old()).both(60.1, M, natpmp(M, 1060))),
    ('6886-1.1-08', SHOULD, Run().both(0, W, old()).both(0.002, M, natpmp(M)).both(60, M, natpmp(M, 1060))),
    ('6886-1.1-08', SHOULD, Run().both(0, W, old()).both(0.002, M, natpmp(M)).both(0.1, T, natpmp(T))),
    ('6886-1.1-08', NONE, Run().both(0, W, old()).both(0.002, M, natpmp(M))),
    # whom it asks
    ('6886-3-09', KEPT, Run().both(0, A, address())),
    ('6886-3-09', BROKEN, Run().out(0, A, to='192.0.2.254')),
    ('6886-3-09', NONE, Run().both(0, want(), answer(want()))),
    # one at a time
    ('6886-3.1-02', KEPT, Run().both(0, A, address()).both(0.01, M, natpmp(M))),
    ('6886-3.1-02', SHOULD, Run().out(0, M).out(0.001, T, 40001).back(0.5, natpmp(M)).back(0.5, natpmp(T), 40001)),
    ('6886-3.1-02', NONE, Run().both(0, A, address())),
    # when it asks again
    ('6886-3.1-03', KEPT, Run().out(NINE[:4], A).back(2, address())),
    ('6886-3.1-03', KEPT, Run().out([0, 0.31, 0.9, 2.0], A).back(2.1, address())),
    ('6886-3.1-03', SHOULD, Run().out([0, 0.25, 0.75, 1.5, 2.5], A).back(3, address())),
    ('6886-3.1-03', SHOULD, Run().out([0, 0.1], A).back(0.2, address())),
    ('6886-3.1-03', SHOULD, Run().out(0, A)),
    ('6886-3.1-03', NONE, Run(0.2).out(0, A)),
    ('6886-3.1-03', NONE, Run().both(0, A, address())),
    ('6886-3.1-03', NONE, Run().looks(0, 1).looks(1.5).out([1.001, 1.002, 1.75], A).back(2, address())),
    ('6886-3.1-03', NONE, Run().looks(0).out([0, 0.7], A).back(2, address())),
    ('6886-3.1-03', SHOULD, Run().looks(0, 0.001).out([0.002, 1], A).back(2, address())),
    ('6886-3.1-03', KEPT, Run(seen_from='gateway', faults=['loss=30%']).out([0, 0.25, 1.75, 7.75], A)),
    ('6886-3.1-03', SHOULD, Run(seen_from='gateway', faults=['loss=30%']).out([0, 1, 2, 3, 4], A)),
    ('6886-3.1-03', NONE, Run(seen_from='gateway', faults=['loss=30%']).out(0, A)),
    ('6886-3.1-04', KEPT, Run(127.8, 1).out(NINE, A)),
    ('6886-3.1-04', KEPT, Run(200, stopped=True).out(NINE, A)),
    ('6886-3.1-04', KEPT, Run(140, -15, True).out(NINE + [127.8 + t for t in NINE[:6]], A)),
    ('6886-3.1-04', SHOULD, Run(70, 1).out(NINE, A)),
    ('6886-3.1-04', SHOULD, Run(60).out(NINE[:4], A)),
    ('6886-3.1-04', SHOULD, Run(4, 1).out(NINE[:5], A)),
    ('6886-3.1-04', SHOULD, Run(200).out(NINE + [127.75], A)),
    ('6886-3.1-04', NONE, Run(4, -15, True).out(NINE[:5], A)),
    ('6886-3.1-04', NONE, Run(4, 124).out(NINE[:5], A)),
    ('6886-3.1-06', KEPT, Run(2, 1).out(0, A).unreachable(0.001, A)),
    ('6886-3.1-06', NONE, Run(2, 1).out([0, 0.25, 0.75], A).unreachable(0.001, A)),
    ('6886-3.1-07', KEPT, Run().out([0, 0.25], A).all(60, news(0, 0)).both(62, A, address(2))),
    ('6886-3.1-07', NONE, Run().out([0, 0.25], A).all(60, news(0, 0))),
    ('6886-3.1-08', KEPT, Run().out([0, 0.25, 0.75], ask(lifetime=0))),
    ('6886-3.1-08', SHOULD, Run().out([0, 1, 2], ask(lifetime=0))),
    ('6886-3.1-08', NONE, Run().both(0, ask(lifetime=0), natpmp(ask(lifetime=0)))),
    ('6886-3.3-11', KEPT, Run().out([0, 0.25], M).back(0.3, natpmp(M))),
    ('6886-3.3-11', SHOULD, Run().out([0, 1.0], M).back(1.1, natpmp(M))),
    ('6886-3.3-11', SHOULD, Run().out(0, M)),
    ('6886-3.3-11', NONE, Run().both(0, M, natpmp(M))),
    # the end
    ('6886-3.1-09', KEPT, granted(60, exit=-15, stopped=True).both(60.1, ask(8000, 0, 0), natpmp(ask(8000, 0, 0)))
     .both(60.2, ask(8001, 0, 0, pcp.TCP), natpmp(ask(8001, 0, 0, pcp.TCP)))),
    ('6886-3.1-09', SHOULD, granted(60, exit=-15, stopped=True).both(60.1, ask(8000, 0, 0), natpmp(ask(8000, 0, 0)))),
    ('6886-3.1-09', NONE, granted(60)),
    # whom it believes
    ('6886-3.2-07', KEPT, Run().out(0, A).back(0.01, address(5), source=OTHER).out(0.25, A).back(0.26, address())),
    ('6886-3.2-07', BROKEN, Run().out(NINE[:4], A).back(2, address()).out(10, A, 40001).back(10.1, address(5), 40001, OTHER)),
    ('6886-3.2-07', BROKEN, Run(0.02).out(0, A).back(0.01, address(5), source=OTHER)),
    ('6886-3.2-07', BROKEN, Run(0.5, 139).out(0, A).back(0.01, address(5), source=OTHER)),
    ('6886-3.2-07', NONE, Run().out(0, A).back(0.01, address(5), source=OTHER).back(0.02, address())),
    ('6886-3.2-07', NONE, Run(30, 1).out(0, A).back(0.01, address(5), source=OTHER)),
    ('6886-3.3-33', KEPT, Run().out(0, M).back(0.01, natpmp(M), source=OTHER).out(0.25, M).back(0.26, natpmp(M))),
    ('6886-3.3-33', BROKEN, Run(0.2).out(0, M).back(0.01, natpmp(M), source=OTHER)),
    ('6886-3.3-33', BROKEN, Run(5000).out(0, M).back(0.01, natpmp(M, external=9999), source=OTHER).back(0.02, natpmp(M))
     .out(3600, ask(8000, 9999))),
    ('6886-3.3-33', NONE, Run(60).both(0, M, natpmp(M))),
    # announcements and seconds
    ('6886-3.2.1-10', KEPT, again(granted().all(50, news(0, 0), OTHER).all(100, news(0, 0)), 102)),
    ('6886-3.2.1-10', BROKEN, again(granted().all(50, news(0, 0), OTHER), 52, epoch=1051)),
    ('6886-3.2.1-10', NONE, granted().all(50, news(0, 0), OTHER)),
    ('6886-3.2.1-12', KEPT, again(granted().all(50, news(0, 0)), 52)),
    ('6886-3.2.1-12', BROKEN, again(granted(400).all(50, news(500, 0)), 52, epoch=500).all(300, news(0, 0))),
    ('6886-3.2.1-12', NONE, granted().all(50, news(0, 0))),
    ('6886-3.6-05', KEPT, again(granted().both(50, A, address(0)), 52)),
    ('6886-3.6-05', BROKEN, granted().both(50, A, address(0))),
    ('6886-3.6-05', BROKEN, granted().both(50, A, address(0)).both(51, M, natpmp(M, 1))),
    ('6886-3.6-05', BROKEN, granted(600).both(402, A, address(1000 + 400 * 7 // 8 - 3))),
    ('6886-3.6-05', NONE, granted(600).both(402, A, address(1000 + 400 * 7 // 8))),
    ('6886-3.6-05', NONE, granted().both(50, A, address(0), 40001)),
    ('6886-3.6-05', NONE, granted().both(50, A, address(0)).closed(50.002, address(0))),
    ('6886-3.6-05', BROKEN, granted().both(50, A, address(0)).both(99, A, address(49)).closed(99.002, address(49))),
    ('6886-3.6-05', NONE, granted(53).both(50, A, address(0))),
    ('6886-3.6-06', KEPT, again(granted().both(50, A, address(0)), 52)),
    ('6886-3.6-06', BROKEN, granted().both(50, A, address(0))),
    ('6886-3.6-06', NONE, granted()),
    ('6886-3.7-04', KEPT, again(granted().all(50, news(0, 0)), 52)),
    ('6886-3.7-04', SHOULD, granted().both(50, A, address(0))),
    ('6886-3.7-04', NONE, granted()),
    ('6886-3.7-05', KEPT, again(granted().all(50, news(0, 0)), 53.4)),
    ('6886-3.7-05', BROKEN, again(granted().all(50, news(0, 0)), 56.8)),
    ('6886-3.7-05', BROKEN, again(again(granted(400).all(50, news(0, 0)), 50.01).all(200, news(0, 0)), 200.01)),
    ('6886-3.7-05', NONE, again(granted().all(50, news(0, 0)), 50.01)),
    ('6886-3.7-06', KEPT, again(granted().all(50, news(0, 0)), 53)),
    ('6886-3.7-06', SHOULD, granted().all(50, news(0, 0)).out(53, M).out(53.001, T).back(53.1, natpmp(M, 3)).back(53.1, natpmp(T, 3))),
    ('6886-3.7-06', NONE, granted()),
    # what it asks for
    ('6886-3.3-10', KEPT, Run().both(0, M, natpmp(M))),
    ('6886-3.3-10', SHOULD, Run().both(0, ask(lifetime=3600000), natpmp(ask(lifetime=3600000)))),
    ('6886-3.3-10', NONE, Run().both(0, ask(lifetime=120), natpmp(ask(lifetime=120)))),
    ('6886-3.3-36', KEPT, Run().both(0, M, natpmp(M))),
    ('6886-3.3-36', NONE, Run().both(0, ask(8000, 9000), natpmp(ask(8000, 9000)))),
    ('6886-3.4-04', KEPT, Run().both(0, ask(lifetime=0), natpmp(ask(lifetime=0)))),
    ('6886-3.4-04', NONE, Run().both(0, M, natpmp(M))),
    ('6886-3.4-05', KEPT, Run().both(0, ask(lifetime=0), natpmp(ask(lifetime=0)))),
    ('6886-3.4-05', BROKEN, Run().both(0, ask(8000, 8000, 0), natpmp(ask(8000, 8000, 0)))),
    ('6886-3.4-05', NONE, Run().both(0, M, natpmp(M))),
    ('6886-3.4-22', KEPT, Run().both(0, ask(0, 0, 0), natpmp(ask(0, 0, 0)))),
    ('6886-3.4-22', NONE, Run().both(0, ask(8000, 0, 0), natpmp(ask(8000, 0, 0)))),
    # renewal
    ('6886-3.3-34', KEPT, Run(90).both(0, M, natpmp(M, lifetime=120)).both(60, M, natpmp(M, 1060, lifetime=120))),
    ('6886-3.3-34', SHOULD, Run(110).both(0, M, natpmp(M, lifetime=120)).both(90, M, natpmp(M, 1090, lifetime=120))),
    ('6886-3.3-34', SHOULD, Run(200).both(0, M, natpmp(M, lifetime=120))),
    ('6886-3.3-34', SHOULD, Run(60, **{'exit': 0}).both(0, M, natpmp(M)).both(0.1, M, natpmp(M)).both(0.2, M, natpmp(M))
     .both(0.3, M, natpmp(M)).both(0.4, M, natpmp(M)).both(0.5, M, natpmp(M))),
    ('6886-3.3-34', NONE, Run(90).both(0, M, natpmp(M, lifetime=120)).both(1, M, natpmp(M, 1001, lifetime=120))),
    ('6886-3.3-34', NONE, Run(130).both(0, M, natpmp(M, lifetime=120)).both(50, ask(8000, 0, 0), natpmp(ask(8000, 0, 0), 1050))),
    ('6886-3.3-34', SHOULD, Run(130).both(0, M, natpmp(M, lifetime=50)).both(100, ask(8000, 0, 0), natpmp(ask(8000, 0, 0), 1100))),
    ('6886-3.3-35', KEPT, Run(90).both(0, M, natpmp(M, lifetime=120, external=9000)).both(60, ask(8000, 9000), natpmp(M, 1060))),
    ('6886-3.3-35', SHOULD, Run(90).both(0, M, natpmp(M, lifetime=120, external=9000)).both(60, M, natpmp(M, 1060))),
    ('6886-3.3-35', NONE, Run(90).both(0, M, natpmp(M, lifetime=120, external=9000))),
    # refusals
    ('6886-3.5-07', KEPT, Run().both(0, W, old(0)).both(0.002, M, natpmp(M))),
    ('6886-3.5-07', SHOULD, Run().out([0, 3], want()).back(0.001, old(0))),
    ('6886-3.5-07', NONE, Run().both(0, want(), old(128)).both(0.002, M, natpmp(M))),
    ('6886-3.5-16', KEPT, Run().both(0, M, natpmp(M, result=77))),
    ('6886-3.5-16', BROKEN, Run().both(0, M, natpmp(M, result=77)).both(0.5, M, natpmp(M, result=77)).both(1, M, natpmp(M, result=77))),
    ('6886-3.5-16', NONE, Run().both(0, M, natpmp(M, result=3))),
    ('6886-3.5-16', KEPT, Run().both(0, M, natpmp(M, result=77)).both(0.5, M, natpmp(M, result=77), 40001).both(0.5, M, natpmp(M, result=77), 40002)),
    ('6886-3.5-16', KEPT, Run().both(0, ask(8000, 1), natpmp(M, result=77)).both(0.5, ask(8000, 2), natpmp(M, result=77))
     .both(1, ask(8000, 3), natpmp(M, result=77))),
    # a lab with IPv6 alone, and what is no message at all, have nothing to say
    ('6886-3.1-03', NONE, Run().out(0, b'').back(0.1, b'\0').out(1, struct.pack('!BB', 9, 0)).udp(2, CLIENT, 1, GATEWAY, 53, A)),
]
