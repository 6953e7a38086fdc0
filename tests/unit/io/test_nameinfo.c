/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The getnameinfo() of this program: what an HTTP server on a unix socket needs of it, on any C library. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

union any {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static int look(const union any *a, socklen_t length, char host[64], char service[32])
{
	return getnameinfo(&a->any, length, host, 64, service, 32, NI_NUMERICHOST | NI_NUMERICSERV);
}

static void test_unix(void **state)
{
	union any a = {.un = {.sun_family = AF_UNIX}};
	char host[64], service[32];

	(void)state;
	/* who connects has no name of its own: only the family is told */
	assert_int_equal(look(&a, sizeof(a.un.sun_family), host, service), 0);
	assert_string_equal(host, "localhost");
	assert_string_equal(service, "0");
	assert_int_equal(look(&a, sizeof(a.un), host, service), 0);
}

static void test_inet(void **state)
{
	union any a = {.in = {.sin_family = AF_INET, .sin_port = htons(40000)}};
	union any b = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(443)}};
	char host[64], service[32];

	(void)state;
	inet_pton(AF_INET, "192.0.2.11", &a.in.sin_addr);
	inet_pton(AF_INET6, "2001:db8::1", &b.in6.sin6_addr);
	assert_int_equal(look(&a, sizeof(a.in), host, service), 0);
	assert_string_equal(host, "192.0.2.11");
	assert_string_equal(service, "40000");
	assert_int_equal(look(&b, sizeof(b.in6), host, service), 0);
	assert_string_equal(host, "2001:db8::1");
	assert_string_equal(service, "443");
	assert_int_equal(getnameinfo(&b.any, sizeof(b.in6), NULL, 0, service, 32, 0), 0);
	assert_int_equal(getnameinfo(&b.any, sizeof(b.in6), host, 64, NULL, 0, 0), 0);
}

static void test_refused(void **state)
{
	union any a = {.in = {.sin_family = AF_INET}};
	char host[64], service[32];

	(void)state;
	assert_int_equal(look(&a, sizeof(a.in) - 1, host, service), EAI_FAMILY);
	assert_int_equal(getnameinfo(&a.any, sizeof(a.in), host, 7, NULL, 0, 0), EAI_OVERFLOW);
	assert_int_equal(getnameinfo(&a.any, sizeof(a.in), host, 8, NULL, 0, 0), 0);
	assert_int_equal(getnameinfo(&a.any, sizeof(a.in), NULL, 0, service, 1, 0), EAI_OVERFLOW);
	a.any.sa_family = AF_INET6;
	assert_int_equal(look(&a, sizeof(a.in), host, service), EAI_FAMILY);
	a.any.sa_family = AF_NETLINK;
	assert_int_equal(look(&a, sizeof(a), host, service), EAI_FAMILY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_unix),
	    cmocka_unit_test(test_inet),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("nameinfo", tests, NULL, NULL);
}
