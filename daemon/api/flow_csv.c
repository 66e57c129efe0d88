/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows as lines of CSV (RFC 4180, with bare newlines); see flow_forms.h. A field that a flow does not have is empty. */
#include <errno.h>
#include <string.h>

#include "core/header/gre.h"
#include "core/header/packet.h"
#include "core/track/icmp_error.h"
#include "daemon/api/flow_forms.h"
#include "daemon/api/forms.h"
#include "text/names.h"

#define NAME_TEXT 32

#define COLUMNS(X)                                      \
	X(FAMILY, "family")                             \
	X(PROTO, "proto")                               \
	X(SOURCE, "source")                             \
	X(SOURCE_PORT, "source_port")                   \
	X(DESTINATION, "destination")                   \
	X(DESTINATION_PORT, "destination_port")         \
	X(ID, "id")                                     \
	X(TYPE, "type")                                 \
	X(KEY, "key")                                   \
	X(CALL, "call")                                 \
	X(NAT_SOURCE, "nat_source")                     \
	X(NAT_SOURCE_PORT, "nat_source_port")           \
	X(NAT_DESTINATION, "nat_destination")           \
	X(NAT_DESTINATION_PORT, "nat_destination_port") \
	X(STATE, "state")                               \
	X(FROM, "from")                                 \
	X(TO, "to")                                     \
	X(PACKETS_OUT, "packets_out")                   \
	X(PACKETS_IN, "packets_in")                     \
	X(BYTES_OUT, "bytes_out")                       \
	X(BYTES_IN, "bytes_in")                         \
	X(AGE, "age")                                   \
	X(LEFT, "left")                                 \
	X(RATE_OUT, "rate_out")                         \
	X(RATE_IN, "rate_in")                           \
	X(REPLIED, "replied")                           \
	X(ASSURED, "assured")                           \
	X(PICKUP, "pickup")                             \
	X(RULE_ID, "rule_id")                           \
	X(FILE, "file")                                 \
	X(LINE, "line")                                 \
	X(LABEL, "label")

#define X(id, name) COLUMN_##id,
enum { COLUMNS(X) COLUMN_MAX };
#undef X

#define X(id, name) name,
static const char *const names[] = { COLUMNS(X) };
#undef X

/* A flow whose line is printed. */
struct csv_ctx {
	struct ks_line *line;
	const struct ks_policy *policy;
	const struct ks_listed_flow *listed;
	const struct ks_rule_info *rule;
	struct ks_tuple tuple;
	__u64 now;
};

static int column_find(const char *name, size_t length)
{
	for (int i = 0; i < COLUMN_MAX; i++) {
		if (strlen(names[i]) == length && !memcmp(names[i], name, length))
			return i;
	}
	return -1;
}

static void complain(const char *name, size_t length, char *complaint, size_t size)
{
	size_t n = (size_t)snprintf(complaint, size, "columns: there is no '%.*s'; there are", (int)KS_MIN(length, 60U),
				    name);

	for (int i = 0; i < COLUMN_MAX && n < size; i++)
		n += (size_t)snprintf(complaint + n, size - n, "%s %s", i ? "," : "", names[i]);
}

int ks_csv_parse(const char *text, struct ks_csv *csv, char *complaint, size_t size)
{
	struct ks_csv new = { 0 };

	for (unsigned char i = 0; !text && i < COLUMN_MAX; i++)
		new.column[new.count++] = i;
	for (size_t length; text; text = text[length] ? text + length + 1 : NULL) {
		int column;

		length = strcspn(text, ",");
		column = column_find(text, length);
		if (column < 0) {
			complain(text, length, complaint, size);
			return -EINVAL;
		}
		if (new.count == KS_CSV_COLUMNS_MAX) {
			snprintf(complaint, size, "columns: there are more than %d", KS_CSV_COLUMNS_MAX);
			return -EINVAL;
		}
		new.column[new.count++] = (unsigned char)column;
	}
	*csv = new;
	return 0;
}

void ks_csv_print_titles(struct ks_line *line, const struct ks_csv *csv)
{
	for (size_t i = 0; i < csv->count; i++) {
		ks_line_text(line, i ? "," : "");
		ks_line_text(line, names[csv->column[i]]);
	}
	ks_line_char(line, '\n');
}

static bool is_icmp(const struct csv_ctx *ctx)
{
	return ctx->tuple.proto == KS_PROTO_ICMP || ctx->tuple.proto == KS_PROTO_ICMPV6;
}

static void put_port(const struct csv_ctx *ctx, __be16 port)
{
	if (ks_proto_has_ports(ctx->tuple.proto) && !is_icmp(ctx))
		ks_line_number(ctx->line, ks_be16(port));
}

/* One end as the other side sees it: its address, or its port, of ICMP the identifier. */
static void put_translated(const struct csv_ctx *ctx, enum ks_dir side, bool port)
{
	const struct ks_translation *translation = ctx->listed->translation;

	if (!translation->present[side])
		return;
	if (!port)
		ks_line_addr(ctx->line, &translation->addr[side], ctx->tuple.family);
	else if (is_icmp(ctx) ? side == KS_REPLY : translation->port[side] != 0)
		ks_line_number(ctx->line, ks_be16(translation->port[side]));
}

/* The key of a GRE tunnel, or the call of one of PPTP. */
static void put_tunnel(const struct csv_ctx *ctx, bool call)
{
	const struct ks_tuple *tuple = &ctx->tuple;

	if (tuple->proto == KS_PROTO_GRE && (tuple->sport || tuple->dport) && ks_gre_is_call(tuple) == call)
		ks_line_number(ctx->line, ks_be16(tuple->dport));
}

static void put_flag(const struct csv_ctx *ctx, unsigned flag)
{
	ks_line_text(ctx->line, ctx->listed->flow->flags & flag ? "true" : "false");
}

static void put_ends(const struct csv_ctx *ctx, unsigned column)
{
	const struct ks_tuple *tuple = &ctx->tuple;
	char proto[8];

	switch (column) {
	case COLUMN_FAMILY:
		ks_line_text(ctx->line, tuple->family == KS_IPV4 ? "ipv4" : "ipv6");
		break;
	case COLUMN_PROTO:
		ks_line_text(ctx->line, ks_proto_name(tuple->proto, proto, sizeof(proto)));
		break;
	case COLUMN_SOURCE:
		ks_line_addr(ctx->line, &tuple->src, tuple->family);
		break;
	case COLUMN_SOURCE_PORT:
		put_port(ctx, tuple->sport);
		break;
	case COLUMN_DESTINATION:
		ks_line_addr(ctx->line, &tuple->dst, tuple->family);
		break;
	case COLUMN_DESTINATION_PORT:
		put_port(ctx, tuple->dport);
		break;
	case COLUMN_ID:
		if (is_icmp(ctx))
			ks_line_number(ctx->line, ks_be16(tuple->sport));
		break;
	case COLUMN_TYPE:
		if (is_icmp(ctx))
			ks_line_number(ctx->line, ks_be16(tuple->dport) >> KS_ICMP_TYPE_SHIFT);
		break;
	case COLUMN_KEY:
	case COLUMN_CALL:
		put_tunnel(ctx, column == COLUMN_CALL);
		break;
	case COLUMN_NAT_SOURCE:
	case COLUMN_NAT_SOURCE_PORT:
		put_translated(ctx, KS_REPLY, column == COLUMN_NAT_SOURCE_PORT);
		break;
	default:
		put_translated(ctx, KS_ORIGINAL, column == COLUMN_NAT_DESTINATION_PORT);
	}
}

static void put_rule(const struct csv_ctx *ctx, unsigned column)
{
	if (column == COLUMN_RULE_ID)
		ks_line_number(ctx->line, ctx->listed->flow->rule);
	else if (column == COLUMN_FILE && ctx->rule)
		ks_line_csv(ctx->line, ctx->rule->place.file);
	else if (column == COLUMN_LINE && ctx->rule)
		ks_line_number(ctx->line, ctx->rule->place.line);
	else if (column == COLUMN_LABEL && ctx->rule && ctx->rule->label)
		ks_line_csv(ctx->line, ctx->rule->label);
}

static void put_state(const struct csv_ctx *ctx, unsigned column)
{
	const struct ks_flow *flow = ctx->listed->flow;

	switch (column) {
	case COLUMN_STATE:
		ks_line_text(ctx->line, ks_state_name(flow->state));
		break;
	case COLUMN_FROM:
	case COLUMN_TO:
		ks_line_text(ctx->line, ks_zone_text(ctx->policy, flow->zone[column == COLUMN_TO]));
		break;
	case COLUMN_PACKETS_OUT:
	case COLUMN_PACKETS_IN:
		ks_line_number(ctx->line, ks_flow_packets(flow, column == COLUMN_PACKETS_IN));
		break;
	case COLUMN_BYTES_OUT:
	case COLUMN_BYTES_IN:
		ks_line_number(ctx->line, ks_flow_bytes(flow, column == COLUMN_BYTES_IN));
		break;
	case COLUMN_AGE:
		ks_line_number(ctx->line, ctx->now / KS_NSEC_PER_SEC - flow->created);
		break;
	case COLUMN_LEFT:
		ks_line_seconds(ctx->line, ks_flow_time_left(flow, ctx->now));
		break;
	case COLUMN_RATE_OUT:
	case COLUMN_RATE_IN:
		if (ctx->listed->rate_known)
			ks_line_number(ctx->line, ctx->listed->rate[column == COLUMN_RATE_IN]);
		break;
	case COLUMN_REPLIED:
		put_flag(ctx, KS_FLOW_REPLIED);
		break;
	case COLUMN_ASSURED:
		put_flag(ctx, KS_FLOW_ASSURED);
		break;
	default:
		put_flag(ctx, KS_FLOW_PICKUP);
	}
}

void ks_flow_print_csv(struct ks_line *line, const struct ks_csv *csv, const struct ks_policy *policy, __u64 now,
		       const struct ks_listed_flow *listed)
{
	const struct csv_ctx ctx = { .line = line,
				     .policy = policy,
				     .listed = listed,
				     .rule = ks_policy_rule(policy, listed->flow->rule),
				     .tuple = ks_listed_tuple(listed),
				     .now = now };

	for (size_t i = 0; i < csv->count; i++) {
		unsigned column = csv->column[i];

		if (i)
			ks_line_char(line, ',');
		if (column >= COLUMN_RULE_ID)
			put_rule(&ctx, column);
		else if (column >= COLUMN_STATE)
			put_state(&ctx, column);
		else
			put_ends(&ctx, column);
	}
	ks_line_char(line, '\n');
}
