/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of the journal: SQLite in WAL mode. One connection writes, in batches, each synced when it is committed, so that also a
 * power failure loses no more than the batch that was open. Every reader has a connection of its own.
 *
 * Errors are -errno: -ENOSPC for a disk that is full, -EIO for one that fails, -EUCLEAN for a file that is no journal.
 */
#ifndef KS_JOURNAL_STORE_H
#define KS_JOURNAL_STORE_H

#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "text/scoped.h"

#define KS_META_STOPPED "stopped" /* in `meta`: when the firewall was taken away, until the next list of states */

/* Statements of the writer, made once. X(name, SQL) */
#define KS_STATEMENTS(X)                                                                                               \
	X(word_add, "INSERT INTO word(text) VALUES(?1)")                                                               \
	X(rule_add, "INSERT INTO rule(json) VALUES(?1)")                                                               \
	X(entry_add,                                                                                                   \
	  "INSERT INTO entry(time, event, flow, verdict, reason, proto, zone_from, zone_to, source, source_port, "     \
	  "destination, destination_port, nat_source, nat_source_port, nat_destination, nat_destination_port, rule, "  \
	  "rest) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)")             \
	X(flow_add,                                                                                                    \
	  "INSERT INTO flow(begun, name, state, why, established, proto, zone_from, zone_to, source, source_port, "    \
	  "destination, destination_port, nat_source, nat_source_port, nat_destination, nat_destination_port, rule, "  \
	  "rest, packets_out, packets_in, bytes_out, bytes_in, ended, flags) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "  \
	  "?9, "                                                                                                       \
	  "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)")                                \
	X(flow_named, "SELECT id FROM flow WHERE name = ?1 AND ended IS NULL")                                         \
	X(flow_living, "SELECT id FROM flow WHERE source = ?1 AND source_port IS ?2 AND destination = ?3 AND "         \
		       "destination_port IS ?4 AND proto = ?5 AND ended IS NULL AND begun BETWEEN ?6 AND ?7")          \
	X(flow_name, "UPDATE flow SET name = ?2 WHERE id = ?1")                                                        \
	X(flow_established, "UPDATE flow SET established = ?2, state = ?3, flags = ?4 WHERE id = ?1")                  \
	X(flow_count, "UPDATE flow SET state = ?2, packets_out = ?3, packets_in = ?4, bytes_out = ?5, bytes_in = ?6, " \
		      "flags = ?7 WHERE id = ?1")                                                                      \
	X(flow_end, "UPDATE flow SET ended = ?2, why = ?3, last = ?4, duration = ?5 WHERE id = ?1")                    \
	X(flow_stop, "UPDATE flow SET ended = max(?1, begun), why = ?2 WHERE ended IS NULL")                           \
	X(flow_again, "UPDATE flow SET ended = NULL, why = NULL WHERE id = ?1")                                        \
	X(stopped_find,                                                                                                \
	  "INSERT INTO temp.stopped SELECT id, source, source_port, destination, destination_port, proto, begun "      \
	  "FROM flow, (SELECT CAST(value AS INTEGER) time FROM meta WHERE name = '" KS_META_STOPPED "'), (SELECT id "  \
	  "word FROM word WHERE text = 'stopped') WHERE ended = time AND why = word")                                  \
	X(stopped_flow, "SELECT id FROM temp.stopped WHERE source = ?1 AND source_port IS ?2 AND destination = ?3 "    \
			"AND destination_port IS ?4 AND proto = ?5 AND begun BETWEEN ?6 AND ?7")                       \
	X(seen_add, "INSERT OR IGNORE INTO temp.seen VALUES(?1)")                                                      \
	X(flow_unseen,                                                                                                 \
	  "UPDATE flow SET ended = max(?1, begun), why = ?2 WHERE ended IS NULL AND id <= ?3 AND id NOT IN (SELECT "   \
	  "id FROM temp.seen)")                                                                                        \
	X(policy_add, "INSERT OR REPLACE INTO policy(time, path, generation, text) VALUES(?1, ?2, ?3, ?4)")            \
	X(policy_end, "UPDATE policy SET until = ?1 WHERE until IS NULL")                                              \
	X(figure_add, "INSERT OR REPLACE INTO figure(span, time, json) VALUES(?1, ?2, ?3)")                            \
	X(figure_drop, "DELETE FROM figure WHERE span = ?1 AND time < ?2")                                             \
	X(meta_set, "INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)")

enum ks_store_statement {
#define X(name, sql) KS_STATEMENT_##name,
	KS_STATEMENTS(X)
#undef X
		KS_STATEMENT_MAX
};

struct ks_store {
	sqlite3 *db;
	sqlite3_stmt *statement[KS_STATEMENT_MAX];
	json_t *words, *rules; /* text to number: all that the tables have */
	bool open_batch;
};

KS_SCOPED(ks_auto_stmt, sqlite3_stmt *, sqlite3_finalize)
#define ks_auto_stmt ks_scoped(ks_auto_stmt)
KS_SCOPED(ks_auto_db, sqlite3 *, sqlite3_close)
#define ks_auto_db ks_scoped(ks_auto_db)

/* Opens the file, makes it if it is not there. */
int ks_store_open(const char *path, struct ks_store *store);
void ks_store_close(struct ks_store *store);

/* Opens it for reading. */
int ks_store_read(const char *path, sqlite3 **db);

/* A batch. Beginning one that is begun does nothing; so does committing where none is. */
int ks_store_begin(struct ks_store *store);
int ks_store_commit(struct ks_store *store);
void ks_store_give_up(struct ks_store *store);

/* A statement ready to be bound. Run it by ks_store_run() or ks_store_number(). */
#define ks_store_use(store, name) ((store)->statement[KS_STATEMENT_##name])
int ks_store_run(struct ks_store *store, sqlite3_stmt *stmt);

/* The first column of its first row; 0 without a row. */
int ks_store_number(struct ks_store *store, sqlite3_stmt *stmt, int64_t *number);

/* Statements without results, and the first number of one that has some. */
int ks_store_execute(struct ks_store *store, const char *sql);
int ks_store_ask(sqlite3 *db, const char *sql, int64_t *number);

/* The number of a name; 0 for NULL. Only in a batch. */
int ks_store_word(struct ks_store *store, const char *text, int64_t *id);
int ks_store_rule(struct ks_store *store, const json_t *rule, int64_t *id);

/* -errno of a result code. */
int ks_store_error(sqlite3 *db, int code);

#endif
