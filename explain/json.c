/* SPDX-License-Identifier: BSD-2-Clause */
/* See json.h. */
#include "explain/json.h"

#include <string.h>

#include "core/header/gre.h"
#include "text/json.h"
#include "text/names.h"

const char *ks_tcp_flags_text(unsigned flags, char buf[KS_TCP_FLAGS_TEXT])
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR" };

	buf[0] = 0;
	for (unsigned i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (!(flags & 1U << i))
			continue;
		if (buf[0])
			strcat(buf, ",");
		strcat(buf, names[i]);
	}
	return buf[0] ? buf : strcpy(buf, "none");
}

void ks_flow_tuple(const struct ks_flow_key *key, const struct ks_flow *flow, struct ks_tuple *tuple)
{
	__u32 side = ks_flow_orig_side(flow);

	memset(tuple, 0, sizeof(*tuple));
	tuple->src = key->addr[side];
	tuple->dst = key->addr[!side];
	tuple->sport = key->port[side];
	tuple->dport = key->port[!side];
	tuple->proto = key->proto;
	tuple->family = key->family;
}

json_t *ks_json_rule(const struct ks_policy *policy, __u32 id)
{
	const struct ks_rule_info *info = ks_policy_rule(policy, id);
	json_t *object;

	if (!info)
		return json_null();
	object = json_pack("{s:i, s:o, s:i, s:s, s:o}", "id", (int)info->id, "file", ks_json_text(info->place.file),
			   "line", (int)info->place.line, "action", ks_rule_verb(info), "text",
			   ks_json_text(info->text));
	if (info->label)
		ks_json_set(&object, "label", ks_json_text(info->label));
	if (info->staged)
		ks_json_set(&object, "staged", json_true());
	return object;
}

json_t *ks_json_tuple(const struct ks_tuple *tuple)
{
	char src[KS_ADDR_TEXT], dst[KS_ADDR_TEXT], proto[8];
	json_t *object = json_pack("{s:s, s:s, s:s, s:s}", "family", tuple->family == KS_IPV4 ? "ipv4" : "ipv6",
				   "proto", ks_proto_name(tuple->proto, proto, sizeof(proto)), "source",
				   ks_addr_text(&tuple->src, tuple->family, src), "destination",
				   ks_addr_text(&tuple->dst, tuple->family, dst));

	if (ks_proto_has_ports(tuple->proto)) {
		ks_json_set(&object, "source_port", json_integer(ks_be16(tuple->sport)));
		ks_json_set(&object, "destination_port", json_integer(ks_be16(tuple->dport)));
	}
	if (tuple->proto == KS_PROTO_GRE && (tuple->sport || tuple->dport))
		ks_json_set(&object, ks_gre_is_call(tuple) ? "call" : "key", json_integer(ks_be16(tuple->dport)));
	return object;
}

/* The part of its datagram that a fragment holds. */
static json_t *fragment_json(const struct ks_packet *pkt)
{
	__u32 id = pkt->tuple.family == KS_IPV4 ? ks_be16((__be16)pkt->frag_id) : ks_be32(pkt->frag_id);

	return json_pack("{s:I, s:I, s:I, s:b}", "id", (json_int_t)id, "offset", (json_int_t)pkt->frag_off, "length",
			 (json_int_t)pkt->frag_len, "more", (int)pkt->frag_more);
}

static void packet_upper(json_t **object, const struct ks_packet *pkt)
{
	char flags[KS_TCP_FLAGS_TEXT], chunks[KS_CHUNKS_TEXT];

	if (pkt->tuple.proto == KS_PROTO_TCP) {
		ks_json_set(object, "flags", json_string(ks_tcp_flags_text(pkt->tcp_flags, flags)));
		ks_json_set(object, "seq", json_integer(pkt->seq));
		ks_json_set(object, "ack", json_integer(pkt->ack));
		ks_json_set(object, "window", json_integer(pkt->window));
	} else if (ks_proto_is_icmp(pkt->tuple.proto)) {
		ks_json_set(object, "type", json_integer(pkt->icmp_type));
		ks_json_set(object, "code", json_integer(pkt->icmp_code));
		if (pkt->flags & KS_PKT_ICMP_QUERY)
			ks_json_set(object, "id", json_integer(ks_be16(pkt->tuple.sport)));
		if (pkt->flags & KS_PKT_ICMP_ANSWER)
			ks_json_set(object, "id", json_integer(ks_be16(pkt->tuple.dport)));
	} else if (pkt->tuple.proto == KS_PROTO_SCTP) {
		ks_json_set(object, "tag", json_integer(pkt->sctp.tag));
		ks_json_set(object, "chunks", json_string(ks_sctp_chunks_text(pkt->sctp.chunks, chunks)));
	} else if (pkt->tuple.proto == KS_PROTO_DCCP) {
		ks_json_set(object, "type", json_string(ks_dccp_type_text(pkt->dccp_type)));
		ks_json_set(object, "seq", json_integer((json_int_t)pkt->dccp.seq_high << 32 | pkt->dccp.seq));
	}
}

json_t *ks_json_packet(const struct ks_packet *pkt)
{
	json_t *object;

	if (pkt->flags & KS_PKT_NOT_IP || !pkt->tuple.family)
		return json_pack("{s:b, s:I}", "ip", 0, "length", (json_int_t)pkt->wire_len);
	object = ks_json_tuple(&pkt->tuple);
	ks_json_set(&object, "length", json_integer(pkt->wire_len));
	ks_json_set(&object, "payload", json_integer(pkt->payload_len));
	if (pkt->flags & KS_PKT_FRAGMENT)
		ks_json_set(&object, "fragment", fragment_json(pkt));
	if (!(pkt->flags & KS_PKT_FRAGMENT) || !pkt->frag_off)
		packet_upper(&object, pkt);
	return object;
}

static json_t *flow_flags(const struct ks_flow *flow)
{
	static const struct {
		__u8 bit;
		const char *name;
	} flags[] = {
		{ KS_FLOW_REPLIED, "replied" },
		{ KS_FLOW_ASSURED, "assured" },
		{ KS_FLOW_PICKUP, "pickup" },
		{ KS_FLOW_LOG, "log" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < KS_ARRAY_SIZE(flags); i++) {
		if (flow->flags & flags[i].bit)
			ks_json_append(&list, json_string(flags[i].name));
	}
	return list;
}

/* The numbers of one side: the end of what it sent and may send, what it acknowledged, the window that it offered. */
static json_t *flow_window(const struct ks_flow *flow, unsigned dir)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:i, s:b}", "end", (json_int_t)flow->end[dir], "max_end",
			 (json_int_t)flow->max_end[dir], "ack", (json_int_t)flow->ack[dir], "max_window",
			 (json_int_t)((__u64)flow->max_win[dir] << (flow->scale[dir] & KS_TCP_SCALE_MASK)), "scale",
			 flow->scale[dir] & KS_TCP_SCALE_MASK, "unchecked", !!(flow->tcp_flags[dir] & KS_TCP_LIBERAL));
}

static json_t *flow_zone_json(const struct ks_policy *policy, unsigned zone)
{
	return policy ? json_string(ks_policy_zone_name(policy, zone)) : json_integer(zone);
}

static json_int_t remaining_ms(const struct ks_flow *flow, __u64 now)
{
	__u32 age = (__u32)(now / KS_NSEC_PER_MSEC) - flow->seen;

	if ((__s32)age < 0)
		age = 0;
	return age > flow->timeout ? 0 : (json_int_t)(flow->timeout - age);
}

/* Adds all members of `more`, and takes its reference. Without memory *object becomes NULL. */
static void members_add(json_t **object, json_t *more)
{
	if (!json_object_update_new(*object, more))
		return;
	json_decref(*object);
	*object = NULL;
}

json_t *ks_json_flow(const struct ks_policy *policy, const struct ks_flow_key *key, const struct ks_flow *flow,
		     __u64 now)
{
	__u64 created = flow->created * (__u64)KS_MSEC_PER_SEC, ms = now / KS_NSEC_PER_MSEC;
	struct ks_tuple tuple;
	json_t *object;

	ks_flow_tuple(key, flow, &tuple);
	object = ks_json_tuple(&tuple);
	/* The source port of an ICMP query is its identifier (core/track/icmp_error.h). */
	if (ks_proto_is_icmp(tuple.proto))
		ks_json_set(&object, "id", json_integer(ks_be16(tuple.sport)));
	members_add(&object,
		    json_pack("{s:s, s:o, s:o, s:I, s:I, s:[I,I], s:[I,I], s:o, s:o}", "state",
			      ks_state_name(flow->state), "from", flow_zone_json(policy, flow->zone[KS_ORIGINAL]), "to",
			      flow_zone_json(policy, flow->zone[KS_REPLY]), "age_ms",
			      (json_int_t)(ms > created ? ms - created : 0), "timeout_ms", remaining_ms(flow, now),
			      "packets", (json_int_t)ks_flow_packets(flow, 0), (json_int_t)ks_flow_packets(flow, 1),
			      "bytes", (json_int_t)ks_flow_bytes(flow, 0), (json_int_t)ks_flow_bytes(flow, 1), "flags",
			      flow_flags(flow), "rule",
			      policy ? ks_json_rule(policy, flow->rule) : json_integer(flow->rule)));
	if (tuple.proto == KS_PROTO_TCP)
		ks_json_set(&object, "windows",
			    json_pack("[o,o]", flow_window(flow, KS_ORIGINAL), flow_window(flow, KS_REPLY)));
	return object;
}

const char *ks_member_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

long long ks_member_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}
