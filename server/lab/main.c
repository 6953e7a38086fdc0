/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcp-labd: the server of natpcp-lab: natpcpd with faults between it and its sockets. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/lab/lab.h"
#include "server/lab/note.h"
#include "server/server.h"
#include "server/settings.h"

#define LINE_MAX_OCTETS 512

static const char usage[] =
    "usage: natpcp-labd [-t] [-c FILE] [--fault SPEC]... [--script FILE] [--seed N] [--orders]\n"
    "\n"
    "  -c FILE        configuration, as natpcpd's\n"
    "  -t             only check the faults: 0 if they are good, else 2\n"
    "  --fault SPEC   see natpcp-lab(1)\n"
    "  --script FILE  faults, one a line\n"
    "  --seed N       of what is left to chance\n"
    "  --orders       more faults come by the standard input, and the line \"begin\" when their time starts\n";

struct options {
	const char *file;
	bool test, orders;
	uint64_t seed;
	const char *faults[64];
	size_t faults_n;
	const char *script;
};

static bool options_read(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
	    {"fault", required_argument, NULL, 'f'},
	    {"script", required_argument, NULL, 's'},
	    {"seed", required_argument, NULL, 'S'},
	    {"orders", no_argument, NULL, 'o'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:t", names, NULL)) != -1) {
		if (c == 'c')
			o->file = optarg;
		else if (c == 't')
			o->test = true;
		else if (c == 'f' && o->faults_n < sizeof(o->faults) / sizeof(o->faults[0]))
			o->faults[o->faults_n++] = optarg;
		else if (c == 's')
			o->script = optarg;
		else if (c == 'S')
			o->seed = strtoull(optarg, NULL, 10);
		else if (c == 'o')
			o->orders = true;
		else
			return false;
	}
	return optind == argc && (o->file || o->test);
}

static bool script_read(struct lab *lab, const char *name)
{
	char line[LINE_MAX_OCTETS], why[FAULT_WHY];
	FILE *f = fopen(name, "re");
	bool good = true;

	if (!f) {
		fprintf(stderr, "%s: cannot be read: %s\n", name, strerror(errno));
		return false;
	}
	for (unsigned n = 1; good && fgets(line, sizeof(line), f); n++) {
		if (line[strspn(line, " \t\r\n")] == '\0' || line[strspn(line, " \t")] == '#')
			continue;
		good = lab_add(lab, line, why);
		if (!good)
			fprintf(stderr, "%s:%u: %s\n", name, n, why);
	}
	fclose(f);
	return good;
}

static bool faults_read(struct lab *lab, const struct options *o)
{
	char why[FAULT_WHY];

	for (size_t i = 0; i < o->faults_n; i++) {
		if (!lab_add(lab, o->faults[i], why)) {
			fprintf(stderr, "--fault: %s\n", why);
			return false;
		}
	}
	return !o->script || script_read(lab, o->script);
}

static void forget_all(const char *journal)
{
	if (*journal && unlink(journal) < 0 && errno != ENOENT)
		fprintf(stderr, "natpcp-labd: %s stays: %s\n", journal, strerror(errno));
}

/* SIGTERM and SIGINT wait while no server listens to them. */
static sigset_t stops(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	return set;
}

/* Between two servers. False if one of them comes. */
static bool stay_down(uint32_t ms)
{
	sigset_t set = stops();

	return sigtimedwait(&set, NULL, &(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}) < 0;
}

/* From open to close, once; *again: it is to be opened anew. */
static int serve(struct lab *lab, struct settings *settings, bool *again)
{
	char why[SERVER_WHY_MAX], *journal;
	struct server *server;
	struct conf *conf;
	uint32_t down_ms = 0;
	bool forget = false;
	sigset_t stop = stops();
	int end;

	*again = false;
	if (settings_read(settings, &conf, why)) {
		fprintf(stderr, "%s\n", why);
		return SERVER_USAGE;
	}
	/* one that is a fault may be shorter: the lab sees to it itself */
	lab_least(lab, conf->lifetime.min_s);
	conf->lifetime.min_s = 1;
	journal = strdup(conf->journal.path);
	end = server_open(&server, settings, conf, why);
	if (end || !journal) {
		fprintf(stderr, "natpcp-labd: %s\n", end ? why : "out of memory");
		free(journal);
		return end ? end : SERVER_FAILED;
	}
	puts("ready");
	fflush(stdout);
	pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
	end = server_run(server);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	*again = end == SERVER_DONE && lab_restarts(lab, &forget, &down_ms);
	settings->clear_on_exit = *again && forget;
	server_close(server);
	settings->clear_on_exit = false;
	if (*again && forget)
		forget_all(journal);
	free(journal);
	*again = *again && stay_down(down_ms);
	return end;
}

int main(int argc, char **argv)
{
	struct options o = {.seed = 1};
	struct settings settings = {0};
	sigset_t stop;
	struct lab *lab;
	bool again = true;
	int end = SERVER_USAGE;

	if (!options_read(&o, argc, argv)) {
		fputs(usage, stderr);
		return SERVER_USAGE;
	}
	lab = lab_new(o.seed, o.orders ? STDIN_FILENO : -1);
	if (!lab)
		return SERVER_FAILED;
	if (faults_read(lab, &o))
		end = SERVER_DONE;
	settings.file = o.file;
	settings.between = lab_between(lab);
	signal(SIGPIPE, SIG_IGN);
	stop = stops();
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	while (end == SERVER_DONE && !o.test && again) {
		end = serve(lab, &settings, &again);
		if (again)
			note(&(struct note){.what = "restarted"});
	}
	lab_free(lab);
	return end;
}
