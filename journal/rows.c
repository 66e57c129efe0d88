/* SPDX-License-Identifier: BSD-2-Clause */
/* See rows.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/types.h"
#include "journal/rows.h"
#include "journal/schema.h"
#include "journal/when.h"
#include "text/json.h"

#define SECOND_MS 1000
#define IPV4_BYTES 4

enum {
	ROW_ID,
	ROW_PROTO,
	ROW_FROM,
	ROW_TO,
	ROW_SOURCE,
	ROW_SOURCE_PORT,
	ROW_DESTINATION,
	ROW_DESTINATION_PORT,
	ROW_NAT_SOURCE,
	ROW_NAT_SOURCE_PORT,
	ROW_NAT_DESTINATION,
	ROW_NAT_DESTINATION_PORT,
	ROW_RULE,
	ROW_REST,
	ROW_NAME,
	ROW_BEGUN,
	ROW_ESTABLISHED,
	ROW_ENDED,
	ROW_WHY,
	ROW_STATE,
	ROW_PACKETS_OUT,
	ROW_PACKETS_IN,
	ROW_BYTES_OUT,
	ROW_BYTES_IN,
	ROW_LAST,
	ROW_DURATION,
	ROW_FLAGS,
	ROW_TIME,
	ROW_EVENT,
	ROW_FLOW,
	ROW_VERDICT,
	ROW_REASON,
};

int ks_row_names_init(sqlite3 *db, struct ks_row_names *names)
{
	int code = sqlite3_prepare_v2(db, "SELECT text FROM word WHERE id = ?1", -1, &names->word, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_prepare_v2(db, "SELECT json FROM rule WHERE id = ?1", -1, &names->rule, NULL);
	return ks_store_error(db, code);
}

void ks_row_names_fini(struct ks_row_names *names)
{
	sqlite3_finalize(names->word);
	sqlite3_finalize(names->rule);
}

static bool has(sqlite3_stmt *row, int column)
{
	return sqlite3_column_type(row, column) != SQLITE_NULL;
}

static json_t *look_up(sqlite3_stmt *stmt, int64_t id, bool is_json)
{
	json_t *value = NULL;

	sqlite3_bind_int64(stmt, 1, id);
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		value = is_json ? json_loads(text, 0, NULL) : json_string(text);
	}
	sqlite3_reset(stmt);
	return value ?: json_null();
}

static void set_word(struct ks_row_names *names, json_t **line, const char *member, sqlite3_stmt *row, int column)
{
	if (has(row, column))
		ks_json_set(line, member, look_up(names->word, sqlite3_column_int64(row, column), false));
}

static void set_time(json_t **line, const char *member, sqlite3_stmt *row, int column)
{
	char text[KS_WHEN_TEXT];

	ks_json_set(line, member,
		    has(row, column) ? json_string(ks_when_text(sqlite3_column_int64(row, column), text))
				     : json_null());
}

static void set_number(json_t **line, const char *member, sqlite3_stmt *row, int column)
{
	if (has(row, column))
		ks_json_set(line, member, json_integer(sqlite3_column_int64(row, column)));
}

static void set_address(json_t **line, const char *member, sqlite3_stmt *row, int column)
{
	int size = sqlite3_column_bytes(row, column);
	char text[INET6_ADDRSTRLEN];

	if (has(row, column) &&
	    inet_ntop(size == IPV4_BYTES ? AF_INET : AF_INET6, sqlite3_column_blob(row, column), text, sizeof(text)))
		ks_json_set(line, member, json_string(text));
}

static bool is_icmp(const json_t *line)
{
	const char *proto = json_string_value(json_object_get(line, "proto"));

	return proto && !strncmp(proto, "icmp", 4);
}

static void set_nat(json_t **line, sqlite3_stmt *row, const char *id)
{
	json_t *nat;

	if (!has(row, ROW_NAT_SOURCE) && !has(row, ROW_NAT_DESTINATION))
		return;
	nat = json_object();
	set_address(&nat, "source", row, ROW_NAT_SOURCE);
	set_number(&nat, is_icmp(*line) ? id : "source_port", row, ROW_NAT_SOURCE_PORT);
	set_address(&nat, "destination", row, ROW_NAT_DESTINATION);
	set_number(&nat, "destination_port", row, ROW_NAT_DESTINATION_PORT);
	ks_json_set(line, "nat", nat);
}

/* Ends, zones, translation. `id`, `nat_id`: what the identifier of an ICMP query is called. */
static void set_ends(struct ks_row_names *names, json_t **line, sqlite3_stmt *row, const char *id, const char *nat_id)
{
	if (has(row, ROW_SOURCE))
		ks_json_set(line, "family",
			    json_string(sqlite3_column_bytes(row, ROW_SOURCE) == IPV4_BYTES ? "ipv4" : "ipv6"));
	set_word(names, line, "proto", row, ROW_PROTO);
	set_address(line, "source", row, ROW_SOURCE);
	set_address(line, "destination", row, ROW_DESTINATION);
	set_number(line, is_icmp(*line) ? id : "source_port", row, ROW_SOURCE_PORT);
	set_number(line, "destination_port", row, ROW_DESTINATION_PORT);
	set_nat(line, row, nat_id);
	set_word(names, line, "from", row, ROW_FROM);
	set_word(names, line, "to", row, ROW_TO);
}

static void set_rest(struct ks_row_names *names, json_t **line, sqlite3_stmt *row)
{
	const char *text = (const char *)sqlite3_column_text(row, ROW_REST);
	json_t *rest = text ? json_loads(text, 0, NULL) : NULL;

	if (rest && json_object_update_missing_new(*line, rest)) {
		json_decref(*line);
		*line = NULL;
	}
	ks_json_set(line, "rule",
		    has(row, ROW_RULE) ? look_up(names->rule, sqlite3_column_int64(row, ROW_RULE), true) : json_null());
}

static void set_counts(json_t **line, sqlite3_stmt *row)
{
	ks_json_set(line, "packets",
		    json_pack("[I,I]", (json_int_t)sqlite3_column_int64(row, ROW_PACKETS_OUT),
			      (json_int_t)sqlite3_column_int64(row, ROW_PACKETS_IN)));
	ks_json_set(line, "bytes",
		    json_pack("[I,I]", (json_int_t)sqlite3_column_int64(row, ROW_BYTES_OUT),
			      (json_int_t)sqlite3_column_int64(row, ROW_BYTES_IN)));
}

static void set_cursor(json_t **line, sqlite3_stmt *row)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", sqlite3_column_int64(row, ROW_ID));
	ks_json_set(line, "cursor", json_string(text));
}

static void set_name(json_t **line, sqlite3_stmt *row)
{
	char text[24];

	if (!has(row, ROW_NAME))
		return;
	snprintf(text, sizeof(text), "%016llx", (unsigned long long)sqlite3_column_int64(row, ROW_NAME));
	ks_json_set(line, "id", json_string(text));
}

static void set_flag(json_t **line, const char *member, sqlite3_stmt *row, enum ks_flow_told flag)
{
	if (has(row, ROW_FLAGS))
		ks_json_set(line, member, json_boolean(sqlite3_column_int(row, ROW_FLAGS) & (int)flag));
}

static void set_flags(json_t **line, sqlite3_stmt *row)
{
	set_flag(line, "replied", row, KS_FLOW_TOLD_REPLIED);
	set_flag(line, "assured", row, KS_FLOW_TOLD_ASSURED);
	set_flag(line, "pickup", row, KS_FLOW_TOLD_PICKUP);
}

/* That which the daemon told with the end, from the first packet to the last one; else until it is known to have lived. */
static void set_duration(json_t **line, sqlite3_stmt *row, int64_t end)
{
	int64_t ms = end - sqlite3_column_int64(row, ROW_BEGUN);

	if (has(row, ROW_LAST))
		set_time(line, "last", row, ROW_LAST);
	if (has(row, ROW_DURATION))
		set_number(line, "duration", row, ROW_DURATION);
	else
		ks_json_set(line, "duration", json_integer(ms > 0 ? ms / SECOND_MS : 0));
}

/* A moment of a flow. Its counts are those of the end, so only the end tells them. */
static void set_moment(struct ks_row_names *names, json_t **line, sqlite3_stmt *row, int event)
{
	if (event == KS_ENTRY_END)
		set_word(names, line, "why", row, ROW_WHY);
	set_name(line, row);
	set_ends(names, line, row, "icmp_id", "source_id");
	if (event != KS_ENTRY_END)
		return;
	set_word(names, line, "state", row, ROW_STATE);
	set_counts(line, row);
	set_flags(line, row);
	set_time(line, "begun", row, ROW_BEGUN);
	set_duration(line, row, sqlite3_column_int64(row, ROW_TIME));
}

json_t *ks_row_entry(struct ks_row_names *names, sqlite3_stmt *row)
{
	static const char *const events[] = { "drop", "pass", "begin", "established", "end", "lost", "gap", "stop" };
	unsigned event = (unsigned)sqlite3_column_int(row, ROW_EVENT);
	json_t *line = json_pack("{s:s}", "event", event < KS_ARRAY_SIZE(events) ? events[event] : "other");

	set_time(&line, "time", row, ROW_TIME);
	if (has(row, ROW_FLOW)) {
		set_moment(names, &line, row, (int)event);
	} else {
		set_word(names, &line, "verdict", row, ROW_VERDICT);
		set_word(names, &line, "reason", row, ROW_REASON);
		set_ends(names, &line, row, "icmp_id", "source_id");
	}
	if (event <= KS_ENTRY_END)
		set_rest(names, &line, row);
	else if (has(row, ROW_REST))
		json_object_update_missing_new(line,
					       json_loads((const char *)sqlite3_column_text(row, ROW_REST), 0, NULL));
	set_cursor(&line, row);
	return line;
}

/* The age that it had at a moment, or at its end if that was before. */
static void set_age(json_t **line, sqlite3_stmt *row, int64_t moment)
{
	int64_t end = has(row, ROW_ENDED) ? KS_MIN(moment, sqlite3_column_int64(row, ROW_ENDED)) : moment;
	int64_t ms = end - sqlite3_column_int64(row, ROW_BEGUN);

	ks_json_set(line, "age", json_integer(ms > 0 ? ms / SECOND_MS : 0));
}

json_t *ks_row_flow(struct ks_row_names *names, sqlite3_stmt *row, const struct ks_row_times *times)
{
	const int64_t now = KS_MIN(times->now, times->known), moment = KS_MIN(times->moment, now);
	json_t *line = json_object();
	char known[KS_WHEN_TEXT];

	set_ends(names, &line, row, "id", "id");
	set_word(names, &line, "state", row, ROW_STATE);
	set_counts(&line, row);
	set_flags(&line, row);
	set_time(&line, "begun", row, ROW_BEGUN);
	set_time(&line, "established", row, ROW_ESTABLISHED);
	set_time(&line, "ended", row, ROW_ENDED);
	set_word(names, &line, "why", row, ROW_WHY);
	set_age(&line, row, moment);
	set_duration(&line, row, has(row, ROW_ENDED) ? sqlite3_column_int64(row, ROW_ENDED) : now);
	if (!has(row, ROW_ENDED) && times->known < times->now)
		ks_json_set(&line, "known", json_string(ks_when_text(times->known, known)));
	set_rest(names, &line, row);
	set_cursor(&line, row);
	return line;
}
