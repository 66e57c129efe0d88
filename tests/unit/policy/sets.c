/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets as merged ranges, against a brute-force check over a small universe. */
#include "tests/unit/policy/support.h"

#define UNIVERSE 300 /* values of the last 16 bits that entries fall into */

static bool in_run(const struct ks_policy *policy, __u32 first, __u32 count, __u64 high, __u64 low)
{
	for (__u32 i = first; i < first + count; i++) {
		const struct ks_range *range = &policy->ranges[i];

		if (range->lo[0] == high && range->lo[1] <= low && low <= range->hi[1])
			return true;
	}
	return false;
}

static void assert_sorted(const struct ks_policy *policy, __u32 first, __u32 count)
{
	for (__u32 i = first; i < first + count; i++) {
		const struct ks_range *range = &policy->ranges[i];

		assert_true(range->lo[1] <= range->hi[1]);
		if (i > first)
			assert_true(range->lo[1] > range[-1].hi[1] + 1);
	}
}

enum mark { OUTSIDE, MEANT, TAKEN };

static void mark(enum mark *marks, unsigned low, unsigned high, bool taken)
{
	for (unsigned v = low; v <= high && v < UNIVERSE; v++) {
		if (taken || marks[v] != TAKEN)
			marks[v] = taken ? TAKEN : MEANT;
	}
}

/* Writes a random set of both families, in which some entries are taken away, and marks what it holds. */
static void write_set(FILE *out, uint64_t *seed, unsigned nots, enum mark in4[UNIVERSE], enum mark in6[UNIVERSE])
{
	unsigned count = random_below(seed, 40);

	fputs("set s { 192.0.2.1, ", out);
	for (unsigned i = 0; i < count; i++) {
		bool taken = random_below(seed, 10) < nots;
		unsigned low = random_below(seed, UNIVERSE), high = low + random_below(seed, 8);
		unsigned bits = random_below(seed, 4), base = low >> bits << bits;

		high = high < UNIVERSE ? high : UNIVERSE - 1;
		fputs(taken ? "not " : "", out);
		if (random_below(seed, 2)) {
			fprintf(out, "10.0.%u.%u-10.0.%u.%u, ", low >> 8, low & 255, high >> 8, high & 255);
			mark(in4, low, high, taken);
		} else {
			fprintf(out, "fd00::%x/%u, ", base, 128 - bits);
			mark(in6, base, base + (1U << bits) - 1, taken);
		}
	}
	fputs("}\nallow source @s\n", out);
}

static void test_merge_random(void **state)
{
	uint64_t seed = 42;

	for (unsigned round = 0; round < 600; round++) {
		enum mark in4[UNIVERSE] = { OUTSIDE }, in6[UNIVERSE] = { OUTSIDE };
		struct ks_policy *policy;
		const struct ks_set *set;
		char *text = NULL;
		size_t length;
		FILE *out = open_memstream(&text, &length);

		assert_non_null(out);
		write_set(out, &seed, round % 6, in4, in6);
		fclose(out);
		policy = load_good(text);
		set = &policy->sets[policy->set_infos[0].set];
		assert_sorted(policy, set->first4, set->count4);
		assert_sorted(policy, set->first6, set->count6);
		for (unsigned v = 0; v < UNIVERSE; v++) {
			assert_int_equal(in_run(policy, set->first4, set->count4, 0, 0x0a000000 + v), in4[v] == MEANT);
			assert_int_equal(in_run(policy, set->first6, set->count6, 0xfd00ULL << 48, v), in6[v] == MEANT);
		}
		ks_policy_destroy(policy);
		free(text);
	}
}

static const struct ks_range *range_of(const struct ks_policy *policy, __u32 at)
{
	assert_true(at < policy->config.ranges);
	return &policy->ranges[at];
}

/* The ends of the number space: nothing overflows, everything merges. */
static void test_merge_ends(void **state)
{
	struct ks_policy *policy = load_good("allow source { ::/1, 8000::/1, 0.0.0.0-127.255.255.255, 128.0.0.0/1 }\n");
	const struct ks_set *set = &policy->sets[policy->rules[0].src_set];
	const struct ks_range *range4 = range_of(policy, set->first4), *range6 = range_of(policy, set->first6);

	assert_int_equal(set->count4, 1);
	assert_int_equal(set->count6, 1);
	assert_true(range4->lo[1] == 0 && range4->hi[1] == 0xffffffffULL && !range4->lo[0] && !range4->hi[0]);
	assert_true(!range6->lo[0] && !range6->lo[1] && range6->hi[0] == ~0ULL && range6->hi[1] == ~0ULL);
	assert_string_equal(policy->infos[0].text, "allow source { 0.0.0.0/0, ::/0 }");
	ks_policy_destroy(policy);
}

/* Taken away at the ends of the number space, and beside the border of its halves. */
static void test_not_ends(void **state)
{
	struct ks_policy *policy =
		load_good("set a { 0.0.0.0/0, not 0.0.0.0, not 255.255.255.255, ::/0, not ::, not ffff::/16 }\n"
			  "set b { not 2001:db8:0:0:8000::/65, 2001:db8::/63 }\n"
			  "set c { @a, not @a, not 10.0.0.1, 10.0.0.1 }\n"
			  "allow source { @a, @b, @c }\n");
	char *text = print_text(policy);

	assert_non_null(
		strstr(text, "set a { 0.0.0.1-255.255.255.254, ::1-fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff }\n"));
	assert_non_null(strstr(text, "set b { 2001:db8::/65, 2001:db8:0:1::/64 }\n"));
	assert_non_null(strstr(text, "set c { }\n"));
	free(text);
	ks_policy_destroy(policy);
}

static void test_not_normal_form(void **state)
{
	struct ks_policy *policy =
		load_good("set a { 10.0.0.0/8 }\nset d { } dynamic\n"
			  "allow source { not @a, 10.0.0.0/7, @d, not { 11.0.0.1, 11.0.0.0 } } tcp port "
			  "{ 1-9, not 5, not 6 }\n");

	assert_string_equal(policy->infos[0].text,
			    "allow tcp port { 1-9, not 5-6 } source { @d, 10.0.0.0/7, not @a, not 11.0.0.0/31 }");
	ks_policy_destroy(policy);
}

/* Neighbours over the 64-bit border are neighbours. */
static void test_merge_border(void **state)
{
	struct ks_policy *policy =
		load_good("allow source { 2001:db8::/64, 2001:db8:0:1::/64, 2001:db8:0:3::-2001:db8:0:4::7 }\n");

	assert_string_equal(policy->infos[0].text, "allow source { 2001:db8::/63, 2001:db8:0:3::-2001:db8:0:4::7 }");
	ks_policy_destroy(policy);
}

static void test_nested(void **state)
{
	struct ks_policy *policy = load_good("set all { @a, @b, 192.0.2.1, @a }\n"
					     "set a { 10.0.0.0/25 }\n"
					     "set b { 10.0.0.128/25, fd00::1 }\n"
					     "set p port { 80, @q }\nset q port { 81 }\n"
					     "allow tcp port @p source @all\n");
	char *text = print_text(policy);

	assert_non_null(strstr(text, "set all { 10.0.0.0/24, 192.0.2.1, fd00::1 }\n"));
	assert_non_null(strstr(text, "set p port { 80-81 }\n"));
	free(text);
	ks_policy_destroy(policy);
}

static void test_sharing(void **state)
{
	struct ks_policy *policy = load_good("set a { 10.0.0.0/8 }\n"
					     "allow source @a\n"
					     "deny source { 10.0.0.0/9, 10.128.0.0/9 } destination 10.0.0.0/8\n"
					     "deny destination 10.0.0.0/7\n");

	assert_int_equal(policy->rules[0].src_set, policy->set_infos[0].set);
	assert_int_equal(policy->rules[1].src_set, policy->rules[0].src_set);
	assert_int_equal(policy->rules[1].dst_set, policy->rules[0].src_set);
	assert_int_not_equal(policy->rules[2].dst_set, policy->rules[0].src_set);
	assert_int_equal(policy->config.sets, 3);
	assert_int_equal(policy->config.ranges, 2);
	ks_policy_destroy(policy);
}

static void write_chain(FILE *out, unsigned depth)
{
	for (unsigned i = 0; i < depth; i++)
		fprintf(out, "set s%u { @s%u }\n", i, i + 1);
	fprintf(out, "set s%u { 10.0.0.1 }\nallow source @s0\n", depth);
}

static void check_depth(unsigned depth, int expected)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	assert_non_null(out);
	write_chain(out, depth);
	fclose(out);
	assert_int_equal(ks_policy_load_text(text, length, "t", NULL, &policy, &diags), expected);
	if (expected)
		assert_non_null(strstr(diags.list[0].message, "sets stand in sets more than 16 deep"));
	ks_diags_fini(&diags);
	ks_policy_destroy(policy);
	free(text);
}

static void test_depth(void **state)
{
	check_depth(16, 0);
	check_depth(17, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge_random),	cmocka_unit_test(test_merge_ends),
		cmocka_unit_test(test_merge_border),	cmocka_unit_test(test_not_ends),
		cmocka_unit_test(test_not_normal_form), cmocka_unit_test(test_nested),
		cmocka_unit_test(test_sharing),		cmocka_unit_test(test_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
