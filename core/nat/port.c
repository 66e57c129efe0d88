// SPDX-License-Identifier: BSD-2-Clause
/* Finds a free source port for a new flow, and reserves it; see port.h. */
#include "core/nat/port.h"

#include "core/env.h"
#include "core/home.h"
#include "core/link.h"
#include "core/nat/mapping.h"
#include "core/table/flow_event.h"
#include "core/table/table.h"
#include "core/table/tally.h"

/* Makes insp->side the alias by which the side `dir` knows the flow: the key of `tuple`, which is in original direction. */
static void alias_make(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		       const struct ks_tuple *tuple, __u32 dir)
{
	__u32 high = ks_flow_key_make(tuple, &insp->side.key);

	if (ks_unlikely(ks_key_is_on_link(&insp->side.key)))
		insp->side.key.link = ks_link_between(KS_ZONE_SELF, dir == KS_ORIGINAL ? insp->home.from : insp->to);
	*ks_record_after(&insp->side) = (struct ks_record){
		.state = KS_STATE_ALIAS,
		.flags = high ? KS_FLOW_ORIG_IS_HIGH : 0,
		.zone = { insp->home.from, insp->to },
		.seen = insp->side.clock,
		.timeout = config->timeout[KS_STATE_ALIAS],
		.alias = { .side = dir & 1, .rule = (__u16)insp->verdict.rule },
	};
	ks_table_hash(env, &insp->side);
}

/*
 * Inserts insp->side, which reserves what it stands for. Returns 0 or a reason: KS_REASON_CONTENDED if it is there already
 * and so another flow's. In a dry run it is only looked for.
 */
static ks_inline __u32 side_reserve(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 reason;

	if (insp->home.dry) {
		ks_table_find(env, &insp->side);
		return insp->side.found || insp->side.busy ? KS_REASON_CONTENDED : 0;
	}
	reason = ks_table_insert(env, &insp->side);
	return reason == KS_REASON_OK_NEW ? 0 : reason;
}

__u32 ks_port_alias(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
		    const struct ks_tuple *tuple, __u32 dir)
{
	__u32 reason;

	alias_make(env, config, insp, tuple, dir);
	reason = side_reserve(env, insp);
	if (!reason && !insp->home.dry)
		insp->opening.alias[dir & 1] = ks_slot_id(&insp->side.ref);
	return reason;
}

/* Returns true if the port is somebody's who is not in the table: a socket of the box, or a rule that forwards. */
static ks_inline bool port_is_reserved(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_question *q = &insp->opening.question;
	struct ks_decision decision = {};

	if (!ks_port_is_number(insp->sent.proto))
		return false;
	ks_question_make(insp, &insp->sent, KS_LIST_FILTER, q);
	q->tuple.src = insp->sent.dst;
	q->tuple.sport = insp->sent.dport;
	q->tuple.dst = insp->sent.src;
	q->tuple.dport = insp->sent.sport;
	q->from = insp->to;
	q->to = KS_ZONE_SELF;
	q->facts = (struct ks_facts){ .of = KS_FACTS_ANY };
	if (env_port_is_used(env, &q->tuple))
		return true;
	if (!(config->options & KS_OPT_FORWARD))
		return false;
	ks_rules_ask(env, q, &decision);
	return decision.targets != 0;
}

/* Returns true if the entry of the key in insp->side is no hindrance: there is none, or nobody needs it. */
static bool side_is_free(struct ks_env *env, struct ks_inspection *insp)
{
	ks_table_find(env, &insp->side);
	return !insp->side.busy && (!insp->side.found || ks_table_is_replaceable(env, &insp->side));
}

/* Returns true if a flow may be ended because its port is needed: it is closed, half-open or not proven, and silent. */
static inline bool flow_is_stale(const struct ks_flow *flow, __u32 clock)
{
	return !(flow->version & 1) && (__s32)(clock - flow->seen) > KS_PORT_SILENT_MS &&
	       (ks_state_is_closed(flow->state) || ks_state_is_half_open(flow->state) || ks_flow_is_unproven(flow));
}

/* A port is taken by the flow of the alias that was found in insp->side: notes that flow if it is the stalest so far. */
static ks_inline void stale_note(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_insp_search *search = &insp->search;
	__u32 owner = ks_record_before(&insp->side)->alias.flow[0];
	struct ks_flow_ref ref = ks_slot_at(owner);
	const struct ks_flow *flow;
	struct ks_bucket *bucket;
	struct ks_flow head;

	if (!insp->side.found || insp->side.before.state != KS_STATE_ALIAS || !owner)
		return;
	bucket = env_bucket(env, ref.bucket);
	if (!bucket)
		return;
	flow = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK].flow;
	ks_flow_peek(flow, &head);
	if (!flow_is_stale(&head, insp->side.clock) ||
	    ks_load_relaxed(&flow->alias[KS_REPLY]) != ks_slot_id(&insp->side.ref))
		return;
	if (!--search->stale_left)
		search->bound = search->tries - search->keep; /* this was the last try */
	if (insp->side.clock - head.seen <= search->stale_age)
		return;
	search->stale = owner;
	search->stale_version = head.version;
	search->stale_age = insp->side.clock - head.seen;
	search->stale_port = insp->sent.sport;
}

/* Remembers the shortage, and where the search stopped. The next one has `tries` at once, and more as time passes. */
static ks_inline void shortage_note(struct ks_env *env, const struct ks_inspection *insp, __u32 tries)
{
	const struct ks_insp_search *search = &insp->search;
	struct ks_shortage *shortage = env_shortage(env, (__u32)search->hash & (KS_SHORTAGES - 1));

	if (!shortage || !search->hash || !search->bound || insp->home.dry)
		return;
	ks_store_relaxed(&shortage->at, search->at);
	ks_store_relaxed(&shortage->seen, insp->side.clock - tries / KS_PORT_PACE);
	ks_store_relaxed(&shortage->hash, search->hash);
}

/*
 * No port is free: ends the flow that was noted, and makes its port insp->sent's. Returns false if there is none, or it has
 * moved since. In a dry run the flow stays, and the search ends with its port.
 */
static ks_inline bool stale_end(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_insp_search *search = &insp->search;

	if (!search->stale || search->last)
		return false;
	search->last = 1;
	if (insp->home.dry) {
		insp->sent.sport = search->stale_port;
		search->reason = 0;
		return false;
	}
	insp->side.ref = ks_slot_at(search->stale);
	ks_table_read(env, &insp->side);
	if (insp->side.before.version != search->stale_version || insp->side.key.kind != KS_KIND_FLOW ||
	    !flow_is_stale(&insp->side.before, insp->side.clock) ||
	    !ks_table_free_flow(env, &insp->side, ks_end_of_slot(&insp->side.before, insp->side.clock)))
		return false;
	insp->sent.sport = search->stale_port;
	shortage_note(env, insp, KS_PORT_EARNED);
	return true;
}

/*
 * Returns true if somebody else has the port: a flow towards this peer, a mapping of another host, a socket of the box, or a
 * rule that forwards. A port that the packet's own source has for a mapping is its own, and the claim is found made.
 */
static ks_inline bool port_is_taken(struct ks_port_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	const struct ks_table_counts *counts = env_table_counts(ctx->env);

	alias_make(ctx->env, ctx->config, insp, &insp->sent, KS_REPLY);
	if (!side_is_free(ctx->env, insp)) {
		stale_note(ctx->env, insp);
		return true;
	}
	if (counts && ks_load_relaxed(&counts->records[KS_KIND_MAPPING_IN]) && ks_port_is_number(insp->sent.proto)) {
		ks_mapping_claim(ctx->env, ctx->config, insp);
		ks_table_find(ctx->env, &insp->side);
		if ((insp->side.found || insp->side.busy) && !ks_mapping_is_own(insp))
			return true;
	}
	return port_is_reserved(ctx->env, ctx->config, insp);
}

/* Looks if there is a shortage: then the search is what that leaves. */
static void shortage_ask(struct ks_port_ctx *ctx)
{
	struct ks_insp_search *search = &ctx->insp->search;
	const struct ks_shortage *shortage;
	__u32 age;

	ctx->insp->sent.sport = 0;
	if (ctx->insp->opening.mapped)
		ks_mapping_claim(ctx->env, ctx->config, ctx->insp);
	else
		alias_make(ctx->env, ctx->config, ctx->insp, &ctx->insp->sent, KS_REPLY);
	search->hash = ctx->insp->side.hash;
	shortage = env_shortage(ctx->env, (__u32)search->hash & (KS_SHORTAGES - 1));
	if (!shortage || ks_load_relaxed(&shortage->hash) != search->hash)
		return;
	age = ctx->insp->side.clock - ks_load_relaxed(&shortage->seen);
	search->at = ks_load_relaxed(&shortage->at);
	if (age < KS_PORT_RUN / KS_PORT_PACE) {
		search->random = 0;
		search->stale_left = KS_PORT_STALE;
		search->bound = KS_MIN(search->bound, age * KS_PORT_PACE);
	}
}

void ks_port_miss(struct ks_env *env, struct ks_inspection *insp)
{
	if (insp->search.step == KS_PORT_NAME)
		ks_mapping_release(env, insp);
	else
		shortage_note(env, insp, 0);
}

/* Chooses the next port. Returns false if that was the last one. */
static ks_inline bool port_choose(struct ks_port_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_search *search = &insp->search;
	__u32 n = search->tries++, span = search->span ? search->span : 1;

	if (n == 0 && search->keep) {
		insp->sent.sport = insp->pkt.tuple.sport;
		return true;
	}
	if (!search->hash)
		shortage_ask(ctx);
	n -= search->keep;
	if (n >= search->bound)
		return stale_end(ctx->env, insp);
	if (n < search->random) {
		insp->sent.sport = ks_be16((__u16)(search->lo + env_random(ctx->env) % span));
		return true;
	}
	search->at %= span;
	insp->sent.sport = ks_be16((__u16)(search->lo + search->at++));
	return true;
}

/* The outcome of preparing a step: insp->side is to be inserted, nothing is, or the search is over. */
enum made { MADE_NOTHING, MADE_ENTRY, MADE_END };

/* Prepares the claim of a mapping. It may be made already: of an earlier mapping, or by another CPU just now. */
static ks_inline enum made mapping_prepare(struct ks_port_ctx *ctx)
{
	ks_mapping_claim(ctx->env, ctx->config, ctx->insp);
	ks_table_find(ctx->env, &ctx->insp->side);
	if (!ctx->insp->side.found && !ctx->insp->side.busy)
		return MADE_ENTRY;
	if (!ks_mapping_is_own(ctx->insp))
		return MADE_NOTHING;
	if (ctx->insp->side.found)
		ks_mapping_renew(ctx->env, ctx->config, ctx->insp);
	ctx->insp->search.step = KS_PORT_NAME;
	return MADE_NOTHING;
}

/* Ends the search. Returns 1, for ks_loop(). */
static inline long search_end(struct ks_inspection *insp, __u32 reason)
{
	insp->search.reason = (__u8)reason;
	return 1;
}

/*
 * Prepares the alias of a port that the flow is to have. If another flow has it, this one gets another port, without the
 * mapping. An insertion that only met another CPU is tried again, and at last the packet judged again, or the endpoint would
 * have two ports.
 */
static ks_inline enum made alias_prepare(struct ks_port_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	bool is_free;

	alias_make(ctx->env, ctx->config, insp, &insp->sent, KS_REPLY);
	is_free = side_is_free(ctx->env, insp);
	if (is_free || insp->side.busy) {
		if (insp->search.names++ >= KS_PORT_STEPS)
			return MADE_END;
		return is_free ? MADE_ENTRY : MADE_NOTHING;
	}
	if (insp->search.only) {
		search_end(insp, KS_REASON_NO_PORT);
		return MADE_END;
	}
	insp->opening.mapped = 0;
	insp->search.step = KS_PORT_SEEK;
	return MADE_NOTHING;
}

/* Prepares the insertion that comes next. */
static ks_inline enum made step_prepare(struct ks_port_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_search *search = &insp->search;

	switch (search->step) {
	case KS_PORT_SEEK:
		if (!port_choose(ctx))
			return MADE_END;
		if (port_is_taken(ctx))
			return MADE_NOTHING;
		if (!insp->opening.mapped)
			break;
		return mapping_prepare(ctx);
	case KS_PORT_NAME:
		if (search->names++ >= KS_PORT_STEPS)
			return MADE_END;
		return ks_mapping_name(ctx->env, ctx->config, insp) ? MADE_ENTRY : MADE_NOTHING;
	case KS_PORT_PERMIT:
		return ks_mapping_permit(ctx->env, ctx->config, insp) ? MADE_ENTRY : MADE_END;
	default:
		return alias_prepare(ctx);
	}
	alias_make(ctx->env, ctx->config, insp, &insp->sent, KS_REPLY);
	return MADE_ENTRY;
}

/* The alias was inserted, or that is tried again. */
static inline long alias_conclude(struct ks_inspection *insp, __u32 reason)
{
	if (reason == KS_REASON_CONTENDED)
		return 0;
	if (reason)
		return search_end(insp, reason);
	insp->opening.alias[KS_REPLY] = insp->home.dry ? 0 : ks_slot_id(&insp->side.ref);
	if (!(insp->opening.mapped & KS_TARGET_ADF))
		return search_end(insp, 0);
	insp->search.step = KS_PORT_PERMIT;
	return 0;
}

/* Returns true if there is no room for a mapping: the flow gets a port without one. */
static bool mapping_is_refused(struct ks_inspection *insp, __u32 reason)
{
	if (reason != KS_REASON_TABLE_FULL || !insp->opening.mapped)
		return false;
	insp->opening.mapped = 0;
	insp->search.step = KS_PORT_SEEK;
	return true;
}

/* Goes on after an insertion, which succeeded (0) or did not: `reason`. Returns 1 when the search is over. */
static ks_inline long step_conclude(struct ks_port_ctx *ctx, __u32 reason)
{
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_search *search = &insp->search;

	switch (search->step) {
	case KS_PORT_SEEK:
		if (reason == KS_REASON_CONTENDED || mapping_is_refused(insp, reason))
			return 0;
		if (reason || !insp->opening.mapped)
			return reason ? search_end(insp, reason) : alias_conclude(insp, 0);
		search->claim = insp->home.dry ? 0 : ks_slot_id(&insp->side.ref);
		search->step = KS_PORT_NAME;
		return 0;
	case KS_PORT_NAME:
		if (reason == KS_REASON_CONTENDED)
			return 0;
		search->step = KS_PORT_ALIAS;
		if (!reason)
			return 0;
		ks_mapping_release(ctx->env, insp);
		return mapping_is_refused(insp, reason) ? 0 : search_end(insp, reason);
	case KS_PORT_ALIAS:
		return alias_conclude(insp, reason);
	default:
		return search_end(insp, 0);
	}
}

long ks_port_try(__u32 n, void *arg)
{
	struct ks_port_ctx *ctx = arg;

	switch (step_prepare(ctx)) {
	case MADE_ENTRY:
		return step_conclude(ctx, side_reserve(ctx->env, ctx->insp));
	case MADE_END:
		if (ctx->insp->search.step == KS_PORT_PERMIT)
			search_end(ctx->insp, 0);
		return 1;
	default:
		return 0;
	}
}

void ks_port_bound(struct ks_port_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_search *search = &insp->search;
	__u32 own = ks_be16(insp->pkt.tuple.sport), lo, hi = KS_PORT_MAX;
	bool is_icmp = !ks_port_is_number(insp->sent.proto);

	lo = is_icmp ? 0 : KS_PORT_UNPRIVILEGED;
	if (search->flags & KS_TARGET_PORTS && !is_icmp) {
		lo = search->port_lo;
		hi = search->port_hi;
	} else if (!is_icmp && own < KS_PORT_UNPRIVILEGED) {
		lo = 1;
		hi = KS_PORT_UNPRIVILEGED - 1;
	}
	hi = KS_MAX(lo, hi);
	search->step = search->fixed ? KS_PORT_ALIAS : KS_PORT_SEEK;
	if (search->step == KS_PORT_SEEK && insp->opening.mapped &&
	    ks_table_mappings(ctx->env, &insp->pkt.tuple.src) >= ctx->config->limit_host_mappings) {
		insp->opening.mapped = 0;
		lo += (hi - lo + 1) / 2;
	}
	search->lo = lo;
	search->span = hi - lo + 1;
	search->keep = !(search->flags & KS_TARGET_RANDOM) && own >= lo && own <= hi;
	search->at = env_random(ctx->env) % (search->span ? search->span : 1);
	search->random = KS_PORT_RANDOM;
	search->bound = KS_PORT_RANDOM + KS_MIN(search->span, KS_PORT_RUN);
	search->tries = 0;
	search->stale = 0;
	search->stale_left = KS_PORT_TRIES;
	search->stale_age = 0;
	search->last = 0;
	search->hash = 0;
	search->claim = 0;
	search->names = 0;
	search->reason = KS_REASON_CONTENDED;
}
