/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows and events as JSON, as lines of conntrack, and as words. See forms.h. */
#include <string.h>
#include <time.h>

#include "core/header/gre.h"
#include "core/track/icmp_error.h"
#include "core/header/packet.h"
#include "daemon/api/forms.h"
#include "text/json.h"
#include "text/names.h"
#include "text/scoped.h"

/* The true ends of a flow, from the originator. */
static struct ks_tuple flow_tuple(const struct ks_listed_flow *listed)
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

static bool is_icmp_proto(unsigned proto)
{
	return proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/* Milliseconds until a flow dies if nothing comes. */
static __u64 time_left(const struct ks_flow *flow, __u64 now)
{
	__s32 idle = (__s32)((__u32)(now / KS_NSEC_PER_MSEC) - flow->seen);

	if (idle < 0) /* seen after `now` was read */
		return flow->timeout;
	return (__u32)idle < flow->timeout ? flow->timeout - (__u32)idle : 0;
}

static bool is_ascii(const char *text)
{
	while (*text && !(*text & 0x80))
		text++;
	return !*text;
}

/* As ks_json_text() makes it. Without memory a text that is not ASCII is left out. */
static void print_json_string(FILE *out, const char *text)
{
	ks_auto_json json_t *value = is_ascii(text) ? NULL : ks_json_text(text);
	const char *rest = value ? json_string_value(value) : is_ascii(text) ? text : "";

	fputc('"', out);
	for (; *rest; rest++) {
		unsigned char c = (unsigned char)*rest;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20)
			fprintf(out, "\\u%04x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void print_ends_json(FILE *out, const struct ks_tuple *tuple)
{
	char src[KS_ADDR_TEXT], dst[KS_ADDR_TEXT], proto[8];

	fprintf(out, "{\"family\":\"%s\",\"proto\":\"%s\",\"source\":\"%s\",\"destination\":\"%s\"",
		tuple->family == KS_IPV4 ? "ipv4" : "ipv6", ks_proto_name(tuple->proto, proto, sizeof(proto)),
		ks_addr_text(&tuple->src, tuple->family, src), ks_addr_text(&tuple->dst, tuple->family, dst));
	if (is_icmp_proto(tuple->proto))
		fprintf(out, ",\"id\":%u,\"type\":%u", ks_be16(tuple->sport),
			ks_be16(tuple->dport) >> KS_ICMP_TYPE_SHIFT);
	else if (tuple->proto == KS_PROTO_GRE && (tuple->sport || tuple->dport))
		fprintf(out, ",\"%s\":%u", ks_gre_is_call(tuple) ? "call" : "key", ks_be16(tuple->dport));
	else if (ks_proto_has_ports(tuple->proto))
		fprintf(out, ",\"source_port\":%u,\"destination_port\":%u", ks_be16(tuple->sport),
			ks_be16(tuple->dport));
}

static void print_rule_json(FILE *out, const struct ks_policy *policy, __u32 id)
{
	const struct ks_rule_info *info = ks_policy_rule(policy, id);

	fprintf(out, ",\"rule\":{\"id\":%u", id);
	if (info) {
		fputs(",\"file\":", out);
		print_json_string(out, info->place.file);
		fprintf(out, ",\"line\":%u", info->place.line);
	}
	fputc('}', out);
}

/* A flow may have zones of an earlier policy. A packet may have been dropped before it was clear where it goes. */
static const char *zone_text(const struct ks_policy *policy, unsigned zone)
{
	const char *name = ks_policy_zone_name(policy, zone);

	if (zone >= KS_ZONE_MAX)
		return zone == KS_ZONE_ASTRAY ? "nowhere" : "unknown";
	return strcmp(name, "?") ? name : "gone";
}

/* One end as the other side sees it: "source":"203.0.113.1","source_port":40000. */
static void print_translated_end(FILE *out, const struct ks_tuple *tuple, const struct ks_translation *translation,
				 enum ks_dir side)
{
	const char *name = side == KS_REPLY ? "source" : "destination";
	char addr[KS_ADDR_TEXT];

	fprintf(out, "\"%s\":\"%s\"", name, ks_addr_text(&translation->addr[side], tuple->family, addr));
	if (is_icmp_proto(tuple->proto) && side == KS_REPLY)
		fprintf(out, ",\"id\":%u", ks_be16(translation->port[side]));
	else if (!is_icmp_proto(tuple->proto) && translation->port[side])
		fprintf(out, ",\"%s_port\":%u", name, ks_be16(translation->port[side]));
}

static void print_translation_json(FILE *out, const struct ks_tuple *tuple, const struct ks_translation *translation)
{
	const bool *present = translation->present;

	if (!present[KS_ORIGINAL] && !present[KS_REPLY])
		return;
	fputs(",\"nat\":{", out);
	if (present[KS_REPLY])
		print_translated_end(out, tuple, translation, KS_REPLY);
	if (present[KS_ORIGINAL]) {
		fputs(present[KS_REPLY] ? "," : "", out);
		print_translated_end(out, tuple, translation, KS_ORIGINAL);
	}
	fputc('}', out);
}

void ks_flow_print_json(FILE *out, const struct ks_policy *policy, __u64 now, const struct ks_listed_flow *listed)
{
	const struct ks_flow *flow = listed->flow;
	struct ks_tuple tuple = flow_tuple(listed);
	__u64 age = now / KS_NSEC_PER_SEC - flow->created;

	print_ends_json(out, &tuple);
	print_translation_json(out, &tuple, listed->translation);
	fprintf(out,
		",\"state\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"packets\":[%llu,%llu],\"bytes\":[%llu,%llu],"
		"\"age\":%llu,\"timeout\":%.3f,\"replied\":%s,\"assured\":%s,\"pickup\":%s",
		ks_state_name(flow->state), zone_text(policy, flow->zone[0]), zone_text(policy, flow->zone[1]),
		ks_flow_packets(flow, 0), ks_flow_packets(flow, 1), ks_flow_bytes(flow, 0), ks_flow_bytes(flow, 1), age,
		(double)time_left(flow, now) / 1000, flow->flags & KS_FLOW_REPLIED ? "true" : "false",
		flow->flags & KS_FLOW_ASSURED ? "true" : "false", flow->flags & KS_FLOW_PICKUP ? "true" : "false");
	print_rule_json(out, policy, flow->rule);
	fputs("}\n", out);
}

/* conntrack writes IPv6 addresses in full. */
static void print_conntrack_address(FILE *out, const struct ks_addr *addr, unsigned family)
{
	char text[KS_ADDR_TEXT];

	if (family == KS_IPV4) {
		fputs(ks_addr_text(addr, family, text), out);
		return;
	}
	for (unsigned i = 0; i < 16; i += 2)
		fprintf(out, "%s%02x%02x", i ? ":" : "", addr->b[i], addr->b[i + 1]);
}

/* The ICMP type that answers a request. Only requests make flows, never errors. */
static unsigned icmp_answer(unsigned proto, unsigned type)
{
	if (proto == KS_PROTO_ICMPV6)
		return type + 1;
	return type == 8 ? 0 : type + 1;
}

static void print_conntrack_side(FILE *out, const struct ks_tuple *tuple, const struct ks_flow *flow, bool reply)
{
	unsigned type = ks_be16(tuple->dport) >> KS_ICMP_TYPE_SHIFT;

	fputs("src=", out);
	print_conntrack_address(out, reply ? &tuple->dst : &tuple->src, tuple->family);
	fputs(" dst=", out);
	print_conntrack_address(out, reply ? &tuple->src : &tuple->dst, tuple->family);
	if (is_icmp_proto(tuple->proto))
		fprintf(out, " type=%u code=0 id=%u", reply ? icmp_answer(tuple->proto, type) : type,
			ks_be16(tuple->sport));
	else if (tuple->proto == KS_PROTO_GRE)
		fprintf(out, " srckey=0x%x dstkey=0x%x", ks_be16(reply ? tuple->dport : tuple->sport),
			ks_be16(reply ? tuple->sport : tuple->dport));
	else if (ks_proto_has_ports(tuple->proto))
		fprintf(out, " sport=%u dport=%u", ks_be16(reply ? tuple->dport : tuple->sport),
			ks_be16(reply ? tuple->sport : tuple->dport));
	fprintf(out, " packets=%llu bytes=%llu ", ks_flow_packets(flow, reply), ks_flow_bytes(flow, reply));
}

/* The protocols that conntrack knows by name. */
static const char *conntrack_proto(unsigned proto)
{
	switch (proto) {
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 33:
		return "dccp";
	case 47:
		return "gre";
	case 58:
		return "icmpv6";
	case 132:
		return "sctp";
	case 136:
		return "udplite";
	}
	return "unknown";
}

/* The tuple that a side of the flow sees: its own end as it is, the other one translated. */
static struct ks_tuple side_tuple(const struct ks_listed_flow *listed, enum ks_dir side)
{
	const struct ks_translation *translation = listed->translation;
	struct ks_tuple tuple = flow_tuple(listed);

	if (translation->present[side] && side == KS_ORIGINAL) {
		tuple.dst = translation->addr[side];
		if (!is_icmp_proto(tuple.proto)) /* there it is the type */
			tuple.dport = translation->port[side];
	} else if (translation->present[side]) {
		tuple.src = translation->addr[side];
		tuple.sport = translation->port[side];
	}
	return tuple;
}

void ks_flow_print_conntrack(FILE *out, __u64 now, const struct ks_listed_flow *listed)
{
	struct ks_tuple tuple = side_tuple(listed, KS_ORIGINAL), reply = side_tuple(listed, KS_REPLY);
	const struct ks_flow *flow = listed->flow;

	fprintf(out, "%-8s %u %-8s %u %llu ", tuple.family == KS_IPV4 ? "ipv4" : "ipv6",
		tuple.family == KS_IPV4 ? 2U : 10U, conntrack_proto(tuple.proto), tuple.proto,
		time_left(flow, now) / 1000);
	if (tuple.proto == KS_PROTO_TCP)
		fprintf(out, "%s ", ks_state_name(flow->state));
	print_conntrack_side(out, &tuple, flow, false);
	if (!(flow->flags & KS_FLOW_REPLIED))
		fputs("[UNREPLIED] ", out);
	print_conntrack_side(out, &reply, flow, true);
	if (flow->flags & KS_FLOW_ASSURED)
		fputs("[ASSURED] ", out);
	fputs("mark=0 zone=0 use=1\n", out);
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
		fprintf(out, "%s ", zone_text(policy, zone));
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

/* The wall-clock time of `then`, which is on the clock of `now`: "2026-01-31T12:00:00.000Z". */
static json_t *time_json(__u64 now, __u64 then)
{
	struct timespec wall;
	__s64 ns;
	time_t seconds;
	char text[64];
	struct tm tm;
	size_t n;

	clock_gettime(CLOCK_REALTIME, &wall);
	ns = (__s64)wall.tv_sec * (__s64)KS_NSEC_PER_SEC + wall.tv_nsec - (__s64)(now - then);
	seconds = (time_t)(ns / (__s64)KS_NSEC_PER_SEC);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	snprintf(text + n, sizeof(text) - n, ".%03dZ", (int)(ns % (__s64)KS_NSEC_PER_SEC / (__s64)KS_NSEC_PER_MSEC));
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

json_t *ks_event_json(const struct ks_policy *policy, __u64 now, const struct ks_event *event)
{
	const struct ks_tuple *tuple = &event->tuple;
	char src[KS_ADDR_TEXT], dst[KS_ADDR_TEXT], proto[8];
	json_t *root = json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:o}", "time",
				 time_json(now, event->time), "verdict", ks_action_name(event->action), "reason",
				 ks_reason_name(event->reason), "class", ks_class_name(event->class), "state",
				 ks_state_name(event->state), "from", zone_text(policy, event->from), "to",
				 zone_text(policy, event->to), "proto", event_proto(event, proto, sizeof(proto)),
				 "source", ks_addr_text(&tuple->src, tuple->family, src), "destination",
				 ks_addr_text(&tuple->dst, tuple->family, dst), "length", (int)event->length, "rule",
				 ks_rule_json(policy, event->rule), "packet", words_json(policy, event));

	add_details(&root, event);
	return root;
}
