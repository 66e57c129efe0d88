/* SPDX-License-Identifier: BSD-2-Clause */
/* See flow_event.h. */
#include "daemon/api/flow_event.h"

#include "core/header/gre.h"
#include "core/header/packet.h"
#include "core/table/hash.h"
#include "core/track/icmp_error.h"
#include "daemon/api/forms.h"
#include "daemon/api/wall_clock.h"
#include "text/names.h"

const char *ks_event_kind_name(unsigned kind)
{
	static const char *const names[KS_EVENT_KINDS] = {
		[KS_EVENT_PACKET] = "packet",
		[KS_EVENT_BEGIN] = "begin",
		[KS_EVENT_ESTABLISHED] = "established",
		[KS_EVENT_END] = "end",
	};

	return kind < KS_EVENT_KINDS ? names[kind] : "?";
}

__u64 ks_flow_number(const struct ks_flow_key *key, __u32 created)
{
	const __u64 seed[2] = { created, 0x6b65657073746174ULL /* "keepstat": any number would do */ };

	return ks_flow_key_hash(key, seed);
}

static bool is_icmp(unsigned proto)
{
	return proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/* The true ends, from the originator. */
static struct ks_tuple true_tuple(const struct ks_flow_event *event, const struct ks_translation *translation)
{
	__u32 side = ks_flow_orig_side(&event->flow);

	return (struct ks_tuple){ .src = event->key.addr[side],
				  .dst = event->key.addr[!side],
				  .sport = translation->moved ? translation->own_port : event->key.port[side],
				  .dport = event->key.port[!side],
				  .proto = event->key.proto,
				  .family = event->key.family };
}

static void print_ends(FILE *out, const struct ks_tuple *tuple)
{
	char src[KS_ADDR_TEXT], dst[KS_ADDR_TEXT], proto[8];

	fprintf(out, ",\"family\":\"%s\",\"proto\":\"%s\",\"source\":\"%s\",\"destination\":\"%s\"",
		tuple->family == KS_IPV4 ? "ipv4" : "ipv6", ks_proto_name(tuple->proto, proto, sizeof(proto)),
		ks_addr_text(&tuple->src, tuple->family, src), ks_addr_text(&tuple->dst, tuple->family, dst));
	if (is_icmp(tuple->proto))
		fprintf(out, ",\"icmp_id\":%u,\"type\":%u", ks_be16(tuple->sport),
			ks_be16(tuple->dport) >> KS_ICMP_TYPE_SHIFT);
	else if (tuple->proto == KS_PROTO_GRE && (tuple->sport || tuple->dport))
		fprintf(out, ",\"%s\":%u", ks_gre_is_call(tuple) ? "call" : "key", ks_be16(tuple->dport));
	else if (ks_proto_has_ports(tuple->proto))
		fprintf(out, ",\"source_port\":%u,\"destination_port\":%u", ks_be16(tuple->sport),
			ks_be16(tuple->dport));
}

/* One end as the other side sees it. */
static void print_translated(FILE *out, const struct ks_tuple *tuple, const struct ks_translation *translation,
			     enum ks_dir side)
{
	const char *name = side == KS_REPLY ? "source" : "destination";
	char addr[KS_ADDR_TEXT];

	fprintf(out, "\"%s\":\"%s\"", name, ks_addr_text(&translation->addr[side], tuple->family, addr));
	if (is_icmp(tuple->proto) && side == KS_REPLY)
		fprintf(out, ",\"source_id\":%u", ks_be16(translation->port[side]));
	else if (!is_icmp(tuple->proto) && translation->port[side])
		fprintf(out, ",\"%s_port\":%u", name, ks_be16(translation->port[side]));
}

static void print_translation(FILE *out, const struct ks_tuple *tuple, const struct ks_translation *translation)
{
	const bool *present = translation->present;

	if (!present[KS_ORIGINAL] && !present[KS_REPLY])
		return;
	fputs(",\"nat\":{", out);
	if (present[KS_REPLY])
		print_translated(out, tuple, translation, KS_REPLY);
	if (present[KS_ORIGINAL]) {
		fputs(present[KS_REPLY] ? "," : "", out);
		print_translated(out, tuple, translation, KS_ORIGINAL);
	}
	fputc('}', out);
}

/* When it began, when its last packet came, and how long that is: the table knows the beginning to the second. */
static void print_times(FILE *out, __u64 now, const struct ks_flow_event *event)
{
	__u32 idle = ks_flow_clock(event->time) - event->flow.seen; /* ms */
	__u64 begun = event->flow.created * KS_NSEC_PER_SEC, last = event->time;
	char text[2][KS_WALL_TEXT];

	if ((__s32)idle > 0)
		last -= KS_MIN(last, idle * KS_NSEC_PER_MSEC);
	last = KS_MAX(last, begun);
	fprintf(out, ",\"begun\":\"%s\",\"last\":\"%s\",\"duration\":%llu", ks_wall_text(now, begun, false, text[0]),
		ks_wall_text(now, last, true, text[1]), (last - begun) / KS_NSEC_PER_SEC);
}

static void print_flow(FILE *out, const struct ks_policy *policy, const struct ks_flow *flow)
{
	fprintf(out,
		",\"state\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"packets\":[%llu,%llu],\"bytes\":[%llu,%llu],"
		"\"replied\":%s,\"assured\":%s,\"pickup\":%s",
		ks_state_name(flow->state), ks_zone_text(policy, flow->zone[0]), ks_zone_text(policy, flow->zone[1]),
		ks_flow_packets(flow, 0), ks_flow_packets(flow, 1), ks_flow_bytes(flow, 0), ks_flow_bytes(flow, 1),
		flow->flags & KS_FLOW_REPLIED ? "true" : "false", flow->flags & KS_FLOW_ASSURED ? "true" : "false",
		flow->flags & KS_FLOW_PICKUP ? "true" : "false");
}

static void print_rule(FILE *out, const struct ks_policy *policy, __u32 id)
{
	ks_auto_json json_t *rule = ks_rule_json(policy, id);
	ks_auto_free char *text = rule ? json_dumps(rule, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY) : NULL;

	fprintf(out, ",\"rule\":%s", text ? text : "null");
}

void ks_flow_event_print(FILE *out, const struct ks_policy *policy, __u64 now, const struct ks_flow_event *event,
			 const struct ks_translation *translation)
{
	struct ks_tuple tuple = true_tuple(event, translation);
	char time[KS_WALL_TEXT];

	fprintf(out, "{\"event\":\"%s\",\"time\":\"%s\"", ks_event_kind_name(event->kind),
		ks_wall_text(now, event->time, true, time));
	if (event->kind == KS_EVENT_END)
		fprintf(out, ",\"why\":\"%s\"", ks_end_name(event->why));
	fprintf(out, ",\"id\":\"%016llx\"", ks_flow_number(&event->key, event->flow.created));
	print_ends(out, &tuple);
	print_translation(out, &tuple, translation);
	print_flow(out, policy, &event->flow);
	print_times(out, now, event);
	print_rule(out, policy, event->flow.rule);
	fputc('}', out);
}
