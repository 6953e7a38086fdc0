/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plays scenarios: scripts of packets and times against the engine and the memory backend. player FILE...
 * Reports each file as "PASS name: n steps" or "FAIL name: line: what", and a closing line.
 *
 *   conf ... end                        the configuration, up to a line "end"; opens the world at time 0
 *   wan [EXTERNAL] ADDRESS... | none    tells the addresses of an external (index, default 0)
 *   start                               engine_start
 *   host NAME ADDRESS [interface=I] [listen=N] [port=P]
 *   at SECONDS                          lets time pass up to then (decimals allowed)
 *   in HOST natpmp address | map tcp|udp INT EXT LIFETIME
 *   in HOST pcp announce | map PROTO INT EXTADDR EXTPORT LIFETIME [nonce=N] [client=ADDRESS] [third-party=ADDRESS]
 *                             [prefer-failure] [filter=ADDRESS/PREFIX[:PORT]|off] [text=WORD] [ports=N[p]]
 *                             [option=CODE:HEX] [left=SECONDS|unknown]
 *                              left: for how long connections of the mappings would go on that it cuts
 *   in HOST pcp peer PROTO INT REMOTE:PORT EXTADDR EXTPORT LIFETIME [the same] [flow=EXTADDR:PORT:LEFT]
 *                              flow: what connection tracking has of it
 *   in HOST hex OCTETS...
 *   round ... commit                    several of these in one round
 *   expect reply WORD...                the next reply, as text, has each of the words
 *   expect hex OCTETS...                the next reply is this; .. stands for any octet
 *   expect silence                      there is no reply
 *   expect change WORD... / no change   the next change of the last round
 *   expect event WORD... / no event     the next event of the last round
 *   expect flows end|reset WORD... / no flows   the next mapping of the last round whose connections do not go on
 *   expect announce WORD... / no announce   the next announcement since the last "at"
 *   expect mapping PROTO INTADDR:PORT EXTADDR:PORT [peer=ADDR:PORT] [ports=N] / no mapping ...  in the packet filter
 *                                       both with filters=ADDRESS/PREFIX:PORT,... or without filters
 *   expect mappings N
 *   expect lease WORD... / no lease WORD...        some lease, as text, has each of the words
 *   refuse N [ERROR]     fail ERROR|off           the packet filter refuses the N-th change from now; all changes
 *   reload ... end   reinstall   flush   revoke ADDRESS|all [PROTO] [EXTPORT]
 *   vanish PROTO INTADDR:PORT EXTADDR:PORT        it is no longer in the packet filter
 *   appear PROTO INTADDR:PORT EXTADDR:PORT SECONDS   it is, without the engine's knowledge; the rest as adopt
 *   blind ... agree                     the packet filter differs from the leases for a while; now it agrees
 *   without PROTO                       the packet filter cannot map it
 *   restart [part|none] [reboot] [after=SECONDS] [list] [natpmp] [pcp]   another engine, with what was remembered and what
 *                                       the packet filter has, asked for or (list) listed at once; part: something is
 *                                       missing, none: there is no journal; reboot: nor is the packet filter; after: so
 *                                       long there was none; natpmp, pcp: their epochs go on. Then come wan and start
 *   adopt PROTO INTADDR:PORT EXTADDR:PORT SECONDS [filters=...] [peer=...] [ports=N]
 *   busy PROTO ADDRESS PORT | none
 */
#include "tests/scenario/player_self.h"

#include <errno.h>
#include <stdarg.h>

enum { WORDS_MAX = 64 };

bool player_fail(struct player *p, const char *format, ...)
{
	va_list v;

	va_start(v, format);
	vsnprintf(p->why, sizeof(p->why), format, v);
	va_end(v);
	return false;
}

void player_queue_clear(struct player_queue *q)
{
	for (size_t i = 0; i < q->n; i++)
		free(q->v[i]);
	q->first = q->n = 0;
}

void player_queue_push(struct player_queue *q, const char *text)
{
	if (q->n < PLAYER_TEXTS_MAX)
		q->v[q->n++] = strdup(text);
}

static size_t split(char *line, char **words)
{
	size_t n = 0;
	char *save = NULL;

	for (char *w = strtok_r(line, " \t\r\n", &save); w && *w != '#' && n < WORDS_MAX;
	     w = strtok_r(NULL, " \t\r\n", &save))
		words[n++] = w;
	return n;
}

static bool play(struct player *p)
{
	char line[PLAYER_LINE_MAX], *words[WORDS_MAX];
	size_t n;

	while (fgets(line, sizeof(line), p->file)) {
		p->line++;
		n = split(line, words);
		if (n && (!player_do(p, words, n) || *p->why))
			return false;
	}
	if (!p->open || !p->expected)
		return player_fail(p, "nothing is expected");
	if (p->blind)
		return player_fail(p, "blind to the end");
	return player_begin(p);
}

static bool play_file(const char *path)
{
	struct player *p = calloc(1, sizeof(*p));
	bool good;

	p->file = fopen(path, "r");
	good = p->file ? play(p) : player_fail(p, "%s", strerror(errno));
	if (good)
		printf("PASS %s: %u steps\n", path, p->steps);
	else
		printf("FAIL %s: line %u: %s\n", path, p->line, p->why);
	if (p->file)
		fclose(p->file);
	for (size_t i = 0; i < p->packets_n; i++)
		free(p->packets[i]);
	player_queue_clear(&p->replies);
	player_queue_clear(&p->hexes);
	player_queue_clear(&p->changes);
	player_queue_clear(&p->events);
	player_queue_clear(&p->flows);
	player_queue_clear(&p->announcements);
	world_close(&p->world);
	free(p);
	return good;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed += !play_file(argv[i]);
	printf("%d passed, %d failed\n", argc - 1 - failed, failed);
	return failed ? 1 : 0;
}
