// SPDX-License-Identifier: BSD-2-Clause
/* Classes of UDP flows; see udp_class.h. */
#include "core/track/udp_class.h"

#include "core/env.h"
#include "core/home.h"
#include "core/verdict.h"
#include "core/header/wire.h"

#define CLASS_BYTES 12U /* bytes of the first datagram that are looked at */

#define DNS_FLAGS_OFF 2U
#define DNS_QR_OPCODE 0xf8 /* 0: a standard query (RFC 1035 4.1.1) */
#define DNS_QDCOUNT_OFF 4U
#define DNS_PLACES ((1U << KS_DNS_PENDING) - 1)

#define QUIC_PORT 443
#define QUIC_LONG_FIXED 0xc0 /* the form and the fixed bit */
#define QUIC_VERSION_OFF 1U

#define WIREGUARD_INITIATION 0x01000000U /* type and three bytes of 0 */
#define WIREGUARD_RESPONSE 0x02000000U
#define WIREGUARD_DATA 0x04000000U
#define WIREGUARD_INITIATION_LEN 148U
#define WIREGUARD_RESPONSE_LEN 92U
#define WIREGUARD_DATA_LEN 32U /* at the least, in steps of 16 */
#define WIREGUARD_DATA_STEP 16U

#define STUN_HEADER_LEN 20U
#define STUN_TYPE_TOP 0xc0 /* two bits of 0 before the type */
#define STUN_LENGTH_REST 3 /* lengths are multiples of 4 */
#define STUN_LENGTH_OFF 2U
#define STUN_COOKIE_OFF 4U
#define STUN_COOKIE 0x2112a442U

#define SIP_PORT 5060

static inline bool is_dns(const __u8 *data, __u32 dport)
{
	return dport == KS_PORT_DNS && !(data[DNS_FLAGS_OFF] & DNS_QR_OPCODE) &&
	       ks_load16(data + DNS_QDCOUNT_OFF) == ks_be16(1);
}

/* Version 0 is a server's version negotiation, not the beginning of anything. */
static inline bool is_quic(const __u8 *data, __u32 dport)
{
	return dport == QUIC_PORT && (data[0] & QUIC_LONG_FIXED) == QUIC_LONG_FIXED &&
	       /* at offset 1, so it is read byte by byte */
	       (data[QUIC_VERSION_OFF] | data[QUIC_VERSION_OFF + 1] | data[QUIC_VERSION_OFF + 2] |
		data[QUIC_VERSION_OFF + 3]);
}

static inline bool is_wireguard(const __u8 *data, __u32 len)
{
	switch (ks_be32(ks_load32(data))) {
	case WIREGUARD_INITIATION:
		return len == WIREGUARD_INITIATION_LEN;
	case WIREGUARD_RESPONSE:
		return len == WIREGUARD_RESPONSE_LEN;
	case WIREGUARD_DATA:
		return len >= WIREGUARD_DATA_LEN && len % WIREGUARD_DATA_STEP == 0;
	default:
		return false;
	}
}

static inline bool is_stun(const __u8 *data, __u32 len)
{
	__u32 said = ks_be16(ks_load16(data + STUN_LENGTH_OFF));

	return !(data[0] & STUN_TYPE_TOP) && !(said & STUN_LENGTH_REST) && said + STUN_HEADER_LEN == len &&
	       ks_be32(ks_load32(data + STUN_COOKIE_OFF)) == STUN_COOKIE;
}

/* A method is of capitals (RFC 3261 25.1). */
static inline bool is_sip(const __u8 *data, __u32 dport)
{
	return dport == SIP_PORT && data[0] >= 'A' && data[0] <= 'Z' && data[1] >= 'A' && data[1] <= 'Z';
}

static inline __u8 class_of(const __u8 *data, __u32 len, __u32 dport)
{
	if (is_dns(data, dport))
		return KS_UDP_DNS;
	if (is_quic(data, dport))
		return KS_UDP_QUIC;
	if (is_sip(data, dport))
		return KS_UDP_SIP;
	if (is_stun(data, len))
		return KS_UDP_STUN;
	return is_wireguard(data, len) ? KS_UDP_WIREGUARD : KS_UDP_PLAIN;
}

/* 1 for two equal identifiers, else 0: without a branch, which the verifier would follow for each place of a list (V1). */
static inline __u32 id_equal(__u16 a, __u16 b)
{
	return (((__u32)a ^ b) - 1) >> 31;
}

/* The place of an identifier among those that wait, as a bit; 0 if it is not there. */
static inline __u32 dns_find(const struct ks_flow *flow, __u16 id)
{
	__u32 found = 0;

	for (__u32 i = 0; i < KS_DNS_PENDING; i++)
		found |= id_equal(flow->dns.id[i], id) << i;
	return found & flow->dns.pending;
}

/* Remembers an identifier in the first free place, if there is one. */
static inline void dns_remember(struct ks_flow *flow, __u16 id)
{
	__u32 free = ~(__u32)flow->dns.pending & DNS_PLACES, place = free & -free, mask;

	for (__u32 i = 0; i < KS_DNS_PENDING; i++) {
		mask = -(place >> i & 1);
		ks_hide_bound(mask); /* else the compiler makes branches of it */
		flow->dns.id[i] = (__u16)((flow->dns.id[i] & ~mask) | (id & mask));
	}
	flow->dns.pending |= (__u8)place;
}

/* A query counts once, however often it is sent. */
static inline void dns_ask(struct ks_flow *flow, __u16 id)
{
	if (dns_find(flow, id))
		return;
	flow->dns.queries++;
	dns_remember(flow, id);
}

/*
 * An answer counts if its query waits for it; one to a query that was answered already does not stand for another's. Of more
 * queries than there are places some are not remembered: then any answer may be theirs.
 */
static inline void dns_answer(struct ks_flow *flow, __u16 id)
{
	__u32 place = dns_find(flow, id);
	__u32 waiting = flow->dns.queries - flow->dns.answers;

	if (place || waiting > (__u32)__builtin_popcount(flow->dns.pending))
		flow->dns.answers++;
	flow->dns.pending &= (__u8)~place;
}

void ks_udp_open(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_packet *pkt = &insp->pkt;
	__u8 data[CLASS_BYTES] __attribute__((aligned(8)));

	if (pkt->payload_len < CLASS_BYTES || !env_packet_read(env, pkt->payload_off, data, sizeof(data)))
		return;
	insp->flow.after.class = class_of(data, pkt->payload_len, ks_be16(pkt->tuple.dport)) & KS_FLOW_CLASS_MASK;
	if (insp->flow.after.class == KS_UDP_DNS)
		dns_ask(&insp->flow.after, ks_load16(data));
}

void ks_udp_update(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_flow *flow = &insp->flow.after;
	__u16 id;

	if (flow->class != KS_UDP_DNS || insp->pkt.payload_len < sizeof(id) ||
	    !env_packet_read(env, insp->pkt.payload_off, &id, sizeof(id)))
		return;
	if (insp->dir == KS_ORIGINAL)
		dns_ask(flow, id);
	else
		dns_answer(flow, id);
}

bool ks_udp_is_answered(const struct ks_flow *flow)
{
	if (flow->class == KS_UDP_DNS)
		return flow->dns.answers >= flow->dns.queries;
	return flow->state == KS_STATE_UDP_STREAM;
}
