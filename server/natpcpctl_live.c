/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl leases --watch: the table, drawn again when something happens. */
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/natpcpctl_leases.h"
#include "server/natpcpctl_say.h"
#include "server/natpcpctl_sse.h"
#include "server/natpcpctl_table.h"
#include "server/natpcpctl_words.h"

#define EVERY_MS 1000 /* what is shown is not older */
#define SOON_MS	 100  /* what happens together is shown together */
#define SHARE	 10   /* at most one part in so many of the time is spent on asking */

/* Another screen, so that this one is as it was at the end; no cursor. */
#define SCREEN_ON  "\033[?1049h\033[?25l"
#define SCREEN_OFF "\033[?25h\033[?1049l"
#define HOME	   "\033[H"
#define LINE_REST  "\033[K"
#define BELOW	   "\033[J"

/* The screen as it was, and then the end that whoever sent the signal expects. */
static void on_signal(int signal_number)
{
	ssize_t unused = write(STDOUT_FILENO, SCREEN_OFF, sizeof(SCREEN_OFF) - 1);

	(void)unused;
	raise(signal_number); /* delivered when this returns, and then by default */
}

static void screen_on(void)
{
	static char held[4096];
	struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESETHAND};

	setvbuf(stderr, held, _IOFBF, sizeof(held)); /* for the other screen, where it stays to be read */
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGHUP, &a, NULL);
	fputs(SCREEN_ON, stdout);
	fflush(stdout);
}

static void screen_off(void)
{
	fputs(SCREEN_OFF, stdout);
	fflush(stdout);
	fflush(stderr);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Lines of text, each cleared up to its end. */
static void put_lines(const char *text)
{
	const char *end;

	for (; *text; text = end + 1) {
		end = strchr(text, '\n');
		fwrite(text, 1, (size_t)(end - text), stdout);
		fputs(LINE_REST "\r\n", stdout);
	}
}

static int draw(struct tool *t, const struct leases_list *l, size_t most)
{
	char when[WORDS_MAX], count[WORDS_MAX], *text;

	text = table_text_look(l->table, &t->look, l->order, l->n < most ? l->n : most);
	if (!text)
		return CTL_FAILED;
	fputs(HOME, stdout);
	words_count(l->n, "mapping", count);
	words_time((double)time(NULL), when);
	look_say(stdout, &t->look, PAINT_DIM, "%s  %s%s%s", when, l->more ? "the first " : "", count,
		 l->n > most ? ", the first of them:" : "");
	fputs(LINE_REST "\r\n", stdout);
	put_lines(text);
	fputs(BELOW, stdout);
	free(text);
	return fflush(stdout) == EOF ? CTL_FAILED : CTL_DONE;
}

static int refresh(struct tool *t, const struct leases_query *q)
{
	struct leases_query now = *q;
	struct leases_list l;
	size_t most;
	int end;

	look_measure(&t->look, STDOUT_FILENO);
	most = t->look.lines > 3 ? t->look.lines - 3 : 1; /* a line above, the headings, one left free */
	if (q->by == SORT_NONE && !q->reverse)
		now.most = most;
	end = leases_get(t, &now, false, &l);
	if (!end)
		end = draw(t, &l, most);
	leases_clear(&l);
	return end;
}

struct live {
	struct sse sse;
	bool news;
};

static void on_event(void *context, const char *type, const char *data)
{
	struct live *live = context;

	(void)type;
	(void)data;
	live->news = true;
}

static void on_data(void *context, const char *data, size_t n)
{
	struct live *live = context;

	sse_feed(&live->sse, data, n);
}

static int run(struct tool *t, const struct leases_query *q, struct ask_stream *stream, struct live *live)
{
	uint64_t begin, took, due = 0, now;
	int end = CTL_DONE;

	while (!end) {
		begin = now_ms();
		live->news = false;
		end = refresh(t, q);
		took = now_ms() - begin;
		due = begin + EVERY_MS + SHARE * took;
		for (now = now_ms(); !end && now < due; now = now_ms()) {
			end = ask_stream_wait(stream, (int)(due - now));
			if (live->news && now_ms() < due && due > begin + SOON_MS + SHARE * took)
				due = begin + SOON_MS + SHARE * took;
		}
	}
	return end;
}

int leases_live(struct tool *t, const struct leases_query *q)
{
	struct ask_stream *stream;
	struct live live = {0};
	struct ask_path path;
	int end;

	ask_path(&path, "/v1/events");
	ask_parameter(&path, "types", "made,renewed,ended,moved,adopted,external,reload,lost");
	sse_init(&live.sse, on_event, &live);
	end = ask_stream_open(t->ask, &path, on_data, &live, &stream);
	if (end)
		return end;
	screen_on();
	end = run(t, q, stream, &live);
	screen_off();
	ask_stream_close(stream);
	sse_clear(&live.sse);
	return end;
}
