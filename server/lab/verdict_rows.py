# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of RFC 6886 and 6887 for clients (tests/requirements names them all): those that traffic can show, with what breaking
one weighs, and why the others cannot be seen from outside."""
from collections import namedtuple

Row = namedtuple('Row', 'id verdict packets why weight statement')

# A verdict is kept, broken, broken (should) or not exercised.
# must: a client that breaks it is wrong. should: shown, and wrong only when judged strictly. may: cannot be broken.
# Where the RFC has no keyword, what other parties rely on is a must and the rest a should.
ROWS = (
    ('6886-1.1-06', 'should', 'told Unsupported Version, repeats the request in version 0 at once'),
    ('6886-1.1-07', 'should', 'PCP first for each request and renewal, version 0 only after Unsupported Version'),
    ('6886-1.1-08', 'should', 'does not remember that a gateway speaks version 0 only'),
    ('6886-3-09', 'must', 'requests go to the default gateway and nowhere else'),
    ('6886-3.1-02', 'should', 'one request at a time'),
    ('6886-3.1-03', 'should', 'waits 250 ms before the first retransmission, then twice as long each time'),
    ('6886-3.1-04', 'should', 'gives up after nine attempts and 64 s more'),
    ('6886-3.1-06', 'may', 'stops at an ICMP port unreachable'),
    ('6886-3.1-07', 'may', 'tries again when a gateway announces itself'),
    ('6886-3.1-08', 'should', 'deletions use the same doubling timer'),
    ('6886-3.1-09', 'should', 'deletes a mapping that it no longer wants'),
    ('6886-3.2-07', 'must', 'drops an address response of another source'),
    ('6886-3.2.1-10', 'must', 'drops announcements of another source'),
    ('6886-3.2.1-12', 'must', 'checks the epoch of announcements, recreates its mappings when it is implausible'),
    ('6886-3.3-10', 'should', 'asks for 7200 s'),
    ('6886-3.3-11', 'should', 'repeats a mapping request after 250 ms without an answer'),
    ('6886-3.3-33', 'must', 'drops a mapping response of another source'),
    ('6886-3.3-34', 'should', 'renews at half of the lifetime'),
    ('6886-3.3-35', 'should', 'a renewal carries the port that was assigned'),
    ('6886-3.3-36', 'may', 'suggests the internal port, or 0 for any'),
    ('6886-3.4-04', 'may', 'deletes explicitly'),
    ('6886-3.4-05', 'must', 'a deletion suggests external port 0'),
    ('6886-3.4-22', 'may', 'deletes all mappings of a predecessor'),
    ('6886-3.5-07', 'should', 'takes the version error with opcode 0 as well as 128'),
    ('6886-3.5-16', 'must', 'takes unknown result codes as fatal for the request'),
    ('6886-3.6-05', 'must', 'renews all mappings when the seconds fall more than 2 below 7/8 of the time elapsed'),
    ('6886-3.6-06', 'must', 'checks the seconds of every packet of the gateway'),
    ('6886-3.7-04', 'should', 'renews right away when time went backwards'),
    ('6886-3.7-05', 'must', 'waits a random 0 to 5 s before that'),
    ('6886-3.7-06', 'should', 'and then asks for one at a time'),
    ('6887-8.1-01', 'must', 'asks the default router of the family'),
    ('6887-8.1-02', 'should', 'source port is random'),
    ('6887-8.1-03', 'must', 'the client IP field is the source address of the datagram'),
    ('6887-8.1.1-01', 'must', 'retransmissions keep the nonce'),
    ('6887-8.1.1-02', 'should', 'first retransmission after 3 s, no end, at most 1024 s apart'),
    ('6887-8.1.1-03', 'should', 'each wait is twice the one before'),
    ('6887-8.1.1-04', 'should', 'each wait varies by a random tenth'),
    ('6887-8.1.1-07', 'should', 'the next request comes between 1/2 and 5/8 of the lifetime, to the same server'),
    ('6887-8.3-01', 'must', 'drops a response of another address or port'),
    ('6887-8.3-03', 'must', 'drops what is shorter than 4 octets or no response'),
    ('6887-8.3-04', 'should', 'takes a short UNSUPP_VERSION'),
    ('6887-8.3-05', 'must', 'drops responses shorter than 24, longer than 1100 or no multiple of 4'),
    ('6887-8.3-06', 'must', 'drops responses of an opcode that it did not ask with'),
    ('6887-8.3-08', 'must', 'drops responses to requests that it did not send'),
    ('6887-8.3-10', 'should', 'does not repeat a refused request within the lifetime of the error'),
    ('6887-8.4-01', 'should', 'asks from a global IPv6 address'),
    ('6887-8.5-08', 'must', 'takes an epoch that fell by more than 1 s as invalid'),
    ('6887-8.5-09', 'must', 'takes an epoch that runs too slow or too fast as invalid'),
    ('6887-8.5-10', 'must', 'remembers the new epoch: no second burst'),
    ('6887-8.5-11', 'must', 'renews all mappings promptly after an invalid epoch'),
    ('6887-9-05', 'may', 'goes on in NAT-PMP when the gateway speaks that only'),
    ('6887-9-07', 'should', 'asks a gateway without version 2 again after 30 minutes or the lifetime of the error'),
    ('6887-10.2-02', 'must', 'has its MAP success before it sends from that port'),
    ('6887-11.1-10', 'must', 'suggests the all-zeros address of its family if it does not know the external one'),
    ('6887-11.2-02', 'must', 'ports are zero for protocols without ports'),
    ('6887-11.2-03', 'must', 'all protocols: internal port 0'),
    ('6887-11.2-04', 'must', 'nonces cannot be guessed'),
    ('6887-11.2-07', 'may', 'a nonce for each mapping'),
    ('6887-11.2-08', 'may', 'suggests an external port or address'),
    ('6887-11.2.1-01', 'should', 'keeps a mapping alive'),
    ('6887-11.2.1-02', 'should', 'renewals suggest what was assigned'),
    ('6887-11.2.1-03', 'should', 'renews between 1/2 and 5/8 of the lifetime, then at 3/4 and 7/8'),
    ('6887-11.2.1-04', 'must', 'renewals are never less than 4 s apart'),
    ('6887-11.4-01', 'must', 'drops a MAP response whose nonce, protocol or internal port is not its own'),
    ('6887-11.4-02', 'should', 'no new mappings for as long as NO_RESOURCES lasts'),
    ('6887-11.4-03', 'should', 'no requests at all for as long as a NO_RESOURCES to a deletion lasts'),
    ('6887-11.4-04', 'must', 'renews before expiry what it wants to keep'),
    ('6887-12.1-09', 'must', 'PEER: suggests the all-zeros address of the family if it does not know the external one'),
    ('6887-12.4-01', 'must', 'drops a PEER response whose nonce or addresses are not its own'),
    ('6887-12.4-02', 'should', 'PEER: no new mappings for as long as NO_RESOURCES lasts'),
    ('6887-13.1-05', 'must', 'THIRD_PARTY does not name the client itself'),
    ('6887-13.2-04', 'should', 'does not use PREFER_FAILURE without need'),
    ('6887-14.1.2-01', 'must', 'ANNOUNCE has lifetime 0'),
    ('6887-14.1.3-10', 'must', 'listens to 224.0.0.1 and ff02::1 port 5350 if it wants announcements'),
    ('6887-14.1.3-12', 'must', 'waits a random 0 to 5 s after an anomalous announcement, then asks for all mappings again'),
    ('6887-14.1.3-13', 'must', 'asks for nothing again when the epoch is plausible'),
    ('6887-15-07', 'must', 'renews explicitly, whatever the traffic'),
    ('6887-15.1-05', 'must', 'a deletion suggests external port 0'),
    ('6887-A-03', 'should', 'PCP first, NAT-PMP after UNSUPP_VERSION'),
)

INSIDE = 'only the client knows'
RUNS = 'needs several runs to compare'
NETWORK = 'needs a network that the lab does not make'
GATEWAY = "needs an answer that the lab's gateway does not give"
UNSEEN = {
    '6886-3-08': "the lab's addresses are for documentation", '6886-3.1-05': INSIDE, '6886-3.1-10': INSIDE, '6886-3.2-05': INSIDE,
    '6886-3.2.1-14': INSIDE, '6886-3.3-05': INSIDE, '6886-3.4-12': INSIDE, '6886-3.6-04': INSIDE, '6886-3.8-05': INSIDE,
    '6886-5-03': INSIDE,
    '6887-4-02': INSIDE, '6887-6-05': INSIDE, '6887-7.2-06': GATEWAY, '6887-7.2-12': GATEWAY, '6887-7.3-07': INSIDE,
    '6887-7.3-23': GATEWAY, '6887-7.3-24': INSIDE, '6887-7.3-26': INSIDE, '6887-8-04': INSIDE, '6887-8.1-04': NETWORK,
    '6887-8.1.1-05': RUNS, '6887-8.1.1-06': INSIDE, '6887-8.3-07': INSIDE, '6887-8.3-09': 'takes a day', '6887-8.3-11': NETWORK,
    '6887-8.3-12': INSIDE, '6887-8.4-02': NETWORK, '6887-8.4-03': NETWORK, '6887-8.4-04': NETWORK, '6887-8.5-07': INSIDE,
    '6887-8.5-12': INSIDE, '6887-8.5-13': INSIDE, '6887-9-03': INSIDE, '6887-9-04': INSIDE, '6887-9-06': INSIDE,
    '6887-10-08': INSIDE, '6887-11-06': INSIDE, '6887-11.1-09': INSIDE, '6887-11.2-01': INSIDE, '6887-11.2-05': NETWORK,
    '6887-11.2-06': RUNS, '6887-11.5-02': NETWORK, '6887-11.5-03': NETWORK, '6887-12.2-01': INSIDE,
    '6887-12.2-02': NETWORK, '6887-12.2-03': RUNS, '6887-12.2-04': INSIDE, '6887-12.4-03': INSIDE, '6887-12.4-04': INSIDE,
    '6887-13.1-12': INSIDE, '6887-13.2-09': INSIDE, '6887-14.1.3-11': INSIDE, '6887-14.2-12': INSIDE, '6887-15-08': 'takes a day',
    '6887-16.3.1-02': INSIDE, '6887-16.3.2-02': INSIDE, '6887-16.3.3-03': NETWORK, '6887-16.4-01': INSIDE, '6887-18.3.1-02': INSIDE,
}
MOST = 12  # packets that a row names


class Findings:
    """What the checks found. A row is broken if it was broken once, else kept if it was kept once, else not exercised."""

    def __init__(self):
        self.weights = {i: weight for i, weight, _ in ROWS}
        self.found = {i: {'broken': [], 'kept': [], 'not exercised': []} for i in self.weights}

    def note(self, verdict, ids, packets, why):
        for i in ids.split():
            assert verdict != 'broken' or self.weights[i] != 'may', i
            self.found[i][verdict].append((list(packets), why))

    def kept(self, ids, packets, why):
        self.note('kept', ids, packets, why)

    def broken(self, ids, packets, why):
        self.note('broken', ids, packets, why)

    def unsure(self, ids, why, packets=()):
        """Not exercised, or not certain; why."""
        self.note('not exercised', ids, packets, why)

    def rows(self):
        for i, weight, statement in ROWS:
            found = self.found[i]
            verdict = 'broken' if found['broken'] else 'kept' if found['kept'] else 'not exercised'
            notes = found[verdict]
            why = notes[0][1] if notes else ''
            if len(notes) > 1 and verdict != 'not exercised':
                why += f' (and {len(notes) - 1} more)'
            packets = [n for numbers, _ in notes for n in numbers]
            if verdict == 'broken' and weight != 'must':
                verdict = 'broken (should)'
            yield Row(i, verdict, list(dict.fromkeys(packets))[:MOST], why, weight, statement)
