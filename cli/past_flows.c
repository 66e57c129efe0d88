/* SPDX-License-Identifier: BSD-2-Clause */
/* See past_flows.h. */
#include "cli/past_flows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/moment.h"
#include "cli/output.h"
#include "core/header/icmp.h"
#include "core/link.h"
#include "core/types.h"
#include "engine/transplant.h"
#include "text/names.h"
#include "text/scoped.h"

#define CLOCK_S 100000000ULL /* from here on the engine's clock: any flow's begin lies behind its zero */
#define ADDRESSES_MAX 4 /* of a packet, and of what it quotes */
#define PARAMETERS_MAX (ADDRESSES_MAX + 2)

struct load_ctx {
	const struct ks_past *past;
	unsigned flows;
};

/* A line of the journal. */
struct line {
	const json_t *flow, *nat;
	struct ks_tuple whole; /* between its true ends */
	struct ks_tuple sent, seen; /* as its originator sends, and as the responder sees it */
};

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static bool read_address(const char *text, __u8 *family, struct ks_addr *addr)
{
	struct in_addr ipv4;

	*addr = (struct ks_addr){ 0 };
	if (inet_pton(AF_INET, text, &ipv4) == 1) {
		ks_addr_set_ipv4(addr, ipv4.s_addr);
		*family = KS_IPV4;
		return true;
	}
	*family = KS_IPV6;
	return inet_pton(AF_INET6, text, addr) == 1;
}

static bool is_icmp(const struct ks_tuple *tuple)
{
	return tuple->proto == KS_PROTO_ICMP || tuple->proto == KS_PROTO_ICMPV6;
}

static void read_number(const json_t *object, const char *name, unsigned shift, __be16 *number)
{
	const json_t *value = json_object_get(object, name);

	if (value)
		*number = ks_be16((__u16)(json_integer_value(value) << shift));
}

/* The ends of a flow or of its translation; what is not said stays as it is. */
static bool read_ends(const json_t *object, struct ks_tuple *tuple)
{
	const char *source = text_of(object, "source"), *destination = text_of(object, "destination");
	const bool icmp = is_icmp(tuple);

	if ((*source && !read_address(source, &tuple->family, &tuple->src)) ||
	    (*destination && !read_address(destination, &tuple->family, &tuple->dst)))
		return false;
	read_number(object, icmp ? "id" : "source_port", 0, &tuple->sport);
	read_number(object, icmp ? "type" : "destination_port", icmp ? KS_ICMP_TYPE_SHIFT : 0, &tuple->dport);
	return true;
}

/* Tunnels of GRE have keys that the journal does not keep as such. */
static bool line_read(struct line *line)
{
	int proto = ks_proto_from_name(text_of(line->flow, "proto"));
	struct ks_tuple seen = { 0 };

	line->whole = (struct ks_tuple){ .proto = (__u8)proto };
	if (proto < 0 || proto == KS_PROTO_GRE || !read_ends(line->flow, &line->whole) || !line->whole.family)
		return false;
	seen = line->whole;
	if (!read_ends(line->nat, &seen))
		return false;
	line->sent = line->seen = line->whole;
	line->sent.dst = seen.dst;
	line->sent.dport = seen.dport;
	line->seen.src = seen.src;
	line->seen.sport = seen.sport;
	return true;
}

/* --- its state at the moment --- */

static const struct {
	__u8 proto, opening, open;
} states[] = {
	{ KS_PROTO_TCP, KS_STATE_TCP_SYN_SENT, KS_STATE_TCP_ESTABLISHED },
	{ KS_PROTO_UDP, KS_STATE_UDP_SINGLE, KS_STATE_UDP_STREAM },
	{ KS_PROTO_UDPLITE, KS_STATE_UDP_SINGLE, KS_STATE_UDP_STREAM },
	{ KS_PROTO_ICMP, KS_STATE_ICMP_REQUEST, KS_STATE_ICMP_REPLIED },
	{ KS_PROTO_ICMPV6, KS_STATE_ICMP_REQUEST, KS_STATE_ICMP_REPLIED },
	{ KS_PROTO_SCTP, KS_STATE_SCTP_COOKIE_WAIT, KS_STATE_SCTP_ESTABLISHED },
	{ KS_PROTO_DCCP, KS_STATE_DCCP_REQUEST, KS_STATE_DCCP_OPEN },
};

static bool is_before(const char *time, const char *at)
{
	char seconds[KS_MOMENT_TEXT];

	return *time && !ks_moment_read(time, seconds) && strtod(seconds, NULL) < strtod(at, NULL) + 1;
}

/* Flows that were taken from a list of states have no time at which they were established: of these the last state is known. */
static bool was_open(const struct line *line, const char *at)
{
	int state = ks_state_from_name(text_of(line->flow, "state"));
	const json_t *packets = json_object_get(line->flow, "packets");

	if (json_object_get(line->flow, "established"))
		return is_before(text_of(line->flow, "established"), at);
	return state == KS_STATE_TAKEN_UP || json_integer_value(json_array_get(packets, 1)) > 0;
}

static __u8 state_at(const struct line *line, bool open)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(states); i++) {
		if (states[i].proto == line->whole.proto)
			return open ? states[i].open : states[i].opening;
	}
	return open ? KS_STATE_OTHER_STREAM : KS_STATE_OTHER_SINGLE;
}

/* By its text, which is the same in the policy that the journal keeps; its number need not be. */
static __u16 rule_of(const struct ks_policy *policy, const struct line *line)
{
	const char *text = text_of(json_object_get(line->flow, "rule"), "text");

	for (size_t i = 0; i < policy->info_count; i++) {
		if (!strcmp(policy->infos[i].text, text))
			return (__u16)policy->infos[i].id;
	}
	return KS_RULE_DEFAULT;
}

static __u8 zone_of(const struct ks_policy *policy, const struct line *line, const char *side)
{
	int zone = ks_policy_zone_id(policy, text_of(line->flow, side));

	return zone < 0 ? KS_ZONE_NONE : (__u8)zone;
}

/* --- into the engine --- */

static void fill_flow(const struct ks_past *past, const struct line *line, struct ks_transplant *transplant)
{
	const __u64 now = ks_engine_time(past->engine);
	const bool open = was_open(line, past->at);
	struct ks_flow *flow = &transplant->flow;

	*flow = (struct ks_flow){
		.state = state_at(line, open),
		.flags = (__u8)(open ? KS_FLOW_REPLIED | KS_FLOW_ASSURED : 0),
		.zone = { zone_of(past->policy, line, "from"), zone_of(past->policy, line, "to") },
		.seen = ks_flow_clock(now),
		.created =
			(__u32)(now / KS_NSEC_PER_SEC) - (__u32)json_integer_value(json_object_get(line->flow, "age")),
		.rule = rule_of(past->policy, line),
	};
	flow->timeout = past->policy->config.timeout[flow->state];
	if (ks_flow_key_make(&line->whole, &transplant->key))
		flow->flags |= KS_FLOW_ORIG_IS_HIGH;
	if (ks_key_is_on_link(&transplant->key))
		transplant->key.link = ks_link_between(flow->zone[0], flow->zone[1]);
	if (open && (line->whole.proto == KS_PROTO_TCP || line->whole.proto == KS_PROTO_SCTP))
		flow->flags |= KS_FLOW_PICKUP;
	if (open && line->whole.proto == KS_PROTO_TCP)
		flow->tcp_flags[KS_ORIGINAL] = flow->tcp_flags[KS_REPLY] = KS_TCP_LIBERAL;
}

static int flow_put(const struct ks_past *past, const struct line *line)
{
	struct ks_transplant transplant = { 0 };
	int err;

	fill_flow(past, line, &transplant);
	if (memcmp(&line->sent, &line->whole, sizeof(line->sent)) != 0)
		ks_transplant_name(&transplant, KS_ORIGINAL, &line->sent);
	if (memcmp(&line->seen, &line->whole, sizeof(line->seen)) != 0)
		ks_transplant_name(&transplant, KS_REPLY, &line->seen);
	err = ks_engine_transplant(past->engine, &transplant);
	return err == -EEXIST ? 0 : err; /* the second of two that had these ends in one second */
}

static int line_take(const char *text, size_t length, void *arg)
{
	ks_auto_json json_t *flow = json_loadb(text, length, 0, NULL);
	struct line line = { .flow = flow, .nat = json_object_get(flow, "nat") };
	struct load_ctx *ctx = arg;

	if (!json_is_object(flow))
		return 0;
	ctx->flows++;
	return line_read(&line) ? flow_put(ctx->past, &line) : 0;
}

/* The packet's addresses, and those of what an ICMP error quotes, in words. Returns how many. */
static size_t addresses_of(const struct ks_inspection *packet, char text[ADDRESSES_MAX][KS_ADDR_TEXT])
{
	const struct ks_tuple *tuples[] = { &packet->pkt.tuple, &packet->quote.tuple };
	size_t count = 0;

	for (size_t i = 0; i < KS_ARRAY_SIZE(tuples); i++) {
		if (!tuples[i]->family)
			continue;
		ks_addr_text(&tuples[i]->src, tuples[i]->family, text[count++]);
		ks_addr_text(&tuples[i]->dst, tuples[i]->family, text[count++]);
	}
	return count;
}

int ks_past_flows_load(const struct ks_past *past, const struct ks_inspection *packet)
{
	char addresses[ADDRESSES_MAX][KS_ADDR_TEXT], limit[16];
	struct ks_parameter parameters[PARAMETERS_MAX] = { { "at", past->at }, { "limit", limit } };
	struct ks_call call = { .method = "GET", .path = "/v1/flows", .parameters = parameters, .journal = true };
	struct load_ctx ctx = { .past = past };
	size_t count = addresses_of(packet, addresses);
	int code;

	ks_engine_set_time(past->engine, CLOCK_S * KS_NSEC_PER_SEC);
	ks_engine_set_wall(past->engine, (strtoll(past->at, NULL, 10) - (__s64)CLOCK_S) * (__s64)KS_NSEC_PER_SEC);
	if (!count)
		return KS_EXIT_OK;
	snprintf(limit, sizeof(limit), "%d", KS_PAST_FLOWS_MAX);
	for (size_t i = 0; i < count; i++)
		parameters[2 + i] = (struct ks_parameter){ "address", addresses[i] };
	call.parameter_count = 2 + count;
	code = ks_client_lines(&call, line_take, &ctx);
	if (code == KS_EXIT_OK && ctx.flows == KS_PAST_FLOWS_MAX)
		fprintf(stderr,
			"keepstate: note: more than %d flows had an address of this packet then; the others are left "
			"out\n",
			KS_PAST_FLOWS_MAX);
	return code;
}
