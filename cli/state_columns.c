/* SPDX-License-Identifier: BSD-2-Clause */
/* See state_columns.h. */
#include "cli/state_columns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"

/* "10.0.0.5:40000", "[2001:db8::1]:443", "10.0.0.5 id 7" */
static size_t end_print(char *buf, size_t size, const char *address, const char *port, const char *id)
{
	int n;

	if (*port)
		n = snprintf(buf, size, strchr(address, ':') ? "[%s]:%s" : "%s:%s", address, port);
	else
		n = snprintf(buf, size, *id ? "%s id %s" : "%s", address, id);
	return KS_MIN((size_t)n, size - 1);
}

static void print_proto(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	snprintf(buf, KS_STATE_CELL, "%s", row->field[KS_FIELD_PROTO]);
}

static void print_state(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	snprintf(buf, KS_STATE_CELL, "%s", row->field[KS_FIELD_STATE]);
}

static void print_source(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	end_print(buf, KS_STATE_CELL, row->field[KS_FIELD_SOURCE], row->field[KS_FIELD_SOURCE_PORT],
		  row->field[KS_FIELD_ID]);
}

static void print_destination(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	end_print(buf, KS_STATE_CELL, row->field[KS_FIELD_DESTINATION], row->field[KS_FIELD_DESTINATION_PORT], "");
}

static void print_zones(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	snprintf(buf, KS_STATE_CELL, "%s > %s", row->field[KS_FIELD_FROM], row->field[KS_FIELD_TO]);
}

static void print_packets(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	snprintf(buf, KS_STATE_CELL, "%s+%s", row->field[KS_FIELD_PACKETS_OUT], row->field[KS_FIELD_PACKETS_IN]);
}

static void print_bytes(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	ks_bytes_text(ks_state_row_number(row, KS_FIELD_BYTES_OUT) + ks_state_row_number(row, KS_FIELD_BYTES_IN), buf);
}

static void print_sent(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	ks_bytes_text(ks_state_row_number(row, KS_FIELD_BYTES_OUT), buf);
}

static void print_received(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	ks_bytes_text(ks_state_row_number(row, KS_FIELD_BYTES_IN), buf);
}

static void rate_text(const struct ks_state_row *row, uint64_t rate, char buf[KS_STATE_CELL])
{
	buf[0] = '\0';
	if (!*row->field[KS_FIELD_RATE_OUT])
		return;
	ks_bytes_text(rate, buf);
	strcat(buf, "/s");
}

static void print_rate(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	rate_text(row, ks_state_row_number(row, KS_FIELD_RATE_OUT) + ks_state_row_number(row, KS_FIELD_RATE_IN), buf);
}

static void print_up(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	rate_text(row, ks_state_row_number(row, KS_FIELD_RATE_OUT), buf);
}

static void print_down(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	rate_text(row, ks_state_row_number(row, KS_FIELD_RATE_IN), buf);
}

static void print_age(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	ks_span_text(ks_state_row_number(row, KS_FIELD_AGE) * KS_MSEC_PER_SEC, buf);
}

static void print_left(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	ks_span_text(ks_state_row_number(row, KS_FIELD_LEFT) * KS_MSEC_PER_SEC, buf);
}

static void print_rule(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	const char *file = row->field[KS_FIELD_FILE], *slash = strrchr(file, '/');

	if (*file)
		snprintf(buf, KS_STATE_CELL, "%s:%s", slash ? slash + 1 : file, row->field[KS_FIELD_LINE]);
	else
		snprintf(buf, KS_STATE_CELL, "rule gone");
}

static void print_label(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	snprintf(buf, KS_STATE_CELL, "%s", row->field[KS_FIELD_LABEL]);
}

/* "as 203.0.113.1:40000": its source for the other side; "via 203.0.113.1:443": its destination for the side that opened it. */
static void print_nat(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	size_t used = 0;

	buf[0] = '\0';
	if (*row->field[KS_FIELD_NAT_SOURCE]) {
		used = (size_t)snprintf(buf, KS_STATE_CELL, "as ");
		used += end_print(buf + used, KS_STATE_CELL / 2, row->field[KS_FIELD_NAT_SOURCE],
				  *row->field[KS_FIELD_ID] ? "" : row->field[KS_FIELD_NAT_SOURCE_PORT], "");
	}
	if (*row->field[KS_FIELD_NAT_DESTINATION]) {
		used += (size_t)snprintf(buf + used, KS_STATE_CELL - used, "%svia ", used ? " " : "");
		end_print(buf + used, KS_STATE_CELL - used, row->field[KS_FIELD_NAT_DESTINATION],
			  row->field[KS_FIELD_NAT_DESTINATION_PORT], "");
	}
}

static void print_flows(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	ks_number_text(ks_state_row_number(row, KS_FIELD_FLOWS), buf);
}

static void print_host(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	snprintf(buf, KS_STATE_CELL, "%s", row->field[KS_FIELD_HOST]);
}

static void print_port(const struct ks_state_row *row, char buf[KS_STATE_CELL])
{
	const char *port = row->field[KS_FIELD_PORT];

	snprintf(buf, KS_STATE_CELL, *port ? "%s/%s" : "%s", row->field[KS_FIELD_PROTO], port);
}

#define FIELDS(...) { __VA_ARGS__ }, sizeof((unsigned char[]){ __VA_ARGS__ })

static const struct ks_state_column all[] = {
	{ "proto", "PROTO", 'l', print_proto, FIELDS(KS_FIELD_PROTO) },
	{ "state", "STATE", 'l', print_state, FIELDS(KS_FIELD_STATE) },
	{ "source", "SOURCE", 'l', print_source, FIELDS(KS_FIELD_SOURCE, KS_FIELD_SOURCE_PORT, KS_FIELD_ID) },
	{ "destination", "DESTINATION", 'l', print_destination,
	  FIELDS(KS_FIELD_DESTINATION, KS_FIELD_DESTINATION_PORT) },
	{ "zones", "ZONES", 'l', print_zones, FIELDS(KS_FIELD_FROM, KS_FIELD_TO) },
	{ "packets", "PACKETS", 'r', print_packets, FIELDS(KS_FIELD_PACKETS_OUT, KS_FIELD_PACKETS_IN) },
	{ "bytes", "BYTES", 'r', print_bytes, FIELDS(KS_FIELD_BYTES_OUT, KS_FIELD_BYTES_IN) },
	{ "sent", "SENT", 'r', print_sent, FIELDS(KS_FIELD_BYTES_OUT) },
	{ "received", "RECEIVED", 'r', print_received, FIELDS(KS_FIELD_BYTES_IN) },
	{ "rate", "RATE", 'r', print_rate, FIELDS(KS_FIELD_RATE_OUT, KS_FIELD_RATE_IN) },
	{ "up", "UP", 'r', print_up, FIELDS(KS_FIELD_RATE_OUT) },
	{ "down", "DOWN", 'r', print_down, FIELDS(KS_FIELD_RATE_OUT, KS_FIELD_RATE_IN) },
	{ "age", "AGE", 'r', print_age, FIELDS(KS_FIELD_AGE) },
	{ "left", "LEFT", 'r', print_left, FIELDS(KS_FIELD_LEFT) },
	{ "rule", "RULE", 'l', print_rule, FIELDS(KS_FIELD_RULE_ID, KS_FIELD_FILE, KS_FIELD_LINE) },
	{ "label", "LABEL", 'l', print_label, FIELDS(KS_FIELD_LABEL) },
	{ "nat", "NAT", 'l', print_nat,
	  FIELDS(KS_FIELD_ID, KS_FIELD_NAT_SOURCE, KS_FIELD_NAT_SOURCE_PORT, KS_FIELD_NAT_DESTINATION,
		 KS_FIELD_NAT_DESTINATION_PORT) },
	/* of groups */
	{ "flows", "FLOWS", 'r', print_flows, FIELDS(KS_FIELD_FLOWS) },
	{ "host", "HOST", 'l', print_host, FIELDS(KS_FIELD_HOST) },
	{ "port", "PORT", 'l', print_port, FIELDS(KS_FIELD_PROTO, KS_FIELD_PORT) },
};

#define GROUP_COLUMNS 3 /* the last ones */

static const struct ks_state_column *column_find(const char *name, size_t length)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(all); i++) {
		if (strlen(all[i].name) == length && !memcmp(all[i].name, name, length))
			return &all[i];
	}
	return NULL;
}

int ks_state_columns_choose(const char *names, struct ks_state_columns *columns, char wrong[64])
{
	*columns = (struct ks_state_columns){ 0 };
	for (size_t length; names; names = names[length] ? names + length + 1 : NULL) {
		const struct ks_state_column *column;

		length = strcspn(names, ",");
		column = column_find(names, length);
		if (!column || columns->count == KS_STATE_COLUMNS_MAX) {
			snprintf(wrong, 64, "%.*s", (int)KS_MIN(length, (size_t)63), names);
			return -EINVAL;
		}
		columns->column[columns->count++] = column;
	}
	return 0;
}

void ks_state_columns_names(char *buf, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < KS_ARRAY_SIZE(all) - GROUP_COLUMNS && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "", all[i].name);
}

size_t ks_state_columns_fields(const struct ks_state_columns *columns, unsigned char fields[KS_STATE_FIELDS_MAX])
{
	bool have[KS_STATE_FIELD_MAX] = { false };
	size_t count = 0;

	for (size_t i = 0; i < columns->count; i++) {
		for (size_t k = 0; k < columns->column[i]->field_count; k++) {
			unsigned char field = columns->column[i]->fields[k];

			if (!have[field])
				fields[count++] = field;
			have[field] = true;
		}
	}
	return count;
}

struct ks_grid *ks_state_columns_grid(const struct ks_state_columns *columns, bool titles)
{
	char format[KS_STATE_COLUMNS_MAX + 1] = "";
	struct ks_grid *grid;

	for (size_t i = 0; i < columns->count; i++)
		format[i] = columns->column[i]->align;
	grid = ks_grid_create(format);
	for (size_t i = 0; titles && i < columns->count; i++)
		ks_grid_text(grid, columns->column[i]->title);
	return grid;
}

void ks_state_columns_add(const struct ks_state_columns *columns, struct ks_grid *grid, const struct ks_state_row *row)
{
	char cell[KS_STATE_CELL];

	for (size_t i = 0; i < columns->count; i++) {
		columns->column[i]->print(row, cell);
		ks_grid_text(grid, cell);
	}
}
