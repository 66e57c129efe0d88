/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/entries.c, journal/rows.c, journal/store.c: what the daemon tells comes back as it was, also after a restart. */
#include "tests/unit/journal/support.h"

#include <errno.h>

#define LAST_ENTRY "SELECT " KS_ROW_ENTRY " FROM history ORDER BY id DESC LIMIT 1"

static const char drop[] =
	"{\"event\":\"drop\",\"time\":\"2026-11-29T10:00:00.123Z\",\"verdict\":\"deny\",\"reason\":\"no "
	"rule\",\"class\":\"new\","
	"\"state\":\"NONE\",\"from\":\"wan\",\"to\":\"lan\",\"proto\":\"tcp\",\"source\":\"192.0.2.10\","
	"\"destination\":\"203.0.113.1\",\"length\":74,\"rule\":{\"id\":3,\"file\":\"a.conf\",\"line\":4,\"text\":"
	"\"deny from wan\","
	"\"label\":\"no \\\"way\\\"\"},\"packet\":\"wan 192.0.2.10:40000 > lan 203.0.113.1:8080 tcp "
	"syn\",\"source_port\":40000,"
	"\"destination_port\":8080,\"tcp_flags\":2,\"seq\":4294967295,\"ack\":0,\"window\":64240,"
	"\"nat\":{\"destination\":\"10.0.0.10\",\"destination_port\":80}}";

/* Every member of a line is there again with its value. */
static void check_back(const char *text)
{
	ks_auto_json json_t *sent = json_loads(text, 0, NULL);
	ks_auto_json json_t *line = row_of(LAST_ENTRY, false);
	const char *name;
	json_t *value;

	json_object_foreach(sent, name, value)
	{
		if (!json_equal(value, json_object_get(line, name)))
			fail_msg("%s is %s", name, json_dumps(json_object_get(line, name), JSON_ENCODE_ANY));
	}
	assert_true(strtoll(text_in(line, "cursor"), NULL, 10) > 0);
}

static void test_packets(void **state)
{
	static const char *const lines[] = {
		drop,
		"{\"event\":\"pass\",\"time\":\"2026-11-29T10:00:01.000Z\",\"verdict\":\"allow\",\"reason\":\"new\","
		"\"from\":\"lan\",\"to\":\"wan\",\"proto\":\"icmpv6\",\"source\":\"fd00::1\",\"destination\":\"2001:"
		"db8::10\","
		"\"length\":118,\"rule\":null,\"packet\":\"x\",\"icmp_type\":128,\"icmp_code\":0}",
		"{\"event\":\"drop\",\"time\":\"2026-11-29T10:00:02.000Z\",\"verdict\":\"deny\",\"reason\":\"no "
		"state\",\"from\":\"wan\","
		"\"to\":\"unknown\",\"proto\":\"ip\",\"source\":\"0.0.0.0\",\"destination\":\"255.255.255.255\","
		"\"length\":60,"
		"\"rule\":{\"id\":9},\"packet\":\"y\",\"folded\":342500,\"sources\":\"many\"}",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		write_event(lines[i]);
		commit_test();
		check_back(lines[i]);
	}
	assert_int_equal(ask_test("SELECT count(*) FROM entry"), 3);
}

/* A member that is new in a later daemon is kept, too; an event that is new is left out. */
static void test_unknown(void **state)
{
	write_event("{\"event\":\"drop\",\"time\":\"2026-11-29T10:00:02.000Z\",\"verdict\":\"deny\",\"colour\":[1,{"
		    "\"a\":null}]}");
	commit_test();
	check_back("{\"colour\":[1,{\"a\":null}],\"verdict\":\"deny\"}");
	write_event("{\"event\":\"eclipse\",\"time\":\"2026-11-29T10:00:02.000Z\"}");
	write_event("{}");
	commit_test();
	assert_int_equal(ask_test("SELECT count(*) FROM entry"), 1);
}

static void test_lost(void **state)
{
	write_event("{\"event\":\"lost\",\"time\":\"2026-11-29T10:00:02.000Z\",\"lost\":17}");
	commit_test();
	check_back("{\"event\":\"lost\",\"time\":\"2026-11-29T10:00:02.000Z\",\"lost\":17}");
	write_event("{\"lost\":18}"); /* without a time: when it came */
	assert_int_equal(ks_entry_gap(&test_store, TEST_NOW, 5000), 0);
	commit_test();
	check_back("{\"event\":\"gap\",\"gap\":5000}");
}

static void test_names_are_kept_once(void **state)
{
	for (int i = 0; i < 100; i++)
		write_event(drop);
	commit_test();
	assert_int_equal(ask_test("SELECT count(*) FROM rule"), 1);
	assert_int_equal(ask_test("SELECT count(*) FROM word WHERE text = 'tcp'"), 1);
	ks_store_close(&test_store);
	assert_int_equal(ks_store_open(test_path, &test_store), 0);
	write_event(drop);
	commit_test();
	check_back(drop);
	assert_int_equal(ask_test("SELECT count(*) FROM rule"), 1);
}

/* A batch that fails leaves no number of a name behind that no table has. */
static void test_batch_given_up(void **state)
{
	write_event(drop);
	ks_store_give_up(&test_store);
	assert_int_equal(ask_test("SELECT count(*) FROM entry"), 0);
	write_event(drop);
	commit_test();
	check_back(drop);
}

/* Cursors never come again, also when everything was removed. */
static void test_cursors_grow(void **state)
{
	write_event(drop);
	commit_test();
	assert_int_equal(ks_store_execute(&test_store, "DELETE FROM entry"), 0);
	ks_store_close(&test_store);
	assert_int_equal(ks_store_open(test_path, &test_store), 0);
	write_event(drop);
	commit_test();
	assert_int_equal(ask_test("SELECT id FROM entry"), 2);
}

static void test_damaged(void **state)
{
	FILE *file;

	ks_store_close(&test_store);
	file = fopen(test_path, "w");
	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fputs("this is no database", file);
	fclose(file);
	assert_int_equal(ks_store_open(test_path, &test_store), -EUCLEAN);
}

static void test_other_version(void **state)
{
	assert_int_equal(ks_store_execute(&test_store, "PRAGMA user_version=77"), 0);
	ks_store_close(&test_store);
	assert_int_equal(ks_store_open(test_path, &test_store), -EUCLEAN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, store_begin_test, store_end_test)
	const struct CMUnitTest tests[] = {
		TEST(test_packets),	   TEST(test_unknown),	    TEST(test_lost),	TEST(test_names_are_kept_once),
		TEST(test_batch_given_up), TEST(test_cursors_grow), TEST(test_damaged), TEST(test_other_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
