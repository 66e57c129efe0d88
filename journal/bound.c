/* SPDX-License-Identifier: BSD-2-Clause */
/* See bound.h. */
#include <stdio.h>

#include "core/types.h"
#include "journal/bound.h"

#define PARTS 50 /* of its entries go at once */
#define ROWS_AT_ONCE 20000 /* that are too old */
#define FREE_PAGES 256 /* that the file keeps for what comes */
#define ROOM 32 /* it is full from one part in so many below the limit: for the WAL */
#define PACKET_BYTES 260 /* about what a row takes, with its indices */
#define FLOW_BYTES 260

int ks_bound_size(sqlite3 *db, int64_t *size)
{
	int64_t pages = 0, unused = 0, bytes = 0;
	int err = ks_store_ask(db, "PRAGMA page_count", &pages);

	err = err ?: ks_store_ask(db, "PRAGMA freelist_count", &unused);
	err = err ?: ks_store_ask(db, "PRAGMA page_size", &bytes);
	if (!err)
		*size = (pages - unused) * bytes;
	return err;
}

static int run_with(struct ks_store *store, const char *sql, int64_t a, int64_t b, int *changes)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

	if (code != SQLITE_OK)
		return ks_store_error(store->db, code);
	sqlite3_bind_int64(stmt, 1, a);
	if (sqlite3_bind_parameter_count(stmt) > 1)
		sqlite3_bind_int64(stmt, 2, b);
	code = sqlite3_step(stmt);
	if (code == SQLITE_DONE && changes)
		*changes = sqlite3_changes(store->db);
	return ks_store_error(store->db, code);
}

static int ask_with(struct ks_store *store, const char *sql, int64_t a, int64_t *number)
{
	ks_auto_stmt sqlite3_stmt *stmt = NULL;
	int code = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

	if (code != SQLITE_OK)
		return ks_store_error(store->db, code);
	sqlite3_bind_int64(stmt, 1, a);
	return ks_store_number(store, stmt, number);
}

static int drop_packets(struct ks_store *store, int64_t rows)
{
	int64_t last = 0;
	int err = ask_with(store, "SELECT id FROM entry WHERE flow IS NULL ORDER BY id LIMIT 1 OFFSET ?1", rows / PARTS,
			   &last);

	return err ?: run_with(store, "DELETE FROM entry WHERE flow IS NULL AND id <= ?1", last, 0, NULL);
}

/* Living flows stay. The moments of those that go are older than the end of the last of them. */
static int drop_flows(struct ks_store *store, int64_t rows)
{
	int64_t last = 0, ended = 0, entry = 0;
	int err = ask_with(store, "SELECT id FROM flow WHERE ended IS NOT NULL ORDER BY id LIMIT 1 OFFSET ?1",
			   rows / PARTS, &last);

	err = err ?: ask_with(store, "SELECT max(ended) FROM flow WHERE ended IS NOT NULL AND id <= ?1", last, &ended);
	err = err ?: run_with(store, "DELETE FROM flow WHERE ended IS NOT NULL AND id <= ?1", last, 0, NULL);
	err = err ?: ask_with(store, "SELECT id FROM entry WHERE time > ?1 ORDER BY time LIMIT 1", ended, &entry);
	return err
		       ?: run_with(store,
				   "DELETE FROM entry WHERE flow <= ?1 AND (id <= ?2 OR ?2 = 0) AND NOT EXISTS "
				   "(SELECT 1 FROM flow WHERE flow.id = entry.flow)",
				   last, entry, NULL);
}

/* Those that have lived longest; the end of one that goes brings its row back. */
static int drop_living(struct ks_store *store, int64_t rows)
{
	int64_t last = 0;
	int err = ask_with(store, "SELECT id FROM flow WHERE ended IS NULL ORDER BY id LIMIT 1 OFFSET ?1", rows / PARTS,
			   &last);

	err = err ?: run_with(store, "DELETE FROM flow WHERE id <= ?1", last, 0, NULL);
	return err ?: run_with(store, "DELETE FROM entry WHERE flow <= ?1", last, 0, NULL);
}

/* That in force stays. */
static int drop_policies(struct ks_store *store, int64_t rows)
{
	int64_t last = 0;
	int err = ask_with(store, "SELECT time FROM policy WHERE until IS NOT NULL ORDER BY time LIMIT 1 OFFSET ?1",
			   rows / PARTS, &last);

	return err ?: run_with(store, "DELETE FROM policy WHERE until IS NOT NULL AND time <= ?1", last, 0, NULL);
}

/* The rows of each kind that may go, the bytes of the policies' texts, and the flows that go only when they alone take all the room. */
struct shares {
	int64_t packets, flows, policies, texts, living;
};

/* A count by the first and the last number would do, but that of packets among flows it would not tell. */
static int count_shares(struct ks_store *store, struct shares *shares)
{
	int err = ks_store_ask(store->db, "SELECT count(*) FROM entry WHERE flow IS NULL", &shares->packets);

	err = err ?: ks_store_ask(store->db, "SELECT count(*) FROM flow WHERE ended IS NOT NULL", &shares->flows);
	err = err ?: ks_store_ask(store->db, "SELECT count(*) FROM flow WHERE ended IS NULL", &shares->living);
	err = err ?: ks_store_ask(store->db, "SELECT count(*) FROM policy WHERE until IS NOT NULL", &shares->policies);
	return err
		       ?: ks_store_ask(store->db,
				       "SELECT sum(length(CAST(text AS BLOB))) FROM policy WHERE until IS NOT NULL",
				       &shares->texts);
}

static int drop_some(struct ks_store *store, int64_t *dropped)
{
	struct shares shares = { 0 };
	int64_t packets, flows;
	int err = count_shares(store, &shares);

	if (err)
		return err;
	*dropped = shares.packets + shares.flows + shares.policies + shares.living;
	packets = shares.packets * PACKET_BYTES;
	flows = shares.flows * FLOW_BYTES;
	if (shares.living * FLOW_BYTES > PARTS * (packets + flows + shares.texts))
		return drop_living(store, shares.living);
	if (shares.texts > KS_MAX(packets, flows))
		return drop_policies(store, shares.policies);
	if (packets >= flows)
		return shares.packets ? drop_packets(store, shares.packets) : 0;
	return drop_flows(store, shares.flows);
}

static int give_pages_back(struct ks_store *store)
{
	int64_t unused = 0;
	char sql[64];
	int err = ks_store_ask(store->db, "PRAGMA freelist_count", &unused);

	if (err || unused <= 2 * FREE_PAGES)
		return err;
	snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%d)", (int)KS_MIN(unused - FREE_PAGES, 4 * FREE_PAGES));
	return ks_store_execute(store, sql);
}

int ks_bound_trim(struct ks_store *store, int64_t limit, bool *more)
{
	int64_t size = 0, dropped = 0;
	int err = ks_bound_size(store->db, &size);

	*more = false;
	if (err || size <= limit - limit / ROOM)
		return err ?: give_pages_back(store);
	err = ks_store_begin(store) ?: drop_some(store, &dropped);
	if (err) {
		ks_store_give_up(store);
		return err;
	}
	*more = dropped > 0;
	return ks_store_commit(store);
}

int ks_bound_age(struct ks_store *store, int64_t oldest, bool *more)
{
	int entries = 0, flows = 0;
	int err = ks_store_begin(store);

	*more = false;
	err = err
		      ?: run_with(store,
				  "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE time < ?1 LIMIT ?2)",
				  oldest, ROWS_AT_ONCE, &entries);
	err = err
		      ?: run_with(store,
				  "DELETE FROM flow WHERE id IN (SELECT id FROM flow WHERE begun < ?1 AND ended < ?1 "
				  "LIMIT ?2)",
				  oldest, ROWS_AT_ONCE, &flows);
	err = err ?: run_with(store, "DELETE FROM policy WHERE until < ?1", oldest, 0, NULL);
	if (err) {
		ks_store_give_up(store);
		return err;
	}
	*more = entries == ROWS_AT_ONCE || flows == ROWS_AT_ONCE;
	return ks_store_commit(store);
}
