/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every section and key of the configuration, one row each. Parsing, defaults, messages and the generated documentation
 * follow this table; a key exists if and only if it has a row.
 */
#ifndef CONF_SCHEMA_H
#define CONF_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schema_section {
	SCHEMA_EXTERNAL,
	SCHEMA_LISTEN,
	SCHEMA_RULE,
	SCHEMA_STATIC,
	SCHEMA_HOOK,
	SCHEMA_TITLED, /* the sections above have a title and may stand several times, the others once */
	SCHEMA_RESERVED = SCHEMA_TITLED,
	SCHEMA_THIRD_PARTY,
	SCHEMA_LIFETIME,
	SCHEMA_LIMITS,
	SCHEMA_BACKEND,
	SCHEMA_JOURNAL,
	SCHEMA_CONTROL,
	SCHEMA_PROCESS,
	SCHEMA_LOG,
	SCHEMA_SECTIONS,
};

enum schema_type {				     /* what the key takes, and the type of its member */
		   SCHEMA_BOOL,			     /* bool */
		   SCHEMA_ENUM,			     /* an enum: one of choices */
		   SCHEMA_NUMBER,		     /* uint32_t: min..max */
		   SCHEMA_DURATION,		     /* uint32_t, seconds: min..max */
		   SCHEMA_MARK,			     /* uint32_t with one bit set */
		   SCHEMA_PORT,			     /* uint16_t, 1-65535 */
		   SCHEMA_PROTOCOL,		     /* uint8_t, a protocol with ports */
		   SCHEMA_STRING,		     /* char *: at most max octets */
		   SCHEMA_PROGRAM,		     /* char *: a path that begins with "/" */
		   SCHEMA_INTERFACE,		     /* char * */
		   SCHEMA_TABLE,		     /* char *: "inet NAME" */
		   SCHEMA_LOOPBACK,		     /* char *: "ADDRESS:PORT" on loopback */
		   SCHEMA_ENDPOINT,		     /* struct in6_addr, and uint16_t at offset_2: "ADDRESS:PORT" */
		   SCHEMA_REFERENCE,		     /* size_t: the title of an external */
		   SCHEMA_LISTS,		     /* from here on: one value or { a, b } */
		   SCHEMA_INTERFACES = SCHEMA_LISTS, /* struct conf_strings */
		   SCHEMA_PREFIXES,		     /* struct conf_prefixes: "ADDRESS/LENGTH" or "ADDRESS" */
		   SCHEMA_ADDRESSES,		     /* struct conf_prefixes: "ADDRESS" */
		   SCHEMA_RANGES,		     /* struct conf_ranges: "N" or "N-M", 1-65535 */
		   SCHEMA_MACS,			     /* struct conf_macs */
		   SCHEMA_PROTOCOLS,		     /* struct conf_protocols */
		   SCHEMA_FLAGS,		     /* unsigned: the bits of some of choices */
		   SCHEMA_CHAINS,		     /* struct conf_chains: "FAMILY TABLE CHAIN", or "" for none */
};

enum { SCHEMA_KEYS_MAX = 16 }; /* keys of one section at most */

struct schema_choice {
	const char *name; /* NULL ends the list */
	unsigned value;
};

struct schema_key {
	enum schema_section section;
	const char *name;
	enum schema_type type;
	size_t offset;	 /* of the member, in the section's structure or, for sections without title, in struct conf */
	size_t offset_2; /* of a second member, see enum schema_type */
	size_t told;	 /* of a bool that tells whether the key stands in the file; 0 = there is none */
	uint32_t min, max;
	const struct schema_choice *choices;
	const char *initial; /* default, as it would stand in the file; NULL = zero or empty */
	const char *unit;    /* for the documentation; NULL = none */
	bool required;
	bool some; /* a list must not be empty */
	bool live; /* taken over by a reload; else by a restart only */
	const char *text;
};

struct schema_section_row {
	const char *name;
	const char *text;
};

extern const struct schema_section_row schema_sections[SCHEMA_SECTIONS];
extern const struct schema_key schema_keys[]; /* grouped by section, in the order of enum schema_section */
extern const size_t schema_keys_n;

/* The first key of a section, and how many it has. */
const struct schema_key *schema_first(enum schema_section section, size_t *n);
/* By name; NULL or SCHEMA_SECTIONS if there is none. */
const struct schema_key *schema_key(enum schema_section section, const char *name);
enum schema_section schema_section(const char *name);
/* What was probably meant by a name that does not exist; NULL if nothing is near. */
const char *schema_near_key(enum schema_section section, const char *name);
const char *schema_near_section(const char *name);

#endif
