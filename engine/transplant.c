/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See transplant.h. The order is that of a flow that opens: first its aliases, then the flow, which names them, then
 * the flow's slot id in the aliases.
 */
#include "engine/transplant.h"

#include <errno.h>

#include "core/env.h"
#include "core/limit.h"
#include "core/table/table.h"
#include "core/table/tally.h"

#define KS_TRANSPLANT_ALIAS_MS 5000 /* an alias that names no flow yet is swept after it */

static void entry_begin(struct ks_engine *engine, const struct ks_flow_key *key, struct ks_entry *entry)
{
	*entry = (struct ks_entry){ .key = *key, .clock = ks_flow_clock(ks_engine_time(engine)) };
	ks_table_hash(ks_engine_env(engine), entry);
}

static int entry_insert(struct ks_engine *engine, struct ks_entry *entry)
{
	struct ks_env *env = ks_engine_env(engine);

	ks_table_find(env, entry);
	if (entry->found)
		return -EEXIST;
	return ks_table_admit(env, entry) == KS_REASON_OK_NEW ? 0 : -ENOSPC;
}

/* Inserts an alias whose flow is to come. Sets the id of its slot. */
static int alias_insert(struct ks_engine *engine, const struct ks_transplant *transplant, unsigned side, __u32 *slot)
{
	struct ks_entry entry;
	int err;

	entry_begin(engine, &transplant->alias_key[side], &entry);
	entry.after = transplant->alias[side];
	ks_record_after(&entry)->alias.flow[0] = ks_record_after(&entry)->alias.flow[1] = 0;
	entry.after.seen = entry.clock;
	err = entry_insert(engine, &entry);
	if (!err)
		*slot = ks_slot_id(&entry.ref);
	return err;
}

static void alias_bind(struct ks_engine *engine, __u32 slot, __u32 owner)
{
	struct ks_entry entry = { .ref = ks_slot_at(slot), .clock = ks_flow_clock(ks_engine_time(engine)) };

	ks_table_read(ks_engine_env(engine), &entry);
	entry.after = entry.before;
	ks_record_after(&entry)->alias.flow[0] = ks_record_after(&entry)->alias.flow[1] = owner;
	ks_table_commit(ks_engine_env(engine), &entry);
}

/* Takes out an alias whose flow did not come to be. */
static void alias_remove(struct ks_engine *engine, __u32 slot)
{
	struct ks_entry entry = { .ref = ks_slot_at(slot), .clock = ks_flow_clock(ks_engine_time(engine)) };

	ks_table_read(ks_engine_env(engine), &entry);
	ks_table_free(ks_engine_env(engine), &entry);
}

void ks_transplant_name(struct ks_transplant *transplant, enum ks_dir side, const struct ks_tuple *tuple)
{
	struct ks_flow_key *key = &transplant->alias_key[side];
	struct ks_record *alias = ks_record_edit(&transplant->alias[side]);

	*alias = (struct ks_record){
		.state = KS_STATE_ALIAS,
		.flags = ks_flow_key_make(tuple, key) ? KS_FLOW_ORIG_IS_HIGH : 0,
		.zone = { transplant->flow.zone[KS_ORIGINAL], transplant->flow.zone[KS_REPLY] },
		.timeout = KS_TRANSPLANT_ALIAS_MS,
		.alias.rule = transplant->flow.rule,
		.alias.side = (__u8)side,
	};
	transplant->has_alias[side] = true;
}

/*
 * Returns true if a flow that comes back was one of its rule's connections, as far as it tells. Of one without a handshake the
 * originator must have gone on after an answer (core/limit.h).
 */
static bool is_connection(const struct ks_transplant *transplant)
{
	const struct ks_flow *flow = &transplant->flow;

	if (ks_state_is_half_open(flow->state) || ks_state_is_closed(flow->state))
		return false;
	return !ks_state_is_plain(flow->state) ||
	       (flow->flags & KS_FLOW_REPLIED && ks_flow_packets(flow, KS_ORIGINAL) > 1);
}

/* Counts a flow among its rule's connections, or gives it back. Returns true if it is one. */
static bool connection_count(struct ks_engine *engine, const struct ks_transplant *transplant, __u32 mode)
{
	struct ks_inspection insp = {
		.home.now = ks_engine_time(engine),
		.pkt.tuple.proto = transplant->key.proto,
		.limiting = { .flow = transplant->key,
			      .high = ks_flow_orig_side(&transplant->flow),
			      .rule = transplant->flow.rule,
			      .units = KS_LIMIT_UNIT(KS_LIMIT_CONNECTIONS),
			      .mode = mode,
			      .refused = KS_LIMITS_PER_RULE },
	};
	struct ks_env *env = ks_engine_env(engine);

	insp.limiting.first = ks_limit_first(env, env_config(env), transplant->flow.rule);
	return ks_limit_count_isolated(env, &insp) == 0 && insp.limiting.met & KS_LIMIT_UNIT(KS_LIMIT_CONNECTIONS);
}

/*
 * Returns what limits of its rule have to do with a flow that comes back: they count it at once, and refuse it no more; one
 * that is no connection yet, or cannot be counted now, with its next packet.
 */
static unsigned limits_take(struct ks_engine *engine, const struct ks_transplant *transplant)
{
	const struct ks_flow *flow = &transplant->flow;
	struct ks_env *env = ks_engine_env(engine);
	const struct ks_config *config = env_config(env);
	const struct ks_limit *limit = config ? env_limit(env, ks_limit_first(env, config, flow->rule)) : NULL;

	if (!limit || limit->rule != flow->rule)
		return 0;
	if (is_connection(transplant) && connection_count(engine, transplant, KS_TALLY_FORCE))
		return KS_FLOW_LIMIT_COUNTED | KS_FLOW_LIMIT_PACED;
	return KS_FLOW_LIMIT_PENDING | KS_FLOW_LIMIT_PACED;
}

/* Notes the name in the flow, too, as one does that opens. */
static void outer_note(const struct ks_transplant *transplant, struct ks_flow *flow)
{
	const struct ks_flow_key *name = &transplant->alias_key[KS_REPLY];
	unsigned end = ks_flow_orig_side(&transplant->alias[KS_REPLY]);

	if (!ks_flow_has_outer(&transplant->key))
		return;
	flow->outer.addr = 0;
	if (flow->alias[KS_REPLY])
		ks_flow_note_outer(flow, &name->addr[end], name->port[end]);
}

int ks_engine_transplant(struct ks_engine *engine, const struct ks_transplant *transplant)
{
	__u32 slots[2] = { 0, 0 };
	struct ks_entry entry;
	int err = ks_engine_has_room(engine) ? 0 : -ENOSPC;

	for (unsigned side = 0; side < 2 && !err; side++) {
		if (transplant->has_alias[side])
			err = alias_insert(engine, transplant, side, &slots[side]);
	}
	if (!err) {
		entry_begin(engine, &transplant->key, &entry);
		entry.after = transplant->flow;
		if (!(entry.after.limits & ~KS_FLOW_RULED))
			entry.after.limits |= limits_take(engine, transplant) & KS_FLOW_LIMIT_MASK;
		entry.after.alias[KS_ORIGINAL] = slots[KS_ORIGINAL];
		entry.after.alias[KS_REPLY] = slots[KS_REPLY];
		outer_note(transplant, &entry.after);
		err = entry_insert(engine, &entry);
		if (err && entry.after.limits & KS_FLOW_LIMIT_COUNTED && !(transplant->flow.limits & ~KS_FLOW_RULED))
			connection_count(engine, transplant, KS_TALLY_UNDO);
	}
	for (unsigned side = 0; side < 2; side++) {
		if (slots[side] && !err)
			alias_bind(engine, slots[side], ks_slot_id(&entry.ref));
		else if (slots[side])
			alias_remove(engine, slots[side]);
	}
	return err;
}
