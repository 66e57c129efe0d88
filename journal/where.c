/* SPDX-License-Identifier: BSD-2-Clause */
/* See where.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/types.h"
#include "journal/flows.h"
#include "journal/schema.h"
#include "journal/where.h"
#include "policy/value.h"
#include "text/names.h"

#define NOT_WORD "not "

static int complain(struct ks_where *where, const char *name, const char *value, const char *expected)
{
	snprintf(where->complaint, sizeof(where->complaint), "%s: '%.60s' is not %s", name, value, expected);
	return -EINVAL;
}

__attribute__((format(printf, 2, 3))) static int add_text(struct ks_where *where, const char *format, ...)
{
	size_t room = sizeof(where->text) - where->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(where->text + where->used, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room) {
		snprintf(where->complaint, sizeof(where->complaint), "too many conditions");
		return -EINVAL;
	}
	where->used += (size_t)n;
	return 0;
}

static struct ks_where_value *add_value(struct ks_where *where)
{
	if (where->count < KS_WHERE_VALUES)
		return &where->value[where->count++];
	snprintf(where->complaint, sizeof(where->complaint), "too many conditions: at most %d values", KS_WHERE_VALUES);
	return NULL;
}

static int add_number(struct ks_where *where, int64_t number)
{
	struct ks_where_value *value = add_value(where);

	if (!value)
		return -EINVAL;
	*value = (struct ks_where_value){ .kind = KS_WHERE_NUMBER, .number = number };
	return 0;
}

static int add_string(struct ks_where *where, const char *text)
{
	struct ks_where_value *value = add_value(where);

	if (!value)
		return -EINVAL;
	*value = (struct ks_where_value){ .kind = KS_WHERE_STRING, .text = text };
	return 0;
}

static int add_bytes(struct ks_where *where, const unsigned char *address, int size)
{
	struct ks_where_value *value = add_value(where);

	if (!value)
		return -EINVAL;
	*value = (struct ks_where_value){ .kind = KS_WHERE_ADDRESS, .size = size };
	memcpy(value->address, address, (size_t)size);
	return 0;
}

static int address_size(__u8 family)
{
	return family == KS_IPV4 ? 4 : KS_END_ADDRESS_MAX;
}

static const unsigned char *address_bytes(const struct ks_addr *addr, __u8 family)
{
	return family == KS_IPV4 ? (const unsigned char *)&addr->w[3] : addr->b;
}

/* The last address of a prefix, whose first one has no host bits. */
static void last_address(const unsigned char *first, int size, int bits, unsigned char last[KS_END_ADDRESS_MAX])
{
	for (int i = 0; i < size; i++) {
		int free_bits = 8 - KS_MAX(0, KS_MIN(8, bits - 8 * i));

		last[i] = (unsigned char)(first[i] | ((1 << free_bits) - 1));
	}
}

/* --- one value of each kind of condition; `columns` are those that it may hold for --- */

struct condition;
typedef int condition_fn(struct ks_where *where, const struct condition *condition, const char *value);

struct condition {
	const char *name;
	unsigned kinds;
	condition_fn *add;
	const char *columns[4];
};

static int add_word(struct ks_where *where, const struct condition *condition, const char *value)
{
	int err = 0;

	for (size_t i = 0; i < KS_ARRAY_SIZE(condition->columns) && condition->columns[i] && !err; i++)
		err = add_text(where, "%s%s = (SELECT id FROM word WHERE text = ?)", i ? " OR " : "",
			       condition->columns[i])
			      ?: add_string(where, value);
	return err;
}

/* A word of which all are known, in the case in which events have it. */
static int add_known(struct ks_where *where, const struct condition *condition, const char *value, const char *known,
		     const char *expected)
{
	return known ? add_word(where, condition, known) : complain(where, condition->name, value, expected);
}

static int add_state(struct ks_where *where, const struct condition *condition, const char *value)
{
	int state = ks_state_from_name(value);

	return add_known(where, condition, value, state < 0 ? NULL : ks_state_name((unsigned)state),
			 "a state such as ESTABLISHED");
}

static int add_reason(struct ks_where *where, const struct condition *condition, const char *value)
{
	int reason = ks_reason_from_name(value);

	return add_known(where, condition, value, reason < 0 ? NULL : ks_reason_name((unsigned)reason),
			 "a reason such as 'no rule' (keepstate counters -a lists them)");
}

static int add_verdict(struct ks_where *where, const struct condition *condition, const char *value)
{
	const char *known = NULL;

	for (unsigned action = 0; action < KS_ACTION_MAX && !known; action++) {
		if (!strcasecmp(ks_action_name(action), value))
			known = ks_action_name(action);
	}
	return add_known(where, condition, value, known, "allow, deny, reject or bypass");
}

static int add_why(struct ks_where *where, const struct condition *condition, const char *value)
{
	int end = ks_end_from_name(value);
	const char *known = end < 0 ? NULL : ks_end_name((unsigned)end);

	if (!strcmp(value, KS_WHY_UNSEEN) || !strcmp(value, KS_WHY_STOPPED)) /* words of the journal's own */
		known = value;

	return add_known(where, condition, value, known,
			 "why a flow has ended, such as closed, reset, expired or killed");
}

/* The protocol of a packet that was dropped before it was known is `ip`. A number that has no name stands as it is. */
static int add_proto(struct ks_where *where, const struct condition *condition, const char *value)
{
	int proto = ks_proto_from_name(value);
	char number[4];
	const char *known = !strcmp(value, "ip") ? value : NULL;

	if (proto >= 0)
		known = ks_proto_name((unsigned)proto, number, sizeof(number));
	return add_known(where, condition, value, known == number ? value : known,
			 "a protocol such as tcp, or its number");
}

static int add_prefix(struct ks_where *where, const struct condition *condition, const char *value)
{
	unsigned char last[KS_END_ADDRESS_MAX];
	const unsigned char *bytes;
	struct ks_prefix prefix;
	int size, err = 0;

	if (ks_value_prefix(value, &prefix))
		return complain(where, condition->name, value, "an address or a prefix such as 192.0.2.0/24");
	ks_prefix_unmap(&prefix);
	ks_prefix_mask(&prefix);
	size = address_size(prefix.family);
	bytes = address_bytes(&prefix.addr, prefix.family);
	last_address(bytes, size, prefix.length, last);
	for (size_t i = 0; i < KS_ARRAY_SIZE(condition->columns) && condition->columns[i] && !err; i++)
		err = add_text(where, "%slength(%s) = %d AND %s BETWEEN ? AND ?", i ? " OR " : "", condition->columns[i],
			       size, condition->columns[i]) ?:
		      add_bytes(where, bytes, size) ?:
				      add_bytes(where, last, size);
	return err;
}

static int add_ports(struct ks_where *where, const struct condition *condition, const char *value)
{
	__u32 low, high;
	int err = 0;

	if (ks_value_number_range(value, 65535, &low, &high))
		return complain(where, condition->name, value, "a port or a range such as 8000-8100");
	for (size_t i = 0; i < KS_ARRAY_SIZE(condition->columns) && condition->columns[i] && !err; i++)
		err = add_text(where, "%s%s BETWEEN ? AND ?", i ? " OR " : "", condition->columns[i]) ?:
		      add_number(where, low) ?:
				      add_number(where, high);
	return err;
}

/* Its label, FILE:LINE (the file as it was named or its last part), or its id. */
static int add_rule(struct ks_where *where, const struct condition *condition, const char *value)
{
	return add_text(where, "rule IN (SELECT id FROM rule WHERE json_extract(json, '$.label') = ? OR "
			       "json_extract(json, '$.id') || '' = ? OR json_extract(json, '$.file') || ':' || "
			       "json_extract(json, '$.line') = ? OR '/' || json_extract(json, '$.file') || ':' || "
			       "json_extract(json, '$.line') LIKE '%%/' || ?)") ?:
	       add_string(where, value) ?:
	       add_string(where, value) ?:
	       add_string(where, value) ?:
			       add_string(where, value);
}

static int add_contains(struct ks_where *where, const struct condition *condition, const char *value)
{
	return add_text(where, "instr(lower(rest), lower(?)) OR rule IN (SELECT id FROM rule WHERE "
			       "instr(lower(json_extract(json, '$.label')), lower(?)))") ?:
	       add_string(where, value) ?:
			       add_string(where, value);
}

static int add_kind(struct ks_where *where, const struct condition *condition, const char *value)
{
	if (!strcmp(value, "all"))
		return add_text(where, "1");
	if (!strcmp(value, "flow"))
		return add_text(where, "event IN (%d, %d, %d, %d, %d, %d)", KS_ENTRY_BEGIN, KS_ENTRY_ESTABLISHED,
				KS_ENTRY_END, KS_ENTRY_LOST, KS_ENTRY_GAP, KS_ENTRY_STOP);
	if (!strcmp(value, "packet"))
		return add_text(where, "event IN (%d, %d, %d, %d, %d)", KS_ENTRY_DROP, KS_ENTRY_PASS, KS_ENTRY_LOST,
				KS_ENTRY_GAP, KS_ENTRY_STOP);
	return complain(where, condition->name, value, "packet, flow or all");
}

/* The kinds of entries by their names, as GET /v1/log has them. */
static int add_event(struct ks_where *where, const struct condition *condition, const char *value)
{
	static const char *const names[] = { "drop", "pass", "begin", "established", "end" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], value))
			return add_text(where, "event IN (%zu, %d, %d, %d)", i, KS_ENTRY_LOST, KS_ENTRY_GAP,
					KS_ENTRY_STOP);
	}
	return complain(where, condition->name, value, "one of begin, established, end, drop and pass");
}

static int add_flows(struct ks_where *where, const struct condition *condition, const char *value)
{
	return strcmp(value, "1") ? complain(where, condition->name, value, "1") : add_text(where, "1");
}

#define LOG KS_WHERE_PACKETS
#define FLOW KS_WHERE_FLOWS
static const struct condition conditions[] = {
	{ "kind", LOG, add_kind, {} },
	{ "events", LOG, add_event, {} },
	{ "flows", LOG, add_flows, {} },
	{ "state", LOG | FLOW, add_state, { "state" } },
	{ "verdict", LOG, add_verdict, { "verdict" } },
	{ "reason", LOG, add_reason, { "reason" } },
	{ "proto", LOG | FLOW, add_proto, { "proto" } },
	{ "zone", LOG | FLOW, add_word, { "zone_from", "zone_to" } },
	{ "from", LOG | FLOW, add_word, { "zone_from" } },
	{ "to", LOG | FLOW, add_word, { "zone_to" } },
	{ "why", LOG | FLOW, add_why, { "why" } },
	{ "address", LOG | FLOW, add_prefix, { "source", "destination", "nat_source", "nat_destination" } },
	{ "source", LOG | FLOW, add_prefix, { "source", "nat_source" } },
	{ "destination", LOG | FLOW, add_prefix, { "destination", "nat_destination" } },
	{ "port",
	  LOG | FLOW,
	  add_ports,
	  { "source_port", "destination_port", "nat_source_port", "nat_destination_port" } },
	{ "rule", LOG | FLOW, add_rule, {} },
	{ "text", LOG, add_contains, {} },
};

bool ks_where_knows(const char *name)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(conditions); i++) {
		if (!strcmp(conditions[i].name, name))
			return true;
	}
	return false;
}

bool ks_where_is_excluded(const char **value)
{
	size_t mark = **value == '!' ? 1 : !strncmp(*value, NOT_WORD, sizeof(NOT_WORD) - 1) ? sizeof(NOT_WORD) - 1 : 0;

	*value += mark;
	return mark;
}

/* All values of a condition that are wanted, or all that are excluded. What has no such value at all is excluded by nothing. */
static int add_alternatives(struct ks_where *where, const struct condition *condition, const struct ks_wish *wishes,
			    size_t count, bool excluded)
{
	bool any = false;
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		const char *value = wishes[i].value;

		if (strcmp(wishes[i].name, condition->name) || ks_where_is_excluded(&value) != excluded)
			continue;
		err = add_text(where, "%s(", any	? " OR "
					     : excluded ? " AND NOT coalesce("
							: " AND (") ?:
		      condition->add(where, condition, value) ?:
			      add_text(where, ")");
		any = true;
	}
	return err || !any ? err : add_text(where, excluded ? ", 0)" : ")");
}

static int check_kind(struct ks_where *where, const struct condition *condition, unsigned kind,
		      const struct ks_wish *wishes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(wishes[i].name, condition->name) || condition->kinds & kind)
			continue;
		snprintf(where->complaint, sizeof(where->complaint), "flows have no %s: ask the log for it",
			 condition->name);
		return -EINVAL;
	}
	return 0;
}

int ks_where_make(struct ks_where *where, unsigned kind, const struct ks_wish *wishes, size_t count)
{
	int err = 0;

	where->used = where->count = 0;
	where->text[0] = '\0';
	for (size_t i = 0; i < KS_ARRAY_SIZE(conditions) && !err; i++)
		err = check_kind(where, &conditions[i], kind, wishes, count) ?:
		      add_alternatives(where, &conditions[i], wishes, count, false) ?:
				      add_alternatives(where, &conditions[i], wishes, count, true);
	return err;
}

int ks_where_number(struct ks_where *where, const char *sql, int64_t number)
{
	return add_text(where, " AND (%s)", sql) ?: add_number(where, number);
}

/* It is an end, or stands for one to the other side. */
int ks_where_who(struct ks_where *where, const char *text)
{
	static const char *const pairs[] = { "nat_source = ? AND nat_source_port = ?", "source = ? AND source_port = ?",
					     "nat_destination = ? AND nat_destination_port = ?",
					     "destination = ? AND destination_port = ?" };
	struct ks_addr addr;
	__u8 family;
	__u16 port;
	int err = 0;

	if (ks_value_endpoint(text, &addr, &family, &port) || !port)
		return complain(where, "who", text,
				"an address with a port, such as 203.0.113.1:40123 or [2001:db8::1]:443");
	for (size_t i = 0; i < KS_ARRAY_SIZE(pairs) && !err; i++)
		err = add_text(where, "%s(%s)", i ? " OR " : " AND (", pairs[i]) ?:
		      add_bytes(where, address_bytes(&addr, family), address_size(family)) ?:
				      add_number(where, port);
	return err ?: add_text(where, ")");
}

int ks_where_bind(const struct ks_where *where, sqlite3_stmt *stmt, int at)
{
	for (size_t i = 0; i < where->count; i++, at++) {
		const struct ks_where_value *value = &where->value[i];

		if (value->kind == KS_WHERE_NUMBER)
			sqlite3_bind_int64(stmt, at, value->number);
		else if (value->kind == KS_WHERE_STRING)
			sqlite3_bind_text(stmt, at, value->text, -1, SQLITE_STATIC);
		else
			sqlite3_bind_blob(stmt, at, value->address, value->size, SQLITE_STATIC);
	}
	return at;
}
