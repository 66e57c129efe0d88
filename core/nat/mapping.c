// SPDX-License-Identifier: BSD-2-Clause
/*
 * Endpoint-independent mappings; see mapping.h. A mapping lives
 * `timeout nat.mapping` beyond the last packet that left by it (RFC 4787 REQ-5
 * and 6: at least two minutes, and only what leaves keeps it alive). Its two
 * entries are made one after the other, the claim of the outer endpoint first.
 */
#include "core/nat/mapping.h"

#include "core/env.h"
#include "core/nat/nat.h"
#include "core/table/table.h"

_Static_assert(__builtin_offsetof(struct ks_mapping, seen) == __builtin_offsetof(struct ks_flow, seen) &&
		       __builtin_offsetof(struct ks_mapping, state) == __builtin_offsetof(struct ks_flow, state),
	       "all entries begin alike");

static inline struct ks_mapping *before(struct ks_inspection *insp)
{
	return (struct ks_mapping *)&insp->side.before;
}

static inline struct ks_mapping *after(struct ks_inspection *insp)
{
	return (struct ks_mapping *)&insp->side.after;
}

/* Whether the mapping's other endpoint is this one. */
static inline bool is_of(const struct ks_mapping *m, const struct ks_addr *addr, __be16 port)
{
	return m->addr.d[0] == addr->d[0] && m->addr.d[1] == addr->d[1] && m->port == port;
}

/* insp->side's key: an endpoint, and for a permit a peer's address. */
static void key_make(struct ks_env *env, struct ks_inspection *insp, enum ks_kind kind, const struct ks_addr *addr,
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
	key->family = insp->sent.family;
	key->kind = kind;
	key->link = 0;
	ks_table_hash(env, &insp->side);
}

static void entry_fill(const struct ks_config *config, struct ks_inspection *insp, const struct ks_addr *addr,
		       __be16 port)
{
	insp->side.after = (struct ks_flow){};
	after(insp)->state = KS_STATE_MAPPING;
	after(insp)->flags = insp->opening.mapped;
	after(insp)->zone[0] = insp->home.from;
	after(insp)->zone[1] = insp->to;
	after(insp)->seen = insp->side.clock;
	after(insp)->timeout = config->timeout[KS_STATE_MAPPING];
	after(insp)->addr = *addr;
	after(insp)->port = port;
	after(insp)->rule = (__u16)insp->verdict.rule;
}

static ks_inline void entry_put(struct ks_env *env, struct ks_inspection *insp)
{
	if (!insp->home.dry)
		ks_table_insert(env, &insp->side);
}

/* The entry found lives on from now. */
static void entry_touch(struct ks_env *env, struct ks_inspection *insp)
{
	if (insp->home.dry)
		return;
	insp->side.after = insp->side.before;
	insp->side.after.seen = insp->side.clock;
	ks_table_commit(env, &insp->side);
}

/* Notes that the inside speaks to this peer. One that does not fit is not admitted: the peer is refused, nothing else. */
static ks_inline void permit_put(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	key_make(env, insp, KS_KIND_PERMIT, &insp->sent.src, insp->sent.sport, &insp->sent.dst);
	entry_fill(config, insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport);
	ks_table_find(env, &insp->side);
	if (!insp->side.found)
		entry_put(env, insp);
	else if (!insp->home.dry)
		ks_table_commit(env, &insp->side);
}

static bool is_permitted(struct ks_env *env, struct ks_inspection *insp)
{
	key_make(env, insp, KS_KIND_PERMIT, &insp->pkt.tuple.dst, insp->pkt.tuple.dport, &insp->pkt.tuple.src);
	ks_table_find(env, &insp->side);
	/* One that has outlived its mapping was another inner endpoint's. */
	return insp->side.found && is_of(before(insp), &insp->sent.dst, insp->sent.dport);
}

bool ks_mapping_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	struct ks_tuple *out = &insp->sent;
	__u32 rule, zone;
	__u8 flags;

	if (!counts || !counts->records[KS_KIND_MAPPING_IN])
		return false;
	key_make(env, insp, KS_KIND_MAPPING_IN, &insp->pkt.tuple.dst, insp->pkt.tuple.dport, NULL);
	ks_table_find(env, &insp->side);
	if (!insp->side.found)
		return false;
	rule = before(insp)->rule;
	zone = before(insp)->zone[0];
	flags = before(insp)->flags;
	/* Only from the side that the mapping faces. */
	if (before(insp)->zone[1] != insp->home.from)
		return false;
	out->dst = before(insp)->addr;
	out->dport = before(insp)->port;
	if (!(flags & KS_TARGET_EIF) && !(flags & KS_TARGET_ADF && is_permitted(env, insp))) {
		out->dst = insp->pkt.tuple.dst;
		out->dport = insp->pkt.tuple.dport;
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
	insp->opening.mapped = target->flags & (KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_ADF);
	key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, insp->pkt.tuple.sport, NULL);
	ks_table_find(env, &insp->side);
	if (!insp->side.found || before(insp)->addr.d[0] != insp->sent.src.d[0] ||
	    before(insp)->addr.d[1] != insp->sent.src.d[1])
		return false;
	insp->sent.sport = before(insp)->port;
	entry_touch(env, insp);
	key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, insp->sent.sport, NULL);
	ks_table_find(env, &insp->side);
	/* It may have died first, and the outer endpoint be another's. */
	if (!insp->side.found || !is_of(before(insp), &insp->pkt.tuple.src, insp->pkt.tuple.sport))
		return false;
	entry_touch(env, insp);
	if (insp->opening.mapped & KS_TARGET_ADF)
		permit_put(env, config, insp);
	return true;
}

void ks_mapping_claim(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, insp->sent.sport, NULL);
	entry_fill(config, insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport);
}

void ks_mapping_claimed(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, insp->pkt.tuple.sport, NULL);
	entry_fill(config, insp, &insp->sent.src, insp->sent.sport);
	ks_table_find(env, &insp->side);
	/* One that points elsewhere (another address, or what is left of a lost claim) is renewed. */
	if (insp->side.found && !insp->home.dry)
		ks_table_commit(env, &insp->side);
	else
		entry_put(env, insp);
	if (insp->opening.mapped & KS_TARGET_ADF)
		permit_put(env, config, insp);
}

/* An entry is only written when a part of its time is over: every packet asks, few must write. */
static void refresh(struct ks_env *env, struct ks_inspection *insp)
{
	ks_table_find(env, &insp->side);
	if (insp->side.found && insp->side.clock - insp->side.before.seen > insp->side.before.timeout / 8)
		entry_touch(env, insp);
}

void ks_mapping_refresh(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, insp->pkt.tuple.sport, NULL);
	refresh(env, insp);
	key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, insp->sent.sport, NULL);
	refresh(env, insp);
	key_make(env, insp, KS_KIND_PERMIT, &insp->sent.src, insp->sent.sport, &insp->sent.dst);
	refresh(env, insp);
}
