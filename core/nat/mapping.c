// SPDX-License-Identifier: BSD-2-Clause
/* Endpoint-independent mappings; see mapping.h. */
#include "core/nat/mapping.h"

#include "core/env.h"
#include "core/table/table.h"

#define REFRESH_PARTS \
	8 /* of its time, after one of which a record is written again: every packet asks, few must write */

/* Returns true if the other endpoint of the record found is this one. */
static inline bool names_endpoint(const struct ks_inspection *insp, const struct ks_addr *addr, __be16 port)
{
	const struct ks_mapping *m = &ks_record_before(&insp->side)->mapping;

	return ks_addr_equal(&m->addr, addr) && m->port == port;
}

/* Makes insp->side.key: an endpoint, and for a permit a peer's address. */
static void mapping_key_make(struct ks_env *env, struct ks_inspection *insp, __u32 kind, const struct ks_addr *addr,
			     __be16 port, const struct ks_addr *peer)
{
	struct ks_flow_key *key = &insp->side.key;

	key->addr[0] = *addr;
	if (peer)
		key->addr[1] = *peer;
	else
		key->addr[1] = (struct ks_addr){};
	key->port[0] = port;
	key->port[1] = 0;
	key->proto = insp->sent.proto;
	key->family = insp->sent.family & KS_FAMILY_MASK;
	key->kind = kind & (KS_KIND_MAX - 1);
	key->link = 0;
	ks_table_hash(env, &insp->side);
}

/* Makes insp->side.after a record that names this endpoint. */
static void mapping_fill(const struct ks_config *config, struct ks_inspection *insp, const struct ks_addr *addr,
			 __be16 port)
{
	struct ks_record *record = ks_record_after(&insp->side);

	insp->side.after = (struct ks_flow){};
	record->state = KS_STATE_MAPPING;
	record->flags = insp->opening.mapped;
	record->zone[0] = insp->home.from;
	record->zone[1] = insp->to;
	record->seen = insp->side.clock;
	record->timeout = config->timeout[KS_STATE_MAPPING];
	record->mapping.addr = *addr;
	record->mapping.port = port;
	record->mapping.rule = (__u16)insp->verdict.rule;
}

static ks_inline void mapping_insert(struct ks_env *env, struct ks_inspection *insp)
{
	if (!insp->home.dry)
		ks_table_insert(env, &insp->side);
}

/* Renews the timeout of the record found. */
static void mapping_renew(struct ks_env *env, struct ks_inspection *insp)
{
	if (insp->home.dry)
		return;
	insp->side.after = insp->side.before;
	insp->side.after.seen = insp->side.clock;
	ks_table_commit(env, &insp->side);
}

/* Notes that the inside speaks to this peer. Without room for it the peer is not admitted from outside, that is all. */
static ks_inline void permit_put(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_PERMIT, &insp->sent.src, insp->sent.sport, &insp->sent.dst);
	mapping_fill(config, insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport);
	ks_table_find(env, &insp->side);
	if (!insp->side.found)
		mapping_insert(env, insp);
	else if (!insp->home.dry)
		ks_table_commit(env, &insp->side);
}

static bool is_permitted(struct ks_env *env, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_PERMIT, &insp->pkt.tuple.dst, insp->pkt.tuple.dport, &insp->pkt.tuple.src);
	ks_table_find(env, &insp->side);
	/* One that names another endpoint is left of an earlier mapping. */
	return insp->side.found && names_endpoint(insp, &insp->sent.dst, insp->sent.dport);
}

bool ks_mapping_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	const struct ks_record *found = ks_record_before(&insp->side);
	struct ks_tuple *sent = &insp->sent;
	__u32 rule;
	__u8 zone, flags;

	if (!counts || !ks_load_relaxed(&counts->records[KS_KIND_MAPPING_IN]))
		return false;
	mapping_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->pkt.tuple.dst, insp->pkt.tuple.dport, NULL);
	ks_table_find(env, &insp->side);
	if (!insp->side.found)
		return false;
	/* Looking for the permit overwrites what was found. */
	rule = found->mapping.rule;
	zone = found->zone[0];
	flags = found->flags;
	/* Only from the side that the mapping faces. */
	if (found->zone[1] != insp->home.from)
		return false;
	sent->dst = found->mapping.addr;
	sent->dport = found->mapping.port;
	if (!(flags & KS_TARGET_EIF) && !(flags & KS_TARGET_ADF && is_permitted(env, insp))) {
		sent->dst = insp->pkt.tuple.dst;
		sent->dport = insp->pkt.tuple.dport;
		return false;
	}
	insp->verdict.rule = rule;
	insp->to = zone;
	insp->opening.expected = 1;
	return true;
}

bool ks_mapping_use(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		    const struct ks_target *target)
{
	const struct ks_mapping *found = &ks_record_before(&insp->side)->mapping;

	insp->opening.mapped = target->flags & (KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_ADF);
	mapping_key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, insp->pkt.tuple.sport, NULL);
	ks_table_find(env, &insp->side);
	if (!insp->side.found || !ks_addr_equal(&found->addr, &insp->sent.src))
		return false;
	insp->sent.sport = found->port;
	mapping_renew(env, insp);
	mapping_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, insp->sent.sport, NULL);
	ks_table_find(env, &insp->side);
	/* It may have expired, and its outer endpoint may be in use by another mapping. */
	if (!insp->side.found || !names_endpoint(insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport))
		return false;
	mapping_renew(env, insp);
	if (insp->opening.mapped & KS_TARGET_ADF)
		permit_put(env, config, insp);
	return true;
}

void ks_mapping_claim(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, insp->sent.sport, NULL);
	mapping_fill(config, insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport);
}

void ks_mapping_complete(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, insp->pkt.tuple.sport, NULL);
	mapping_fill(config, insp, &insp->sent.src, insp->sent.sport);
	ks_table_find(env, &insp->side);
	/* One that names another outer endpoint (an address the policy had before, a lost claim) is written over. */
	if (insp->side.found && !insp->home.dry)
		ks_table_commit(env, &insp->side);
	else
		mapping_insert(env, insp);
	if (insp->opening.mapped & KS_TARGET_ADF)
		permit_put(env, config, insp);
}

/* Renews the record of insp->side.key if a part of its time is over. */
static void mapping_keep_alive(struct ks_env *env, struct ks_inspection *insp)
{
	ks_table_find(env, &insp->side);
	if (insp->side.found && insp->side.clock - insp->side.before.seen > insp->side.before.timeout / REFRESH_PARTS)
		mapping_renew(env, insp);
}

void ks_mapping_refresh(struct ks_env *env, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, insp->pkt.tuple.sport, NULL);
	mapping_keep_alive(env, insp);
	mapping_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, insp->sent.sport, NULL);
	mapping_keep_alive(env, insp);
	mapping_key_make(env, insp, KS_KIND_PERMIT, &insp->sent.src, insp->sent.sport, &insp->sent.dst);
	mapping_keep_alive(env, insp);
}
