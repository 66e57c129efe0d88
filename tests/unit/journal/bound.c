/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/bound.c: size and age are kept, and a flood of packets takes no flows with it. */
#include "tests/unit/journal/support.h"

#include "journal/bound.h"
#include "journal/policies.h"

#define LIMIT (2 << 20)
#define SECOND_MS 1000

static void write_packet(int number)
{
	char line[512];

	snprintf(line, sizeof(line),
		 "{\"event\":\"drop\",\"time\":\"%d\",\"verdict\":\"deny\",\"reason\":\"no "
		 "rule\",\"from\":\"wan\",\"to\":\"lan\","
		 "\"proto\":\"tcp\",\"source\":\"192.0.2.10\",\"destination\":\"203.0.113.1\",\"length\":74,\"rule\":"
		 "null,"
		 "\"packet\":\"wan 192.0.2.10:40000 > lan 203.0.113.1:8080 tcp "
		 "syn\",\"source_port\":%d,\"destination_port\":80}",
		 number, number % 65536);
	write_event(line);
}

static void write_flow(int number, int begun, int ended)
{
	char line[512];

	snprintf(line, sizeof(line),
		 "{\"event\":\"end\",\"time\":\"%d\",\"id\":\"%016x\",\"proto\":\"udp\",\"source\":\"10.0.0.1\","
		 "\"source_port\":%d,"
		 "\"destination\":\"192.0.2.1\",\"destination_port\":53,\"why\":\"expired\",\"begun\":\"%d\","
		 "\"packets\":[1,1],"
		 "\"bytes\":[60,60]}",
		 ended, number + 1, number % 65536, begun);
	write_event(line);
}

/* A policy of 100,000 bytes, most of them in letters of two. */
static void write_policy(int number)
{
	char text[100001];
	size_t used = (size_t)snprintf(text, sizeof(text), "# %06d", number);

	for (; used + 2 < sizeof(text); used += 2)
		memcpy(text + used, "\xc3\xa4", 2);
	text[used] = '\0';
	ks_auto_json json_t *policy =
		json_pack("{s:s, s:i, s:s}", "policy", "a.conf", "generation", number, "text", text);

	assert_non_null(policy);
	assert_int_equal(ks_store_begin(&test_store), 0);
	assert_int_equal(ks_policy_note(&test_store, policy, number), 0);
}

static int64_t trim_to(int64_t limit)
{
	bool more = true;
	int64_t size = 0;

	commit_test();
	while (more)
		assert_int_equal(ks_bound_trim(&test_store, limit, &more), 0);
	assert_int_equal(ks_bound_size(test_store.db, &size), 0);
	return size;
}

static int64_t trim_all(void)
{
	return trim_to(LIMIT);
}

static void test_size(void **state)
{
	for (int i = 1; i <= 15000; i++)
		write_packet(i);
	assert_true(trim_all() <= LIMIT);
	assert_int_equal(ask_test("SELECT max(id) FROM entry"), 15000);
	assert_true(ask_test("SELECT count(*) FROM entry") > 4000);
	assert_int_equal(ask_test("SELECT max(id) - min(id) + 1 - count(*) FROM entry"), 0); /* the oldest went */
}

/* The pages that became free go back to the file system. */
static void test_file_shrinks(void **state)
{
	int64_t before;

	for (int i = 1; i <= 40000; i++)
		write_packet(i);
	commit_test();
	before = ask_test("PRAGMA page_count");
	for (int i = 0; i < 20; i++)
		trim_all();
	assert_true(ask_test("PRAGMA page_count") < before * 3 / 4);
}

static void test_flood_spares_flows(void **state)
{
	for (int i = 0; i < 3000; i++)
		write_flow(i, i, i + 1);
	for (int i = 1; i <= 15000; i++)
		write_packet(i + 3000);
	assert_true(trim_all() <= LIMIT);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 3000);
	assert_int_equal(ask_test("SELECT count(*) FROM entry WHERE flow IS NOT NULL"), 3000);
}

/* Flows that live stay, and moments of removed ones go with them. */
static void test_flows_too(void **state)
{
	write_event("{\"event\":\"begin\",\"time\":\"1\",\"id\":\"ffff000000000001\",\"proto\":\"tcp\",\"source\":\"10."
		    "0.0.9\","
		    "\"source_port\":1,\"destination\":\"192.0.2.1\",\"destination_port\":22}");
	for (int i = 0; i < 25000; i++)
		write_flow(i, i, i + 1);
	assert_true(trim_all() <= LIMIT);
	assert_true(ask_test("SELECT count(*) FROM flow") < 22000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NULL"), 1);
	assert_int_equal(ask_test("SELECT count(*) FROM history WHERE flow = 1"), 1);
	assert_int_equal(ask_test("SELECT count(*) FROM entry WHERE flow NOT IN (SELECT id FROM flow)"), 0);
}

/* Flows that live take no more than there is, either. One whose row went has one again when it ends. */
static void test_living_flows(void **state)
{
	for (int i = 1; i <= 25000; i++) {
		char line[256];

		snprintf(line, sizeof(line),
			 "{\"event\":\"begin\",\"time\":\"%d\",\"id\":\"%016x\",\"proto\":\"udp\",\"source\":\"10.0.0."
			 "1\","
			 "\"source_port\":%d,\"destination\":\"192.0.2.1\",\"destination_port\":53}",
			 i, i + 1, i);
		write_event(line);
	}
	assert_true(trim_all() <= LIMIT);
	assert_int_equal(ask_test("SELECT max(id) FROM flow"), 25000);
	assert_true(ask_test("SELECT count(*) FROM flow") > 4000);
	assert_int_equal(ask_test("SELECT max(id) - min(id) + 1 - count(*) FROM flow"), 0); /* the oldest went */
	assert_int_equal(ask_test("SELECT count(*) FROM entry WHERE flow NOT IN (SELECT id FROM flow)"), 0);
	write_flow(1, 1, 30000);
	commit_test();
	assert_int_equal(ask_test("SELECT count(*) FROM flow WHERE ended IS NOT NULL"), 1);
	assert_int_equal(ask_test("SELECT begun FROM flow WHERE ended IS NOT NULL"), 1 * SECOND_MS);
}

/* A policy that is loaded every minute must not push out what the log tells. */
static void test_policies_spare_log(void **state)
{
	for (int i = 1; i <= 1000; i++)
		write_packet(i);
	for (int i = 0; i < 1000; i++)
		write_flow(i, i, i + 1);
	for (int i = 1; i <= 40; i++)
		write_policy(i);
	assert_true(trim_all() <= LIMIT);
	assert_int_equal(ask_test("SELECT count(*) FROM entry WHERE flow IS NULL"), 1000);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 1000);
	assert_true(ask_test("SELECT count(*) FROM policy") > 5);
	assert_int_equal(ask_test("SELECT 41 - min(time) - count(*) FROM policy"), 0); /* the oldest went */
}

static void test_log_spares_policies(void **state)
{
	for (int i = 1; i <= 3; i++)
		write_policy(i);
	for (int i = 1; i <= 15000; i++)
		write_packet(i);
	assert_true(trim_all() <= LIMIT);
	assert_int_equal(ask_test("SELECT count(*) FROM policy"), 3);
}

/* That in force stays, even if it takes all the room. */
static void test_policy_in_force(void **state)
{
	write_policy(1);
	write_policy(2);
	trim_to(1);
	assert_int_equal(ask_test("SELECT count(*) FROM policy"), 1);
	assert_int_equal(ask_test("SELECT min(time) FROM policy WHERE until IS NULL"), 2);
}

static void test_age(void **state)
{
	bool more = false;

	for (int i = 1; i <= 100; i++) {
		write_packet(i);
		write_flow(i, i, i + 50);
	}
	commit_test();
	assert_int_equal(ks_bound_age(&test_store, 61 * SECOND_MS, &more), 0);
	assert_false(more);
	assert_int_equal(ask_test("SELECT count(*) FROM entry WHERE flow IS NULL"), 40);
	assert_int_equal(ask_test("SELECT min(time) FROM entry WHERE flow IS NULL"), 61 * SECOND_MS);
	assert_int_equal(ask_test("SELECT count(*) FROM flow"), 90); /* by their ends */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_begin_test, store_end_test)
	const struct CMUnitTest tests[] = { TEST(test_size),
					    TEST(test_file_shrinks),
					    TEST(test_flood_spares_flows),
					    TEST(test_flows_too),
					    TEST(test_living_flows),
					    TEST(test_policies_spare_log),
					    TEST(test_log_spares_policies),
					    TEST(test_policy_in_force),
					    TEST(test_age) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
