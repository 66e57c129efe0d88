// SPDX-License-Identifier: BSD-2-Clause
/*
 * The hash that places flows: SipHash-1-3 (Aumasson and Bernstein 2012) under
 * a secret that each table draws at random, so that nobody outside can choose
 * flows that collide. The word with the family goes in first: it tells how
 * many words follow, and so no length block is needed.
 */
#include "core/table/hash.h"

#include "core/env.h"
#include "core/home.h"
#include "core/table/table.h"

#define ROTATE(x, bits) (((x) << (bits)) | ((x) >> (64 - (bits))))

struct sip {
	__u64 a, b, c, d;
};

static inline void sip_round(struct sip *v)
{
	v->a += v->b;
	v->b = ROTATE(v->b, 13) ^ v->a;
	v->a = ROTATE(v->a, 32);
	v->c += v->d;
	v->d = ROTATE(v->d, 16) ^ v->c;
	v->a += v->d;
	v->d = ROTATE(v->d, 21) ^ v->a;
	v->c += v->b;
	v->b = ROTATE(v->b, 17) ^ v->c;
	v->c = ROTATE(v->c, 32);
}

static inline void sip_word(struct sip *v, __u64 word)
{
	v->d ^= word;
	sip_round(v);
	v->a ^= word;
}

static ks_inline __u64 sip_hash(const struct ks_flow_key *key, __u64 first, __u64 second)
{
	struct sip v = {
		.a = first ^ 0x736f6d6570736575ULL, /* the constants of the paper: "somepseudorandomlygeneratedbytes" */
		.b = second ^ 0x646f72616e646f6dULL,
		.c = first ^ 0x6c7967656e657261ULL,
		.d = second ^ 0x7465646279746573ULL,
	};

	sip_word(&v, key->tail);
	if (key->family == KS_IPV4) {
		sip_word(&v, (__u64)key->addr[0].w[3] | (__u64)key->addr[1].w[3] << 32);
	} else {
		sip_word(&v, key->addr[0].d[0]);
		sip_word(&v, key->addr[0].d[1]);
		sip_word(&v, key->addr[1].d[0]);
		sip_word(&v, key->addr[1].d[1]);
	}
	v.c ^= 0xff;
	sip_round(&v);
	sip_round(&v);
	sip_round(&v);
	return v.a ^ v.b ^ v.c ^ v.d;
}

ks_isolated __u64 ks_flow_key_hash_isolated(const struct ks_flow_key *key, __u64 secret_first, __u64 secret_second)
{
	if (ks_missing(key))
		return 0;
	ks_hide_bound(key);
	return sip_hash(key, secret_first, secret_second);
}

ks_inlined void ks_table_hash_inlined(struct ks_env *env, struct ks_entry *e)
{
	const struct ks_table_shape *shape = env_table_shape(env);

	if (shape)
		e->hash = sip_hash(&e->key, shape->key[0], shape->key[1]);
}

ks_isolated __u32 ks_table_hash_isolated(struct ks_env *env, struct ks_entry *e)
{
	ks_hide_bound(env); /* else the compiler sees that the tables need none, and passes none */
	if (ks_missing(e))
		return 0;
	ks_hide_bound(e);
	ks_table_hash_inlined(env, e);
	return 0;
}
