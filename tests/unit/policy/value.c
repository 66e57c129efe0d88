/* SPDX-License-Identifier: BSD-2-Clause */
/* Words as values: what is accepted, what is refused, and that refusing changes nothing. */
#include "tests/unit/policy/support.h"

#include "policy/value.h"

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		__u64 ms;
	} good[] = {
		{ "500ms", 500 },     { "30s", 30000 },	   { "10m", 600000 },
		{ "1h30m", 5400000 }, { "2d", 172800000 }, { "1d1h1m1s1ms", 90061001 },
		{ "0s", 0 },	      { "90m", 5400000 },
	};
	static const char *const bad[] = { "",	   "5",	  "m",	   "1m1h", "1m1m", "5x",
					   "1.5s", "-1s", "1ms1s", "1 s",  "5sm",  "99999999999999999999s" };
	char buf[KS_DURATION_TEXT];
	__u64 ms;

	for (size_t i = 0; i < KS_ARRAY_SIZE(good); i++) {
		assert_int_equal(ks_value_duration(good[i].text, &ms), 0);
		assert_int_equal(ms, good[i].ms);
		assert_int_equal(ks_value_duration(ks_duration_text(ms, buf), &ms), 0);
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < KS_ARRAY_SIZE(bad); i++) {
		ms = 77;
		assert_int_equal(ks_value_duration(bad[i], &ms), -EINVAL);
		assert_int_equal(ms, 77);
	}
}

static void test_numbers(void **state)
{
	__u64 number = 77;

	assert_int_equal(ks_value_number("18446744073709551615", 0, ~0ULL, &number), 0);
	assert_true(number == ~0ULL);
	number = 77;
	assert_int_equal(ks_value_number("18446744073709551616", 0, ~0ULL, &number), -ERANGE);
	assert_int_equal(ks_value_number("4", 5, 10, &number), -ERANGE);
	assert_int_equal(ks_value_number("11", 5, 10, &number), -ERANGE);
	assert_int_equal(ks_value_number("0x", 0, 10, &number), -EINVAL);
	assert_int_equal(ks_value_number("", 0, 10, &number), -EINVAL);
	assert_int_equal(ks_value_number("1a", 0, 100, &number), -EINVAL);
	assert_int_equal(ks_value_number("+1", 0, 100, &number), -EINVAL);
	assert_int_equal(number, 77);
	assert_int_equal(ks_value_number("0xfF", 0, 255, &number), 0);
	assert_int_equal(number, 255);
}

static void test_endpoints(void **state)
{
	static const struct {
		const char *text;
		__u8 family;
		__u16 port;
	} good[] = {
		{ "192.0.2.1", KS_IPV4, 0 },	 { "192.0.2.1:53", KS_IPV4, 53 },     { "2001:db8::1", KS_IPV6, 0 },
		{ "[2001:db8::1]", KS_IPV6, 0 }, { "[2001:db8::1]:53", KS_IPV6, 53 }, { "::", KS_IPV6, 0 },
	};
	static const char *const bad[] = { "192.0.2.1:", "192.0.2.1:0", "192.0.2.1:65536", "[192.0.2.1]:5",
					   "[::1]5",	 "[::1",	"192.0.2.256:1",   ":53",
					   "",		 "[]:1" };
	struct ks_addr addr, before;
	__u8 family;
	__u16 port;

	for (size_t i = 0; i < KS_ARRAY_SIZE(good); i++) {
		assert_int_equal(ks_value_endpoint(good[i].text, &addr, &family, &port), 0);
		assert_int_equal(family, good[i].family);
		assert_int_equal(port, good[i].port);
	}
	memset(&addr, 0x5a, sizeof(addr));
	before = addr;
	for (size_t i = 0; i < KS_ARRAY_SIZE(bad); i++) {
		assert_int_equal(ks_value_endpoint(bad[i], &addr, &family, &port), -EINVAL);
		assert_memory_equal(&addr, &before, sizeof(addr));
	}
}

static void test_prefixes(void **state)
{
	static const char *const bad[] = { "10.0.0.0/",	   "10.0.0.0/33",  "::/129", "10.0.0/8",
					   "10.0.0.0/0x8", "10.0.0.0/0X8", "/8",     "10.0.0.0/8/8" };
	struct ks_prefix prefix;
	struct ks_range range;
	__u8 family;
	char buf[64];

	for (size_t i = 0; i < KS_ARRAY_SIZE(bad); i++)
		assert_int_equal(ks_value_prefix(bad[i], &prefix), -EINVAL);
	assert_int_equal(ks_value_prefix("2001:db8:1::ffff/33", &prefix), 0);
	assert_true(ks_prefix_mask(&prefix));
	assert_false(ks_prefix_mask(&prefix));
	assert_string_equal(ks_prefix_text(&prefix, buf, sizeof(buf)), "2001:db8::/33");
	assert_int_equal(ks_value_prefix("::ffff:192.0.2.33/120", &prefix), 0);
	ks_prefix_unmap(&prefix);
	assert_string_equal(ks_prefix_text(&prefix, buf, sizeof(buf)), "192.0.2.33/24");
	assert_int_equal(ks_value_prefix("::ffff:0:0/96", &prefix), 0);
	ks_prefix_unmap(&prefix);
	assert_int_equal(prefix.family, KS_IPV6);
	assert_int_equal(ks_value_range("0.0.0.0/0", &range, &family), 0);
	assert_true(range.lo[1] == 0 && range.hi[1] == 0xffffffff && range.hi[0] == 0);
	assert_int_equal(ks_value_range("::/0", &range, &family), 0);
	assert_true(range.lo[0] == 0 && range.hi[0] == ~0ULL && range.hi[1] == ~0ULL);
	assert_int_equal(ks_value_range("fd00::/64", &range, &family), 0);
	assert_true(range.lo[0] == 0xfd00ULL << 48 && range.hi[0] == range.lo[0] && range.hi[1] == ~0ULL);
	assert_int_equal(ks_value_range("10.0.0.2-10.0.0.1", &range, &family), -ERANGE);
}

static void test_macs(void **state)
{
	static const char *const bad[] = {
		"", "02:00:5e:10:00", "02:00:5e:10:00:1", "02:00:5e:10:00:011", "02-00-5e-10-00-01", "0g:00:00:00:00:00"
	};
	static const __u8 expected[6] = { 2, 0, 0x5e, 0x10, 0xAB, 0xcd };
	__u8 mac[6];

	assert_int_equal(ks_value_mac("02:00:5e:10:aB:Cd", mac), 0);
	assert_memory_equal(mac, expected, 6);
	for (size_t i = 0; i < KS_ARRAY_SIZE(bad); i++)
		assert_int_equal(ks_value_mac(bad[i], mac), -EINVAL);
	assert_memory_equal(mac, expected, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durations), cmocka_unit_test(test_numbers), cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_prefixes),  cmocka_unit_test(test_macs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
