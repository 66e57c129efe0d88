/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hash that places flows: SipHash-1-3 (Aumasson and Bernstein 2012) under
 * a secret that each table draws at random, so that nobody outside can choose
 * flows that collide. The word with the family goes in first: it tells how
 * many words follow, and so no length block is needed.
 */
#ifndef KS_CORE_TABLE_SIP_H
#define KS_CORE_TABLE_SIP_H

#include "core/home.h"
#include "core/table/flow.h"
#include "core/types.h"

#define KS_SIP_ROTATE(x, bits) (((x) << (bits)) | ((x) >> (64 - (bits))))

struct ks_sip {
	__u64 a, b, c, d;
};

static inline void ks_sip_round(struct ks_sip *v)
{
	v->a += v->b;
	v->b = KS_SIP_ROTATE(v->b, 13) ^ v->a;
	v->a = KS_SIP_ROTATE(v->a, 32);
	v->c += v->d;
	v->d = KS_SIP_ROTATE(v->d, 16) ^ v->c;
	v->a += v->d;
	v->d = KS_SIP_ROTATE(v->d, 21) ^ v->a;
	v->c += v->b;
	v->b = KS_SIP_ROTATE(v->b, 17) ^ v->c;
	v->c = KS_SIP_ROTATE(v->c, 32);
}

static inline void ks_sip_word(struct ks_sip *v, __u64 word)
{
	v->d ^= word;
	ks_sip_round(v);
	v->a ^= word;
}

static ks_inline __u64 ks_sip_hash(const struct ks_flow_key *key, __u64 first, __u64 second)
{
	struct ks_sip v = {
		.a = first ^ 0x736f6d6570736575ULL, /* the constants of the paper: "somepseudorandomlygeneratedbytes" */
		.b = second ^ 0x646f72616e646f6dULL,
		.c = first ^ 0x6c7967656e657261ULL,
		.d = second ^ 0x7465646279746573ULL,
	};

	ks_sip_word(&v, key->tail);
	if (key->family == KS_IPV4) {
		ks_sip_word(&v, (__u64)key->addr[0].w[3] | (__u64)key->addr[1].w[3] << 32);
	} else {
		ks_sip_word(&v, key->addr[0].d[0]);
		ks_sip_word(&v, key->addr[0].d[1]);
		ks_sip_word(&v, key->addr[1].d[0]);
		ks_sip_word(&v, key->addr[1].d[1]);
	}
	v.c ^= 0xff;
	ks_sip_round(&v);
	ks_sip_round(&v);
	ks_sip_round(&v);
	return v.a ^ v.b ^ v.c ^ v.d;
}

#endif
