/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows as JSON, and what all their forms share; see flow_forms.h. */
#include "core/header/gre.h"
#include "core/header/packet.h"
#include "core/track/icmp_error.h"
#include "daemon/api/flow_event.h"
#include "daemon/api/flow_forms.h"
#include "daemon/api/forms.h"
#include "text/names.h"

struct ks_tuple ks_listed_tuple(const struct ks_listed_flow *listed)
{
	const struct ks_translation *translation = listed->translation;
	const struct ks_flow_key *key = listed->key;
	__u32 side = ks_flow_orig_side(listed->flow);

	return (struct ks_tuple){ .src = key->addr[side],
				  .dst = key->addr[!side],
				  .sport = translation->moved ? translation->own_port : key->port[side],
				  .dport = key->port[!side],
				  .proto = key->proto,
				  .family = key->family };
}

__u64 ks_flow_time_left(const struct ks_flow *flow, __u64 now)
{
	__s32 idle = (__s32)((__u32)(now / KS_NSEC_PER_MSEC) - flow->seen);

	if (idle < 0) /* seen after `now` was read */
		return flow->timeout;
	return (__u32)idle < flow->timeout ? flow->timeout - (__u32)idle : 0;
}

static bool is_icmp_proto(unsigned proto)
{
	return proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/* A member whose name is written with its comma and colon: ,"id": */
static void put_number(struct ks_line *line, const char *name, __u64 number)
{
	ks_line_text(line, name);
	ks_line_number(line, number);
}

static void put_ends(struct ks_line *line, const struct ks_tuple *tuple)
{
	char proto[8];

	ks_line_text(line, tuple->family == KS_IPV4 ? "{\"family\":\"ipv4\",\"proto\":\""
						    : "{\"family\":\"ipv6\",\"proto\":\"");
	ks_line_text(line, ks_proto_name(tuple->proto, proto, sizeof(proto)));
	ks_line_text(line, "\",\"source\":\"");
	ks_line_addr(line, &tuple->src, tuple->family);
	ks_line_text(line, "\",\"destination\":\"");
	ks_line_addr(line, &tuple->dst, tuple->family);
	ks_line_char(line, '"');
	if (is_icmp_proto(tuple->proto)) {
		put_number(line, ",\"id\":", ks_be16(tuple->sport));
		put_number(line, ",\"type\":", ks_be16(tuple->dport) >> KS_ICMP_TYPE_SHIFT);
	} else if (tuple->proto == KS_PROTO_GRE && (tuple->sport || tuple->dport)) {
		put_number(line, ks_gre_is_call(tuple) ? ",\"call\":" : ",\"key\":", ks_be16(tuple->dport));
	} else if (ks_proto_has_ports(tuple->proto)) {
		put_number(line, ",\"source_port\":", ks_be16(tuple->sport));
		put_number(line, ",\"destination_port\":", ks_be16(tuple->dport));
	}
}

/* One end as the other side sees it: "source":"203.0.113.1","source_port":40000. */
static void put_translated_end(struct ks_line *line, const struct ks_tuple *tuple,
			       const struct ks_translation *translation, enum ks_dir side)
{
	ks_line_text(line, side == KS_REPLY ? "\"source\":\"" : "\"destination\":\"");
	ks_line_addr(line, &translation->addr[side], tuple->family);
	ks_line_char(line, '"');
	if (is_icmp_proto(tuple->proto) && side == KS_REPLY)
		put_number(line, ",\"id\":", ks_be16(translation->port[side]));
	else if (!is_icmp_proto(tuple->proto) && translation->port[side])
		put_number(line, side == KS_REPLY ? ",\"source_port\":" : ",\"destination_port\":",
			   ks_be16(translation->port[side]));
}

static void put_translation(struct ks_line *line, const struct ks_tuple *tuple,
			    const struct ks_translation *translation)
{
	const bool *present = translation->present;

	if (!present[KS_ORIGINAL] && !present[KS_REPLY])
		return;
	ks_line_text(line, ",\"nat\":{");
	if (present[KS_REPLY])
		put_translated_end(line, tuple, translation, KS_REPLY);
	if (present[KS_ORIGINAL]) {
		ks_line_text(line, present[KS_REPLY] ? "," : "");
		put_translated_end(line, tuple, translation, KS_ORIGINAL);
	}
	ks_line_char(line, '}');
}

static void put_counts(struct ks_line *line, const struct ks_flow *flow)
{
	put_number(line, ",\"packets\":[", ks_flow_packets(flow, 0));
	put_number(line, ",", ks_flow_packets(flow, 1));
	put_number(line, "],\"bytes\":[", ks_flow_bytes(flow, 0));
	put_number(line, ",", ks_flow_bytes(flow, 1));
	ks_line_char(line, ']');
}

static void put_flag(struct ks_line *line, const char *name, bool value)
{
	ks_line_text(line, name);
	ks_line_text(line, value ? "true" : "false");
}

static void put_rule(struct ks_line *line, const struct ks_policy *policy, __u32 id, bool with_text)
{
	const struct ks_rule_info *info = ks_policy_rule(policy, id);

	put_number(line, ",\"rule\":{\"id\":", id);
	if (info) {
		ks_line_text(line, ",\"file\":");
		ks_line_json(line, info->place.file);
		put_number(line, ",\"line\":", info->place.line);
	}
	if (info && info->label) {
		ks_line_text(line, ",\"label\":");
		ks_line_json(line, info->label);
	}
	if (info && with_text) {
		ks_line_text(line, ",\"text\":");
		ks_line_json(line, info->text);
	}
	ks_line_char(line, '}');
}

void ks_rule_print_json(struct ks_line *line, const struct ks_policy *policy, __u32 id)
{
	put_rule(line, policy, id, false);
}

/* One side of a TCP connection, as its packets have told it. */
static void put_window(struct ks_line *line, const struct ks_flow *flow, enum ks_dir dir)
{
	const __u8 flags = flow->tcp_flags[dir], scale = flow->scale[dir] & KS_TCP_SCALE_MASK;

	put_number(line, "{\"next\":", flow->end[dir]);
	put_number(line, ",\"limit\":", flow->max_end[dir]);
	put_number(line, ",\"ack\":", flow->ack[dir]);
	put_number(line, ",\"window\":", (__u64)flow->max_win[dir] << scale);
	put_number(line, ",\"scale\":", scale);
	put_flag(line, ",\"sack\":", flags & KS_TCP_SACK_PERM);
	put_flag(line, ",\"checked\":", !(flags & KS_TCP_LIBERAL));
	put_flag(line, ",\"fin\":", flags & KS_TCP_FIN_SEEN);
	put_flag(line, ",\"fin_acked\":", flags & KS_TCP_FIN_ACKED);
	ks_line_char(line, '}');
}

static void put_flow_number(struct ks_line *line, const struct ks_listed_flow *listed)
{
	char digits[KS_FLOW_NUMBER_DIGITS + 1];

	snprintf(digits, sizeof(digits), "%016llx", ks_flow_number(listed->key, listed->flow->created));
	ks_line_text(line, ",\"flow\":\"");
	ks_line_text(line, digits);
	ks_line_char(line, '"');
}

/* Members for who looks at a few flows: too much for a list of a million. */
static void put_details(struct ks_line *line, const struct ks_listed_flow *listed)
{
	put_flow_number(line, listed);
	if (listed->key->proto != KS_PROTO_TCP)
		return;
	ks_line_text(line, ",\"windows\":[");
	put_window(line, listed->flow, KS_ORIGINAL);
	ks_line_char(line, ',');
	put_window(line, listed->flow, KS_REPLY);
	ks_line_char(line, ']');
}

void ks_rate_print_json(struct ks_line *line, bool known, const __u64 rate[2])
{
	if (!known) {
		ks_line_text(line, ",\"rate\":null");
		return;
	}
	put_number(line, ",\"rate\":[", rate[0]);
	put_number(line, ",", rate[1]);
	ks_line_char(line, ']');
}

void ks_flow_print_json(struct ks_line *line, const struct ks_policy *policy, __u64 now,
			const struct ks_listed_flow *listed)
{
	struct ks_tuple tuple = ks_listed_tuple(listed);
	const struct ks_flow *flow = listed->flow;

	put_ends(line, &tuple);
	put_translation(line, &tuple, listed->translation);
	ks_line_text(line, ",\"state\":\"");
	ks_line_text(line, ks_state_name(flow->state));
	ks_line_text(line, "\",\"from\":\"");
	ks_line_text(line, ks_zone_text(policy, flow->zone[0]));
	ks_line_text(line, "\",\"to\":\"");
	ks_line_text(line, ks_zone_text(policy, flow->zone[1]));
	ks_line_char(line, '"');
	put_counts(line, flow);
	if (listed->rates)
		ks_rate_print_json(line, listed->rate_known, listed->rate);
	put_number(line, ",\"age\":", now / KS_NSEC_PER_SEC - flow->created);
	ks_line_text(line, ",\"timeout\":");
	ks_line_seconds(line, ks_flow_time_left(flow, now));
	put_flag(line, ",\"replied\":", flow->flags & KS_FLOW_REPLIED);
	put_flag(line, ",\"assured\":", flow->flags & KS_FLOW_ASSURED);
	put_flag(line, ",\"pickup\":", flow->flags & KS_FLOW_PICKUP);
	if (flow->helper) {
		ks_line_text(line, ",\"helper\":\"");
		ks_line_text(line, ks_helper_name(flow->helper));
		ks_line_char(line, '"');
	}
	put_rule(line, policy, flow->rule, listed->details);
	if (listed->details)
		put_details(line, listed);
	ks_line_text(line, "}\n");
}
