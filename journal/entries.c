/* SPDX-License-Identifier: BSD-2-Clause */
/* See entries.h. */
#include <errno.h>
#include <string.h>

#include "core/types.h"
#include "journal/columns.h"
#include "journal/entries.h"
#include "journal/flows.h"
#include "journal/policies.h"
#include "journal/schema.h"
#include "journal/when.h"

enum { ENTRY_TIME = 1, ENTRY_EVENT, ENTRY_FLOW, ENTRY_VERDICT, ENTRY_REASON };

static const char *text_of(const json_t *line, const char *name)
{
	return json_string_value(json_object_get(line, name));
}

int64_t ks_entry_time(const json_t *event, int64_t came)
{
	const char *text = text_of(event, "time");
	int64_t time = came;

	if (text)
		ks_when_read(text, &time);
	return time;
}

/* A daemon of before events had names tells of packets only. */
static int event_of(const json_t *line)
{
	static const char *const names[] = {
		[KS_ENTRY_DROP] = "drop",   [KS_ENTRY_PASS] = "pass",
		[KS_ENTRY_BEGIN] = "begin", [KS_ENTRY_ESTABLISHED] = "established",
		[KS_ENTRY_END] = "end",	    [KS_ENTRY_LOST] = "lost",
		[KS_ENTRY_STOP] = "stop",
	};
	const char *name = text_of(line, "event"), *verdict = text_of(line, "verdict");

	for (size_t i = 0; name && i < KS_ARRAY_SIZE(names); i++) {
		if (names[i] && !strcmp(names[i], name))
			return (int)i;
	}
	if (json_object_get(line, "lost"))
		return KS_ENTRY_LOST;
	if (!verdict)
		return -1;
	return !strcmp(verdict, "allow") || !strcmp(verdict, "bypass") ? KS_ENTRY_PASS : KS_ENTRY_DROP;
}

static int write_packet(struct ks_store *store, const json_t *line, int event, int64_t time)
{
	static const char *const but[] = { NULL };
	sqlite3_stmt *stmt = ks_store_use(store, entry_add);
	struct ks_columns columns;
	int64_t verdict, reason;
	int err = ks_columns_read(store, line, &columns);

	err = err ?: ks_store_word(store, text_of(line, "verdict"), &verdict);
	err = err ?: ks_store_word(store, text_of(line, "reason"), &reason);
	if (err)
		return err;
	sqlite3_bind_int64(stmt, ENTRY_TIME, time);
	sqlite3_bind_int64(stmt, ENTRY_EVENT, event);
	ks_bind_id(stmt, ENTRY_VERDICT, verdict);
	ks_bind_id(stmt, ENTRY_REASON, reason);
	ks_columns_bind(stmt, &columns);
	err = ks_bind_rest(stmt, KS_COLUMNS_REST, line, but);
	return err ?: ks_store_run(store, stmt);
}

static int write_moment(struct ks_store *store, const json_t *line, int event, int64_t time)
{
	sqlite3_stmt *stmt = ks_store_use(store, entry_add);
	int64_t flow = 0;
	int err = ks_flow_event(store, line, event, time, &flow);

	if (err || !flow)
		return err;
	sqlite3_bind_int64(stmt, ENTRY_TIME, time);
	sqlite3_bind_int64(stmt, ENTRY_EVENT, event);
	sqlite3_bind_int64(stmt, ENTRY_FLOW, flow);
	return ks_store_run(store, stmt);
}

/* An entry that is a time and a member. */
static int write_member(struct ks_store *store, int event, int64_t time, const char *rest)
{
	sqlite3_stmt *stmt = ks_store_use(store, entry_add);

	sqlite3_bind_int64(stmt, ENTRY_TIME, time);
	sqlite3_bind_int64(stmt, ENTRY_EVENT, event);
	sqlite3_bind_text(stmt, KS_COLUMNS_REST, rest, -1, SQLITE_TRANSIENT);
	return ks_store_run(store, stmt);
}

static int write_number(struct ks_store *store, int event, int64_t time, const char *name, int64_t number)
{
	char rest[64];

	snprintf(rest, sizeof(rest), "{\"%s\":%lld}", name, (long long)number);
	return write_member(store, event, time, rest);
}

int ks_entry_lost(struct ks_store *store, int64_t time, uint64_t lost)
{
	return write_number(store, KS_ENTRY_LOST, time, "lost", (int64_t)lost);
}

int ks_entry_gap(struct ks_store *store, int64_t time, int64_t ms)
{
	return write_number(store, KS_ENTRY_GAP, time, "gap", ms);
}

int ks_entry_stop(struct ks_store *store, const json_t *event, int64_t time)
{
	bool saved = json_is_true(json_object_get(event, "saved"));

	return write_member(store, KS_ENTRY_STOP, time, saved ? "{\"saved\":true}" : "{\"saved\":false}") ?:
	       ks_flows_stop(store, time) ?:
	       ks_policy_end(store, time);
}

bool ks_entry_is_stop(const json_t *event)
{
	return event_of(event) == KS_ENTRY_STOP;
}

int ks_entry_write(struct ks_store *store, const json_t *event, int64_t came)
{
	int64_t time = ks_entry_time(event, came);
	int kind = event_of(event);

	switch (kind) {
	case KS_ENTRY_DROP:
	case KS_ENTRY_PASS:
		return write_packet(store, event, kind, time);
	case KS_ENTRY_BEGIN:
	case KS_ENTRY_ESTABLISHED:
	case KS_ENTRY_END:
		return write_moment(store, event, kind, time);
	case KS_ENTRY_LOST:
		return ks_entry_lost(store, time, (uint64_t)json_integer_value(json_object_get(event, "lost")));
	case KS_ENTRY_STOP:
		return ks_entry_stop(store, event, time);
	default:
		return 0; /* of a newer daemon */
	}
}
