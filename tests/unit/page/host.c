/* SPDX-License-Identifier: BSD-2-Clause */
/* page/host.c: whom a browser may ask for, and where the page listens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "page/host.h"

static const char *const names[] = { "fw.example.net" };

static bool ours(const char *host)
{
	return ks_host_is_ours(host, names, 1);
}

static void test_addresses_and_given_names_are_ours(void **state)
{
	assert_true(ours("127.0.0.1"));
	assert_true(ours("127.0.0.1:8674"));
	assert_true(ours("[::1]:8674"));
	assert_true(ours("[2001:db8::1]"));
	assert_true(ours("localhost:9000"));
	assert_true(ours("FW.example.net:443"));
}

static void test_other_names_are_not(void **state)
{
	static const char *const wrong[] = { "",
					     "evil.example",
					     "evil.example:8674",
					     "127.0.0.1.evil.example",
					     "[::1].evil.example",
					     "[::1",
					     "[evil.example]",
					     "localhost.evil.example",
					     "localhost:99999",
					     "localhost:",
					     "fw.example.net.",
					     "fw.example.net@evil.example",
					     "127.1",
					     "0x7f.0.0.1",
					     ":8674" };

	assert_false(ours(NULL));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (ours(wrong[i]))
			fail_msg("'%s' is taken for ours", wrong[i]);
	}
}

static void test_an_origin_is_the_same_host_and_port(void **state)
{
	assert_true(ks_host_is_origin("http://127.0.0.1:8674", "127.0.0.1:8674"));
	assert_true(ks_host_is_origin("https://fw.example.net", "fw.example.net"));
	assert_false(ks_host_is_origin("http://127.0.0.1:8675", "127.0.0.1:8674"));
	assert_false(ks_host_is_origin("http://evil.example", "127.0.0.1:8674"));
	assert_false(ks_host_is_origin("null", "127.0.0.1:8674"));
	assert_false(ks_host_is_origin("127.0.0.1:8674", "127.0.0.1:8674"));
}

static void test_addresses_to_listen_at(void **state)
{
	static const char *const wrong[] = {
		"", "fw.example.net", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:1x", "[192.0.2.1]:1", "[::1]8674"
	};
	struct sockaddr_storage address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
	socklen_t size;

	assert_int_equal(ks_host_parse("192.0.2.1", 8674, &address, &size), 0);
	assert_int_equal(ntohs(v4->sin_port), 8674);
	assert_int_equal(ks_host_parse("192.0.2.1:80", 8674, &address, &size), 0);
	assert_int_equal(ntohs(v4->sin_port), 80);
	assert_int_equal(ks_host_parse("2001:db8::1", 8674, &address, &size), 0);
	assert_int_equal(v6->sin6_family, AF_INET6);
	assert_int_equal(ks_host_parse("[2001:db8::1]:443", 8674, &address, &size), 0);
	assert_int_equal(ntohs(v6->sin6_port), 443);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(ks_host_parse(wrong[i], 8674, &address, &size), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses_and_given_names_are_ours),
		cmocka_unit_test(test_other_names_are_not),
		cmocka_unit_test(test_an_origin_is_the_same_host_and_port),
		cmocka_unit_test(test_addresses_to_listen_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
