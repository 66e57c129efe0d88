// SPDX-License-Identifier: BSD-2-Clause
/* The keyed hash of flows; see sip.h. */
#include "core/table/hash.h"

#include "core/env.h"
#include "core/home.h"
#include "core/table/sip.h"
#include "core/table/table.h"

ks_isolated __u64 ks_flow_key_hash_isolated(const struct ks_flow_key *key, __u64 secret_first, __u64 secret_second)
{
	if (ks_missing(key))
		return 0;
	ks_hide_bound(key);
	return ks_sip_hash(key, secret_first, secret_second);
}

ks_inlined void ks_table_hash_inlined(struct ks_env *env, struct ks_entry *e)
{
	const struct ks_table_shape *shape = env_table_shape(env);

	if (shape)
		e->hash = ks_sip_hash(&e->key, shape->key[0], shape->key[1]);
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
