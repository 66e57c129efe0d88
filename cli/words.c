/* SPDX-License-Identifier: BSD-2-Clause */
/* See words.h. */
#include "cli/words.h"

#include <stdio.h>
#include <string.h>

#include "text/names.h"
#include "text/plural.h"

static const char *flags_text(unsigned flags, char buf[8])
{
	static const char letters[] = "FSRPAU";
	size_t n = 0;

	for (unsigned i = 0; letters[i]; i++) {
		if (flags & 1U << i)
			buf[n++] = letters[i];
	}
	if (!n)
		buf[n++] = '-';
	buf[n] = 0;
	return buf;
}

static void upper_summary(const struct ks_packet *pkt, char *buf, size_t size)
{
	char flags[8], chunks[KS_CHUNKS_TEXT];

	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
		snprintf(buf, size, " %s len %u", flags_text(pkt->tcp_flags, flags), pkt->payload_len);
		break;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		snprintf(buf, size, " type %u code %u", pkt->icmp_type, pkt->icmp_code);
		break;
	case KS_PROTO_SCTP:
		snprintf(buf, size, " %s", ks_sctp_chunks_text(pkt->sctp.chunks, chunks));
		break;
	case KS_PROTO_DCCP:
		snprintf(buf, size, " %s len %u", ks_dccp_type_text(pkt->dccp_type), pkt->payload_len);
		break;
	default:
		snprintf(buf, size, " len %u", pkt->payload_len);
	}
}

const char *ks_packet_text(const struct ks_packet *pkt, char buf[KS_PACKET_TEXT])
{
	const struct ks_tuple *tuple = &pkt->tuple;
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT], proto[8], key[KS_KEY_TEXT], upper[KS_CHUNKS_TEXT];
	bool ports = ks_proto_has_ports(tuple->proto);

	if (pkt->flags & KS_PKT_NOT_IP) {
		snprintf(buf, KS_PACKET_TEXT, "not ip, %u octet%s", pkt->wire_len, ks_plural(pkt->wire_len));
	} else if (!tuple->family) {
		snprintf(buf, KS_PACKET_TEXT, "unreadable, %u octet%s", pkt->wire_len, ks_plural(pkt->wire_len));
	} else {
		upper_summary(pkt, upper, sizeof(upper));
		snprintf(buf, KS_PACKET_TEXT, "%s %s > %s%s%s",
			 tuple->proto ? ks_proto_name(tuple->proto, proto, sizeof(proto)) : "ip",
			 ks_endpoint_text(&tuple->src, tuple->family, ports ? tuple->sport : 0, src),
			 ks_endpoint_text(&tuple->dst, tuple->family, ports ? tuple->dport : 0, dst),
			 ks_gre_key_text(tuple, key), upper);
	}
	return buf;
}

const char *ks_flow_text(const struct ks_tuple *tuple, char buf[KS_PACKET_TEXT])
{
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT], id[KS_KEY_TEXT];
	bool ports = ks_proto_has_ports(tuple->proto);

	/* The source port of an ICMP query is its identifier (core/track/icmp_error.h). */
	if (ks_proto_is_icmp(tuple->proto))
		snprintf(id, sizeof(id), " id %u", ks_be16(tuple->sport));
	else
		ks_gre_key_text(tuple, id);
	snprintf(buf, KS_PACKET_TEXT, "%s > %s%s",
		 ks_endpoint_text(&tuple->src, tuple->family, ports ? tuple->sport : 0, src),
		 ks_endpoint_text(&tuple->dst, tuple->family, ports ? tuple->dport : 0, dst), id);
	return buf;
}

const char *ks_zones_text(const struct ks_policy *policy, const struct ks_frame *frame, char buf[KS_ZONES_TEXT])
{
	snprintf(buf, KS_ZONES_TEXT, "%s>%s", ks_policy_zone_name(policy, frame->from),
		 ks_policy_zone_name(policy, frame->to));
	return buf;
}

const char *ks_place_text(const struct ks_policy *policy, const struct ks_inspection *insp, char buf[KS_PLACE_TEXT])
{
	const struct ks_rule_info *rule = ks_policy_rule(policy, insp->verdict.rule);

	*buf = 0;
	if (rule)
		snprintf(buf, KS_PLACE_TEXT, "%s:%u", rule->place.file, rule->place.line);
	return buf;
}
