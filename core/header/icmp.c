// SPDX-License-Identifier: BSD-2-Clause
/*
 * ICMP and ICMPv6 headers; see icmp.h. One table per family says of what kind each message is. RFC 792, 950, 4443, 4861,
 * 2710, 3810; obsolete types after RFC 6633 and 6918.
 */
#include "core/header/icmp.h"

#include "core/header/multicast.h"
#include "core/header/neighbour.h"
#include "core/header/wire.h"
#include "core/home.h"
#include "core/verdict.h"

/* Kinds of ICMP messages, by how they are handled. */
enum icmp_kind { ICMP_UNKNOWN = 0, ICMP_QUERY, ICMP_ANSWER, ICMP_ERROR, ICMP_ND, ICMP_MLD };

struct icmp_meaning {
	__u8 kind; /* enum icmp_kind */
	__u8 max_code; /* highest code assigned */
	__u8 request; /* the type that asks, for queries and answers */
	__u8 min_len; /* bytes of the shortest such message */
};

#define CODE_ANY 255

#define ICMPV4_TYPES 32 /* a power of two above the highest type */
#define ICMPV6_TYPES 256

/* clang-format off */
static const struct icmp_meaning icmpv4_types[ICMPV4_TYPES] = {
	[0]  = { ICMP_ANSWER, CODE_ANY, 8, 8 },    /* echo reply */
	[3]  = { ICMP_ERROR, 15, 0, 8 },           /* destination unreachable */
	[5]  = { ICMP_ERROR, 3, 0, 8 },            /* redirect */
	[8]  = { ICMP_QUERY, CODE_ANY, 8, 8 },     /* echo request */
	[11] = { ICMP_ERROR, 1, 0, 8 },            /* time exceeded */
	[12] = { ICMP_ERROR, 2, 0, 8 },            /* parameter problem */
	[13] = { ICMP_QUERY, CODE_ANY, 13, 20 },   /* timestamp request */
	[14] = { ICMP_ANSWER, CODE_ANY, 13, 20 },  /* timestamp reply */
	[15] = { ICMP_QUERY, CODE_ANY, 15, 8 },    /* information request */
	[16] = { ICMP_ANSWER, CODE_ANY, 15, 8 },   /* information reply */
	[17] = { ICMP_QUERY, CODE_ANY, 17, 12 },   /* address mask request */
	[18] = { ICMP_ANSWER, CODE_ANY, 17, 12 },  /* address mask reply */
};

static const struct icmp_meaning icmpv6_types[ICMPV6_TYPES] = {
	[1]   = { ICMP_ERROR, 8, 0, 8 },           /* destination unreachable */
	[2]   = { ICMP_ERROR, CODE_ANY, 0, 8 },    /* packet too big */
	[3]   = { ICMP_ERROR, 1, 0, 8 },           /* time exceeded */
	[4]   = { ICMP_ERROR, 10, 0, 8 },          /* parameter problem */
	[128] = { ICMP_QUERY, CODE_ANY, 128, 8 },  /* echo request */
	[129] = { ICMP_ANSWER, CODE_ANY, 128, 8 }, /* echo reply */
	[130] = { ICMP_MLD, 0, 0, 24 },            /* multicast listener query */
	[131] = { ICMP_MLD, 0, 0, 24 },            /* multicast listener report */
	[132] = { ICMP_MLD, 0, 0, 24 },            /* multicast listener done */
	[133] = { ICMP_ND, 0, 0, 8 },              /* router solicitation */
	[134] = { ICMP_ND, 0, 0, 16 },             /* router advertisement */
	[135] = { ICMP_ND, 0, 0, 24 },             /* neighbour solicitation */
	[136] = { ICMP_ND, 0, 0, 24 },             /* neighbour advertisement */
	[137] = { ICMP_ND, 0, 0, 40 },             /* redirect */
	[143] = { ICMP_MLD, 0, 0, 8 },             /* multicast listener report, version 2 */
};
/* clang-format on */

static inline const struct icmp_meaning *icmp_meaning(__u32 proto, __u32 type)
{
	if (proto == KS_PROTO_ICMPV6)
		return &icmpv6_types[type & (ICMPV6_TYPES - 1)];
	/* Types above the table are unknown, as type 1 is. */
	return &icmpv4_types[type < ICMPV4_TYPES ? type & (ICMPV4_TYPES - 1) : 1];
}

/* The asker's port is the identifier, the other's the type asked. */
static inline void query_ports(const struct icmp_meaning *m, __be16 id, struct ks_tuple *tuple)
{
	__be16 asked = ks_be16(m->request << KS_ICMP_TYPE_SHIFT);

	tuple->sport = m->kind == ICMP_QUERY ? id : asked;
	tuple->dport = m->kind == ICMP_QUERY ? asked : id;
}

__u32 ks_icmp_parse(const __u8 *head, struct ks_packet *pkt, __u32 l4_len)
{
	const __u8 *icmp = ks_head_at(head, pkt->l4_off);
	const struct icmp_meaning *m;
	__u32 reason;
	bool sane;

	if ((pkt->tuple.proto == KS_PROTO_ICMP) != (pkt->tuple.family == KS_IPV4))
		return KS_REASON_ICMP_TYPE;
	if (l4_len < ICMP_HEADER_LEN)
		return ks_packet_short(pkt, KS_REASON_ICMP_HEADER);
	reason = ks_head_need(pkt, pkt->l4_off, ICMP_HEADER_LEN);
	if (reason)
		return reason;
	pkt->icmp_type = icmp[0];
	pkt->icmp_code = icmp[1];
	pkt->payload_off = pkt->l4_off + ICMP_HEADER_LEN;
	pkt->payload_len = l4_len - ICMP_HEADER_LEN;
	m = icmp_meaning(pkt->tuple.proto, pkt->icmp_type);
	if (m->kind == ICMP_UNKNOWN || pkt->icmp_code > m->max_code)
		return KS_REASON_ICMP_TYPE;
	if (l4_len < m->min_len)
		return m->kind == ICMP_ND || m->kind == ICMP_MLD ? KS_REASON_NEIGHBOUR
								 : ks_packet_short(pkt, KS_REASON_ICMP_HEADER);
	if (m->kind == ICMP_ERROR) {
		pkt->flags |= KS_PKT_ICMP_ERROR;
		return 0;
	}
	if (m->kind == ICMP_ND || m->kind == ICMP_MLD) {
		pkt->flags |= KS_PKT_NEIGHBOUR;
		sane = m->kind == ICMP_MLD ? ks_mld_is_sane(head, pkt, l4_len)
					   : ks_neighbour_is_sane(head, pkt, l4_len);
		return sane ? 0 : KS_REASON_NEIGHBOUR;
	}
	pkt->flags |= m->kind == ICMP_QUERY ? KS_PKT_ICMP_QUERY : KS_PKT_ICMP_ANSWER;
	query_ports(m, ks_load16(icmp + ICMP_ID_OFF), &pkt->tuple);
	return 0;
}

__u32 ks_icmp_quoted(const __u8 *icmp, struct ks_tuple *tuple)
{
	const struct icmp_meaning *m = icmp_meaning(tuple->proto, icmp[0]);

	if (m->kind != ICMP_QUERY && m->kind != ICMP_ANSWER)
		return 0;
	query_ports(m, ks_load16(icmp + ICMP_ID_OFF), tuple);
	return m->kind == ICMP_QUERY ? KS_PKT_ICMP_QUERY : KS_PKT_ICMP_ANSWER;
}
