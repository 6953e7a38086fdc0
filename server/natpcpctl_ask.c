/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_ask.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_say.h"

#define SILENCE_S 60 /* the server has something to say at least each 15 s */

struct ask {
	CURL *curl;
	const char *socket;
};

/* What an answer becomes. */
struct answer {
	CURL *curl;
	bool copy;	   /* to stdout, if it is good */
	ask_stream_fn *fn; /* gets it, if it is good */
	void *context;
	char *v; /* else here */
	size_t n;
	size_t taken; /* octets in all */
	char last;    /* of what was copied */
};

struct ask_stream {
	struct answer answer;
	CURL *curl;
	CURLM *multi;
	const char *socket;
	char why[CURL_ERROR_SIZE];
};

struct ask *ask_new(const char *socket)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a || curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK) {
		free(a);
		return NULL;
	}
	a->socket = socket;
	a->curl = curl_easy_init();
	if (!a->curl) {
		ask_free(a);
		return NULL;
	}
	return a;
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	curl_easy_cleanup(a->curl);
	curl_global_cleanup();
	free(a);
}

static void append(struct ask_path *p, const char *text, size_t n)
{
	size_t used = strlen(p->text);

	if (n >= sizeof(p->text) - used) {
		p->cut = true;
		return;
	}
	memcpy(p->text + used, text, n);
	p->text[used + n] = '\0';
}

void ask_path(struct ask_path *p, const char *path)
{
	memset(p, 0, sizeof(*p));
	append(p, path, strlen(path));
}

void ask_parameter(struct ask_path *p, const char *key, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:";
	char escaped[4];

	if (!value)
		return;
	append(p, strchr(p->text, '?') ? "&" : "?", 1);
	append(p, key, strlen(key));
	append(p, "=", 1);
	for (; *value; value++) {
		if (strchr(plain, *value)) {
			append(p, value, 1);
		} else {
			snprintf(escaped, sizeof(escaped), "%%%02X", (unsigned char)*value);
			append(p, escaped, 3);
		}
	}
}

void ask_number(struct ask_path *p, const char *key, unsigned long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", value);
	ask_parameter(p, key, text);
}

static long status_of(CURL *curl)
{
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

static size_t keep(struct answer *to, const char *data, size_t n)
{
	char *v = realloc(to->v, to->n + n + 1);

	if (!v)
		return 0;
	to->v = v;
	memcpy(v + to->n, data, n);
	to->n += n;
	v[to->n] = '\0';
	return n;
}

/* As it came, but for control characters, which neither JSON nor metrics have: it may be a terminal that reads them. */
static size_t copy(char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c < ' ' && c != '\t' && c != '\n' && c != '\r')
			data[i] = '?';
	}
	return fwrite(data, 1, n, stdout);
}

static size_t take(char *data, size_t one, size_t n, void *context)
{
	struct answer *to = context;
	bool good = status_of(to->curl) == 200;

	(void)one; /* always 1 */
	to->taken += n;
	if (good && n && to->copy) {
		to->last = data[n - 1];
		return copy(data, n);
	}
	if (good && to->fn) {
		to->fn(to->context, data, n);
		return n;
	}
	return keep(to, data, n);
}

/* Says what the server said was wrong. */
static int complain(const struct answer *answer, long status)
{
	json_t *o = json_loads(answer->v ? answer->v : "", 0, NULL);
	const char *why = json_string_value(json_object_get(o, "error"));

	if (status == 404)
		say(stderr, "natpcpctl: this natpcpd cannot tell that: is it older than natpcpctl?\n");
	else if (why)
		say(stderr, "natpcpctl: %s\n", why);
	else
		say(stderr, "natpcpctl: the server answered %ld\n", status);
	json_decref(o);
	return CTL_FAILED;
}

static int unreachable(const char *socket, CURLcode code, const char *why)
{
	if (code == CURLE_COULDNT_CONNECT)
		say(stderr, "natpcpctl: nobody answers on %s: is natpcpd running, and are you allowed to open it?\n",
		    socket);
	else
		say(stderr, "natpcpctl: %s: %s\n", socket, *why ? why : curl_easy_strerror(code));
	return CTL_FAILED;
}

static bool prepare(CURL *curl, const char *socket, bool post, const struct ask_path *p, struct answer *answer,
		    char *why)
{
	char url[sizeof(p->text) + 32];

	if (p->cut) {
		say(stderr, "natpcpctl: an argument is too long\n");
		return false;
	}
	*why = '\0';
	answer->curl = curl;
	snprintf(url, sizeof(url), "http://natpcpd%s", p->text);
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, why);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL,
			 1L); /* SIGPIPE stays as it is: it is for those who read what we print */
	if (post) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	}
	return true;
}

static int perform(struct ask *a, bool post, const struct ask_path *p, struct answer *answer)
{
	char why[CURL_ERROR_SIZE];
	CURLcode code;
	long status;

	if (!prepare(a->curl, a->socket, post, p, answer, why))
		return CTL_USAGE;
	code = curl_easy_perform(a->curl);
	if (code != CURLE_OK)
		return unreachable(a->socket, code, why);
	status = status_of(a->curl);
	if (status != 200)
		return complain(answer, status);
	if (!answer->taken) {
		fputs("natpcpctl: the answer is empty\n", stderr);
		return CTL_FAILED;
	}
	return CTL_DONE;
}

int ask_text(struct ask *a, bool post, const struct ask_path *p, char **text)
{
	struct answer answer = {0};
	int end = perform(a, post, p, &answer);

	*text = NULL;
	if (end)
		free(answer.v);
	else
		*text = answer.v;
	return end;
}

int ask_json(struct ask *a, bool post, const struct ask_path *p, json_t **o)
{
	json_error_t error;
	char *text;
	int end = ask_text(a, post, p, &text);

	*o = NULL;
	if (end)
		return end;
	*o = json_loads(text, 0, &error);
	free(text);
	if (!*o) {
		say(stderr, "natpcpctl: the answer is no JSON: %s\n", error.text);
		return CTL_FAILED;
	}
	return CTL_DONE;
}

int ask_copy(struct ask *a, bool post, const struct ask_path *p)
{
	struct answer answer = {.copy = true};
	int end = perform(a, post, p, &answer);

	if (answer.last && answer.last != '\n')
		putchar('\n');
	free(answer.v);
	return end;
}

int ask_stream_open(struct ask *a, const struct ask_path *p, ask_stream_fn *fn, void *context, struct ask_stream **out)
{
	struct ask_stream *s = calloc(1, sizeof(*s));
	int end = CTL_FAILED;

	*out = NULL;
	if (!s)
		return end;
	s->socket = a->socket;
	s->answer.fn = fn;
	s->answer.context = context;
	s->curl = curl_easy_init();
	s->multi = curl_multi_init();
	if (s->curl && s->multi)
		end = prepare(s->curl, a->socket, false, p, &s->answer, s->why) ? CTL_DONE : CTL_USAGE;
	if (!end) {
		curl_easy_setopt(s->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(s->curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_S);
		if (curl_multi_add_handle(s->multi, s->curl) != CURLM_OK)
			end = CTL_FAILED;
	}
	if (end)
		ask_stream_close(s);
	else
		*out = s;
	return end;
}

/* It was to go on for ever. */
static int ended(const struct ask_stream *s, CURLcode code)
{
	long status = status_of(s->curl);

	if (status && status != 200)
		return complain(&s->answer, status);
	if (!status && code != CURLE_OK)
		return unreachable(s->socket, code, s->why);
	if (code == CURLE_OPERATION_TIMEDOUT)
		say(stderr, "natpcpctl: the server says nothing any more\n");
	else
		say(stderr, "natpcpctl: the server has gone\n");
	return CTL_FAILED;
}

int ask_stream_wait(struct ask_stream *s, int timeout_ms)
{
	size_t before = s->answer.taken;
	CURLMsg *message;
	int running, left;

	curl_multi_perform(s->multi, &running);
	if (running && s->answer.taken == before) {
		curl_multi_poll(s->multi, NULL, 0, timeout_ms, NULL);
		curl_multi_perform(s->multi, &running);
	}
	message = curl_multi_info_read(s->multi, &left);
	return message && message->msg == CURLMSG_DONE ? ended(s, message->data.result) : CTL_DONE;
}

void ask_stream_close(struct ask_stream *s)
{
	if (!s)
		return;
	if (s->multi && s->curl)
		curl_multi_remove_handle(s->multi, s->curl);
	if (s->multi)
		curl_multi_cleanup(s->multi);
	if (s->curl)
		curl_easy_cleanup(s->curl);
	free(s->answer.v);
	free(s);
}
