/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/natpcpctl_status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void prints(const char *text, const char *wanted)
{
	json_error_t error;
	json_t *o = json_loads(text, 0, &error);
	char *printed;
	size_t n;
	FILE *out = open_memstream(&printed, &n);

	assert_non_null(o);
	status_print(out, NULL, o);
	fclose(out);
	assert_string_equal(printed, wanted);
	free(printed);
	json_decref(o);
}

static void test_whole(void **state)
{
	(void)state;
	setenv("TZ", "UTC0", 1);
	prints(
	    "{\"version\": \"1.0\", \"up_s\": 97200, \"started_at\": 1772366400, \"backend\": \"nftables\", "
	    "\"leases\": 12, "
	    "\"clients\": 1, \"epoch_s\": {\"nat_pmp\": 3600, \"pcp\": 60}, \"externals\": [{\"name\": \"wan\", "
	    "\"interface\": \"wan0\", \"addresses\": [\"198.51.100.1\", \"2001:db8::1\"], \"since_s\": 7200, "
	    "\"state\": \"ok\", \"why\": \"\", \"nat\": true, \"ports\": \"1024-65535\"}], \"listens\": [{\"name\": "
	    "\"lan\", \"interfaces\": [{\"name\": \"br-lan\", \"addresses\": [\"192.0.2.1\"]}, {\"name\": \"lan9\", "
	    "\"addresses\": []}], \"sockets\": 1, \"nat_pmp\": true, \"pcp\": true}], \"backend_health\": {\"ok\": "
	    "true, "
	    "\"failures\": 2, \"last_error\": \"No buffer space available\", \"last_failure_s\": 90, \"reinstalls\": "
	    "1}, "
	    "\"journal\": {\"file\": \"/j\", \"behind\": false, \"records\": 7, \"error\": \"\"}, "
	    "\"sandbox\": {\"on\": true, \"user\": \"natpcpd\", \"uid\": 990, \"seccomp\": true, \"landlock\": 0, "
	    "\"missing\": \"this kernel has no Landlock\"}, \"hooks\": "
	    "{\"runs\": 5, "
	    "\"failures\": 1, \"merged\": 4, \"limited\": 0, \"dropped\": 3, \"waiting\": 2, \"running\": 1}, "
	    "\"requests\": "
	    "{\"nat_pmp\": {\"map-udp\": 0}, \"pcp\": {\"MAP\": 9, \"PEER\": 0, \"other\": 1}}, \"results\": {\"pcp\": "
	    "{\"SUCCESS\": 9}}, \"dropped\": {\"rate\": 5}, \"latency_us\": {\"request\": {\"p50\": 85, \"p90\": 120, "
	    "\"p99\": 1500, \"count\": 10}, \"commit\": {\"count\": 0}}, \"reload_error\": \"\"}",
	    "natpcpd         1.0, up for 1 day 3 hours, since 2026-03-01 12:00:00\n"
	    "external        wan: 198.51.100.1, 2001:db8::1 for 2 hours, interface wan0\n"
	    "                ports 1024-65535\n"
	    "listen          lan: NAT-PMP and PCP, 1 socket\n"
	    "                interface br-lan: 192.0.2.1\n"
	    "                interface lan9: not there, or without an address\n"
	    "leases          12 of 1 host\n"
	    "epochs          NAT-PMP 3600 s (1 hour), PCP 60 s (1 minute)\n"
	    "backend         nftables, works, 2 failures so far, all put back 1 time\n"
	    "                last failure 1 minute 30 seconds ago: No buffer space available\n"
	    "journal         /j: whole, 7 records\n"
	    "process         user natpcpd, seccomp, not confined: this kernel has no Landlock\n"
	    "hooks           5 runs, 1 failure, 3 events dropped, 2 events waiting\n"
	    "NAT-PMP asked   none\n"
	    "PCP asked       MAP 9, other 1\n"
	    "  answered      SUCCESS 9\n"
	    "dropped         rate 5\n"
	    "answers         half within 85 us, 90 % within 120 us, 99 % within 1.5 ms (10 so far)\n");
}

/* What is wrong is said, with why. */
static void test_troubles(void **state)
{
	(void)state;
	prints("{\"version\": \"1.0\", \"up_s\": 1, \"backend\": \"nftables\", \"externals\": [{\"name\": \"wan\", "
	       "\"interface\": \"\", \"addresses\": [], \"state\": \"private\", \"refused_address\": \"10.0.0.2\", "
	       "\"why\": "
	       "\"the address is private\", \"nat\": false}], \"backend_health\": {\"ok\": false, \"failures\": 1, "
	       "\"last_error\": \"\"}, \"journal\": {\"file\": \"/j\", \"behind\": true, \"error\": \"No space\"}, "
	       "\"listens\": [{\"name\": \"lan\", \"sockets\": 0, \"nat_pmp\": false, \"pcp\": true}], "
	       "\"reload_error\": \"natpcpd.conf:3: \\u001b[2J\"}",
	       "natpcpd         1.0, up for 1 second\n"
	       "external        wan: no address, nothing is translated\n"
	       "                the address is private: 10.0.0.2\n"
	       "listen          lan: PCP, 0 sockets\n"
	       "leases          0 of 0 hosts\n"
	       "epochs          NAT-PMP 0 s (0 seconds), PCP 0 s (0 seconds)\n"
	       "backend         nftables, fails, 1 failure so far\n"
	       "journal         /j: lacks something: No space\n"
	       "last reload     natpcpd.conf:3: ?[2J\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_whole), cmocka_unit_test(test_troubles)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
