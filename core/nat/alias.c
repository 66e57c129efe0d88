// SPDX-License-Identifier: BSD-2-Clause
/*
 * Address translation of packets whose flow is known: finding it by an alias,
 * and what the packet looks like when it leaves. See nat.h for how flows and
 * aliases hang together. A flow and its alias are read one after the other; the
 * alias's version is read again at the end, so that both were there at once.
 */
#include "core/nat/nat.h"

#include "core/env.h"
#include "core/home.h"
#include "core/table/table.h"

/* The sender is at this end of the flow, as insp->from_high tells it: from the direction. */
static inline __u8 sender_of(const struct ks_flow *flow, __u32 dir)
{
	return ks_flow_orig_side(flow) != (dir & 1);
}

/* The version of an entry, as it is now. */
static __u32 version_at(struct ks_env *env, const struct ks_flow_ref *ref)
{
	struct ks_bucket *bucket = env_bucket(env, ref->bucket);

	return bucket ? ks_load_acquire(&bucket->slot[ref->slot & KS_BUCKET_SLOT_MASK].flow.version) : 1;
}

static inline bool is_alias(const struct ks_entry *e)
{
	return e->found && e->before.state == KS_STATE_ALIAS;
}

/* From the alias in insp->flow to its flow. The alias moves to insp->side. */
static void follow(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_flow_ref ref = insp->flow.ref;
	__u32 version = insp->flow.before.version, place = ks_record_before(&insp->flow)->alias.flow[0];
	__u32 side = ks_record_before(&insp->flow)->alias.side & 1;
	__u32 dir = insp->from_high != ks_flow_orig_side(&insp->flow.before);

	insp->side.key = insp->flow.key;
	insp->side.hash = insp->flow.hash;
	insp->flow.found = 0;
	if (!place) { /* its flow is about to be inserted */
		insp->flow.busy = 1;
		return;
	}
	insp->flow.ref = ks_slot_at(place);
	ks_table_read(env, &insp->flow);
	if (version_at(env, &ref) != version)
		insp->flow.busy = 1;
	/* Key, aliases and direction stay the same while a flow is written, so they are known of a busy one too. */
	if ((insp->flow.found || insp->flow.busy) && insp->flow.key.kind == KS_KIND_FLOW &&
	    insp->flow.before.state != KS_STATE_ALIAS && insp->flow.before.alias[side] == ks_slot_id(&ref)) {
		insp->by_alias = 1 + side;
		insp->from_high = sender_of(&insp->flow.before, dir);
		insp->flow.found = !insp->flow.busy;
		return;
	}
	/* The flow is gone, and the alias nobody's: the packet is one that no flow knows. */
	insp->flow.found = 0;
	insp->flow.key = insp->side.key;
}

void ks_nat_find(struct ks_env *env, struct ks_inspection *insp)
{
	ks_table_find(env, &insp->flow);
	insp->by_alias = 0;
	if (is_alias(&insp->flow))
		follow(env, insp);
}

/*
 * Reads the alias by which side `dir` knows the flow. Returns 0, or a reason if it is not there as it must be, or the
 * sweeper has it in hand.
 */
static __u32 alias_read(struct ks_env *env, struct ks_inspection *insp, __u32 dir)
{
	insp->side.ref = ks_slot_at(insp->flow.before.alias[dir & 1]);
	ks_table_read(env, &insp->side);
	if (insp->side.busy)
		return KS_REASON_CONTENDED;
	if (insp->side.before.state == KS_STATE_ALIAS &&
	    ks_record_before(&insp->side)->alias.flow[0] == ks_slot_id(&insp->flow.ref))
		return 0;
	return KS_REASON_UNTRANSLATED;
}

static inline void take_src(struct ks_tuple *tuple, const struct ks_flow_key *key, __u32 end)
{
	tuple->src = key->addr[end & 1];
	tuple->sport = key->port[end & 1];
}

static inline void take_dst(struct ks_tuple *tuple, const struct ks_flow_key *key, __u32 end)
{
	tuple->dst = key->addr[end & 1];
	tuple->dport = key->port[end & 1];
}

__u32 ks_nat_translate(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1, far = !dir, receiver, reason;

	insp->translate = 0;
	insp->sent = insp->pkt.tuple;
	if (flow->alias[dir]) {
		take_dst(&insp->sent, &insp->flow.key, !insp->from_high);
		insp->translate |= KS_TRANSLATE_DST;
	}
	if (flow->alias[far]) {
		reason = alias_read(env, insp, far);
		if (reason)
			return reason;
		/* The far side's name for the sender is the alias's end that is not the receiver. */
		receiver = ks_flow_orig_side(&insp->side.before) != (far & 1);
		take_src(&insp->sent, &insp->side.key, !receiver);
		insp->translate |= KS_TRANSLATE_SRC;
	}
	return 0;
}

/*
 * An error travels against the packet it quotes: what was the quoted packet's
 * source is its destination, and is known by the same names. Its own sender may be
 * any router; to the far side it comes from the flow's other end, as that side
 * knows it. What this box says itself keeps its source.
 */
__u32 ks_nat_leave_error(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 dir = insp->dir & 1, far = !dir, receiver, reason;

	insp->translate = 0;
	if (!(flow->alias[0] | flow->alias[1]))
		return 0;
	if (insp->by_alias) {
		take_src(&insp->quote.sent, &insp->flow.key, !insp->from_high);
		insp->sent.dst = insp->quote.sent.src;
		insp->translate |= KS_TRANSLATE_DST;
	}
	if (flow->alias[far]) {
		reason = alias_read(env, insp, far);
		if (reason)
			return reason;
		receiver = ks_flow_orig_side(&insp->side.before) != (far & 1);
		take_dst(&insp->quote.sent, &insp->side.key, !receiver);
		if (insp->home.from != KS_ZONE_SELF)
			insp->sent.src = insp->quote.sent.dst;
		insp->translate |= KS_TRANSLATE_SRC;
	}
	return 0;
}
