/* SPDX-License-Identifier: BSD-2-Clause */
/* See columns.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/types.h"
#include "journal/columns.h"

#define IPV4_BYTES 4
#define IPV6_BYTES 16

int ks_address_read(const char *text, unsigned char address[KS_END_ADDRESS_MAX])
{
	if (!text)
		return 0;
	if (inet_pton(AF_INET, text, address) == 1)
		return IPV4_BYTES;
	return inet_pton(AF_INET6, text, address) == 1 ? IPV6_BYTES : 0;
}

static void read_end(const json_t *line, const char *address, const char *const *ports, struct ks_column_end *end)
{
	end->size = ks_address_read(json_string_value(json_object_get(line, address)), end->address);
	end->port = -1;
	for (; *ports && end->port < 0; ports++) {
		const json_t *port = json_object_get(line, *ports);

		if (json_is_integer(port))
			end->port = json_integer_value(port);
	}
}

int ks_columns_read(struct ks_store *store, const json_t *line, struct ks_columns *columns)
{
	/* The identifier of an ICMP query stands where others have a port. A state calls it `id`, as events call their flow. */
	static const char *const source[] = { "source_port", "icmp_id", NULL };
	static const char *const state_source[] = { "source_port", "icmp_id", "id", NULL };
	static const char *const destination[] = { "destination_port", NULL };
	static const char *const nat_source[] = { "source_port", "source_id", "id", NULL };
	const json_t *nat = json_object_get(line, "nat");
	int err;

	read_end(line, "source", json_object_get(line, "event") ? source : state_source, &columns->end[KS_END_SOURCE]);
	read_end(line, "destination", destination, &columns->end[KS_END_DESTINATION]);
	read_end(nat, "source", nat_source, &columns->end[KS_END_NAT_SOURCE]);
	read_end(nat, "destination", destination, &columns->end[KS_END_NAT_DESTINATION]);
	err = ks_store_word(store, json_string_value(json_object_get(line, "proto")), &columns->proto);
	err = err ?: ks_store_word(store, json_string_value(json_object_get(line, "from")), &columns->from);
	err = err ?: ks_store_word(store, json_string_value(json_object_get(line, "to")), &columns->to);
	return err ?: ks_store_rule(store, json_object_get(line, "rule"), &columns->rule);
}

void ks_bind_id(sqlite3_stmt *stmt, int at, int64_t id)
{
	if (id)
		sqlite3_bind_int64(stmt, at, id);
	else
		sqlite3_bind_null(stmt, at);
}

static void bind_end(sqlite3_stmt *stmt, int at, const struct ks_column_end *end)
{
	if (end->size)
		sqlite3_bind_blob(stmt, at, end->address, end->size, SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, at);
	if (end->port >= 0)
		sqlite3_bind_int64(stmt, at + 1, end->port);
	else
		sqlite3_bind_null(stmt, at + 1);
}

void ks_columns_bind(sqlite3_stmt *stmt, const struct ks_columns *columns)
{
	int at = KS_COLUMNS_FIRST;

	ks_bind_id(stmt, at++, columns->proto);
	ks_bind_id(stmt, at++, columns->from);
	ks_bind_id(stmt, at++, columns->to);
	for (unsigned i = 0; i < KS_ENDS; i++, at += 2)
		bind_end(stmt, at, &columns->end[i]);
	ks_bind_id(stmt, at, columns->rule);
}

/* Members that have columns, in each kind of line. */
static bool has_column(const char *name)
{
	static const char *const names[] = {
		"event",   "time",   "family",	    "proto",	   "from",
		"to",	   "source", "source_port", "destination", "destination_port",
		"icmp_id", "nat",    "rule",	    "verdict",	   "reason",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return false;
}

static bool is_named(const char *const *names, const char *name)
{
	while (*names && strcmp(*names, name))
		names++;
	return *names;
}

int ks_bind_rest(sqlite3_stmt *stmt, int at, const json_t *line, const char *const *but)
{
	ks_auto_json json_t *rest = json_object();
	const char *name;
	json_t *value;
	char *text;

	json_object_foreach((json_t *)(uintptr_t)line, name, value)
	{
		if (!has_column(name) && !is_named(but, name) && json_object_set_nocheck(rest, name, value))
			return -ENOMEM;
	}
	if (!json_object_size(rest)) {
		sqlite3_bind_null(stmt, at);
		return 0;
	}
	text = json_dumps(rest, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (!text)
		return -ENOMEM;
	sqlite3_bind_text(stmt, at, text, -1, free);
	return 0;
}
