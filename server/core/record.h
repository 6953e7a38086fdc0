/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal's records: what the engine wants remembered <-> octets. Pure. Every record has RECORD_SIZE octets, a type,
 * the time at which it was written, and a checksum; what does not fit goes on in records of type RECORD_PART behind it.
 * Numbers are big-endian, so that a file can be read on any machine. Times are the writer's CLOCK_BOOTTIME; the header
 * says which boot that was, and records of state say what the wall clock showed.
 *
 *     0  type, then how many parts follow (in a part: which one it is, from 1)
 *     2  flags (behind, clean, held), a zero
 *     4  when it was written; in a part its share of the rest begins at 2
 *    12  header: "natpcpd", zero, version, boot id; state: epochs, clocks, token; lease: see record.c
 *    92  CRC-32 of the 92 octets before; in a part it goes on from the record's that is before it
 */
#ifndef SERVER_CORE_RECORD_H
#define SERVER_CORE_RECORD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/codec.h"
#include "codec/epoch.h"
#include "server/core/extra.h"

enum {
	RECORD_SIZE = 96,
	RECORD_VERSION = 1,
	RECORD_BOOT_ID = 16,
	RECORD_PARTS_MAX = 24,				   /* enough for all filters and the longest description */
	RECORD_MAX = (1 + RECORD_PARTS_MAX) * RECORD_SIZE, /* octets of a record with its parts */
};

enum record_type {
	RECORD_HEADER = 1, /* the first of a file, and no other */
	RECORD_STATE,	   /* the epochs and the clocks as they are from here on */
	RECORD_LEASE,	   /* a lease as it is from here on, by its internal side; or a port that is held */
	RECORD_END,	   /* a lease is no more */
	RECORD_PART,	   /* more of the record before */
};

struct record_header {
	uint8_t boot_id[RECORD_BOOT_ID];
	bool behind; /* there is more that was answered than the file has */
};

struct record_state {
	struct epoch natpmp, pcp;
	uint64_t boot_ms, wall_ms; /* CLOCK_BOOTTIME and CLOCK_REALTIME at the same moment */
	bool clean;		   /* as the last record: the daemon ended in order, and everything is on the disk */
	bool always;		   /* what was answered was on the disk before */
	uint64_t token;		   /* of the packet filter that has these leases (backend.h), 0 = none */
};

struct record_lease {
	bool held; /* it has ended, and its outside port is kept for its client: RFC 6887 15 */
	uint8_t protocol, kind, origin, flags; /* as in struct lease */
	uint16_t internal_port, external_port, reply_port;
	struct in6_addr internal_address, external_address;
	struct codec_nonce nonce;
	uint64_t expires_ms;
	uint32_t listen, external; /* record_name() of their sections, 0 = unknown */
	struct extra_parts extra;  /* read: its arrays point into the caller's storage, NULL if they are empty */
};

struct record {
	enum record_type type;
	uint64_t written_ms;
	union {
		struct record_header header;
		struct record_state state;
		struct record_lease lease; /* RECORD_LEASE, RECORD_END: of an end only the key counts */
	};
};

/* A section of the configuration in 32 bits, from its name; never 0. */
uint32_t record_name(const char *name);

/*
 * Writes a record with its parts; of the extra of an end only the remote address and port. Returns octets, a multiple of
 * RECORD_SIZE; 0 if there is no room or it has more than RECORD_PARTS_MAX parts. RECORD_MAX octets are always enough,
 * RECORD_SIZE if a lease has no extra.
 */
size_t record_put(const struct record *r, uint8_t *out, size_t room);

/* What record_get() needs besides: where the arrays of an extra are put together. */
struct record_storage {
	uint8_t octets[RECORD_MAX];
	struct mapping_filter filters[RECORD_MAX / 16];
};

/*
 * Reads the record at the start of data with its parts, never one of type RECORD_PART. Returns octets taken; 0 if what is
 * there is no whole record, with the reason in why ("cut short", "wrong checksum", ...). A lease's extra points into
 * storage and is good until that is used again. That lengths and prefixes are in bounds is checked, what values mean is
 * not.
 */
size_t record_get(const uint8_t *data, size_t length, struct record_storage *storage, struct record *r,
		  const char **why);

#endif
