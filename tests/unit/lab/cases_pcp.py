# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that keep, break or do not touch the rows of RFC 6887. Each case: row, what the verdict has to be, the run."""
from cases_natpmp import BROKEN, KEPT, NONE, SHOULD
from story import CLIENT, CLIENT6, GATEWAY6, N, N2, OTHER, OUTSIDE, Run, answer, ask, natpmp, news, old, pcp, peer, want

W, V, P = want(), want(8001, nonce=N2, protocol=pcp.UDP), peer()
SAME = want(external=8000, outside=OUTSIDE)  # a renewal that asks for what it has
DOUBLE = [0, 3.1, 8.9, 21.3]


def granted(end=200, lifetime=7200, **more):
    return Run(end, **more).both(1, W, answer(W, 1000, lifetime=lifetime, external=8000)).both(2, V, answer(V, 1001, lifetime=lifetime))


def again(run, *times, epoch=0):
    for t in times:
        run.both(t, W, answer(W, epoch)).both(t + 0.01, V, answer(V, epoch))
    return run


def short(end=100, lifetime=120):
    return Run(end).both(0, W, answer(W, 1000, lifetime=lifetime, external=8000))


def renewed(*times, end=100, lifetime=120, request=SAME, replies=True):
    run = short(end, lifetime)
    for t in times:
        run.out(t, request)
        if replies:
            run.back(t + 0.001, answer(request, 1000 + int(t), lifetime=lifetime))
    return run


def refused(result, at=None, lifetime=30, request=W, end=100, **more):
    run = Run(end).both(0, request, answer(request, result=result, lifetime=lifetime))
    return run if at is None else run.both(at, more.get('then', request), answer(more.get('then', request), 1000 + int(at)))


def bad(*datagrams, request=W, keeps=True, end=60, exit=1, **how):
    """A request, something that is no answer to it, and whether the client goes on."""
    run = Run(end, exit).out(0, request)
    for d in datagrams:
        run.back(0.01, d, **how)
    return run.out(3, request).back(3.1, answer(request)) if keeps else run


CASES = [
    ('6887-8.1-03', KEPT, Run().both(0, W, answer(W))),
    ('6887-8.1-03', BROKEN, Run().out(0, want(client='192.0.2.99'))),
    ('6887-8.1-03', NONE, Run().both(0, ask(), natpmp(ask()))),
    ('6887-8.1-03', KEPT, Run().out(0, want(client=CLIENT6, outside='::'), to=GATEWAY6)),
    ('6887-8.1-03', BROKEN, Run().out(0, want(client=CLIENT6))),
    ('6887-8.1-03', NONE, Run()),
    ('6887-8.1-01', KEPT, Run().both(0, W, answer(W))),
    ('6887-8.1-01', BROKEN, Run().out(0, W, to='192.0.2.254')),
    ('6887-8.1-01', NONE, Run().both(0, ask(), natpmp(ask()))),
    ('6887-8.1-01', NONE, Run().out(0, W, to='192.0.0.9')),
    ('6887-8.1-01', KEPT, Run().out(0, want(outside='::', client=CLIENT6), to='2001:1::1').both(1, W, answer(W))),
    ('6887-8.1-02', KEPT, Run().both(0, W, answer(W))),
    ('6887-8.1-02', SHOULD, Run().both(0, W, answer(W), 5350)),
    ('6887-8.1-02', NONE, Run().both(0, W, answer(W), 8000)),
    ('6887-8.1.1-01', KEPT, Run().out([0, 3], W)),
    ('6887-8.1.1-01', BROKEN, Run().out(0, W).out(3, want(nonce=N2))),
    ('6887-8.1.1-01', NONE, Run().both(0, W, answer(W)).out(3, want(nonce=N2))),
    ('6887-8.1.1-01', NONE, Run().out(0, W).out(0.001, want(outside='::', nonce=N2))),
    ('6887-8.1.1-02', KEPT, Run(30, -15, True).out(DOUBLE, W)),
    ('6887-8.1.1-02', SHOULD, Run(9, -15, True).out([0, 0.25, 0.75, 1.5], W).back(2, answer(W))),
    ('6887-8.1.1-02', SHOULD, Run(200).out([0, 3.1], W)),
    ('6887-8.1.1-02', SHOULD, Run(200).out(0, W)),
    ('6887-8.1.1-02', NONE, Run(2).out(0, W)),
    ('6887-8.1.1-02', NONE, Run().looks6(0, 2).out([2.01, 3.1], want(client=CLIENT6, outside='::'), to=GATEWAY6)),
    ('6887-8.1.1-02', SHOULD, Run().looks6(0, 0.01).out([0.02, 1.1], want(client=CLIENT6, outside='::'), to=GATEWAY6)),
    ('6887-8.1.1-02', NONE, Run(100, seen_from='gateway', faults=['loss=30%']).out(0, W)),
    ('6887-8.1.1-03', KEPT, Run(30).out(DOUBLE, W)),
    ('6887-8.1.1-03', SHOULD, Run(30).out([0, 3, 6, 9], W)),
    ('6887-8.1.1-03', NONE, Run(30).out([0, 3.1], W)),
    ('6887-8.1.1-04', KEPT, Run(50).out(DOUBLE, W)),
    ('6887-8.1.1-04', SHOULD, Run(50).out([0, 3.001, 9.002, 21.003], W)),
    ('6887-8.1.1-04', NONE, Run(50).out(DOUBLE[:3], W)),
    ('6887-8.1.1-07', KEPT, renewed(66)),
    ('6887-8.1.1-07', SHOULD, renewed(90)),
    ('6887-8.1.1-07', SHOULD, short().out(66, SAME, to='192.0.2.2')),
    ('6887-8.1.1-07', NONE, short(59)),
    # whom it believes
    ('6887-8.3-01', KEPT, bad(answer(W), source=OTHER)),
    ('6887-8.3-01', KEPT, bad(answer(W), source_port=5352)),
    ('6887-8.3-01', BROKEN, bad(answer(W), source=OTHER, keeps=False, end=0.5, exit=0)),
    ('6887-8.3-01', BROKEN, bad(answer(W), source_port=5352, keeps=False, end=0.1, exit=1)),
    ('6887-8.3-01', BROKEN, again(granted().all(50, news(0), OTHER), 52, epoch=1051)),
    ('6887-8.3-01', NONE, bad(answer(W), source_port=5352, keeps=False, end=0.1, exit=1).closed(0.011, answer(W), source_port=5352)),
    ('6887-8.3-01', NONE, bad(answer(W), source=OTHER, keeps=False)),
    ('6887-8.3-03', KEPT, bad(b'\2\x81\0')),
    ('6887-8.3-03', KEPT, bad(W)),
    ('6887-8.3-03', BROKEN, bad(b'\2\x81\0', keeps=False, end=0.3, exit=134)),
    ('6887-8.3-03', NONE, Run().both(0, W, answer(W))),
    ('6887-8.3-04', KEPT, Run().both(0, want(protocol=pcp.UDP), old()).both(0.01, ask(), natpmp(ask()))),
    ('6887-8.3-04', SHOULD, Run().out([0, 3, 9], W).back(0.01, old())),
    ('6887-8.3-04', NONE, Run().both(0, W, answer(W))),
    ('6887-8.3-05', KEPT, bad(answer(W)[:20])),
    ('6887-8.3-05', KEPT, bad(answer(W)[:59])),
    ('6887-8.3-05', KEPT, bad(answer(W) + bytes(1044))),
    ('6887-8.3-05', BROKEN, bad(answer(W) + bytes(1044), keeps=False, end=0.2, exit=0)),
    ('6887-8.3-05', NONE, Run().both(0, W, answer(W))),
    ('6887-8.3-06', KEPT, bad(answer(W, opcode=2) + bytes(20))),
    ('6887-8.3-06', BROKEN, bad(answer(W, opcode=2) + bytes(20), keeps=False, end=0.2, exit=0)),
    ('6887-8.3-06', NONE, Run().both(0, W, answer(W))),
    ('6887-8.3-08', KEPT, bad(answer(W, internal=9)),),
    ('6887-8.3-08', BROKEN, bad(answer(W, internal=9), keeps=False, end=0.2, exit=0)),
    ('6887-8.3-08', NONE, Run().both(0, W, answer(W))),
    ('6887-11.4-01', KEPT, bad(answer(W, nonce=N2))),
    ('6887-11.4-01', BROKEN, bad(answer(W, nonce=N2), keeps=False, end=0.2, exit=0)),
    ('6887-11.4-01', BROKEN, Run(60).out(DOUBLE[:3], V, 41000).back(10, answer(V), 41000).out(20, W).back(20.1, answer(W, nonce=N2))),
    ('6887-11.4-01', NONE, bad(answer(W, nonce=N2), keeps=False)),
    ('6887-12.4-01', KEPT, bad(answer(P, nonce=N2), request=P)),
    ('6887-12.4-01', BROKEN, bad(answer(P, nonce=N2), request=P, keeps=False, end=0.2, exit=0)),
    ('6887-12.4-01', NONE, Run().both(0, P, answer(P))),
    # refusals
    ('6887-8.3-10', KEPT, refused(8, 31)),
    ('6887-8.3-10', KEPT, refused(2)),
    ('6887-8.3-10', SHOULD, refused(8, 5)),
    ('6887-8.3-10', NONE, refused(11, 1, then=want(external=9000))),
    ('6887-8.3-10', NONE, refused(8, end=10)),
    ('6887-9-05', KEPT, Run().both(0, want(protocol=pcp.UDP), old()).both(0.01, ask(), natpmp(ask()))),
    ('6887-9-05', NONE, Run().both(0, W, old())),
    ('6887-9-07', KEPT, Run(100).both(0, W, answer(W, result=1, lifetime=60, version=7)[:24]).both(61, W, answer(W))),
    ('6887-9-07', SHOULD, Run(100).both(0, W, old()).out(3, W)),
    ('6887-9-07', NONE, Run(10).both(0, W, old())),
    ('6887-A-03', KEPT, Run().both(0, want(protocol=pcp.UDP), old()).both(0.01, ask(), natpmp(ask()))),
    ('6887-A-03', SHOULD, Run().both(0, ask(), natpmp(ask())).both(1, W, answer(W))),
    ('6887-A-03', NONE, Run().both(0, W, answer(W))),
    ('6887-11.4-02', KEPT, refused(8)),
    ('6887-11.4-02', SHOULD, refused(8, 5, then=V)),
    ('6887-11.4-02', NONE, refused(2, 5, then=V)),
    ('6887-11.4-03', KEPT, refused(8, request=want(lifetime=0))),
    ('6887-11.4-03', SHOULD, refused(8, 5, request=want(lifetime=0), then=pcp.announce(CLIENT))),
    ('6887-11.4-03', NONE, refused(2, 5, request=want(lifetime=0))),
    ('6887-12.4-02', KEPT, refused(8, request=P)),
    ('6887-12.4-02', SHOULD, refused(8, 5, request=P, then=V)),
    ('6887-12.4-02', NONE, refused(2, 5, request=P, then=V)),
    # addresses and ports
    ('6887-8.4-01', KEPT, Run().out(0, want(client=CLIENT6, outside='::'), to=GATEWAY6)),
    ('6887-8.4-01', SHOULD, Run(client=['fd00::1']).out(0, want(client='fd00::1', outside='::'), to=GATEWAY6, source='fd00::1')),
    ('6887-8.4-01', NONE, Run().both(0, W, answer(W))),
    ('6887-10.2-02', KEPT, granted().syn(3, 8000)),
    ('6887-10.2-02', BROKEN, granted().syn(0.5, 8000)),
    ('6887-10.2-02', NONE, granted().syn(0.5, 8000, flags=18).syn(0.6, 9)),
    ('6887-11.1-10', KEPT, Run().both(0, W, answer(W))),
    ('6887-11.1-10', BROKEN, Run().out(0, want(outside=CLIENT))),
    ('6887-11.1-10', BROKEN, Run().both(0, want(outside='::'), answer(want(outside='::')))),
    ('6887-11.1-10', NONE, Run().out(0, want(outside='203.0.113.7'))),
    ('6887-11.1-10', NONE, Run().out(0, want(outside='::'))),
    ('6887-11.1-10', KEPT, Run().out(0, want(client=CLIENT6, outside='::'), to=GATEWAY6)),
    ('6887-12.1-09', KEPT, Run().out(0, P)),
    ('6887-12.1-09', BROKEN, Run().out(0, peer(outside=CLIENT))),
    ('6887-12.1-09', NONE, Run().out(0, peer(outside='203.0.113.7'))),
    ('6887-11.2-02', KEPT, Run().out(0, want(0, protocol=46))),
    ('6887-11.2-02', BROKEN, Run().out(0, want(8000, protocol=46))),
    ('6887-11.2-02', NONE, Run().out(0, W)),
    ('6887-11.2-03', KEPT, Run().out(0, want(0, protocol=0))),
    ('6887-11.2-03', BROKEN, Run().out(0, want(80, protocol=0))),
    ('6887-11.2-03', NONE, Run().out(0, W)),
    ('6887-11.2-04', KEPT, Run().out(0, W).out(1, V)),
    ('6887-11.2-04', BROKEN, Run().out(0, want(nonce=bytes(12)))),
    ('6887-11.2-04', BROKEN, Run().out(0, W).out(1, want(8001, nonce=N[:11] + b'\x9b'))),
    ('6887-11.2-04', NONE, Run().out(0, W)),
    ('6887-11.2-07', KEPT, Run().out(0, W).out(1, V)),
    ('6887-11.2-07', NONE, Run().out(0, W)),
    ('6887-11.2-08', KEPT, Run().out(0, want(external=8000))),
    ('6887-11.2-08', NONE, Run().out(0, W)),
    ('6887-13.1-05', KEPT, Run().out(0, want(options=[pcp.third_party(OTHER)]))),
    ('6887-13.1-05', BROKEN, Run().out(0, want(options=[pcp.third_party(CLIENT)]))),
    ('6887-13.1-05', NONE, Run().out(0, W)),
    ('6887-13.2-04', KEPT, Run().out(0, W)),
    ('6887-13.2-04', NONE, Run().out(0, want(options=[pcp.option(pcp.PREFER_FAILURE)]))),
    ('6887-14.1.2-01', KEPT, Run().out(0, pcp.announce(CLIENT))),
    ('6887-14.1.2-01', BROKEN, Run().out(0, pcp.header(0, 60, CLIENT))),
    ('6887-14.1.2-01', NONE, Run().out(0, W)),
    ('6887-15.1-05', KEPT, Run().out(0, want(lifetime=0))),
    ('6887-15.1-05', BROKEN, Run().out(0, want(lifetime=0, external=8000))),
    ('6887-15.1-05', NONE, Run().out(0, W)),
    # renewal
    ('6887-11.2.1-01', KEPT, renewed(66)),
    ('6887-11.2.1-01', SHOULD, short(200)),
    ('6887-11.2.1-01', NONE, short(100)),
    ('6887-11.2.1-02', KEPT, renewed(66)),
    ('6887-11.2.1-02', SHOULD, renewed(66, request=want(outside=OUTSIDE))),
    ('6887-11.2.1-02', SHOULD, renewed(66, request=want(external=8000))),
    ('6887-11.2.1-02', NONE, renewed(1)),
    ('6887-11.2.1-03', KEPT, renewed(66)),
    ('6887-11.2.1-03', SHOULD, renewed(90)),
    ('6887-11.2.1-03', SHOULD, renewed(45)),
    ('6887-11.2.1-03', KEPT, renewed(66, 92, 106, replies=False)),
    ('6887-11.2.1-03', SHOULD, renewed(66, 80, replies=False)),
    ('6887-11.2.1-03', NONE, renewed(1)),
    ('6887-11.2.1-04', KEPT, renewed(66, 92, 106, replies=False)),
    ('6887-11.2.1-04', BROKEN, renewed(66, 66.5, replies=False)),
    ('6887-11.2.1-04', BROKEN, renewed(66, 67)),
    ('6887-11.2.1-04', NONE, renewed(66, 69, replies=False)),
    ('6887-11.2.1-04', NONE, renewed(66)),
    ('6887-11.4-04', KEPT, renewed(66)),
    ('6887-11.4-04', BROKEN, renewed(150, end=200)),
    ('6887-11.4-04', NONE, short(200)),
    ('6887-15-07', KEPT, renewed(66)),
    ('6887-15-07', NONE, short(200)),
    # epochs and announcements
    ('6887-8.5-08', KEPT, again(granted().both(50, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 0)), 51)),
    ('6887-8.5-08', BROKEN, granted().both(50, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 0))),
    ('6887-8.5-08', NONE, granted().both(2, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 1000))),
    ('6887-8.5-09', KEPT, again(granted().both(50, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 9000)), 51, epoch=9001)),
    ('6887-8.5-09', BROKEN, granted().both(50, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 9000))),
    ('6887-8.5-09', BROKEN, granted(600).both(402, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 1001 + 366))),
    ('6887-8.5-09', NONE, granted(600).both(402, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 1001 + 374))),
    ('6887-8.5-11', KEPT, again(granted().both(50, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 0)), 51)),
    ('6887-8.5-11', BROKEN, granted().both(50, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 0)).both(51, W, answer(W, 1))),
    ('6887-8.5-11', NONE, granted(52).both(50, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 0))),
    ('6887-8.5-11', NONE, granted().both(50, pcp.announce(CLIENT), answer(pcp.announce(CLIENT), 0), 41000)),
    ('6887-8.5-10', KEPT, again(granted().all(50, news(0)), 52, epoch=2).all(70, news(20))),
    ('6887-8.5-10', BROKEN, again(granted().all(50, news(0)), 52, epoch=2).all(70, news(20)).both(71, W, answer(W, 21)).both(71.1, V, answer(V, 21))),
    ('6887-8.5-10', NONE, granted().all(50, news(1049)).all(51, news(1050))),
    ('6887-14.1.3-10', KEPT, again(granted().all(50, news(0)), 52)),
    ('6887-14.1.3-10', NONE, granted().all(50, news(0))),
    ('6887-14.1.3-12', KEPT, again(granted().all(50, news(0)), 53.2)),
    ('6887-14.1.3-12', BROKEN, again(granted().all(50, news(0)), 56.8)),
    ('6887-14.1.3-12', BROKEN, again(granted(300).all(50, news(0)), 52).all(150, news(0))),
    ('6887-14.1.3-12', NONE, granted().all(50, news(0))),
    ('6887-14.1.3-12', NONE, granted().all(50, news(1049))),
    ('6887-14.1.3-13', KEPT, again(granted().all(50, news(0)), 52, epoch=2).all(70, news(20))),
    ('6887-14.1.3-13', BROKEN, again(granted().all(50, news(0)), 52, epoch=2).all(70, news(20)).both(71, W, answer(W, 21)).both(71.1, V, answer(V, 21))),
    ('6887-14.1.3-13', NONE, granted().all(50, news(1049))),
]
# who only breaks them together with another row, or can only be seen to keep them
NEVER_BROKEN = ('6887-14.1.3-10', '6887-15-07', '6887-13.2-04')
