/* SPDX-License-Identifier: BSD-2-Clause */
/* See store.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/types.h"
#include "journal/schema.h"
#include "journal/store.h"

#define BUSY_MS 5000
#define WAL_PAGES 1000 /* after which the WAL goes into the file */
#define WAL_BYTES (4 << 20) /* that it may keep */

int ks_store_error(sqlite3 *db, int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	default: /* a write that fails for want of room is an I/O error to SQLite, too */
		return db && sqlite3_system_errno(db) == ENOSPC ? -ENOSPC : -EIO;
	}
}

static int execute(sqlite3 *db, const char *sql)
{
	return ks_store_error(db, sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int ks_store_execute(struct ks_store *store, const char *sql)
{
	return execute(store->db, sql);
}

int ks_store_ask(sqlite3 *db, const char *sql, int64_t *number)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW)
		*number = sqlite3_column_int64(stmt, 0);
	else if (code == SQLITE_DONE)
		*number = 0;
	return ks_store_error(db, code);
}

/* auto_vacuum counts for a new file only, before its first table is made. */
static int prepare_file(sqlite3 *db)
{
	char pragmas[256];

	snprintf(pragmas, sizeof(pragmas),
		 "PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		 "PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=%d; PRAGMA journal_size_limit=%d;",
		 WAL_PAGES, WAL_BYTES);
	return execute(db, pragmas);
}

static int prepare_tables(sqlite3 *db)
{
	char version[64];
	int64_t found = 0;
	int err = ks_store_ask(db, "PRAGMA user_version", &found);

	if (err || found == KS_SCHEMA_VERSION)
		return err;
	if (found && found != KS_SCHEMA_FIRST)
		return -EUCLEAN;
	snprintf(version, sizeof(version), "PRAGMA user_version=%d; COMMIT", KS_SCHEMA_VERSION);
	err = execute(db, "BEGIN IMMEDIATE") ?: execute(db, found ? ks_schema_from_first : ks_schema) ?: execute(db, version);
	if (err)
		execute(db, "ROLLBACK");
	return err;
}

static int prepare_statements(struct ks_store *store)
{
#define X(name, sql) sql,
	static const char *const texts[] = { KS_STATEMENTS(X) };
#undef X
	int code = SQLITE_OK;

	for (size_t i = 0; i < KS_STATEMENT_MAX && code == SQLITE_OK; i++)
		code = sqlite3_prepare_v3(store->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &store->statement[i],
					  NULL);
	return ks_store_error(store->db, code);
}

/* Fills text to number from a table. */
static int read_numbers(sqlite3 *db, const char *sql, json_t **numbers)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	ks_auto_json json_t *object = json_object();
	int code = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	while (code == SQLITE_OK && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 1);

		if (!text || json_object_set_new_nocheck(object, text, json_integer(sqlite3_column_int64(stmt, 0))))
			return -ENOMEM;
		code = SQLITE_OK;
	}
	if (ks_store_error(db, code))
		return ks_store_error(db, code);
	*numbers = TAKE(object);
	return 0;
}

static int open_file(const char *path, struct ks_store *store)
{
	static const char temporary[] =
		"CREATE TEMP TABLE seen(id INTEGER PRIMARY KEY);"
		"CREATE TEMP TABLE stopped(id INTEGER PRIMARY KEY, source BLOB, source_port INTEGER, destination BLOB, "
		"destination_port INTEGER, proto INTEGER, begun INTEGER);"
		"CREATE INDEX temp.stopped_ends ON stopped(source, source_port, destination, destination_port, proto);";
	int err, code = sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

	if (code != SQLITE_OK)
		return ks_store_error(store->db, code);
	sqlite3_busy_timeout(store->db, BUSY_MS);
	err = prepare_file(store->db) ?: prepare_tables(store->db) ?: execute(store->db, temporary) ?: prepare_statements(store);
	err = err ?: read_numbers(store->db, "SELECT id, text FROM word", &store->words);
	return err ?: read_numbers(store->db, "SELECT id, json FROM rule", &store->rules);
}

int ks_store_open(const char *path, struct ks_store *store)
{
	int err;

	memset(store, 0, sizeof(*store));
	err = open_file(path, store);
	if (err)
		ks_store_close(store);
	return err;
}

void ks_store_close(struct ks_store *store)
{
	for (size_t i = 0; i < KS_STATEMENT_MAX; i++)
		sqlite3_finalize(store->statement[i]);
	sqlite3_close(store->db);
	json_decref(store->words);
	json_decref(store->rules);
	memset(store, 0, sizeof(*store));
}

int ks_store_read(const char *path, sqlite3 **db)
{
	ks_auto_db sqlite3 *made = NULL;
	int code = sqlite3_open_v2(path, &made, SQLITE_OPEN_READONLY, NULL);

	if (code != SQLITE_OK)
		return ks_store_error(made, code);
	sqlite3_busy_timeout(made, BUSY_MS);
	*db = TAKE(made);
	return 0;
}

int ks_store_begin(struct ks_store *store)
{
	int err = store->open_batch ? 0 : execute(store->db, "BEGIN IMMEDIATE");

	store->open_batch |= !err;
	return err;
}

int ks_store_commit(struct ks_store *store)
{
	int err = store->open_batch ? execute(store->db, "COMMIT") : 0;

	if (err)
		ks_store_give_up(store);
	store->open_batch = false;
	return err;
}

/* Names that were new in the batch have no number after all. */
void ks_store_give_up(struct ks_store *store)
{
	json_t *words = NULL, *rules = NULL;

	execute(store->db, "ROLLBACK");
	store->open_batch = false;
	if (!read_numbers(store->db, "SELECT id, text FROM word", &words)) {
		json_decref(store->words);
		store->words = words;
	}
	if (!read_numbers(store->db, "SELECT id, json FROM rule", &rules)) {
		json_decref(store->rules);
		store->rules = rules;
	}
}

int ks_store_run(struct ks_store *store, sqlite3_stmt *stmt)
{
	int err = ks_store_error(store->db, sqlite3_step(stmt));

	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return err;
}

int ks_store_number(struct ks_store *store, sqlite3_stmt *stmt, int64_t *number)
{
	int code = sqlite3_step(stmt), err = ks_store_error(store->db, code);

	if (!err)
		*number = code == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return err;
}

static int find_or_add(struct ks_store *store, json_t *numbers, sqlite3_stmt *add, const char *text, int64_t *id)
{
	int64_t found = json_integer_value(json_object_get(numbers, text));
	int err;

	if (!found) {
		sqlite3_bind_text(add, 1, text, -1, SQLITE_STATIC);
		err = ks_store_run(store, add);
		if (err)
			return err;
		found = sqlite3_last_insert_rowid(store->db);
		if (json_object_set_new_nocheck(numbers, text, json_integer(found)))
			return -ENOMEM;
	}
	*id = found;
	return 0;
}

int ks_store_word(struct ks_store *store, const char *text, int64_t *id)
{
	if (!text || !*text) {
		*id = 0;
		return 0;
	}
	return find_or_add(store, store->words, ks_store_use(store, word_add), text, id);
}

int ks_store_rule(struct ks_store *store, const json_t *rule, int64_t *id)
{
	ks_auto_free char *text = NULL;

	*id = 0;
	if (!json_is_object(rule))
		return 0;
	text = json_dumps(rule, JSON_COMPACT | JSON_SORT_KEYS);
	return text ? find_or_add(store, store->rules, ks_store_use(store, rule_add), text, id) : -ENOMEM;
}
