/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/lab/note.h"

#include <stdio.h>
#include <time.h>

#include "codec/codec.h"

void note(const struct note *n)
{
	char text[CODEC_ADDRESS_TEXT];
	struct timespec t;

	/* captures have the wall clock's time, and these stand beside them */
	clock_gettime(CLOCK_REALTIME, &t);
	printf("{\"at\": %lld.%06ld, \"what\": \"%s\"", (long long)t.tv_sec, t.tv_nsec / 1000, n->what);
	if (n->fault)
		printf(", \"fault\": \"%s\"", n->fault); /* fault_parse() lets no quotes through */
	if (n->client)
		printf(", \"client\": \"%s\", \"client_port\": %u", codec_address_text(n->client, text),
		       n->client_port);
	if (n->to && codec_is_unspecified(n->to))
		printf(", \"to\": null");
	else if (n->to)
		printf(", \"to\": \"%s\"", codec_address_text(n->to, text));
	printf("}\n");
	fflush(stdout);
}
