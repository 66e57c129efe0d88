/* SPDX-License-Identifier: BSD-2-Clause */
/* journal/figures.c: points are differences, sums are sums, and a restart loses nothing that was written. */
#include "tests/unit/journal/support.h"

#include "journal/figures.h"

#define MINUTE 1796464800LL /* the begin of one, seconds of the epoch */

static struct ks_figures figures;

static int begin_figures(void **state)
{
	return store_begin_test(state) || ks_figures_init(&figures);
}

static int end_figures(void **state)
{
	ks_figures_fini(&figures);
	return store_end_test(state);
}

/* The totals of the n-th second: each second 10 packets pass, 3 are dropped and 2 flows begin. */
static void take(int64_t n, int64_t base)
{
	json_int_t at = n + base;
	ks_auto_json json_t *totals =
		json_pack("{s:{s:I, s:I, s:I, s:I}, s:[{s:s, s:b, s:I, s:I}, {s:s, s:b, s:I, s:I}]}", "table", "flows",
			  (json_int_t)n, "limit", (json_int_t)1000, "half_open", (json_int_t)1, "created", 2 * at,
			  "reasons", "reason", "established", "passes", 1, "packets", 10 * at, "bytes", 1000 * at,
			  "reason", "no rule", "passes", 0, "packets", 3 * at, "bytes", 180 * at);

	assert_non_null(totals);
	assert_int_equal(ks_figures_take(&figures, totals, (MINUTE + n) * 1000), 0);
}

static json_t *point_at(const char *sql)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	json_t *point;

	assert_int_equal(sqlite3_prepare_v2(test_store.db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	point = json_loads((const char *)sqlite3_column_text(stmt, 0), 0, NULL);
	assert_non_null(point);
	return point;
}

static void check_sums(const json_t *point, int64_t seconds)
{
	assert_int_equal(json_integer_value(json_array_get(json_object_get(point, "passed"), 0)), 10 * seconds);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(point, "dropped"), 1)), 180 * seconds);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(point, "reasons"), "no rule")),
			 3 * seconds);
	assert_null(json_object_get(json_object_get(point, "reasons"), "established"));
	assert_int_equal(json_integer_value(json_object_get(point, "created")), 2 * seconds);
}

static void write_at(int64_t n)
{
	assert_int_equal(ks_store_begin(&test_store), 0);
	assert_int_equal(ks_figures_write(&figures, &test_store, (MINUTE + n) * 1000), 0);
	commit_test();
}

static void test_seconds_minutes_hours(void **state)
{
	for (int64_t n = -1; n < 120; n++)
		take(n, 100);
	assert_true(ks_figures_are_due(&figures, (MINUTE + 120) * 1000));
	write_at(120);
	assert_false(ks_figures_are_due(&figures, (MINUTE + 121) * 1000));
	ks_auto_json json_t *second = point_at("SELECT json FROM figure WHERE span = 1 AND time = 1796464807");
	ks_auto_json json_t *minute = point_at("SELECT json FROM figure WHERE span = 60 AND time = 1796464860");
	ks_auto_json json_t *hour = point_at("SELECT json FROM figure WHERE span = 3600 AND time = 1796464800");

	check_sums(second, 1);
	check_sums(minute, 60);
	check_sums(hour, 120);
	assert_int_equal(json_integer_value(json_object_get(minute, "flows")), 119); /* at its end */
	assert_int_equal(json_integer_value(json_object_get(minute, "span")), 60);
}

/* After a restart in the middle of a minute the minute has both parts. */
static void test_restart(void **state)
{
	for (int64_t n = -1; n < 30; n++)
		take(n, 100);
	write_at(30);
	ks_figures_fini(&figures);
	assert_int_equal(ks_figures_init(&figures), 0);
	assert_int_equal(ks_figures_load(&figures, &test_store), 0);
	for (int64_t n = 31; n < 70; n++)
		take(n, 100);
	write_at(70);
	ks_auto_json json_t *minute = point_at("SELECT json FROM figure WHERE span = 60 AND time = 1796464800");

	check_sums(minute, 58); /* that of second 30 is unknown, and that of 31 has nothing to be a difference of */
}

/* Counters that begin anew, and seconds without an answer, make no points. */
static void test_no_false_peaks(void **state)
{
	ks_auto_free char *text = NULL;

	take(0, 1000);
	take(1, 0);
	take(30, 0);
	take(31, 0);
	text = ks_figures_text(&figures, 0, INT64_MAX);
	ks_auto_json json_t *only = json_loads(text, 0, NULL);

	assert_int_equal(json_integer_value(json_object_get(only, "time")), MINUTE + 31);
	check_sums(only, 1);
}

static void test_old_points_go(void **state)
{
	for (int64_t n = -1; n < 2000; n++) {
		take(n, 100);
		if (ks_figures_are_due(&figures, (MINUTE + n) * 1000))
			write_at(n);
	}
	assert_true(ask_test("SELECT count(*) FROM figure WHERE span = 1") <= 961);
	assert_int_equal(json_array_size(figures.seconds), 900);
	assert_int_equal(ask_test("SELECT count(*) FROM figure WHERE span = 60"), 33);
}

/* The batch in which an hour ended has failed: the next one that is written has its last minute, too. */
static void test_hour_of_failed_batch(void **state)
{
	for (int64_t n = 3600 - 61; n < 3660; n++)
		take(n, 100);
	assert_int_equal(ks_store_begin(&test_store), 0);
	assert_int_equal(ks_figures_write(&figures, &test_store, (MINUTE + 3600) * 1000), 0);
	ks_store_give_up(&test_store);
	ks_figures_settle(&figures, false);
	assert_true(ks_figures_are_due(&figures, (MINUTE + 3660) * 1000));
	write_at(3660);
	ks_auto_json json_t *hour = point_at("SELECT json FROM figure WHERE span = 3600 AND time = 1796464800");

	check_sums(hour, 60);
}

/* --- pairs of zones --- */

static json_t *totals_of(const char *zones)
{
	ks_auto_free char *text = NULL;
	json_t *totals;

	assert_true(asprintf(&text, "{\"reasons\":[],\"table\":{},\"zones\":[%s]}", zones) > 0);
	totals = json_loads(text, 0, NULL);
	assert_non_null(totals);
	return totals;
}

static void take_zones(int64_t n, const char *zones)
{
	ks_auto_json json_t *totals = totals_of(zones);

	assert_int_equal(ks_figures_take(&figures, totals, (MINUTE + n) * 1000), 0);
}

#define PAIR(from, to, packets, dropped)                                                                    \
	"{\"from\":\"" from "\",\"to\":\"" to "\",\"passed\":{\"packets\":" #packets ",\"bytes\":" #packets \
	"00},\"opened\":{\"packets\":1,\"bytes\":60},\"dropped\":{\"packets\":" #dropped ",\"bytes\":" #dropped "}}"

static void check_pair(const json_t *pair, const char *from, int64_t passed_bytes, int64_t dropped)
{
	assert_string_equal(json_string_value(json_object_get(pair, "from")), from);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(pair, "passed"), 1)), passed_bytes);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(pair, "dropped"), 0)), dropped);
}

/* Pairs that have not counted are not there; one that is new counts from nothing. */
static void test_zones(void **state)
{
	take_zones(0, PAIR("lan", "wan", 10, 1) "," PAIR("wan", "lan", 10, 0));
	take_zones(1, PAIR("lan", "wan", 15, 2) "," PAIR("wan", "lan", 10, 0));
	take_zones(2, PAIR("dmz", "wan", 7, 0) "," PAIR("lan", "wan", 16, 2) "," PAIR("wan", "lan", 10, 0));
	write_at(60);
	ks_auto_json json_t *first = point_at("SELECT json FROM figure WHERE span = 1 AND time = 1796464801");
	ks_auto_json json_t *minute = point_at("SELECT json FROM figure WHERE span = 60");
	const json_t *pairs = json_object_get(first, "zones"), *sums = json_object_get(minute, "zones");

	assert_int_equal(json_array_size(pairs), 1);
	check_pair(json_array_get(pairs, 0), "lan", 500, 1);
	assert_int_equal(json_array_size(sums), 2);
	check_pair(json_array_get(sums, 0), "lan", 600, 1);
	check_pair(json_array_get(sums, 1), "dmz", 700, 0);
}

/* A daemon of before told nothing about zones: what the first totals have is of all time. */
static void test_zones_of_old_daemon(void **state)
{
	ks_auto_json json_t *old = json_loads("{\"reasons\":[],\"table\":{}}", 0, NULL);

	assert_int_equal(ks_figures_take(&figures, old, MINUTE * 1000), 0);
	take_zones(1, PAIR("lan", "wan", 15, 2));
	assert_int_equal(json_array_size(json_object_get(json_array_get(figures.seconds, 0), "zones")), 0);
}

/* As many pairs as 12 zones have, each with as many packets as its number. */
static json_t *many_pairs(int64_t packets)
{
	json_t *list = json_array();

	for (int i = 0; i < 144; i++) {
		char from[16], to[16];

		snprintf(from, sizeof(from), "z%d", i / 12);
		snprintf(to, sizeof(to), "z%d", i % 12);
		assert_int_equal(json_array_append_new(list, json_pack("{s:s, s:s, s:{s:I, s:I}}", "from", from, "to",
								       to, "passed", "packets", (json_int_t)packets,
								       "bytes", (json_int_t)0)),
				 0);
	}
	return json_pack("{s:[], s:{}, s:o}", "reasons", "table", "zones", list);
}

static void test_many_zones(void **state)
{
	for (int64_t n = 0; n < 3; n++) {
		ks_auto_json json_t *totals = many_pairs(n);

		assert_int_equal(ks_figures_take(&figures, totals, (MINUTE + n) * 1000), 0);
	}
	write_at(60);
	ks_auto_json json_t *minute = point_at("SELECT json FROM figure WHERE span = 60");
	const json_t *pairs = json_object_get(minute, "zones"), *others = json_array_get(pairs, 100);

	assert_int_equal(json_array_size(pairs), 101);
	assert_true(json_is_null(json_object_get(others, "from")));
	assert_int_equal(json_integer_value(json_array_get(json_object_get(others, "passed"), 0)), 2 * 44);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(json_array_get(pairs, 0), "passed"), 0)), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_figures, end_figures)
	const struct CMUnitTest tests[] = { TEST(test_seconds_minutes_hours), TEST(test_restart),
					    TEST(test_no_false_peaks),	      TEST(test_old_points_go),
					    TEST(test_hour_of_failed_batch),  TEST(test_zones),
					    TEST(test_zones_of_old_daemon),   TEST(test_many_zones) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
