/* SPDX-License-Identifier: MIT */
/* natpcpc's command line: which commands and options there are, and what an option says. */
#ifndef NATPCP_NATPCPC_OPTIONS_H
#define NATPCP_NATPCPC_OPTIONS_H

#include "codec/client.h"

#define FILTERS_MAX  16
#define GATEWAYS_MAX 8

/* Bits, so that a row of the table of options can name several. */
enum command {
	COMMAND_MAP = 1,
	COMMAND_PEER = 2,
	COMMAND_UNMAP = 4,
	COMMAND_UNMAP_ALL = 8,
	COMMAND_ADDRESS = 16,
	COMMAND_ANNOUNCE = 32,
	COMMAND_LISTEN = 64,
	COMMAND_PROBE = 128,
	COMMAND_RAW = 256,
};

struct options {
	const char *servers[GATEWAYS_MAX];
	size_t servers_count;
	uint16_t port;
	const char *interface;
	bool v4, v6, all;
	enum client_mode mode;
	uint64_t timeout_ms; /* 0 = not given */
	bool json, keep, prefer_failure, third, has_nonce, random_nonce, parity, has_external_port;
	uint32_t lifetime_s;
	unsigned long count;
	struct in6_addr external, third_party;
	uint16_t external_port;
	struct pcp_option filters[FILTERS_MAX];
	size_t filters_count;
	const char *description;
	struct codec_nonce nonce;
	const char *exec;
	char **exec_arguments; /* NULL-terminated, what follows "--" */
};

struct command_row {
	enum command command;
	const char *name;
	int min, max; /* arguments */
	const char *arguments;
	const char *summary, *help;
};

extern const struct command_row command_rows[];
extern const size_t command_rows_count;

/*
 * Reads the command line; *command, *argc and *argv then say which command there is and what follows its name. Returns
 * an exit code if the program is to end, after it has said why or has helped, else -1.
 */
int options_read(struct options *o, const struct command_row **command, int *argc, char ***argv);

/* natpcpc --help, or that of one command. */
void options_help(const struct command_row *command);

/* Says on stderr what is wrong with the command line; returns EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) int options_wrong(const char *format, ...);

#endif
