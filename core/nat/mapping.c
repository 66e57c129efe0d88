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

static inline struct ks_mapping *before(struct ks_inspection *in)
{
	return (struct ks_mapping *)&in->side.before;
}

static inline struct ks_mapping *after(struct ks_inspection *in)
{
	return (struct ks_mapping *)&in->side.after;
}

/* Whether the mapping's other endpoint is this one. */
static inline bool is_of(const struct ks_mapping *m, const struct ks_addr *addr, __be16 port)
{
	return m->addr.d[0] == addr->d[0] && m->addr.d[1] == addr->d[1] && m->port == port;
}

/* in->side's key: an endpoint, and for a permit a peer's address. */
static void key_make(struct ks_env *env, struct ks_inspection *in, enum ks_kind kind, const struct ks_addr *addr,
		     __be16 port, const struct ks_addr *peer)
{
	struct ks_flow_key *key = &in->side.key;

	key->addr[0] = *addr;
	if (peer)
		key->addr[1] = *peer;
	else
		key->addr[1] = (struct ks_addr){};
	key->port[0] = port;
	key->port[1] = 0;
	key->proto = in->out.proto;
	key->family = in->out.family;
	key->kind = kind;
	key->link = 0;
	ks_table_hash(env, &in->side);
}

static void entry_fill(const struct ks_config *config, struct ks_inspection *in, const struct ks_addr *addr,
		       __be16 port)
{
	in->side.after = (struct ks_flow){};
	after(in)->state = KS_STATE_MAPPING;
	after(in)->flags = in->mapped;
	after(in)->zone[0] = in->from;
	after(in)->zone[1] = in->to;
	after(in)->seen = in->side.clock;
	after(in)->timeout = config->timeout[KS_STATE_MAPPING];
	after(in)->addr = *addr;
	after(in)->port = port;
	after(in)->rule = (__u16)in->rule;
}

static ks_inline void entry_put(struct ks_env *env, struct ks_inspection *in)
{
	if (!in->dry)
		ks_table_insert(env, &in->side);
}

/* The entry found lives on from now. */
static void entry_touch(struct ks_env *env, struct ks_inspection *in)
{
	if (in->dry)
		return;
	in->side.after = in->side.before;
	in->side.after.seen = in->side.clock;
	ks_table_commit(env, &in->side);
}

/* Notes that the inside speaks to this peer. One that does not fit is not admitted: the peer is refused, nothing else. */
static ks_inline void permit_put(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	key_make(env, in, KS_KIND_PERMIT, &in->out.src, in->out.sport, &in->out.dst);
	entry_fill(config, in, &in->pkt.tuple.src, in->pkt.tuple.sport);
	ks_table_find(env, &in->side);
	if (!in->side.found)
		entry_put(env, in);
	else if (!in->dry)
		ks_table_commit(env, &in->side);
}

static bool is_permitted(struct ks_env *env, struct ks_inspection *in)
{
	key_make(env, in, KS_KIND_PERMIT, &in->pkt.tuple.dst, in->pkt.tuple.dport, &in->pkt.tuple.src);
	ks_table_find(env, &in->side);
	/* One that has outlived its mapping was another inner endpoint's. */
	return in->side.found && is_of(before(in), &in->out.dst, in->out.dport);
}

bool ks_mapping_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	struct ks_tuple *out = &in->out;
	__u32 rule, zone;
	__u8 flags;

	if (!counts || !counts->records[KS_KIND_MAPPING_IN])
		return false;
	key_make(env, in, KS_KIND_MAPPING_IN, &in->pkt.tuple.dst, in->pkt.tuple.dport, NULL);
	ks_table_find(env, &in->side);
	if (!in->side.found)
		return false;
	rule = before(in)->rule;
	zone = before(in)->zone[0];
	flags = before(in)->flags;
	/* Only from the side that the mapping faces. */
	if (before(in)->zone[1] != in->from)
		return false;
	out->dst = before(in)->addr;
	out->dport = before(in)->port;
	if (!(flags & KS_TARGET_EIF) && !(flags & KS_TARGET_ADF && is_permitted(env, in))) {
		out->dst = in->pkt.tuple.dst;
		out->dport = in->pkt.tuple.dport;
		return false;
	}
	in->rule = rule;
	in->to = zone;
	in->opened = 1;
	return true;
}

bool ks_mapping_use(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in,
		    const struct ks_target *target)
{
	in->mapped = target->flags & (KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_ADF);
	key_make(env, in, KS_KIND_MAPPING_OUT, &in->pkt.tuple.src, in->pkt.tuple.sport, NULL);
	ks_table_find(env, &in->side);
	if (!in->side.found || before(in)->addr.d[0] != in->out.src.d[0] || before(in)->addr.d[1] != in->out.src.d[1])
		return false;
	in->out.sport = before(in)->port;
	entry_touch(env, in);
	key_make(env, in, KS_KIND_MAPPING_IN, &in->out.src, in->out.sport, NULL);
	ks_table_find(env, &in->side);
	/* It may have died first, and the outer endpoint be another's. */
	if (!in->side.found || !is_of(before(in), &in->pkt.tuple.src, in->pkt.tuple.sport))
		return false;
	entry_touch(env, in);
	if (in->mapped & KS_TARGET_ADF)
		permit_put(env, config, in);
	return true;
}

void ks_mapping_claim(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	key_make(env, in, KS_KIND_MAPPING_IN, &in->out.src, in->out.sport, NULL);
	entry_fill(config, in, &in->pkt.tuple.src, in->pkt.tuple.sport);
}

void ks_mapping_claimed(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	key_make(env, in, KS_KIND_MAPPING_OUT, &in->pkt.tuple.src, in->pkt.tuple.sport, NULL);
	entry_fill(config, in, &in->out.src, in->out.sport);
	ks_table_find(env, &in->side);
	/* One that points elsewhere (another address, or what is left of a lost claim) is renewed. */
	if (in->side.found && !in->dry)
		ks_table_commit(env, &in->side);
	else
		entry_put(env, in);
	if (in->mapped & KS_TARGET_ADF)
		permit_put(env, config, in);
}

/* An entry is only written when a part of its time is over: every packet asks, few must write. */
static void refresh(struct ks_env *env, struct ks_inspection *in)
{
	ks_table_find(env, &in->side);
	if (in->side.found && in->side.clock - in->side.before.seen > in->side.before.timeout / 8)
		entry_touch(env, in);
}

void ks_mapping_refresh(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	key_make(env, in, KS_KIND_MAPPING_OUT, &in->pkt.tuple.src, in->pkt.tuple.sport, NULL);
	refresh(env, in);
	key_make(env, in, KS_KIND_MAPPING_IN, &in->out.src, in->out.sport, NULL);
	refresh(env, in);
	key_make(env, in, KS_KIND_PERMIT, &in->out.src, in->out.sport, &in->out.dst);
	refresh(env, in);
}
