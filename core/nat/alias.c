// SPDX-License-Identifier: BSD-2-Clause
/* Finds flows by their aliases, and what a packet of a known flow looks like when it leaves; see alias.h. */
#include "core/nat/alias.h"

#include "core/env.h"
#include "core/home.h"
#include "core/nat/clash.h"
#include "core/table/table.h"

/* insp->from_high of a packet that goes in this direction of the flow. */
static inline __u8 sender_of(const struct ks_flow *flow, __u32 dir)
{
	return ks_flow_orig_side(flow) != (dir & 1);
}

/* The version of an entry as it is now; an odd one if there is no such entry. */
static __u32 version_at(struct ks_env *env, const struct ks_flow_ref *ref)
{
	struct ks_bucket *bucket = env_bucket(env, ref->bucket);

	return bucket ? ks_load_acquire(&bucket->slot[ref->slot & KS_BUCKET_SLOT_MASK].flow.version) : 1;
}

/* Follows the alias in insp->flow to its flow. The key of the alias moves to insp->side. */
static __attribute__((noinline)) void alias_follow(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_record *alias = ks_record_before(&insp->flow);
	__u32 version = alias->version, slot_id = alias->alias.flow[0];
	__u32 side = alias->alias.side & 1;
	__u32 dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);
	struct ks_flow_ref ref = insp->flow.ref;

	insp->side.key = insp->flow.key;
	insp->side.hash = insp->flow.hash;
	insp->flow.found = 0;
	if (!slot_id) { /* its flow is about to be inserted */
		insp->flow.busy = 1;
		return;
	}
	insp->flow.ref = ks_slot_at(slot_id);
	ks_table_read(env, &insp->flow);
	if (version_at(env, &ref) != version)
		insp->flow.busy = 1;
	/* Key, aliases and direction stay the same while a flow is written, so they are known of a busy one too. */
	if ((insp->flow.found || insp->flow.busy) && insp->flow.key.kind == KS_KIND_FLOW &&
	    insp->flow.before.state != KS_STATE_ALIAS && insp->flow.before.alias[side] == ks_slot_id(&ref)) {
		insp->by_alias = (__u8)(1 + side);
		insp->from_high = sender_of(&insp->flow.before, dir);
		insp->flow.found = !insp->flow.busy;
		return;
	}
	/* The flow is gone and the alias nobody's: no flow knows the packet. */
	insp->flow.found = 0;
	insp->flow.key = insp->side.key;
}

ks_inlined void ks_nat_find(struct ks_env *env, struct ks_inspection *insp)
{
	__u8 high = insp->from_high;

	if (!KS_LOOKS_AHEAD || !ks_table_find_there(env, &insp->flow))
		ks_table_find(env, &insp->flow);
	insp->by_alias = 0;
	if (insp->flow.found && insp->flow.before.state == KS_STATE_ALIAS)
		alias_follow(env, insp);
	if (ks_unlikely(insp->home.from == KS_ZONE_SELF) && (insp->by_alias || !(insp->flow.found || insp->flow.busy)))
		ks_clash_find_own(env, insp, high);
}

/*
 * Reads the alias by which side `dir` knows the flow into insp->side. Returns 0, or a reason if it is not what the flow
 * says, or another CPU writes it.
 */
static __u32 alias_read(struct ks_env *env, struct ks_inspection *insp, __u32 dir)
{
	const struct ks_record *alias = ks_record_before(&insp->side);

	insp->side.ref = ks_slot_at(insp->flow.before.alias[dir & 1]);
	ks_table_read(env, &insp->side);
	if (insp->side.busy)
		return KS_REASON_CONTENDED;
	if (alias->state == KS_STATE_ALIAS && alias->alias.flow[0] == ks_slot_id(&insp->flow.ref))
		return 0;
	return KS_REASON_UNTRANSLATED;
}

/* Takes the originator's outer address and port from the flow itself. Returns false if they are not noted there. */
static ks_inline bool outer_take(struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;

	if (!ks_flow_has_outer(&insp->flow.key) || !flow->outer.addr)
		return false;
	insp->sent.src.w[3] = flow->outer.addr;
	insp->sent.sport = flow->outer.port;
	insp->translate |= KS_TRANSLATE_SRC;
	return true;
}

/* The far side's name for the sender is the end of its alias that is not the receiver. */
static inline __u32 alias_sender(const struct ks_inspection *insp, __u32 far)
{
	return ks_flow_orig_side(&insp->side.before) == (far & 1);
}

static inline void tuple_take_src(struct ks_tuple *tuple, const struct ks_flow_key *key, __u32 end)
{
	tuple->src = key->addr[end & 1];
	tuple->sport = key->port[end & 1];
}

static inline void tuple_take_dst(struct ks_tuple *tuple, const struct ks_flow_key *key, __u32 end)
{
	tuple->dst = key->addr[end & 1];
	tuple->dport = key->port[end & 1];
}

/* The originator's port as its side knows it, in *port, becomes that of the flow's key. */
static inline void inner_port_take(struct ks_inspection *insp, __be16 *port, __u32 end)
{
	insp->inner_port = insp->flow.key.port[end & 1];
	if (*port == insp->inner_port)
		return;
	*port = insp->inner_port;
	insp->translate |= KS_TRANSLATE_PORT;
}

/* The other way round: as the alias in insp->side has it. `end` is the originator's in the flow's key. */
static inline void outer_port_take(struct ks_inspection *insp, __be16 *port, __u32 end)
{
	__be16 outer = insp->side.key.port[!alias_sender(insp, KS_ORIGINAL)];

	insp->inner_port = insp->flow.key.port[end & 1];
	if (outer == insp->inner_port)
		return;
	*port = outer;
	insp->translate |= KS_TRANSLATE_PORT;
}

__u32 ks_nat_translate(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1, far = !dir, reason;

	insp->translate = 0;
	insp->sent = insp->pkt.tuple;
	if (flow->alias[dir]) {
		tuple_take_dst(&insp->sent, &insp->flow.key, !insp->from_high);
		insp->translate |= KS_TRANSLATE_DST;
		if (dir == KS_ORIGINAL)
			inner_port_take(insp, &insp->sent.sport, insp->from_high);
	}
	if (flow->alias[far] && !(far == KS_REPLY && outer_take(insp))) {
		reason = alias_read(env, insp, far);
		if (reason)
			return reason;
		tuple_take_src(&insp->sent, &insp->side.key, alias_sender(insp, far));
		insp->translate |= KS_TRANSLATE_SRC;
		if (far == KS_ORIGINAL)
			outer_port_take(insp, &insp->sent.dport, !insp->from_high);
	}
	return 0;
}

__u32 ks_nat_translate_error(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1, far = !dir, reason;

	insp->translate = 0;
	if (!ks_nat_is_translated(flow))
		return 0;
	if (insp->by_alias) {
		tuple_take_src(&insp->quote.sent, &insp->flow.key, !insp->from_high);
		insp->sent.dst = insp->quote.sent.src;
		insp->translate |= KS_TRANSLATE_DST;
		if (dir == KS_ORIGINAL)
			inner_port_take(insp, &insp->quote.sent.dport, insp->from_high);
	}
	if (flow->alias[far]) {
		reason = alias_read(env, insp, far);
		if (reason)
			return reason;
		tuple_take_dst(&insp->quote.sent, &insp->side.key, alias_sender(insp, far));
		if (insp->home.from != KS_ZONE_SELF)
			insp->sent.src = insp->quote.sent.dst;
		insp->translate |= KS_TRANSLATE_SRC;
		if (far == KS_ORIGINAL)
			outer_port_take(insp, &insp->quote.sent.sport, !insp->from_high);
	}
	return 0;
}
