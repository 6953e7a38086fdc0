/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people and programs are shown: log lines, JSON, tables. */
#include "server/views.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "server/natpcpctl_table.h"
#include "server/report.h"
#include "server/settings.h"

static struct in6_addr at(const char *text)
{
	struct in6_addr a;

	assert_true(codec_address_parse(text, strlen(text), &a));
	return a;
}

static struct mapping mapping(void)
{
	return (struct mapping){
	    .internal_address = at("192.0.2.11"),
	    .external_address = at("198.51.100.1"),
	    .internal_port = 4000,
	    .external_port = 40000,
	    .protocol = 6,
	};
}

static void same(json_t *o, const char *expected)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);

	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
	json_decref(o);
}

static void assert_json_peer(const struct engine_lease *l, const char *expected)
{
	json_t *o = views_lease(l);

	assert_string_equal(json_string_value(json_object_get(o, "peer")), expected);
	json_decref(o);
}

static void leases(void **state)
{
	struct engine_lease l = {
	    .mapping = mapping(), .origin = ENGINE_ORIGIN_PCP, .expires_in_ms = 1, .rule = "hosts"};

	(void)state;
	same(views_lease(&l), "{\"expires_in_s\":1,\"external_address\":\"198.51.100.1\",\"external_port\":40000,"
			      "\"internal_address\":\"192.0.2.11\",\"internal_port\":4000,\"kind\":\"nat\","
			      "\"origin\":\"pcp\",\"protocol\":\"tcp\",\"rule\":\"hosts\"}");
	l.lifetime_s = 7200;
	l.asker = at("192.0.2.5");
	same(views_lease(&l), "{\"expires_in_s\":1,\"external_address\":\"198.51.100.1\",\"external_port\":40000,"
			      "\"internal_address\":\"192.0.2.11\",\"internal_port\":4000,\"kind\":\"nat\","
			      "\"lifetime_s\":7200,\"origin\":\"pcp\",\"protocol\":\"tcp\","
			      "\"requested_by\":\"192.0.2.5\",\"rule\":\"hosts\"}");
	l.asker = in6addr_any;
	l.mapping.remote_address = at("198.51.100.2");
	l.mapping.remote_port = 443;
	assert_json_peer(&l, "198.51.100.2:443");
	l.mapping.remote_address = at("2001:db8::2");
	assert_json_peer(&l, "[2001:db8::2]:443");
	l.mapping.remote_port = 0;
	l.expires_in_ms = 0;
	l.origin = ENGINE_ORIGIN_STATIC;
	l.mapping.protocol = 200;
	l.rule = NULL;
	l.mapping.kind = MAPPING_PINHOLE;
	l.mapping.internal_address = l.mapping.external_address = at("2001:db8::1");
	same(views_lease(&l), "{\"expires_in_s\":null,\"external_address\":\"2001:db8::1\",\"external_port\":40000,"
			      "\"internal_address\":\"2001:db8::1\",\"internal_port\":4000,\"kind\":\"pinhole\","
			      "\"origin\":\"static\",\"protocol\":200}");
}

static void origins(void **state)
{
	enum engine_origin origin;

	(void)state;
	for (unsigned i = ENGINE_ORIGIN_NATPMP; i <= ENGINE_ORIGIN_ADOPTED; i++) {
		assert_true(views_origin(views_origin_name(i), &origin));
		assert_int_equal(origin, i);
	}
	assert_false(views_origin("", &origin));
	assert_false(views_origin("pc", &origin));
}

static void explanations(void **state)
{
	struct engine_question q = {.client = at("192.0.2.12"), .protocol = 17, .internal_port = 5000};
	struct engine_explanation x = {
	    .result = PCP_NOT_AUTHORIZED,
	    .rule = "guests",
	    .rule_line = 3,
	    .why = "the rule denies",
	    .lifetime_max_s = UINT32_MAX,
	    .passed_n = 1,
	    .passed = {{.rule = "web", .line = 2, .key = "protocols"}},
	};

	(void)state;
	same(views_explanation(&q, &x),
	     "{\"allowed\":false,\"client\":\"192.0.2.12\",\"client_mappings\":0,\"client_mappings_max\":0,"
	     "\"external_port\":0,\"internal_port\":5000,\"lifetime_max_s\":4294967295,"
	     "\"passed\":[{\"key\":\"protocols\",\"rule\":\"web\",\"rule_line\":2}],\"protocol\":\"udp\","
	     "\"result\":\"NOT_AUTHORIZED\",\"rule\":\"guests\",\"rule_line\":3,\"why\":\"the rule denies\"}");
	x.rule = NULL;
	x.exists = x.allowed = true;
	x.lease.mapping = mapping();
	{
		json_t *o = views_explanation(&q, &x);

		assert_true(json_is_null(json_object_get(o, "rule")));
		assert_true(json_is_true(json_object_get(o, "allowed")));
		assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "lease"), "external_port")),
				 40000);
		json_decref(o);
	}
}

static void stats(void **state)
{
	struct engine_stats s = {.leases = 3, .epoch_pcp_s = 9};
	json_t *o;

	(void)state;
	s.requests_natpmp[NATPMP_MAP_TCP] = 5;
	s.requests_pcp[3] = 6;
	s.results_pcp[PCP_USER_EX_QUOTA] = 7;
	s.drops[ENGINE_DROP_FAMILY] = 8;
	s.expired = UINT64_MAX >> 1;
	o = views_stats(&s);
	assert_non_null(o);
#define AT(a, b, c) json_integer_value(json_object_get(json_object_get(json_object_get(o, a), b), c))
	assert_int_equal(AT("requests", "nat_pmp", "MAP_TCP"), 5);
	assert_int_equal(AT("requests", "pcp", "other"), 6);
	assert_int_equal(AT("results", "pcp", "USER_EX_QUOTA"), 7);
#undef AT
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "dropped"), "family")), 8);
	assert_int_equal(json_object_size(json_object_get(o, "dropped")), ENGINE_DROP_N);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "epoch_s"), "pcp")), 9);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "mappings"), "expired")), INT64_MAX);
	json_decref(o);
}

static void event_lines(void **state)
{
	struct round_event e = {
	    .kind = ROUND_MADE, .pcp = true, .mapping = mapping(), .lifetime_s = 600, .rule = "the hosts"};
	struct log_line l;

	(void)state;
	e.client = e.mapping.internal_address;
	report_line(&l, &e);
	assert_string_equal(l.text, "event=made by=pcp client=192.0.2.11 protocol=tcp internal=192.0.2.11:4000 "
				    "external=198.51.100.1:40000 lifetime_s=600 rule=\"the hosts\"");
	assert_int_equal(l.level, CONF_LOG_INFO);
	e.kind = ROUND_RENEWED;
	report_line(&l, &e);
	assert_int_equal(l.level, CONF_LOG_DEBUG);
	e.kind = ROUND_ENDED;
	e.why = "expired";
	e.rule = NULL;
	report_line(&l, &e);
	assert_string_equal(l.text, "event=ended client=192.0.2.11 protocol=tcp internal=192.0.2.11:4000 "
				    "external=198.51.100.1:40000 why=expired");
	memset(&e.mapping, 0, sizeof(e.mapping));
	e.kind = ROUND_REFUSED;
	e.pcp = false;
	e.opcode = NATPMP_MAP_UDP;
	e.result = NATPMP_NOT_AUTHORIZED;
	e.why = "no rule matches";
	report_line(&l, &e);
	assert_string_equal(l.text, "event=refused by=nat-pmp client=192.0.2.11 opcode=MAP_UDP result=NOT_AUTHORIZED "
				    "why=\"no rule matches\"");
	e.opcode = 77;
	e.mapping.internal_address = e.client; /* known, but not what is to be mapped */
	report_line(&l, &e);
	assert_string_equal(l.text, "event=refused by=nat-pmp client=192.0.2.11 opcode=77 result=NOT_AUTHORIZED "
				    "why=\"no rule matches\"");
	e = (struct round_event){.kind = ROUND_MADE, .permanent = true, .mapping = mapping(), .rule = "web"};
	report_line(&l, &e);
	assert_string_equal(l.text, "event=made by=static protocol=tcp internal=192.0.2.11:4000 "
				    "external=198.51.100.1:40000 rule=web");
	/* all ports; a refusal tells of them if it is known that they were asked for */
	e = (struct round_event){.kind = ROUND_ENDED, .pcp = true, .mapping = mapping(), .why = "expired"};
	e.mapping.external_address = e.client = e.mapping.internal_address;
	e.mapping.internal_port = e.mapping.external_port = 0;
	report_line(&l, &e);
	assert_string_equal(l.text, "event=ended client=192.0.2.11 protocol=tcp internal=192.0.2.11 "
				    "external=192.0.2.11 ports=all why=expired");
	e.mapping.protocol = 0;
	e.mapping.external_address = in6addr_any;
	e.kind = ROUND_REFUSED;
	e.opcode = PCP_MAP;
	e.result = PCP_NOT_AUTHORIZED;
	report_line(&l, &e);
	assert_string_equal(l.text, "event=refused by=pcp client=192.0.2.11 opcode=MAP result=NOT_AUTHORIZED "
				    "protocol=all internal=192.0.2.11 ports=all why=expired");
}

/* Refusals: one line for each kind in 10 s, made ones each. */
static void events_limited(void **state)
{
	struct report r = {0};
	struct round_event v[4] = {
	    {.kind = ROUND_REFUSED, .pcp = true, .result = PCP_NOT_AUTHORIZED},
	    {.kind = ROUND_REFUSED, .pcp = true, .result = PCP_NOT_AUTHORIZED},
	    {.kind = ROUND_REFUSED, .pcp = false, .result = NATPMP_NOT_AUTHORIZED},
	    {.kind = ROUND_MADE, .mapping = mapping()},
	};
	char out[4096];
	int ends[2], saved = dup(STDERR_FILENO), lines = 0;
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	report_events(&r, v, 4, 1000);
	report_events(&r, v, 4, 10999);
	report_events(&r, v, 1, 11000);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(ends[0], out, sizeof(out) - 1);
	close(ends[0]);
	assert_true(n > 0);
	out[n] = '\0';
	for (const char *p = out; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 5); /* two refused, two made, and one refused after the pause */
	assert_non_null(strstr(out, "suppressed=3"));
}

static void tables(void **state)
{
	static const char *const headings[] = {"A", "LONGER", "C"};
	static const char *const cells[] = {"1", "2", "3", "wider", "caf\xc3\xa9", "", "x", "escape\x1b[2J", "last"};
	struct table *t = table_new(headings, 3);
	char *text;

	(void)state;
	assert_int_equal(table_rows(t), 0);
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		assert_true(table_add(t, cells[i]));
	assert_int_equal(table_rows(t), 3);
	text = table_text(t);
	assert_string_equal(text, "A      LONGER      C\n"
				  "1      2           3\n"
				  "wider  caf\xc3\xa9\n"
				  "x      escape?[2J  last\n");
	free(text);
	table_free(t);
}

static void settings(void **state)
{
	char path[] = "/tmp/natpcpd-test-XXXXXX", why[CONF_LOCATION_MAX];
	static const char text[] = "external \"wan\" { interface = \"wan0\" }\n"
				   "listen \"lan\" { interfaces = { \"br-lan\" } }\n"
				   "listem { }\n";
	static const char wrong[] = "listem { }\n";
	struct settings s = {.file = path};
	struct conf *conf = NULL;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_true(settings_read(&s, &conf, why) < 0);
	assert_memory_equal(why, path, strlen(path));
	assert_memory_equal(why + strlen(path), ":3: ", 4);
	assert_non_null(strstr(why, "listem"));
	assert_int_equal(ftruncate(fd, sizeof(text) - sizeof(wrong)), 0);
	s.memory_backend = true;
	assert_int_equal(settings_read(&s, &conf, why), 0);
	assert_int_equal(conf->backend.type, CONF_BACKEND_MEMORY);
	conf_free(conf);
	close(fd);
	unlink(path);
	assert_true(settings_read(&s, &conf, why) < 0);
	assert_memory_equal(why, path, strlen(path));
	s.file = NULL;
	s.listen = at("127.0.0.1");
	s.external = at("198.51.100.1");
	assert_int_equal(settings_read(&s, &conf, why), 0);
	assert_int_equal(conf->listens_n, 1);
	conf_free(conf);
}

/* What a reload cannot change stays as it runs. */
static void settings_kept(void **state)
{
	struct in6_addr a = at("127.0.0.1");
	struct conf *running = conf_loopback(&a, &a), *wanted = conf_loopback(&a, &a);

	(void)state;
	free(wanted->backend.table);
	wanted->backend.table = strdup("other");
	wanted->backend.type = CONF_BACKEND_NFTABLES;
	free(wanted->process.user);
	wanted->process.user = strdup("somebody");
	wanted->limits.burst = 77;
	wanted->backend.mark = 0x400;
	wanted->journal.sync = CONF_SYNC_ALWAYS;
	assert_int_equal(settings_keep(running, wanted), 0);
	assert_int_equal(wanted->backend.mark, running->backend.mark);
	assert_int_equal(wanted->journal.sync, CONF_SYNC_ALWAYS);
	assert_string_equal(wanted->backend.table, running->backend.table);
	assert_string_equal(wanted->process.user, running->process.user);
	assert_int_equal(wanted->backend.type, CONF_BACKEND_MEMORY);
	assert_int_equal(wanted->limits.burst, 77);
	conf_free(running);
	conf_free(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(leases), cmocka_unit_test(origins),     cmocka_unit_test(explanations),
	    cmocka_unit_test(stats),  cmocka_unit_test(event_lines), cmocka_unit_test(events_limited),
	    cmocka_unit_test(tables), cmocka_unit_test(settings),    cmocka_unit_test(settings_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
