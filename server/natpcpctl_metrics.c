/* SPDX-License-Identifier: GPL-2.0-or-later */
/* natpcpctl metrics */
#include "server/natpcpctl_metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/natpcpctl.h"
#include "server/natpcpctl_ask.h"

static size_t name_length(const char *p)
{
	return strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:");
}

/* A label's value from behind its first quote, unescaped; NULL if it does not end. */
static const char *label_value(const char *p, json_t **value)
{
	char *text = malloc(strlen(p) + 1), *out = text;

	*value = NULL;
	for (; text && *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			*out++ = *++p == 'n' ? '\n' : *p;
		else
			*out++ = *p;
	}
	if (text && *p)
		*value = json_stringn(text, (size_t)(out - text));
	free(text);
	return *value ? p + 1 : NULL;
}

/* From behind the brace to behind the other one; NULL if it is none of the format. */
static const char *labels(const char *p, json_t *o)
{
	while (*p != '}') {
		size_t n = name_length(p);
		json_t *value;
		char *key;

		if (!n || p[n] != '=' || p[n + 1] != '"')
			return NULL;
		key = strndup(p, n);
		p = label_value(p + n + 2, &value);
		if (key)
			json_object_set_new(o, key, value);
		free(key);
		if (!p)
			return NULL;
		p += *p == ',';
	}
	return p + 1;
}

/* JSON has no infinity, and no number that is none. */
static json_t *value_of(const char *p)
{
	char *end;
	double v = strtod(p, &end);

	if (end == p)
		return NULL;
	if (!isfinite(v))
		return json_null();
	return v == floor(v) && fabs(v) < 9e15 ? json_integer((json_int_t)v) : json_real(v);
}

/* What "# TYPE" or "# HELP" has said of a metric; those of a histogram have endings. */
static json_t *said(const json_t *about, const char *name)
{
	static const char *const ends[] = {"", "_bucket", "_sum", "_count"};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t m = strlen(ends[i]);
		char *base = n > m && !strcmp(name + n - m, ends[i]) ? strndup(name, n - m) : NULL;
		json_t *v = base ? json_object_get(about, base) : NULL;

		free(base);
		if (v)
			return v;
	}
	return NULL;
}

static void sample(const char *line, const json_t *types, const json_t *helps, json_t *list)
{
	size_t n = name_length(line);
	json_t *o = json_object(), *set = json_object(), *value = NULL;
	char *name = strndup(line, n);
	const char *p = line + n;

	if (*p == '{')
		p = labels(p + 1, set);
	if (n && p && *p == ' ')
		value = value_of(p);
	if (value && name) {
		json_object_set_new(o, "name", json_string(name));
		json_object_set(o, "type", said(types, name)); /* NULL sets nothing */
		json_object_set(o, "help", said(helps, name));
		json_object_set(o, "labels", set);
		json_object_set(o, "value", value);
		json_array_append(list, o);
	}
	free(name);
	json_decref(value);
	json_decref(set);
	json_decref(o);
}

/* "NAME TEXT" */
static void about(const char *line, json_t *o)
{
	size_t n = name_length(line);
	char *name = strndup(line, n);

	if (name && n && line[n] == ' ')
		json_object_set_new(o, name, json_string(line + n + 1));
	free(name);
}

json_t *metrics_json(const char *text)
{
	json_t *list = json_array(), *types = json_object(), *helps = json_object();
	char *copy = strdup(text), *rest = copy;

	for (char *line = copy; line && (line = strsep(&rest, "\n"));) {
		if (!strncmp(line, "# TYPE ", 7))
			about(line + 7, types);
		else if (!strncmp(line, "# HELP ", 7))
			about(line + 7, helps);
		else if (*line != '#' && *line)
			sample(line, types, helps, list);
	}
	free(copy);
	json_decref(types);
	json_decref(helps);
	return json_pack("{s:i, s:o}", "schema", CTL_SCHEMA, "metrics", list);
}

int natpcpctl_metrics(struct tool *t, int n, char **argument)
{
	struct ask_path path;
	json_t *o;
	char *text;
	int end;

	(void)n;
	(void)argument;
	ask_path(&path, "/metrics");
	if (!t->json)
		return ask_copy(t->ask, false, &path);
	end = ask_text(t->ask, false, &path, &text);
	if (end)
		return end;
	o = metrics_json(text);
	if (!o || json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(15)) < 0)
		end = CTL_FAILED;
	putchar('\n');
	json_decref(o);
	free(text);
	return end;
}
