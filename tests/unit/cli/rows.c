/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cli/state_row.c, cli/state_columns.c, cli/top_sources.c, cli/counters_view.c: rows of states from CSV and JSON and their columns, sources
 * of drops from lines of the log, counters since a moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "cli/counters_view.h"
#include "cli/state_columns.h"
#include "cli/top_sources.h"
#include "core/types.h"

static struct ks_state_row row;

static bool from_csv(const char *line)
{
	static const unsigned char fields[] = { KS_FIELD_SOURCE, KS_FIELD_LABEL, KS_FIELD_BYTES_OUT };

	return ks_state_row_from_csv(&row, line, strlen(line), fields, KS_ARRAY_SIZE(fields));
}

static void test_rows_from_csv(void **state)
{
	static const char *const wrong[] = { "", "a,b", "a,b,c,d", "a,\"b,c", "a,\"b\"x,c" };

	assert_true(from_csv("10.0.0.1,out,17"));
	assert_string_equal(row.field[KS_FIELD_SOURCE], "10.0.0.1");
	assert_int_equal(ks_state_row_number(&row, KS_FIELD_BYTES_OUT), 17);
	assert_string_equal(row.field[KS_FIELD_STATE], "");
	assert_true(from_csv(",\"a, \"\"b\"\"\",18446744073709551615"));
	assert_string_equal(row.field[KS_FIELD_SOURCE], "");
	assert_string_equal(row.field[KS_FIELD_LABEL], "a, \"b\"");
	assert_true(ks_state_row_number(&row, KS_FIELD_BYTES_OUT) == UINT64_MAX);
	assert_true(from_csv(",,"));
	for (size_t i = 0; i < KS_ARRAY_SIZE(wrong); i++) {
		if (from_csv(wrong[i]))
			fail_msg("'%s' is taken for a row", wrong[i]);
	}
}

static void test_long_lines_are_refused(void **state)
{
	static char line[KS_STATE_ROW_TEXT + 10];

	memset(line, 'x', sizeof(line) - 1);
	line[1] = line[3] = ',';
	assert_false(from_csv(line));
}

/* A row of JSON and a line of CSV of the same state give the same cells. */
static void test_rows_from_json(void **state)
{
	json_t *object = json_loads(
		"{\"proto\":\"tcp\",\"source\":\"2001:db8::1\",\"source_port\":40000,\"destination\":"
		"\"192.0.2.1\",\"nat\":{\"source\":\"203.0.113.1\",\"source_port\":5,\"destination\":"
		"\"203.0.113.9\",\"destination_port\":443},\"bytes\":[1500,500],\"packets\":[2,1],"
		"\"timeout\":61.5,\"rule\":{\"id\":3,\"file\":\"/etc/a.conf\",\"line\":7},\"rate\":[10,2000]}",
		0, NULL);
	static const char *const expected[] = { "[2001:db8::1]:40000",
						"192.0.2.1",
						"2+1",
						"2.0 kB",
						"10 B/s",
						"2.0 kB/s",
						"1m1s",
						"a.conf:7",
						"as 203.0.113.1:5 via 203.0.113.9:443" };
	struct ks_state_columns columns;
	char wrong[64], cell[KS_STATE_CELL];

	assert_non_null(object);
	assert_int_equal(
		ks_state_columns_choose("source,destination,packets,bytes,up,down,left,rule,nat", &columns, wrong), 0);
	assert_int_equal(columns.count, KS_ARRAY_SIZE(expected));
	ks_state_row_from_json(&row, object);
	for (size_t i = 0; i < columns.count; i++) {
		columns.column[i]->print(&row, cell);
		assert_string_equal(cell, expected[i]);
	}
	json_decref(object);
}

static void test_columns_that_are_none(void **state)
{
	struct ks_state_columns columns;
	char wrong[64];

	assert_int_equal(ks_state_columns_choose("source,colour", &columns, wrong), -EINVAL);
	assert_string_equal(wrong, "colour");
	assert_int_equal(ks_state_columns_choose("", &columns, wrong), -EINVAL);
}

static void say(struct ks_top_sources *sources, const char *line)
{
	ks_top_sources_line(sources, line, strlen(line));
}

static void sources_make(struct ks_top_sources *sources)
{
	*sources = (struct ks_top_sources){ .list = calloc(KS_TOP_SOURCES, sizeof(*sources->list)) };
	assert_non_null(sources->list);
}

static void test_sources_are_counted(void **state)
{
	struct ks_top_sources sources;

	sources_make(&sources);
	say(&sources, "{\"source\":\"192.0.2.1\",\"reason\":\"no rule\",\"packet\":\"one\"}");
	say(&sources, "{\"source\":\"192.0.2.2\",\"reason\":\"no state\",\"packet\":\"two\"}");
	say(&sources, "{\"source\":\"192.0.2.2\",\"reason\":\"no rule\",\"folded\":40,\"sources\":\"one\"}");
	say(&sources, "{\"source\":\"192.0.2.3\",\"reason\":\"no rule\",\"folded\":1000,\"sources\":\"many\"}");
	say(&sources, "{\"lost\":7}");
	say(&sources, "no JSON");
	ks_top_sources_beat(&sources, 2 * KS_NSEC_PER_SEC);
	assert_int_equal(sources.count, 2);
	assert_string_equal(sources.list[0].source, "192.0.2.2");
	assert_int_equal(sources.list[0].packets, 41);
	assert_true(sources.list[0].rate > 20.4 && sources.list[0].rate < 20.6);
	assert_string_equal(sources.list[0].reason, "no rule");
	assert_int_equal(sources.many, 1000);
	assert_int_equal(sources.lost, 7);
	ks_top_sources_reset(&sources, 0);
	assert_int_equal(sources.count + sources.many + sources.lost, 0);
	ks_top_sources_end(&sources);
}

/* A scan from very many sources does not push out the one that matters. */
static void test_sources_are_bounded(void **state)
{
	struct ks_top_sources sources;
	char line[128];

	sources_make(&sources);
	for (unsigned i = 0; i < 3; i++)
		say(&sources, "{\"source\":\"198.51.100.1\",\"reason\":\"no rule\"}");
	for (unsigned i = 0; i < KS_TOP_SOURCES + 100; i++) {
		snprintf(line, sizeof(line), "{\"source\":\"10.1.%u.%u\",\"reason\":\"no rule\"}", i >> 8, i & 255);
		say(&sources, line);
	}
	ks_top_sources_beat(&sources, KS_NSEC_PER_SEC);
	assert_int_equal(sources.count, KS_TOP_SOURCES);
	assert_string_equal(sources.list[0].source, "198.51.100.1");
	assert_int_equal(sources.lost, 101);
	ks_top_sources_end(&sources);
}

static json_t *counters(int packets, int matches)
{
	return json_pack("{s:[{s:s, s:i}], s:[{s:i, s:i}]}", "reasons", "reason", "no rule", "packets", packets,
			 "rules", "id", 3, "matches", matches);
}

static const json_t *entry_of(const struct ks_counters_view *view, const char *list)
{
	return json_array_get(json_object_get(view->now.answer, list), 0);
}

static void test_counters_since_a_moment(void **state)
{
	struct ks_counters_view view = { 0 };

	assert_true(ks_counters_view_put(&view, counters(100, 5), KS_NSEC_PER_SEC));
	assert_int_equal(ks_counters_since(&view, entry_of(&view, "reasons"), "packets"), 100);
	assert_true(ks_counters_rate(&view, entry_of(&view, "reasons"), "packets") == 0);
	ks_counters_view_reset(&view);
	assert_true(ks_counters_view_put(&view, counters(160, 6), 3 * KS_NSEC_PER_SEC));
	assert_int_equal(ks_counters_since(&view, entry_of(&view, "reasons"), "packets"), 60);
	assert_int_equal(ks_counters_since(&view, entry_of(&view, "rules"), "matches"), 1);
	assert_true(ks_counters_rate(&view, entry_of(&view, "reasons"), "packets") == 30);
	assert_true(ks_counters_view_put(&view, counters(160, 6), 4 * KS_NSEC_PER_SEC));
	assert_true(ks_counters_rate(&view, entry_of(&view, "reasons"), "packets") == 0);
	ks_counters_view_unset(&view);
	assert_int_equal(ks_counters_since(&view, entry_of(&view, "reasons"), "packets"), 160);
	/* Counters that went back are those of another firewall. */
	assert_true(ks_counters_view_put(&view, counters(10, 0), 5 * KS_NSEC_PER_SEC));
	assert_true(ks_counters_rate(&view, entry_of(&view, "reasons"), "packets") == 10);
	ks_counters_view_fini(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_from_csv),		cmocka_unit_test(test_long_lines_are_refused),
		cmocka_unit_test(test_rows_from_json),		cmocka_unit_test(test_columns_that_are_none),
		cmocka_unit_test(test_sources_are_counted),	cmocka_unit_test(test_sources_are_bounded),
		cmocka_unit_test(test_counters_since_a_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
