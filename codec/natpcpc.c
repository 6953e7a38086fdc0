/* SPDX-License-Identifier: MIT */
/* natpcpc: asks a NAT-PMP or PCP server for mappings, from the command line. */
#include "codec/natpcpc.h"

static const struct {
	enum command command;
	int (*run)(struct app *, int, char **);
} commands[] = {
    {COMMAND_MAP, natpcpc_map},		{COMMAND_PEER, natpcpc_peer},
    {COMMAND_UNMAP, natpcpc_unmap},	{COMMAND_UNMAP_ALL, natpcpc_unmap_all},
    {COMMAND_ADDRESS, natpcpc_address}, {COMMAND_ANNOUNCE, natpcpc_announce},
    {COMMAND_LISTEN, natpcpc_listen},	{COMMAND_PROBE, natpcpc_probe},
    {COMMAND_RAW, natpcpc_raw},
};

uint64_t app_deadline(const struct app *a, uint64_t default_ms)
{
	uint64_t ms = a->o.timeout_ms ? a->o.timeout_ms : default_ms;

	return ms == CLIENT_NEVER ? ms : session_now() + ms;
}

int app_worse(int one, int other)
{
	static const int by_weight[] = {EXIT_USAGE, EXIT_REFUSED, EXIT_SILENCE};

	for (size_t i = 0; i < sizeof(by_weight) / sizeof(by_weight[0]); i++)
		if (one == by_weight[i] || other == by_weight[i])
			return by_weight[i];
	return EXIT_DONE;
}

int main(int argc, char **argv)
{
	static struct app a;
	const struct command_row *row;
	int rc = options_read(&a.o, &row, &argc, &argv);

	if (rc >= 0)
		return rc;
	if (a.o.keep || row->command == COMMAND_LISTEN || row->command == COMMAND_PROBE)
		session_catch_signals();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].command == row->command)
			rc = commands[i].run(&a, argc, argv);
	for (size_t i = 0; i < a.count; i++)
		session_close(&a.sessions[i]);
	return rc;
}
