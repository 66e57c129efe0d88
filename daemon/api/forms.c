/* SPDX-License-Identifier: BSD-2-Clause */
/* Events as JSON and as words. See forms.h. */
#include <string.h>

#include "core/header/gre.h"
#include "core/track/icmp_error.h"
#include "core/header/packet.h"
#include "daemon/api/forms.h"
#include "daemon/api/wall_clock.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/names.h"
#include "text/scoped.h"

static bool is_icmp_proto(unsigned proto)
{
	return proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

const char *ks_zone_text(const struct ks_policy *policy, unsigned zone)
{
	const char *name = ks_policy_zone_name(policy, zone);

	if (zone >= KS_ZONE_MAX)
		return zone == KS_ZONE_ASTRAY ? "nowhere" : "unknown";
	return strcmp(name, "?") ? name : "gone";
}

json_t *ks_rule_json(const struct ks_policy *policy, __u32 id)
{
	const struct ks_rule_info *info = ks_policy_rule(policy, id);

	if (id == KS_RULE_DEFAULT)
		return json_null();
	if (!info)
		return json_pack("{s:i}", "id", (int)id);
	return json_pack("{s:i, s:o, s:i, s:o, s:o*}", "id", (int)id, "file", ks_json_text(info->place.file), "line",
			 (int)info->place.line, "text", ks_json_text(info->text), "label", ks_json_text(info->label));
}

/* "syn ack", in the order in which people say them. */
static void print_flags(FILE *out, unsigned flags)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { KS_TCP_SYN, "syn" }, { KS_TCP_FIN, "fin" }, { KS_TCP_RST, "rst" },
		      { KS_TCP_PSH, "psh" }, { KS_TCP_ACK, "ack" }, { KS_TCP_URG, "urg" } };

	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (flags & names[i].bit)
			fprintf(out, " %s", names[i].name);
	}
}

static void print_event_zone(FILE *out, const struct ks_policy *policy, unsigned zone)
{
	if (zone < KS_ZONE_MAX)
		fprintf(out, "%s ", ks_zone_text(policy, zone));
}

/* Names the protocol. Some packets are refused before it is read: then it is "ip". */
static const char *event_proto(const struct ks_event *event, char *buf, size_t size)
{
	if (!event->tuple.proto && event->reason >= KS_REASON_TRUNCATED && event->reason <= KS_REASON_FRAGMENT_DEAD)
		return "ip";
	return ks_proto_name(event->tuple.proto, buf, size);
}

/* The packet in the words of the test language, so that it can be given to `keepstate explain`. */
static void print_words(FILE *out, const struct ks_policy *policy, const struct ks_event *event)
{
	const struct ks_tuple *tuple = &event->tuple;
	bool icmp = is_icmp_proto(tuple->proto), ports = ks_proto_has_ports(tuple->proto);
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT], proto[8], key[KS_KEY_TEXT];

	print_event_zone(out, policy, event->from);
	if (tuple->family)
		fprintf(out, "%s ", ks_endpoint_text(&tuple->src, tuple->family, ports ? tuple->sport : 0, src));
	fputs("> ", out);
	print_event_zone(out, policy, event->to);
	if (tuple->family) /* else the addresses were not read either */
		fprintf(out, "%s ", ks_endpoint_text(&tuple->dst, tuple->family, ports ? tuple->dport : 0, dst));
	fputs(event_proto(event, proto, sizeof(proto)), out);
	if (tuple->proto == KS_PROTO_TCP)
		print_flags(out, event->tcp_flags);
	fputs(ks_gre_key_text(tuple, key), out);
	if (icmp)
		fprintf(out, " type %u code %u", event->icmp_type, event->icmp_code);
}

static json_t *words_json(const struct ks_policy *policy, const struct ks_event *event)
{
	char text[256] = "";
	ks_auto_file FILE *out = fmemopen(text, sizeof(text), "w");

	if (!out)
		return NULL;
	print_words(out, policy, event);
	fflush(out);
	return json_string(text);
}

static void add_event_number(json_t **root, const char *key, __u32 value)
{
	ks_json_set(root, key, json_integer(value));
}

static void add_details(json_t **root, const struct ks_event *event)
{
	const struct ks_tuple *tuple = &event->tuple;

	if (tuple->proto == KS_PROTO_GRE && (tuple->sport || tuple->dport))
		add_event_number(root, ks_gre_is_call(tuple) ? "call" : "key", ks_be16(tuple->dport));
	if (ks_proto_has_ports(tuple->proto)) {
		add_event_number(root, "source_port", ks_be16(tuple->sport));
		add_event_number(root, "destination_port", ks_be16(tuple->dport));
	}
	if (tuple->proto == KS_PROTO_TCP) {
		add_event_number(root, "tcp_flags", event->tcp_flags);
		add_event_number(root, "seq", event->seq);
		add_event_number(root, "ack", event->ack);
		add_event_number(root, "window", event->window);
	}
	if (is_icmp_proto(tuple->proto)) {
		add_event_number(root, "icmp_type", event->icmp_type);
		add_event_number(root, "icmp_code", event->icmp_code);
	}
}

/* How the packet leaves, or would have left: what is not as it came. */
static void add_translation(json_t **root, const struct ks_event *event)
{
	const struct ks_tuple *was = &event->tuple, *is = &event->sent;
	bool src = !ks_addr_equal(&was->src, &is->src), dst = !ks_addr_equal(&was->dst, &is->dst);
	bool ports = ks_proto_has_ports(was->proto);
	char text[KS_ADDR_TEXT];
	json_t *nat;

	src |= is->sport && was->sport != is->sport; /* of an ICMP error it is 0 */
	dst |= ports && was->dport != is->dport;
	if (!was->family || !is->family || (!src && !dst))
		return;
	nat = json_object();
	if (src)
		ks_json_set(&nat, "source", json_string(ks_addr_text(&is->src, is->family, text)));
	if (src && (ports || is_icmp_proto(was->proto)))
		ks_json_set(&nat, ports ? "source_port" : "source_id", json_integer(ks_be16(is->sport)));
	if (dst)
		ks_json_set(&nat, "destination", json_string(ks_addr_text(&is->dst, is->family, text)));
	if (dst && ports)
		ks_json_set(&nat, "destination_port", json_integer(ks_be16(is->dport)));
	ks_json_set(root, "nat", nat);
}

json_t *ks_event_json(const struct ks_policy *policy, __u64 now, const struct ks_event *event)
{
	const struct ks_tuple *tuple = &event->tuple;
	char src[KS_ADDR_TEXT], dst[KS_ADDR_TEXT], proto[8], time[KS_WALL_TEXT];
	json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "event",
				 ks_reason_is_pass(event->reason) ? "pass" : "drop", "time",
				 ks_wall_text(now, event->time, true, time), "verdict", ks_action_name(event->action),
				 "reason", ks_reason_name(event->reason), "class", ks_class_name(event->class), "state",
				 ks_state_name(event->state), "from", ks_zone_text(policy, event->from), "to",
				 ks_zone_text(policy, event->to), "proto", event_proto(event, proto, sizeof(proto)),
				 "source", ks_addr_text(&tuple->src, tuple->family, src), "destination",
				 ks_addr_text(&tuple->dst, tuple->family, dst), "length", (int)event->length, "rule",
				 ks_rule_json(policy, event->rule), "packet", words_json(policy, event));

	if (ks_policy_rule(policy, event->staged))
		ks_json_set(&root, "staged", ks_json_rule(policy, event->staged));
	add_details(&root, event);
	add_translation(&root, event);
	return root;
}
