/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See explain.h. The steps follow the stages of core/inspect.c: headers, zones,
 * protect, flow, zone check, protocol, policy, nat, helper, decision, answer, state.
 */
#include "explain/explain.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/reject.h"
#include "explain/internal.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/names.h"
#include "text/plural.h"

json_t *ks_explain_step(struct ks_explain *explain, const char *step, const char *outcome, const char *format, ...)
{
	ks_auto_free char *text = NULL;
	json_t *object = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		object = json_pack("{s:s, s:s, s:o}", "step", step, "outcome", outcome, "text", ks_json_text(text));
	if (!object || json_array_append_new(explain->steps, object))
		explain->no_memory = true;
	return explain->no_memory ? NULL : object;
}

void ks_explain_detail(struct ks_explain *explain, json_t *step, const char *key, json_t *value)
{
	if (json_object_set_new(step, key, value))
		explain->no_memory = true;
}

/* Returns true for reasons that the headers alone decide (core/header/packet.c); the exceptions need a flow or routes. */
static bool is_header_reason(unsigned reason)
{
	switch (reason) {
	case KS_REASON_ICMP_NO_FLOW:
	case KS_REASON_ICMP_REPLY:
	case KS_REASON_ICMP_QUOTE:
	case KS_REASON_SPOOFED:
	case KS_REASON_BROADCAST:
		return false;
	default:
		return reason >= KS_REASON_TRUNCATED && reason <= KS_REASON_L4_CHECKSUM;
	}
}

const char *ks_explain_zone_name(const struct ks_explain *explain, unsigned zone)
{
	return ks_policy_zone_name(explain->policy, zone);
}

void ks_explain_tuple(const struct ks_tuple *tuple, const char *arrow, char buf[KS_EXPLAIN_TUPLE])
{
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT], proto[8], key[KS_KEY_TEXT];
	bool ports = ks_proto_has_ports(tuple->proto);

	snprintf(buf, KS_EXPLAIN_TUPLE, "%s %s %s %s%s",
		 tuple->proto ? ks_proto_name(tuple->proto, proto, sizeof(proto)) : "ip",
		 ks_endpoint_text(&tuple->src, tuple->family, ports ? tuple->sport : 0, src), arrow,
		 ks_endpoint_text(&tuple->dst, tuple->family, ports ? tuple->dport : 0, dst),
		 ks_gre_key_text(tuple, key));
}

static void upper_details(const struct ks_packet *pkt, char *buf, size_t size)
{
	char flags[KS_TCP_FLAGS_TEXT], chunks[KS_CHUNKS_TEXT];

	if (pkt->tuple.proto == KS_PROTO_TCP)
		snprintf(buf, size, ", flags %s, seq %u, ack %u, window %u, %u octet%s of data",
			 ks_tcp_flags_text(pkt->tcp_flags, flags), pkt->seq, pkt->ack, pkt->window, pkt->payload_len,
			 ks_plural(pkt->payload_len));
	else if (pkt->tuple.proto == KS_PROTO_ICMP || pkt->tuple.proto == KS_PROTO_ICMPV6)
		snprintf(buf, size, ", type %u code %u", pkt->icmp_type, pkt->icmp_code);
	else if (pkt->tuple.proto == KS_PROTO_SCTP)
		snprintf(buf, size, ", tag %u, chunks %s", pkt->sctp.tag,
			 ks_sctp_chunks_text(pkt->sctp.chunks, chunks));
	else if (pkt->tuple.proto == KS_PROTO_DCCP)
		snprintf(buf, size, ", %s, seq %llu, %u octet%s of data", ks_dccp_type_text(pkt->dccp_type),
			 (__u64)pkt->dccp.seq_high << 32 | pkt->dccp.seq, pkt->payload_len,
			 ks_plural(pkt->payload_len));
	else
		snprintf(buf, size, ", %u octet%s of data", pkt->payload_len, ks_plural(pkt->payload_len));
}

#define NO_FLAGS "; this one has none: 'tcp syn' begins a connection, 'tcp ack' goes on with one"

/* The fields that were read, or the header at which the parser gave up. */
static void explain_headers(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_packet *pkt = &insp->pkt;
	const char *link = pkt->link == KS_LINK_IP ? "a bare IP packet" : "an Ethernet frame";
	char tuple[KS_EXPLAIN_TUPLE] = "", upper[120] = "";
	json_t *step;

	if (pkt->tuple.family) {
		ks_explain_tuple(&pkt->tuple, ">", tuple);
		if (!is_header_reason(insp->verdict.reason))
			upper_details(pkt, upper, sizeof(upper));
	}
	if (pkt->flags & KS_PKT_NOT_IP)
		step = ks_explain_step(explain, "headers", "ok", "%s of %u octets that is not IP", link, pkt->wire_len);
	else if (is_header_reason(insp->verdict.reason))
		step = ks_explain_step(explain, "headers", "drop", "%s of %u octets%s%s: %s%s", link, pkt->wire_len,
				       *tuple ? ", " : "", tuple, ks_reason_text(insp->verdict.reason),
				       insp->verdict.reason == KS_REASON_TCP_FLAGS && !pkt->tcp_flags ? NO_FLAGS : "");
	else
		step = ks_explain_step(explain, "headers", "ok", "%s of %u octets%s, IPv%u: %s%s", link, pkt->wire_len,
				       pkt->flags & KS_PKT_SNAPPED ? " (cut by the capture)" : "", pkt->tuple.family,
				       tuple, upper);
	ks_explain_detail(explain, step, "link", json_string(pkt->link == KS_LINK_IP ? "ip" : "ethernet"));
	ks_explain_detail(explain, step, "length", json_integer(pkt->wire_len));
	if (pkt->tuple.family)
		ks_explain_detail(explain, step, "hop_limit", json_integer(pkt->hop_limit));
}

/* Notes that the words of the packet name another zone than the routes. The words may be right: marks, other next hops, bridges. */
static void explain_contradiction(struct ks_explain *explain)
{
	const struct ks_world *world = ks_engine_world(explain->engine);
	const struct ks_inspection *insp = explain->insp;
	__u32 routed, told = explain->frame->to;

	if (!world || told >= KS_ZONE_MAX || insp->home.from == KS_ZONE_SELF || insp->pkt.flags & KS_PKT_GROUP)
		return;
	routed = world->zone_to(&insp->pkt.tuple, insp->home.from, world->arg);
	if (routed < KS_ZONE_MAX && routed != told)
		ks_explain_step(explain, "zones", "note",
				"the routes lead to zone %s now, not to zone %s: it is judged as it was said to go",
				ks_explain_zone_name(explain, routed), ks_explain_zone_name(explain, told));
}

/* Describes its destination zone. */
static void destination_text(const struct ks_explain *explain, __u8 to, char *buf, size_t size)
{
	const struct ks_inspection *insp = explain->insp;
	char addr[KS_ADDR_TEXT];

	ks_addr_text(&insp->pkt.tuple.dst, insp->pkt.tuple.family, addr);
	if (to == KS_ZONE_UNKNOWN)
		snprintf(buf, size, "; where it goes to was not asked");
	else if (to == KS_ZONE_UNDECIDED)
		snprintf(buf, size, "; where it goes to is known when it leaves, not before");
	else if (to == KS_ZONE_ASTRAY)
		snprintf(buf, size, "; %s is the broadcast address of another network", addr);
	else if (to == KS_ZONE_SELF && explain->frame->to < KS_ZONE_MAX && explain->frame->to == insp->home.from)
		snprintf(buf, size, " and goes to zone self: %s is the broadcast address of its network", addr);
	else
		snprintf(buf, size, " and goes to zone %s", ks_explain_zone_name(explain, to));
}

static void explain_zones(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	__u8 to = ks_explain_zone_asked(explain);
	char destination[80 + KS_ADDR_TEXT];
	json_t *step;

	destination_text(explain, to, destination, sizeof(destination));
	step = ks_explain_step(explain, "zones", to == KS_ZONE_ASTRAY ? "drop" : "note", "it comes from zone %s%s",
			       ks_explain_zone_name(explain, insp->home.from), destination);
	ks_explain_detail(explain, step, "from", json_string(ks_explain_zone_name(explain, insp->home.from)));
	if (to < KS_ZONE_MAX)
		ks_explain_detail(explain, step, "to", json_string(ks_explain_zone_name(explain, to)));
	explain_contradiction(explain);
}

static json_t *explained_flow_json(const struct ks_explain *explain, const struct ks_flow *flow)
{
	return ks_json_flow(explain->policy, &explain->insp->flow.key, flow, explain->insp->home.now);
}

/* The lookup: the key, and the flow that was found. */
static void explain_flow(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const char *about = insp->pkt.flags & KS_PKT_ICMP_ERROR ? "the flow it quotes, " : "its flow, ";
	char text[KS_EXPLAIN_TUPLE];
	struct ks_tuple tuple;
	json_t *step;

	if (insp->verdict.reason == KS_REASON_ICMP_QUOTE && !insp->flow.found) {
		ks_explain_step(explain, "flow", "drop",
				"it quotes no packet that can be read, or one of somebody else");
		return;
	}
	if (!insp->flow.found) {
		struct ks_flow none = { .flags = insp->from_high ? KS_FLOW_ORIG_IS_HIGH : 0 };

		ks_flow_tuple(&insp->flow.key, &none, &tuple);
		ks_explain_tuple(&tuple, "<>", text);
		ks_explain_step(explain, "flow", insp->verdict.reason == KS_REASON_ICMP_NO_FLOW ? "drop" : "note",
				"%s%s, is not in the state table", about, text);
		return;
	}
	ks_flow_tuple(&insp->flow.key, &insp->flow.before, &tuple);
	ks_explain_tuple(&tuple, ">", text);
	step = ks_explain_step(
		explain, "flow", "ok",
		"%s%s, is %s: packets of its originator in zone %s: %llu, of the other side in zone %s: %llu; "
		"this packet is of the %s",
		about, text, ks_state_name(insp->flow.before.state),
		ks_explain_zone_name(explain, insp->flow.before.zone[KS_ORIGINAL]),
		ks_flow_packets(&insp->flow.before, KS_ORIGINAL),
		ks_explain_zone_name(explain, insp->flow.before.zone[KS_REPLY]),
		ks_flow_packets(&insp->flow.before, KS_REPLY), insp->dir == KS_ORIGINAL ? "originator" : "other side");
	ks_explain_detail(explain, step, "direction", json_string(insp->dir == KS_ORIGINAL ? "original" : "reply"));
	if (insp->opening.replaces)
		ks_explain_step(explain, "flow", "note", "that flow is over, and this packet may open it anew");
}

static void explain_zone_check(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	unsigned expected = insp->flow.before.zone[insp->dir & 1];

	if (insp->verdict.reason == KS_REASON_ZONE)
		ks_explain_step(
			explain, "zone check", "drop", "that side of the flow is in zone %s, the packet comes from %s",
			ks_explain_zone_name(explain, expected), ks_explain_zone_name(explain, insp->home.from));
	else
		ks_explain_step(explain, "zone check", "ok", "that side of the flow is in zone %s, as the packet",
				ks_explain_zone_name(explain, expected));
}

static void explain_decision(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_rule_info *rule = ks_policy_rule(explain->policy, insp->verdict.rule);
	const char *outcome = ks_reason_is_pass(insp->verdict.reason) ? "ok" : "drop";
	const char *by = insp->verdict.rule_index != KS_DECISION_DEFAULT ? "by" : "of a flow that was allowed by";

	if (rule)
		ks_explain_step(explain, "decision", outcome, "%s, %s (%s), %s %s:%u: %s",
				ks_action_name(insp->verdict.action), ks_reason_name(insp->verdict.reason),
				ks_reason_text(insp->verdict.reason), by, rule->place.file, rule->place.line,
				rule->text);
	else
		ks_explain_step(explain, "decision", outcome, "%s, %s (%s)", ks_action_name(insp->verdict.action),
				ks_reason_name(insp->verdict.reason), ks_reason_text(insp->verdict.reason));
}

/* The answer to a rejected packet, from the code that builds it. */
static void explain_answer(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	__u8 head[KS_HEAD_SIZE] = { 0 }, answer[KS_REJECT_MAX];
	const char *what = insp->verdict.reason == KS_REASON_CHALLENGED
				   ? "a SYN+ACK that acknowledges what it has not sent"
			   : insp->pkt.tuple.proto == KS_PROTO_TCP ? "a TCP RST"
								   : "an ICMP \"administratively prohibited\"";
	__u32 size;

	if (insp->verdict.action != KS_REJECT)
		return;
	memcpy(head, explain->frame->data, KS_MIN(explain->frame->captured, KS_HEAD_MAX));
	size = ks_answer_build(ks_engine_env(explain->engine), insp, head, answer);
	if (size)
		ks_explain_detail(
			explain,
			ks_explain_step(explain, "answer", "note", "the sender is told by %s of %u octets", what, size),
			"octets", json_integer(size));
	else
		ks_explain_step(explain, "answer", "note",
				"nothing is answered: the answer would be larger, or to an error, a RST, or many");
}

static bool is_committed(const struct ks_inspection *insp)
{
	return insp->verdict.action == KS_ALLOW &&
	       (insp->verdict.class == KS_CLASS_NEW || insp->verdict.class == KS_CLASS_ESTABLISHED);
}

/* Returns false for a packet that may not move state or timer, because the receiver must judge it (core/track/tcp.c). */
static bool is_refreshed(const struct ks_inspection *insp)
{
	return insp->flow.after.seen == (__u32)(insp->home.now / KS_NSEC_PER_MSEC);
}

/* The flow in the state table afterwards. */
static void explain_state(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	unsigned seconds = insp->flow.after.timeout / KS_MSEC_PER_SEC;

	if (is_committed(insp) && (!insp->flow.found || insp->opening.replaces))
		ks_explain_step(explain, "state", "note", "a flow is opened in state %s, for %u s without a packet",
				ks_state_name(insp->flow.after.state), seconds);
	else if (is_committed(insp) && !is_refreshed(insp))
		ks_explain_step(explain, "state", "note",
				"the flow stays %s, and its time runs on: the receiver will judge",
				ks_state_name(insp->flow.after.state));
	else if (is_committed(insp) && insp->flow.before.state == insp->flow.after.state)
		ks_explain_step(explain, "state", "note", "the flow stays %s, for %u s without a packet",
				ks_state_name(insp->flow.after.state), seconds);
	else if (is_committed(insp))
		ks_explain_step(explain, "state", "note", "the flow goes from %s to %s, for %u s without a packet",
				ks_state_name(insp->flow.before.state), ks_state_name(insp->flow.after.state), seconds);
	else if (insp->flow.found)
		ks_explain_step(explain, "state", "note", "the flow stays as it is");
	else
		ks_explain_step(explain, "state", "note", "no flow is opened");
}

/* The steps up to the decision, in the order of the stages (core/stages.h). */
static void explain_path(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	bool known;

	explain_headers(explain);
	if (insp->pkt.flags & KS_PKT_NOT_IP || is_header_reason(insp->verdict.reason))
		return;
	explain_zones(explain);
	if (ks_explain_protect(explain))
		return;
	if (insp->pkt.flags & KS_PKT_NEIGHBOUR) {
		ks_explain_step(explain, "neighbour", "ok", "neighbour discovery and listener reports are not flows");
		return;
	}
	explain_flow(explain);
	known = insp->flow.found && !insp->opening.replaces;
	if (known)
		explain_zone_check(explain);
	ks_explain_source(explain);
	ks_explain_question(explain);
	if (insp->verdict.reason != KS_REASON_ZONE && insp->verdict.reason != KS_REASON_SPOOFED)
		ks_explain_protocol(explain);
	ks_explain_rules(explain);
	ks_explain_staged(explain);
	ks_explain_limits(explain);
	ks_explain_translation(explain);
	ks_explain_alter(explain);
}

/* The flow before and after the packet; null without one. */
static json_t *flow_change_json(const struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	bool committed = is_committed(insp);

	if (!insp->flow.found && !committed)
		return json_null();
	return json_pack("{s:o, s:o}", "before",
			 insp->flow.found ? explained_flow_json(explain, &insp->flow.before) : json_null(), "after",
			 committed ? explained_flow_json(explain, &insp->flow.after) : json_null());
}

static json_t *verdict_json(const struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "verdict",
			 ks_action_name(insp->verdict.action), "class", ks_class_name(insp->verdict.class), "reason",
			 ks_reason_name(insp->verdict.reason), "reason_text", ks_reason_text(insp->verdict.reason),
			 "state", ks_state_name(insp->verdict.state), "passes", ks_reason_is_pass(insp->verdict.reason),
			 "rule", ks_json_rule(explain->policy, insp->verdict.rule), "staged",
			 ks_json_rule(explain->policy, insp->verdict.staged), "packet", ks_json_packet(&insp->pkt));
}

json_t *ks_explain_json(const struct ks_policy *policy, struct ks_engine *engine, const struct ks_frame *frame,
			bool all)
{
	ks_auto_json json_t *steps = json_array(), *closest = NULL, *object = NULL;
	struct ks_inspection insp = { 0 };
	struct ks_explain explain = {
		.policy = policy, .engine = engine, .frame = frame, .insp = &insp, .steps = steps, .all = all
	};

	ks_engine_inspect(engine, frame, true, &insp);
	explain_path(&explain);
	explain_decision(&explain);
	explain_answer(&explain);
	if (!(insp.pkt.flags & KS_PKT_NOT_IP))
		explain_state(&explain);
	closest = explain.closest ? explain.closest : json_array();
	object = verdict_json(&explain);
	if (explain.no_memory || json_object_set_new(object, "flow", flow_change_json(&explain)) ||
	    json_object_set(object, "closest", closest) || json_object_set(object, "steps", steps))
		return NULL;
	return TAKE(object);
}
