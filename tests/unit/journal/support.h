/* SPDX-License-Identifier: BSD-2-Clause */
/* A journal in a directory of its own, which is removed at the end. */
#ifndef KS_TESTS_JOURNAL_SUPPORT_H
#define KS_TESTS_JOURNAL_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "journal/entries.h"
#include "journal/flows.h"
#include "journal/rows.h"
#include "journal/schema.h"
#include "journal/store.h"
#include "journal/when.h"

#define TEST_PATH_MAX 128
#define TEST_NOW 1796464800000LL /* ms */

static char test_directory[TEST_PATH_MAX], test_path[TEST_PATH_MAX + 16];
static struct ks_store test_store;
static struct ks_row_times test_times = { TEST_NOW, TEST_NOW, INT64_MAX };

static inline int store_begin_test(void **state)
{
	snprintf(test_directory, sizeof(test_directory), "/tmp/ks-journal-XXXXXX");
	assert_non_null(mkdtemp(test_directory));
	snprintf(test_path, sizeof(test_path), "%s/journal.db", test_directory);
	return ks_store_open(test_path, &test_store);
}

static inline int store_end_test(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char name[TEST_PATH_MAX + 32];

	ks_store_close(&test_store);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", test_path, ends[i]);
		unlink(name);
	}
	return rmdir(test_directory);
}

/* Writes a line of the daemon. */
static inline void write_event(const char *text)
{
	ks_auto_json json_t *event = json_loads(text, 0, NULL);

	assert_non_null(event);
	assert_int_equal(ks_store_begin(&test_store), 0);
	assert_int_equal(ks_entry_write(&test_store, event, TEST_NOW), 0);
}

static inline void commit_test(void)
{
	assert_int_equal(ks_store_commit(&test_store), 0);
}

static inline int64_t ask_test(const char *sql)
{
	int64_t number = -1;

	assert_int_equal(ks_store_ask(test_store.db, sql, &number), 0);
	return number;
}

/* The only row of a question as a line, entry or flow. */
static inline json_t *row_of(const char *sql, bool flow)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	struct ks_row_names names = { 0 };
	json_t *line;

	assert_int_equal(sqlite3_prepare_v2(test_store.db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(ks_row_names_init(test_store.db, &names), 0);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	line = flow ? ks_row_flow(&names, stmt, &test_times) : ks_row_entry(&names, stmt);
	assert_non_null(line);
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	ks_row_names_fini(&names);
	return line;
}

static inline const char *text_in(const json_t *line, const char *name)
{
	const char *text = json_string_value(json_object_get(line, name));

	return text ? text : "";
}

#endif
