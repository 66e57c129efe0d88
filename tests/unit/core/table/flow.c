// SPDX-License-Identifier: BSD-2-Clause
/* Keys: both directions of a conversation meet under one key, different conversations never do. Expiry. */
#include "tests/unit/core/test_home.h"

static void random_tuple(__u64 *seed, struct ks_tuple *t)
{
	bool v6 = test_below(seed, 2);

	/* Few values, so that equal addresses and equal ports occur. */
	*t = (struct ks_tuple){ .family = v6 ? KS_IPV6 : KS_IPV4, .proto = test_below(seed, 2) ? 6 : 17 };
	t->src.w[3] = test_below(seed, 3);
	t->dst.w[3] = test_below(seed, 3);
	if (v6) {
		t->src.w[0] = test_below(seed, 3);
		t->dst.w[0] = test_below(seed, 3);
	}
	t->sport = (__be16)(test_below(seed, 3) << 8);
	t->dport = (__be16)(test_below(seed, 3) << 8);
}

static void turn(const struct ks_tuple *t, struct ks_tuple *back)
{
	*back = *t;
	back->src = t->dst;
	back->dst = t->src;
	back->sport = t->dport;
	back->dport = t->sport;
}

static void test_symmetry(void **state)
{
	__u64 seed = 11;

	for (int i = 0; i < 20000; i++) {
		struct ks_tuple t, back;
		struct ks_flow_key a, b;
		__u32 side_a, side_b;

		memset(&a, 0xee, sizeof(a));
		memset(&b, 0x11, sizeof(b));
		random_tuple(&seed, &t);
		turn(&t, &back);
		side_a = ks_flow_key_make(&t, &a);
		side_b = ks_flow_key_make(&back, &b);
		assert_memory_equal(&a, &b, sizeof(a));
		if (memcmp(&t, &back, sizeof(t)))
			assert_int_equal(side_a, !side_b);
		else
			assert_int_equal(side_a, side_b);
		/* The side tells the sender. */
		assert_memory_equal(&a.addr[side_a], &t.src, sizeof(t.src));
		assert_memory_equal(&a.addr[!side_a], &t.dst, sizeof(t.dst));
		assert_int_equal(a.port[side_a], t.sport);
		assert_int_equal(a.port[!side_a], t.dport);
		assert_int_equal(a.proto, t.proto);
		assert_int_equal(a.family, t.family);
		assert_int_equal(a.kind, KS_KIND_FLOW);
		assert_int_equal(a.link, 0);
	}
}

static void test_no_collision(void **state)
{
	__u64 seed = 12;

	for (int i = 0; i < 200000; i++) {
		struct ks_tuple t, u, back;
		struct ks_flow_key a, b;

		random_tuple(&seed, &t);
		random_tuple(&seed, &u);
		turn(&t, &back);
		ks_flow_key_make(&t, &a);
		ks_flow_key_make(&u, &b);
		assert_int_equal(memcmp(&a, &b, sizeof(a)) == 0,
				 memcmp(&t, &u, sizeof(t)) == 0 || memcmp(&back, &u, sizeof(u)) == 0);
	}
}

static bool expired(__u64 seen_ms, __u32 timeout, __u64 now_ms)
{
	struct ks_flow flow = { .state = KS_STATE_UDP_SINGLE, .seen = (__u32)seen_ms, .timeout = timeout };

	return ks_flow_is_expired(&flow, now_ms * KS_NSEC_PER_MSEC);
}

static void test_expiry_edges(void **state)
{
	const __u64 starts[] = { 0, 5, 0x7fffffffULL, 0x80000000ULL, 0xfffffff0ULL, 0x1fffffff0ULL };
	const __u32 timeouts[] = { KS_TIMEOUT_MIN_MS, 30000, 24 * 3600 * 1000, KS_TIMEOUT_MAX_MS };

	for (size_t s = 0; s < KS_ARRAY_SIZE(starts); s++) {
		for (size_t t = 0; t < KS_ARRAY_SIZE(timeouts); t++) {
			__u64 start = starts[s];

			assert_false(expired(start, timeouts[t], start));
			assert_false(expired(start, timeouts[t], start + timeouts[t]));
			assert_true(expired(start, timeouts[t], start + timeouts[t] + 1));
			/* An hour to sweep it. */
			assert_true(expired(start, timeouts[t], start + timeouts[t] + 3600 * 1000));
			/* Another CPU's clock may be a little behind the one that saw it last. */
			if (start)
				assert_false(expired(start, timeouts[t], start - 1));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_symmetry),
		cmocka_unit_test(test_no_collision),
		cmocka_unit_test(test_expiry_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
