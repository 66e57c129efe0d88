/* SPDX-License-Identifier: BSD-2-Clause */
/* policy/host.c: host names in sets, what the policy keeps of them, and their normal form. */
#include "tests/unit/policy/complaints.h"

static const char sample[] =
	"set cdn { 192.0.2.0/24, host www.example.com is { 198.51.100.1, 2001:db8::1 }, host a-b._x.example }\n"
	"set plain { host www.example.com } dynamic, limit 10, keep\n"
	"allow source { @cdn, @plain }\n";

static void test_hosts(void **state)
{
	struct ks_policy *policy = load_good(sample);
	const struct ks_set_info *cdn = &policy->set_infos[0], *plain = &policy->set_infos[1];

	assert_true(cdn->dynamic && plain->dynamic);
	assert_int_equal(cdn->host_count, 2);
	assert_string_equal(cdn->hosts[0].name, "www.example.com");
	assert_string_equal(cdn->hosts[1].name, "a-b._x.example");
	assert_int_equal(cdn->fixed_count, 1);
	assert_int_equal(cdn->initial_count, 3);
	assert_int_equal(cdn->initial[0].length, 24);
	assert_ptr_equal(cdn->hosts[0].answers, &cdn->initial[1]);
	assert_int_equal(cdn->hosts[0].answer_count, 2);
	assert_int_equal(cdn->hosts[0].answers[1].family, KS_IPV6);
	assert_int_equal(cdn->hosts[1].answer_count, 0);
	assert_int_equal(policy->config.dynamic[cdn->number].limit, 4096);
	assert_int_equal(policy->config.dynamic[plain->number].limit, 10);
	assert_int_equal(policy->config.dynamic[plain->number].flags, KS_DYNAMIC_KEEP);
	assert_int_equal(plain->initial_count, 0);
	ks_policy_destroy(policy);
}

static void test_normal_form(void **state)
{
	struct ks_policy *policy = load_good(sample), *again;
	char *first = print_text(policy), *second;

	assert_non_null(strstr(first, "host www.example.com is { 198.51.100.1, 2001:db8::1 }"));
	again = load_good(first);
	second = print_text(again);
	assert_string_equal(first, second);
	assert_same_tables(policy, again);
	assert_int_equal(again->set_infos[0].initial_count, 3);
	free(first);
	free(second);
	ks_policy_destroy(policy);
	ks_policy_destroy(again);
}

#define NAME_63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"

static void test_long_names(void **state)
{
	ks_policy_destroy(load_good("set a { host " NAME_63 "." NAME_63 "." NAME_63 ".a }\nallow source @a\n"));
}

static void test_complaints(void **state)
{
	static const struct complaint list[] = {
		{ "set a { host }\nallow source @a\n", 1, 14,
		  "expected a host name such as www.example.com, found '}'" },
		{ "set a { host 192.0.2.1 }\nallow source @a\n", 1, 14, "an address stands without 'host'" },
		{ "set a { host 2001:db8::1 }\nallow source @a\n", 1, 14, "an address stands without 'host'" },
		{ "set a { host 10.1 }\nallow source @a\n", 1, 14, "an address stands without 'host'" },
		{ "set a { host www..example }\nallow source @a\n", 1, 14, "'www..example' is no host name" },
		{ "set a { host .example }\nallow source @a\n", 1, 14, "is no host name" },
		{ "set a { host example. }\nallow source @a\n", 1, 14, "is no host name" },
		{ "set a { host -a.example }\nallow source @a\n", 1, 14, "is no host name" },
		{ "set a { host a-.example }\nallow source @a\n", 1, 14, "is no host name" },
		{ "set a { host a*b }\nallow source @a\n", 1, 14, "is no host name" },
		{ "set a { host " NAME_63 "4.example }\nallow source @a\n", 1, 14, "is no host name" },
		{ "set a { host " NAME_63 "." NAME_63 "." NAME_63 "." NAME_63 " }\nallow source @a\n", 1, 14,
		  "is no host name" },
		{ "set a { host b is 10.0.0.0/24 }\nallow source @a\n", 1, 19, "a host name resolves to addresses" },
		{ "set a { host b is { 10.0.0.1-10.0.0.2 } }\nallow source @a\n", 1, 21, "resolves to addresses" },
		{ "set a { host b is { host c } }\nallow source @a\n", 1, 21, "a host name stands in a set only" },
		{ "set a { 10.0.0.1, not host b }\nallow source @a\n", 1, 23, "'not' cannot stand before a host name" },
		{ "allow source { host b }\n", 1, 16, "expected '@NAME' and 'set NAME { host b }'" },
		{ "set a { host b } dynamic, timeout 1h\nallow source @a\n", 1, 27, "takes no timeout" },
		{ "set a { host b, 10.0.0.1-10.0.0.9 }\nallow source @a\n", 1, 17, "a range cannot be an entry" },
		{ "set a { host b is { 10.0.0.1, 10.0.0.2 } } dynamic, limit 1\nallow source @a\n", 1, 5,
		  "set 'a' begins with 2 entries, and its limit is 1" },
		{ "set a { host b }\nallow source @a add source to @a\n", 2, 31, "has host names" },
		{ "zone z { eth0 }\nset a { host b }\nprotect z { port scan into @a }\nallow source @a\n", 3, 28,
		  "set 'a' has host names" },
	};

	check_all(list, KS_ARRAY_SIZE(list), false);
}

static void test_too_many(void **state)
{
	char text[KS_HOSTS_MAX * 16 + 64], *end = text;
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	end += sprintf(end, "set a { ");
	for (unsigned i = 0; i <= KS_HOSTS_MAX; i++)
		end += sprintf(end, "host h%u, ", i);
	sprintf(end, "}\nallow source @a\n");
	assert_int_equal(ks_policy_load_text(text, strlen(text), "test.conf", NULL, &policy, &diags), -EINVAL);
	assert_non_null(strstr(diags.list[0].message, "the policy has more than 256 host names"));
	ks_diags_fini(&diags);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts),	   cmocka_unit_test(test_normal_form),
		cmocka_unit_test(test_long_names), cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
