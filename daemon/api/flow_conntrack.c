/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows as lines of /proc/net/nf_conntrack; see flow_forms.h. */
#include "core/header/packet.h"
#include "core/track/icmp_error.h"
#include "daemon/api/flow_forms.h"
#include "text/names.h"

#define WORD_WIDTH 8 /* of the names of family and protocol */

static bool is_icmp_proto(unsigned proto)
{
	return proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

/* A word filled up with blanks, and one behind it. */
static void put_word(struct ks_line *line, const char *word)
{
	size_t length = 0;

	for (; word[length]; length++)
		ks_line_char(line, word[length]);
	for (; length < WORD_WIDTH; length++)
		ks_line_char(line, ' ');
	ks_line_char(line, ' ');
}

static void put_number(struct ks_line *line, const char *name, __u64 number)
{
	ks_line_text(line, name);
	ks_line_number(line, number);
}

static void put_hex(struct ks_line *line, const char *name, unsigned number)
{
	char text[32];

	snprintf(text, sizeof(text), "%s0x%x", name, number);
	ks_line_text(line, text);
}

/* conntrack writes IPv6 addresses in full. */
static void put_address(struct ks_line *line, const struct ks_addr *addr, unsigned family)
{
	static const char digits[] = "0123456789abcdef";

	if (family == KS_IPV4) {
		ks_line_addr(line, addr, family);
		return;
	}
	for (unsigned i = 0; i < sizeof(addr->b); i++) {
		if (i && i % 2 == 0)
			ks_line_char(line, ':');
		ks_line_char(line, digits[addr->b[i] >> 4]);
		ks_line_char(line, digits[addr->b[i] & 0xf]);
	}
}

/* The ICMP type that answers a request. Only requests make flows, never errors. */
static unsigned icmp_answer(unsigned proto, unsigned type)
{
	if (proto == KS_PROTO_ICMPV6)
		return type + 1;
	return type == 8 ? 0 : type + 1;
}

static void put_ports(struct ks_line *line, const struct ks_tuple *tuple, bool reply)
{
	unsigned type = ks_be16(tuple->dport) >> KS_ICMP_TYPE_SHIFT;
	unsigned sport = ks_be16(reply ? tuple->dport : tuple->sport);
	unsigned dport = ks_be16(reply ? tuple->sport : tuple->dport);

	if (is_icmp_proto(tuple->proto)) {
		put_number(line, " type=", reply ? icmp_answer(tuple->proto, type) : type);
		put_number(line, " code=0 id=", ks_be16(tuple->sport));
	} else if (tuple->proto == KS_PROTO_GRE) {
		put_hex(line, " srckey=", sport);
		put_hex(line, " dstkey=", dport);
	} else if (ks_proto_has_ports(tuple->proto)) {
		put_number(line, " sport=", sport);
		put_number(line, " dport=", dport);
	}
}

static void put_side(struct ks_line *line, const struct ks_tuple *tuple, const struct ks_flow *flow, bool reply)
{
	ks_line_text(line, "src=");
	put_address(line, reply ? &tuple->dst : &tuple->src, tuple->family);
	ks_line_text(line, " dst=");
	put_address(line, reply ? &tuple->src : &tuple->dst, tuple->family);
	put_ports(line, tuple, reply);
	put_number(line, " packets=", ks_flow_packets(flow, reply));
	put_number(line, " bytes=", ks_flow_bytes(flow, reply));
	ks_line_char(line, ' ');
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
	struct ks_tuple tuple = ks_listed_tuple(listed);

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

void ks_flow_print_conntrack(struct ks_line *line, __u64 now, const struct ks_listed_flow *listed)
{
	struct ks_tuple tuple = side_tuple(listed, KS_ORIGINAL), reply = side_tuple(listed, KS_REPLY);
	const struct ks_flow *flow = listed->flow;

	put_word(line, tuple.family == KS_IPV4 ? "ipv4" : "ipv6");
	ks_line_text(line, tuple.family == KS_IPV4 ? "2 " : "10 ");
	put_word(line, conntrack_proto(tuple.proto));
	ks_line_number(line, tuple.proto);
	ks_line_char(line, ' ');
	ks_line_number(line, ks_flow_time_left(flow, now) / KS_MSEC_PER_SEC);
	ks_line_char(line, ' ');
	if (tuple.proto == KS_PROTO_TCP) {
		ks_line_text(line, ks_state_name(flow->state));
		ks_line_char(line, ' ');
	}
	put_side(line, &tuple, flow, false);
	if (!(flow->flags & KS_FLOW_REPLIED))
		ks_line_text(line, "[UNREPLIED] ");
	put_side(line, &reply, flow, true);
	if (flow->flags & KS_FLOW_ASSURED)
		ks_line_text(line, "[ASSURED] ");
	ks_line_text(line, "mark=0 zone=0 use=1\n");
}
