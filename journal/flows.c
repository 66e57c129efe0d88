/* SPDX-License-Identifier: BSD-2-Clause */
/* See flows.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal/columns.h"
#include "journal/flows.h"
#include "journal/schema.h"
#include "journal/when.h"
#include "text/names.h"

enum { FLOW_BEGUN = 1, FLOW_NAME, FLOW_STATE, FLOW_WHY, FLOW_ESTABLISHED };
enum { FLOW_PACKETS_OUT = KS_COLUMNS_REST + 1, FLOW_PACKETS_IN, FLOW_BYTES_OUT, FLOW_BYTES_IN, FLOW_ENDED, FLOW_FLAGS };

#define BEGUN_SLACK_MS 2500 /* an age and a time of begin are whole seconds, each rounded on its own */
#define SECOND_MS 1000

static const char *text_of(const json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

/* The name that the daemon gives to a flow: 16 hexadecimal digits. 0: it has none. */
static int64_t name_of(const json_t *line)
{
	const char *text = json_object_get(line, "event") ? text_of(line, "id") : NULL;

	return text ? (int64_t)strtoull(text, NULL, 16) : 0;
}

static int64_t count_of(const json_t *line, const char *name, size_t side)
{
	return json_integer_value(json_array_get(json_object_get(line, name), side));
}

/* Binds what is true of it, as far as the line tells. */
static void bind_flags(sqlite3_stmt *stmt, int at, const json_t *line)
{
	const json_t *replied = json_object_get(line, "replied");

	if (replied)
		sqlite3_bind_int(stmt, at,
				 (json_is_true(replied) ? KS_FLOW_TOLD_REPLIED : 0) |
					 (json_is_true(json_object_get(line, "assured")) ? KS_FLOW_TOLD_ASSURED : 0) |
					 (json_is_true(json_object_get(line, "pickup")) ? KS_FLOW_TOLD_PICKUP : 0));
}

/* Binds packets and bytes of both sides, to four places. */
static void bind_counts(sqlite3_stmt *stmt, int at, const json_t *line)
{
	sqlite3_bind_int64(stmt, at, count_of(line, "packets", 0));
	sqlite3_bind_int64(stmt, at + 1, count_of(line, "packets", 1));
	sqlite3_bind_int64(stmt, at + 2, count_of(line, "bytes", 0));
	sqlite3_bind_int64(stmt, at + 3, count_of(line, "bytes", 1));
}

static int64_t begun_of(const json_t *line, int64_t time)
{
	const char *text = text_of(line, "begun");
	const json_t *age = json_object_get(line, "age");
	int64_t begun = time;

	if (text)
		ks_when_read(text, &begun);
	else if (age)
		begun = time - json_integer_value(age) * SECOND_MS;
	return begun;
}

struct new_flow {
	const struct ks_columns *columns;
	int64_t begun, established;
};

static int flow_add(struct ks_store *store, const json_t *line, const struct new_flow *new, int64_t *flow)
{
	/* Members that change while it lives are not kept, nor those that other columns tell. */
	static const char *const but[] = { "id",      "why",	 "state",    "packets", "bytes",
					   "begun",   "last",	 "duration", "age",	"timeout",
					   "replied", "assured", "rate",     "pickup",	NULL };
	sqlite3_stmt *stmt = ks_store_use(store, flow_add);
	int64_t state;
	int err = ks_store_word(store, text_of(line, "state"), &state);

	if (err)
		return err;
	sqlite3_bind_int64(stmt, FLOW_BEGUN, new->begun);
	ks_bind_id(stmt, FLOW_NAME, name_of(line));
	ks_bind_id(stmt, FLOW_STATE, state);
	ks_bind_id(stmt, FLOW_ESTABLISHED, new->established);
	ks_columns_bind(stmt, new->columns);
	bind_counts(stmt, FLOW_PACKETS_OUT, line);
	bind_flags(stmt, FLOW_FLAGS, line);
	err = ks_bind_rest(stmt, KS_COLUMNS_REST, line, but) ?: ks_store_run(store, stmt);
	if (!err)
		*flow = sqlite3_last_insert_rowid(store->db);
	return err;
}

/* When a flow has begun: a time, or two between which it lies. */
struct begun {
	int64_t from, to;
};

/* A row by a flow's ends and the time of its begin. */
static int find_row(struct ks_store *store, sqlite3_stmt *stmt, const struct ks_columns *columns,
		    const struct begun *begun, int64_t *flow)
{
	for (int i = 0; i < 2; i++) {
		const struct ks_column_end *end = &columns->end[i];

		sqlite3_bind_blob(stmt, 1 + 2 * i, end->address, end->size, SQLITE_STATIC);
		if (end->port >= 0)
			sqlite3_bind_int64(stmt, 2 + 2 * i, end->port);
	}
	sqlite3_bind_int64(stmt, 5, columns->proto);
	sqlite3_bind_int64(stmt, 6, begun->from - BEGUN_SLACK_MS);
	sqlite3_bind_int64(stmt, 7, begun->to + BEGUN_SLACK_MS);
	return ks_store_number(store, stmt, flow);
}

/* Those that live. */
static int find_by_ends(struct ks_store *store, const struct ks_columns *columns, const struct begun *begun,
			int64_t *flow)
{
	return find_row(store, ks_store_use(store, flow_living), columns, begun, flow);
}

/* A flow that ended with the firewall goes on if the next start has taken it back. Nothing else is looked at: *flow is 0 then. */
static int reopen(struct ks_store *store, const struct ks_columns *columns, const struct begun *begun, int64_t *flow)
{
	sqlite3_stmt *again = ks_store_use(store, flow_again);
	int err = find_row(store, ks_store_use(store, stopped_flow), columns, begun, flow);

	if (err || !*flow)
		return err;
	sqlite3_bind_int64(again, 1, *flow);
	return ks_store_run(store, again);
}

static int set_name(struct ks_store *store, int64_t flow, int64_t name)
{
	sqlite3_stmt *stmt = ks_store_use(store, flow_name);

	sqlite3_bind_int64(stmt, 1, flow);
	sqlite3_bind_int64(stmt, 2, name);
	return ks_store_run(store, stmt);
}

/* By its name; a row that was made from the list of states has none yet. */
static int find_flow(struct ks_store *store, const json_t *line, int64_t begun, struct ks_columns *columns,
		     int64_t *flow)
{
	sqlite3_stmt *stmt = ks_store_use(store, flow_named);
	int64_t name = name_of(line);
	int err;

	sqlite3_bind_int64(stmt, 1, name);
	err = ks_store_number(store, stmt, flow);
	if (err || *flow)
		return err;
	err = ks_columns_read(store, line, columns);
	err = err ?: find_by_ends(store, columns, &(struct begun){ begun, begun }, flow);
	return err || !*flow ? err : set_name(store, *flow, name);
}

static int update_counts(struct ks_store *store, const json_t *line, int64_t flow)
{
	sqlite3_stmt *stmt = ks_store_use(store, flow_count);
	int64_t state;
	int err = ks_store_word(store, text_of(line, "state"), &state);

	if (err)
		return err;
	sqlite3_bind_int64(stmt, 1, flow);
	ks_bind_id(stmt, 2, state);
	bind_counts(stmt, 3, line);
	bind_flags(stmt, 7, line);
	return ks_store_run(store, stmt);
}

static int set_established(struct ks_store *store, const json_t *line, int64_t flow, int64_t time)
{
	sqlite3_stmt *stmt = ks_store_use(store, flow_established);
	int64_t state;
	int err = ks_store_word(store, text_of(line, "state"), &state);

	if (err)
		return err;
	sqlite3_bind_int64(stmt, 1, flow);
	sqlite3_bind_int64(stmt, 2, time);
	ks_bind_id(stmt, 3, state);
	bind_flags(stmt, 4, line);
	return ks_store_run(store, stmt);
}

/* When its last packet came and how long it had lasted: as the end tells it, which is no longer than until it was noticed. */
static void bind_last(sqlite3_stmt *stmt, const json_t *line)
{
	const char *text = text_of(line, "last");
	const json_t *duration = json_object_get(line, "duration");
	int64_t last;

	if (text && !ks_when_read(text, &last))
		sqlite3_bind_int64(stmt, 4, last);
	if (duration)
		sqlite3_bind_int64(stmt, 5, json_integer_value(duration));
}

static int set_ended(struct ks_store *store, const json_t *line, int64_t flow, int64_t time)
{
	sqlite3_stmt *stmt = ks_store_use(store, flow_end);
	int64_t why;
	int err = update_counts(store, line, flow) ?: ks_store_word(store, text_of(line, "why"), &why);

	if (err)
		return err;
	sqlite3_bind_int64(stmt, 1, flow);
	sqlite3_bind_int64(stmt, 2, time);
	ks_bind_id(stmt, 3, why);
	bind_last(stmt, line);
	return ks_store_run(store, stmt);
}

int ks_flow_event(struct ks_store *store, const json_t *line, int event, int64_t time, int64_t *flow)
{
	int64_t begun = begun_of(line, time), found = 0;
	struct ks_columns columns;
	struct new_flow new = { &columns, event == KS_ENTRY_BEGIN ? time : begun, 0 };
	int err = find_flow(store, line, begun, &columns, &found);

	if (!err && !found) {
		new.established = event == KS_ENTRY_ESTABLISHED ? time : 0;
		err = flow_add(store, line, &new, &found);
	} else if (!err && event == KS_ENTRY_ESTABLISHED) {
		err = set_established(store, line, found, time);
	}
	if (!err && event == KS_ENTRY_END)
		err = set_ended(store, line, found, time);
	if (!err)
		*flow = found;
	return err;
}

int ks_flows_begin(struct ks_store *store, int64_t *last)
{
	return ks_store_ask(store->db, "SELECT max(id) FROM flow", last) ?:
	       ks_store_execute(store, "DELETE FROM temp.seen") ?:
	       ks_store_execute(store, "DELETE FROM temp.stopped") ?:
	       ks_store_run(store, ks_store_use(store, stopped_find));
}

/* Its end was told, if anybody listened then; the table keeps it for a while. */
static bool is_over(const json_t *line)
{
	const char *state = text_of(line, "state");
	int number = state ? ks_state_from_name(state) : -1;

	return number >= 0 && ks_state_is_closed((__u32)number);
}

int ks_flows_state(struct ks_store *store, const json_t *line, const struct ks_flows_asked *when)
{
	sqlite3_stmt *stmt = ks_store_use(store, seen_add);
	struct ks_columns columns;
	const struct begun begun = { begun_of(line, when->asked), begun_of(line, when->read) };
	struct new_flow new = { &columns, begun.to, 0 };
	int64_t flow = 0;
	int err = ks_columns_read(store, line, &columns) ?: find_by_ends(store, &columns, &begun, &flow);

	if (!err && !flow && !is_over(line))
		err = reopen(store, &columns, &begun, &flow);
	if (!err && flow)
		err = update_counts(store, line, flow);
	if (err || is_over(line))
		return err; /* a row that lives has ended unseen */
	err = flow ? 0 : flow_add(store, line, &new, &flow);
	if (err)
		return err;
	sqlite3_bind_int64(stmt, 1, flow);
	return ks_store_run(store, stmt);
}

/* Rows that were stopped and are not in the list have stopped for good. */
static int forget_stop(struct ks_store *store)
{
	return ks_store_execute(store, "DELETE FROM temp.seen") ?:
	       ks_store_execute(store, "DELETE FROM temp.stopped") ?:
	       ks_store_execute(store, "DELETE FROM meta WHERE name = '" KS_META_STOPPED "'");
}

static int end_living(struct ks_store *store, int64_t time, const char *word)
{
	sqlite3_stmt *stmt = ks_store_use(store, flow_stop);
	int64_t why;
	int err = ks_store_word(store, word, &why);

	if (err)
		return err;
	sqlite3_bind_int64(stmt, 1, time);
	ks_bind_id(stmt, 2, why);
	return ks_store_run(store, stmt);
}

int ks_flows_stop(struct ks_store *store, int64_t time)
{
	sqlite3_stmt *note = ks_store_use(store, meta_set);
	int err = end_living(store, time, KS_WHY_STOPPED);

	if (err)
		return err;
	sqlite3_bind_text(note, 1, KS_META_STOPPED, -1, SQLITE_STATIC);
	sqlite3_bind_int64(note, 2, time);
	return ks_store_run(store, note);
}

int ks_flows_lose(struct ks_store *store, int64_t heard)
{
	return end_living(store, heard, KS_WHY_UNSEEN);
}

/* Rows that came later are of flows that began meanwhile, and need not be in the list. */
int ks_flows_end(struct ks_store *store, int64_t heard, int64_t last)
{
	sqlite3_stmt *stmt = ks_store_use(store, flow_unseen);
	int64_t why;
	int err = ks_store_word(store, KS_WHY_UNSEEN, &why);

	if (err)
		return err;
	sqlite3_bind_int64(stmt, 1, heard);
	ks_bind_id(stmt, 2, why);
	sqlite3_bind_int64(stmt, 3, last);
	return ks_store_run(store, stmt) ?: forget_stop(store);
}
