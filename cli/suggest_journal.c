/* SPDX-License-Identifier: BSD-2-Clause */
/* See suggest.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/suggest.h"
#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/names.h"

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static bool read_address(const char *text, __u8 *family, struct ks_addr *addr)
{
	struct in_addr ipv4;

	*addr = (struct ks_addr){ 0 };
	*family = inet_pton(AF_INET, text, &ipv4) == 1 ? KS_IPV4 : KS_IPV6;
	if (*family == KS_IPV4)
		ks_addr_set_ipv4(addr, ipv4.s_addr);
	return *family == KS_IPV4 || inet_pton(AF_INET6, text, addr) == 1;
}

static __u8 zone_of(const struct ks_policy *zones, const char *name)
{
	int id = ks_policy_zone_id(zones, name);

	return id < 0 ? KS_ZONE_NONE : (__u8)id;
}

/* Reads the ends of a flow as its originator and its responder are, without translation of the source. */
static bool request_read(const struct ks_policy *zones, const json_t *flow, struct ks_request *request)
{
	struct ks_tuple *tuple = &request->tuple;
	int proto = ks_proto_from_name(text_of(flow, "proto"));
	__u8 family;

	*request = (struct ks_request){ .from = zone_of(zones, text_of(flow, "from")),
					.to = zone_of(zones, text_of(flow, "to")) };
	if (proto < 0 || !read_address(text_of(flow, "source"), &tuple->family, &tuple->src) ||
	    !read_address(text_of(flow, "destination"), &family, &tuple->dst) || family != tuple->family)
		return false;
	tuple->proto = (__u8)proto;
	tuple->sport = ks_be16((__u16)ks_member_number(flow, "source_port"));
	tuple->dport = ks_be16((__u16)ks_member_number(flow, "destination_port"));
	if (ks_proto_is_icmp(proto))
		request->icmp = (__u16)(ks_member_number(flow, "type") << KS_ICMP_TYPE_SHIFT);
	return true;
}

/* A flow of TCP was established; of others something came back. */
static bool is_answered(const json_t *flow)
{
	if (strcmp(text_of(flow, "proto"), "tcp") != 0)
		return json_integer_value(json_array_get(json_object_get(flow, "packets"), 1)) > 0;
	return json_is_string(json_object_get(flow, "established")) ||
	       ks_state_from_name(text_of(flow, "state")) == KS_STATE_TCP_ESTABLISHED;
}

/* A flow whose opener knows the destination by another address, and maybe port. */
static int forward_add(struct ks_suggestion *suggestion, const json_t *flow, struct ks_request *request)
{
	const json_t *nat = json_object_get(flow, "nat");
	const struct ks_addr to = request->tuple.dst;
	const __be16 port = request->tuple.dport;
	__u8 family;

	if (request->to == KS_ZONE_SELF || !read_address(text_of(nat, "destination"), &family, &request->tuple.dst) ||
	    family != request->tuple.family) {
		suggestion->left[KS_LEFT_FORWARDED]++;
		return 0;
	}
	if (ks_member_number(nat, "destination_port"))
		request->tuple.dport = ks_be16((__u16)ks_member_number(nat, "destination_port"));
	return ks_suggestion_forward(suggestion, request, is_answered(flow), &to, port);
}

struct journal_ctx {
	struct ks_suggestion *suggestion;
	int err;
};

static int flow_take(const char *line, size_t length, void *arg)
{
	struct journal_ctx *ctx = arg;
	ks_auto_json json_t *flow = json_loadb(line, length, 0, NULL);
	struct ks_request request;

	if (!json_is_object(flow))
		return 0;
	if (!request_read(ctx->suggestion->wish.zones, flow, &request))
		ctx->suggestion->left[KS_LEFT_UNREAD]++;
	else if (*text_of(json_object_get(flow, "nat"), "destination"))
		ctx->err = forward_add(ctx->suggestion, flow, &request);
	else
		ctx->err = ks_suggestion_add(ctx->suggestion, &request, is_answered(flow));
	return ctx->err;
}

int ks_suggest_journal(struct ks_suggestion *suggestion, const struct ks_suggest_time *time)
{
	struct ks_parameter parameters[2];
	struct ks_call call = { .method = "GET", .path = "/v1/flows", .parameters = parameters, .journal = true };
	struct journal_ctx ctx = { .suggestion = suggestion };
	int code;

	if (*time->since)
		parameters[call.parameter_count++] = (struct ks_parameter){ "since", time->since };
	if (*time->until)
		parameters[call.parameter_count++] = (struct ks_parameter){ "until", time->until };
	code = ks_client_lines(&call, flow_take, &ctx);
	return ctx.err ? ks_cli_no_memory() : code;
}
