// SPDX-License-Identifier: BSD-2-Clause
/* Run-time sets: against a plain list, nested prefixes, expiry, limits, eviction, a million entries, and several CPUs. */
#include "tests/unit/core/test_home.h"

#include <pthread.h>

#include "core/home.h"

#define SECOND KS_NSEC_PER_SEC
#define MODEL_MAX 400

static struct ks_env *env;

static void set_make(__u32 limit)
{
	free(env->members);
	env->member_pages = ks_member_pages(limit);
	env->members = calloc(env->member_pages, sizeof(*env->members));
	assert_non_null(env->members);
	env->members[0].head.layout = KS_MEMBER_LAYOUT;
	env->members[0].head.buckets = env->member_pages - 1;
	env->members[0].head.key[0] = 0x0123456789abcdefULL;
	env->config.dynamics = 1;
	env->config.dynamic[0].limit = limit;
	env->now = 1000 * SECOND;
}

static int setup(void **state)
{
	env = test_env_create(1);
	return 0;
}

static int teardown(void **state)
{
	free(env->members);
	test_env_destroy(env);
	return 0;
}

static struct ks_member_head *head(void)
{
	return &env->members[0].head;
}

static struct ks_addr addr4(__u32 address)
{
	struct ks_addr addr = { 0 };

	ks_addr_set_ipv4(&addr, ks_be32(address));
	return addr;
}

static struct ks_addr addr6(__u64 high, __u64 low)
{
	return (struct ks_addr){ .d = { ks_be64(high), ks_be64(low) } };
}

static __u32 add(struct ks_addr addr, __u8 family, __u8 length, __u64 ms)
{
	struct ks_member_entry entry = { .addr = addr, .family = family, .length = length };

	ks_set_complete(env, &entry, ms);
	return ks_member_add(env, &entry);
}

static bool drop(struct ks_addr addr, __u8 family, __u8 length)
{
	const struct ks_member_entry entry = { .addr = addr, .family = family, .length = length };

	return ks_member_remove(env, &entry);
}

static bool has(struct ks_addr addr, __u8 family)
{
	return ks_set_has(env, 0, &addr, family);
}

/* --- against a list --- */

struct model {
	struct ks_addr addr;
	__u8 family, length;
	__u64 expires;
};

static struct model model[MODEL_MAX];
static unsigned models;

static bool model_lives(const struct model *one)
{
	return !one->expires || one->expires > env->now;
}

static struct model *model_find(const struct ks_addr *addr, __u8 family, __u8 length)
{
	for (unsigned i = 0; i < models; i++) {
		if (ks_addr_equal(&model[i].addr, addr) && model[i].family == family && model[i].length == length)
			return &model[i];
	}
	return NULL;
}

static bool model_has(const struct ks_addr *addr, __u8 family)
{
	for (unsigned i = 0; i < models; i++) {
		struct ks_addr masked = *addr;

		ks_addr_mask(&masked, family, model[i].length);
		if (model[i].family == family && model_lives(&model[i]) && ks_addr_equal(&masked, &model[i].addr))
			return true;
	}
	return false;
}

/* Few addresses and many lengths, so that prefixes nest and meet. */
static struct ks_addr any_addr(__u64 *seed, __u8 family)
{
	if (family == KS_IPV4)
		return addr4(0x0a000000U | test_below(seed, 40));
	return addr6(0xfd00000000000000ULL | test_below(seed, 4), test_below(seed, 40));
}

static void random_step(__u64 *seed)
{
	__u8 family = test_below(seed, 2) ? KS_IPV4 : KS_IPV6;
	__u8 whole = family == KS_IPV4 ? 32 : 128;
	__u8 length = test_below(seed, 3) ? whole : (__u8)test_below(seed, whole + 1U);
	struct ks_addr addr = any_addr(seed, family), masked = addr;
	__u64 ms = test_below(seed, 4) ? (test_below(seed, 20) + 1) * 100 : 0;
	struct model *known;

	ks_addr_mask(&masked, family, length);
	known = model_find(&masked, family, length);
	if (test_below(seed, 3)) {
		__u32 result = add(addr, family, length, ms);

		assert_int_equal(result, known && model_lives(known) ? KS_MEMBER_RENEWED : KS_MEMBER_ADDED);
		if (!known)
			known = &model[models++];
		*known = (struct model){ masked, family, length, ms ? env->now + ms * KS_NSEC_PER_MSEC : 0 };
	} else if (known) {
		drop(addr, family, length);
		*known = model[--models];
	} else {
		assert_false(drop(addr, family, length));
	}
	env->now += test_below(seed, 100) * KS_NSEC_PER_MSEC;
}

/* The model forgets what the sweeper frees. */
static void sweep_all(void)
{
	for (__u32 page = 1; page < env->member_pages; page++)
		ks_member_sweep(env, 0, page, env->now);
	for (unsigned i = 0; i < models;) {
		if (model_lives(&model[i]))
			i++;
		else
			model[i] = model[--models];
	}
	assert_int_equal(head()->count, models);
}

static void lookups_agree(__u64 *seed)
{
	for (int i = 0; i < 20; i++) {
		__u8 family = i & 1 ? KS_IPV4 : KS_IPV6;
		struct ks_addr addr = any_addr(seed, family);

		assert_int_equal(has(addr, family), model_has(&addr, family));
	}
}

static void agrees_with_a_list(void **state)
{
	__u64 seed = 42;

	for (int round = 0; round < 40; round++) {
		set_make(MODEL_MAX);
		models = 0;
		for (int i = 0; i < 400 && models < MODEL_MAX; i++) {
			random_step(&seed);
			lookups_agree(&seed);
			if (!test_below(&seed, 20))
				sweep_all();
		}
		env->now += 3600 * SECOND;
		sweep_all();
		lookups_agree(&seed);
	}
}

static bool has_no_lengths(void)
{
	for (unsigned i = 0; i < KS_MEMBER_LENGTHS; i++) {
		if (head()->length_count[i])
			return false;
	}
	return !(head()->lengths[0] | head()->lengths[1] | head()->lengths[2] | head()->lengths[3]);
}

static void an_expired_prefix_hides_none_around_it(void **state)
{
	set_make(100);
	add(addr4(0xc0000200), KS_IPV4, 24, 0);
	add(addr4(0xc0000201), KS_IPV4, 32, 1000);
	assert_true(has(addr4(0xc0000201), KS_IPV4));
	env->now += SECOND;
	assert_true(has(addr4(0xc0000201), KS_IPV4));
	assert_true(drop(addr4(0xc0000200), KS_IPV4, 24));
	assert_false(has(addr4(0xc0000201), KS_IPV4));
	assert_false(has(addr4(0xc0000202), KS_IPV4));
	for (__u32 page = 1; page < env->member_pages; page++)
		ks_member_sweep(env, 0, page, env->now);
	assert_true(has_no_lengths());
}

static void everything_is_a_prefix(void **state)
{
	set_make(100);
	add(addr4(0), KS_IPV4, 0, 0);
	assert_true(has(addr4(0xffffffff), KS_IPV4));
	assert_false(has(addr6(1, 2), KS_IPV6));
	add(addr6(0, 0), KS_IPV6, 0, 0);
	assert_true(has(addr6(~0ULL, ~0ULL), KS_IPV6));
	add(addr6(0x20010db800000000ULL, 1), KS_IPV6, 128, 0);
	add(addr6(0x20010db800000000ULL, 1), KS_IPV6, 64, 0);
	add(addr6(0x20010db800000000ULL, 1), KS_IPV6, 63, 0);
	assert_int_equal(head()->count, 5);
}

static void renewing_counts_on(void **state)
{
	struct ks_member_entry entry = {
		.addr = addr4(1), .family = KS_IPV4, .length = 32, .by_packet = 1, .limit = 9
	};

	set_make(100);
	assert_int_equal(add(addr4(1), KS_IPV4, 32, 5000), KS_MEMBER_ADDED);
	assert_int_equal(add(addr4(1), KS_IPV4, 32, 1000), KS_MEMBER_RENEWED);
	env->now += 2 * SECOND;
	assert_false(has(addr4(1), KS_IPV4));
	assert_int_equal(add(addr4(1), KS_IPV4, 32, 0), KS_MEMBER_ADDED);
	entry.expires = env->now + SECOND;
	assert_int_equal(ks_member_add(env, &entry), KS_MEMBER_RENEWED); /* a packet cuts no longer life */
	env->now += 5 * SECOND;
	assert_true(has(addr4(1), KS_IPV4));
	assert_int_equal(head()->count, 1);
}

/* --- limits --- */

static void a_full_set_refuses_and_a_packet_takes_the_first_to_expire(void **state)
{
	struct ks_addr newcomer = addr4(0x01010101);

	set_make(10);
	for (__u32 i = 0; i < 10; i++)
		assert_int_equal(add(addr4(i), KS_IPV4, 32, i == 3 ? 500 : 60000), KS_MEMBER_ADDED);
	assert_int_equal(add(newcomer, KS_IPV4, 32, 0), KS_MEMBER_FULL);
	assert_int_equal(head()->count, 10);
	assert_true(ks_set_add(env, 0, &newcomer, KS_IPV4, 32, 1000));
	assert_true(has(newcomer, KS_IPV4));
	assert_false(has(addr4(3), KS_IPV4));
	assert_int_equal(head()->count, 10);
	assert_int_equal(head()->evicted, 1);
}

static void what_never_expires_is_not_taken(void **state)
{
	struct ks_addr newcomer = addr4(0x01010101);

	set_make(10);
	for (__u32 i = 0; i < 10; i++)
		add(addr4(i), KS_IPV4, 32, 0);
	assert_false(ks_set_add(env, 0, &newcomer, KS_IPV4, 32, 1000));
	assert_int_equal(head()->refused, 1);
	for (__u32 i = 0; i < 10; i++)
		assert_true(has(addr4(i), KS_IPV4));
}

static void an_expired_entry_makes_room_unswept(void **state)
{
	set_make(10);
	for (__u32 i = 0; i < 10; i++)
		add(addr4(i), KS_IPV4, 32, 100);
	env->now += SECOND;
	for (__u32 i = 0; i < 10; i++)
		assert_int_equal(add(addr4(100 + i), KS_IPV4, 32, 100), KS_MEMBER_ADDED);
	assert_int_equal(head()->count, 10);
}

static void sets_of_any_size_take_their_limit(void **state)
{
	static const __u32 sizes[] = { 1, 2, 7, 11, 12, 23, 50, 100, 333, 1000, 4096, 65536, 1000000 };
	__u64 seed = 7;

	for (unsigned i = 0; i < KS_ARRAY_SIZE(sizes); i++) {
		for (__u32 round = 0; round < KS_MIN(2000U, 2000000U / sizes[i]); round++) {
			set_make(sizes[i]);
			head()->key[1] = test_random(&seed);
			for (__u32 n = 0; n < sizes[i]; n++)
				assert_int_equal(add(addr4(n), KS_IPV4, 32, 0), KS_MEMBER_ADDED);
		}
	}
}

/* --- several CPUs --- */

#define THREADS 4
#define ROUNDS 60000
#define ADDRESSES 256U

static void *hammer(void *arg)
{
	__u64 seed = (__u64)(uintptr_t)arg * 77 + 1;

	for (int i = 0; i < ROUNDS; i++) {
		struct ks_addr addr = addr4(test_below(&seed, ADDRESSES));
		__u8 length = test_below(&seed, 8) ? 32 : (__u8)(24 + test_below(&seed, 8));

		switch (test_below(&seed, 4)) {
		case 0:
			drop(addr, KS_IPV4, length);
			break;
		case 1:
			has(addr, KS_IPV4);
			ks_member_sweep(env, 0, 1 + test_below(&seed, env->member_pages - 1), env_now(env));
			break;
		default:
			ks_set_add(env, 0, &addr, KS_IPV4, length, 1 + test_below(&seed, 3));
			__atomic_fetch_add(&env->now, test_below(&seed, 3) * KS_NSEC_PER_MSEC, __ATOMIC_RELAXED);
			break;
		}
	}
	return NULL;
}

/* The head counts what is in the buckets. */
static void accounts_are_right(void)
{
	__u32 count = 0, lengths[KS_MEMBER_LENGTHS] = { 0 };

	for (__u32 page = 1; page < env->member_pages; page++) {
		for (__u32 i = 0; i < KS_MEMBER_SLOTS; i++) {
			const struct ks_member *member = &env->members[page].bucket.member[i];

			assert_false(member->version & (KS_MEMBER_CLAIMED | 1));
			if (!env->members[page].bucket.tag[i])
				continue;
			count++;
			lengths[member->length]++;
		}
	}
	assert_int_equal(count, head()->count);
	assert_memory_equal(lengths, head()->length_count, sizeof(lengths));
	for (unsigned i = 0; i < 33; i++)
		assert_int_equal(head()->lengths[0] >> i & 1, lengths[i] != 0);
}

static void each_stands_once(void)
{
	for (__u32 n = 0; n < ADDRESSES; n++) {
		drop(addr4(n), KS_IPV4, 32);
		assert_false(drop(addr4(n), KS_IPV4, 32));
	}
}

static void cpus_agree(void **state)
{
	pthread_t threads[THREADS];

	set_make(100);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	accounts_are_right();
	each_stands_once();
	env->now += 3600 * SECOND;
	for (__u32 page = 1; page < env->member_pages; page++)
		ks_member_sweep(env, 0, page, env->now);
	assert_int_equal(head()->count, 0);
	assert_true(has_no_lengths());
}

#define RENEWALS 200000

static void *renew(void *arg)
{
	for (int i = 0; i < RENEWALS; i++)
		ks_set_add(env, 0, &(struct ks_addr){ .d = { 0, 0 } }, KS_IPV6, 64, 1000);
	__atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
	return NULL;
}

/* An entry that is renewed or swept around is there all the time: else a rule that denies would let a packet through. */
static void a_renewed_entry_is_never_absent(void **state)
{
	unsigned long looks = 0, missed = 0;
	bool over = false;
	pthread_t thread;

	set_make(10);
	assert_int_equal(add(addr6(0, 0), KS_IPV6, 64, 1000), KS_MEMBER_ADDED);
	assert_int_equal(pthread_create(&thread, NULL, renew, &over), 0);
	for (; !__atomic_load_n(&over, __ATOMIC_ACQUIRE); looks++)
		missed += !has(addr6(0, looks), KS_IPV6);
	pthread_join(thread, NULL);
	assert_true(looks > 1000);
	assert_int_equal(missed, 0);
}

/* --- rules --- */

static void a_rule_asks_and_its_packet_is_counted(void **state)
{
	static const struct ks_set sets[] = { { 0 }, { .dynamic = 1 } };
	static const struct ks_rule rules[] = {
		{ .from_zones = KS_ZONES_ANY,
		  .to_zones = KS_ZONES_ANY,
		  .id = 1,
		  .action = KS_DENY,
		  .flags = KS_RULE_ANY_PROTO,
		  .src_set = 1 },
		{ .from_zones = KS_ZONES_ANY,
		  .to_zones = KS_ZONES_ANY,
		  .id = 2,
		  .action = KS_ALLOW,
		  .flags = KS_RULE_ANY_PROTO },
	};
	struct ks_question question = { .tuple = { .src = addr4(1), .dst = addr4(2), .family = KS_IPV4 } };
	struct ks_decision decision;

	set_make(10);
	env->rules = rules;
	env->config.rules = 2;
	env->sets = sets;
	env->config.sets = 2;
	assert_int_equal(ks_rules_ask(env, &question, &decision), KS_ALLOW);
	add(addr4(1), KS_IPV4, 32, 1000);
	assert_int_equal(ks_rules_ask(env, &question, &decision), KS_DENY);
	ks_members_count(env, &question.tuple, decision.index, 60);
	ks_members_count(env, &question.tuple, decision.index, 40);
	for (__u32 page = 1; page < env->member_pages; page++) {
		for (__u32 i = 0; i < KS_MEMBER_SLOTS; i++) {
			if (!env->members[page].bucket.tag[i])
				continue;
			assert_int_equal(env->members[page].bucket.member[i].packets, 2);
			assert_int_equal(env->members[page].bucket.member[i].bytes, 100);
		}
	}
	env->now += SECOND;
	assert_int_equal(ks_rules_ask(env, &question, &decision), KS_ALLOW);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_list),
		cmocka_unit_test(an_expired_prefix_hides_none_around_it),
		cmocka_unit_test(everything_is_a_prefix),
		cmocka_unit_test(renewing_counts_on),
		cmocka_unit_test(a_full_set_refuses_and_a_packet_takes_the_first_to_expire),
		cmocka_unit_test(what_never_expires_is_not_taken),
		cmocka_unit_test(an_expired_entry_makes_room_unswept),
		cmocka_unit_test(sets_of_any_size_take_their_limit),
		cmocka_unit_test(cpus_agree),
		cmocka_unit_test(a_renewed_entry_is_never_absent),
		cmocka_unit_test(a_rule_asks_and_its_packet_is_counted),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
