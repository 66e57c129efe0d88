// SPDX-License-Identifier: BSD-2-Clause
/* Thresholds of destinations and the detection of scans: who keeps a place, and how many ports make a scan. */
#include <pthread.h>

#include "core/flood.h"
#include "core/port_scan.h"

#include "core/inspection.h"
#include "tests/unit/core/test_home.h"

#define NOW (1000 * KS_NSEC_PER_SEC)
#define OTHERS 200000U /* many more than there are places */

static int setup(void **state)
{
	*state = test_env_create(64);
	return 0;
}

static int teardown(void **state)
{
	test_env_destroy(*state);
	return 0;
}

static __u32 spent_of(struct ks_env *env, __u32 to, __u64 now, bool dry, __u32 rate)
{
	struct ks_flood_ask ask = { .now = now, .rate = rate, .family = KS_IPV4, .zone = 2, .dry = dry };

	ks_addr_set_ipv4(&ask.addr, to);
	return ks_flood_spent_isolated(env, &ask);
}

static __u32 spent(struct ks_env *env, __u32 to, __u64 now, bool dry)
{
	return spent_of(env, to, now, dry, 10);
}

static void test_a_second_at_once(void **state)
{
	struct ks_env *env = *state;

	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(spent(env, 1, NOW, false), 0);
	assert_int_equal(spent(env, 1, NOW, true), 1);
	assert_int_equal(spent(env, 1, NOW, false), 1);
	assert_int_equal(spent(env, 2, NOW, true), 0);
	assert_int_equal(spent(env, 1, NOW + KS_NSEC_PER_SEC / 10, false), 0);
	assert_int_equal(spent(env, 1, NOW + KS_NSEC_PER_SEC / 10, false), 1);
	assert_int_equal(spent(env, 1, NOW + 2 * KS_NSEC_PER_SEC, true), 0);
}

/* A flood over more addresses than there are places does not push out the one that is flooded most. */
static void test_a_flooded_destination_keeps_its_place(void **state)
{
	struct ks_env *env = *state;

	for (unsigned i = 0; i < 11; i++)
		spent(env, 1, NOW, false);
	for (__u32 to = 2; to < OTHERS; to++)
		assert_int_equal(spent(env, to, NOW, false), 0);
	assert_int_equal(spent(env, 1, NOW, true), 1);
}

static __u32 refused(struct ks_env *env, __u32 from, __u16 port, __u32 marks, __u64 now)
{
	struct ks_insp_scan ask = { .now = now, .window = 60 * KS_NSEC_PER_SEC, .marks = marks, .zone = 2 };

	ask.tuple.family = KS_IPV4;
	ask.tuple.proto = KS_PROTO_TCP;
	ask.tuple.dport = ks_be16(port);
	ks_addr_set_ipv4(&ask.tuple.src, from);
	ks_addr_set_ipv4(&ask.tuple.dst, 7);
	return ks_scan_count_isolated(env, &ask);
}

static void test_a_scan(void **state)
{
	struct ks_env *env = *state;

	for (__u16 port = 1; port < 5; port++) {
		assert_int_equal(refused(env, 1, port, 5, NOW), KS_SCAN_NONE);
		assert_int_equal(refused(env, 1, port, 5, NOW), KS_SCAN_NONE);
		assert_int_equal(refused(env, 2, 1, 5, NOW), KS_SCAN_NONE);
	}
	assert_int_equal(refused(env, 1, 5, 5, NOW), KS_SCAN_GOES_ON);
	assert_int_equal(refused(env, 1, 5, 5, NOW), KS_SCAN_KNOWN);
	assert_int_equal(refused(env, 1, 6, 5, NOW), KS_SCAN_GOES_ON);
	assert_int_equal(refused(env, 1, 6, 5, NOW + 61 * KS_NSEC_PER_SEC), KS_SCAN_NONE);
}

/* Forged sources, each refused once, hide nobody who is on the way. */
static void test_a_flood_hides_no_scan(void **state)
{
	struct ks_env *env = *state;

	for (__u16 port = 1; port < 4; port++)
		assert_int_equal(refused(env, 1, port, 5, NOW), KS_SCAN_NONE);
	for (__u32 from = 2; from < OTHERS; from++)
		assert_int_equal(refused(env, from, 1, 5, NOW), KS_SCAN_NONE);
	assert_int_equal(refused(env, 1, 4, 5, NOW), KS_SCAN_NONE);
	assert_int_equal(refused(env, 1, 5, 5, NOW), KS_SCAN_GOES_ON);
}

/* The bits that so many ports set on average. */
static __u32 marks_of(__u32 ports)
{
	double marks = 0;

	for (__u32 i = 0; i < ports; i++)
		marks += 1 - marks / KS_SCAN_BITS;
	return (__u32)(marks + 0.5);
}

/* Ports meet in the map, so the threshold is one of averages: of a thousand ports it is right within a tenth, of a few within one or two. */
static void test_how_many_ports(void **state)
{
	static const __u32 wanted[] = { 3, 20, 100, 1000 };
	struct ks_env *env = *state;

	for (unsigned i = 0; i < KS_ARRAY_SIZE(wanted); i++) {
		__u32 marks = marks_of(wanted[i]), sum = 0;

		for (__u32 from = 1; from <= 100; from++) {
			__u16 port = 1;

			while (refused(env, i << 16 | from, port, marks, NOW) == KS_SCAN_NONE)
				port++;
			sum += port;
		}
		assert_in_range(sum / 100, wanted[i] * 9 / 10, wanted[i] * 11 / 10 + 1);
	}
}

/* --- two CPUs, or four --- */

enum { CPUS = 4, EACH = 400, MARKS = 64 };

struct cpu {
	struct ks_env *env;
	__u32 number;
	__u32 admitted; /* by a threshold */
	__u32 goes_on; /* ports that were found to be a scan's */
};

static void cpus_run(struct ks_env *env, void *(*fn)(void *), struct cpu cpus[CPUS])
{
	pthread_t threads[CPUS];

	for (__u32 i = 0; i < CPUS; i++) {
		cpus[i] = (struct cpu){ .env = env, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, fn, &cpus[i]), 0);
	}
	for (__u32 i = 0; i < CPUS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void *flood_cpu(void *arg)
{
	struct cpu *cpu = arg;

	for (__u32 i = 0; i < EACH; i++)
		cpu->admitted += !spent_of(cpu->env, 1, NOW, false, EACH);
	return NULL;
}

/*
 * Of a destination that has its place, CPUs admit as many as the threshold says and none more. Who was always slower is refused,
 * and what that leaves is admitted later.
 */
static void test_a_threshold_on_many_cpus(void **state)
{
	struct ks_env *env = *state;
	struct cpu cpus[CPUS];
	__u32 admitted = !spent_of(env, 1, NOW, false, EACH);

	cpus_run(env, flood_cpu, cpus);
	for (__u32 i = 0; i < CPUS; i++)
		admitted += cpus[i].admitted;
	assert_in_range(admitted, EACH / 2, EACH);
	while (!spent_of(env, 1, NOW, false, EACH))
		admitted++;
	assert_int_equal(admitted, EACH);
}

static void *scan_cpu(void *arg)
{
	struct cpu *cpu = arg;

	for (__u32 i = 0; i < EACH; i++)
		cpu->goes_on +=
			refused(cpu->env, 1, (__u16)(1 + cpu->number + i * CPUS), MARKS, NOW) == KS_SCAN_GOES_ON;
	return NULL;
}

static __u32 bits_of(const struct ks_scan_place *place)
{
	__u32 bits = 0;

	for (__u32 i = 0; i < KS_SCAN_WORDS; i++)
		bits += (__u32)__builtin_popcountll(place->mark[i]);
	return bits;
}

/* The place that somebody has. */
static const struct ks_scan_place *place_used(const struct ks_env *env)
{
	for (__u32 i = 0; i < KS_SCAN_SETS * KS_SCAN_WAYS; i++) {
		const struct ks_scan_place *place = &env->scans[i / KS_SCAN_WAYS].place[i % KS_SCAN_WAYS];

		if (place->whose)
			return place;
	}
	fail();
	return NULL;
}

/* No mark is lost or counted twice. Those that are set at the same moment may all be told as the one that passes the threshold. */
static void test_a_scan_on_many_cpus(void **state)
{
	struct ks_env *env = *state;
	struct cpu cpus[CPUS];
	__u32 goes_on = 0, marks;

	refused(env, 1, 1, MARKS, NOW);
	cpus_run(env, scan_cpu, cpus);
	for (__u32 i = 0; i < CPUS; i++)
		goes_on += cpus[i].goes_on;
	marks = place_used(env)->marks;
	assert_int_equal(marks, bits_of(place_used(env)));
	assert_in_range(goes_on, marks - (MARKS - 1), marks - (MARKS - 1) + (CPUS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_second_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_flooded_destination_keeps_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_scan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_flood_hides_no_scan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_how_many_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_threshold_on_many_cpus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_scan_on_many_cpus, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
