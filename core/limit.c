// SPDX-License-Identifier: BSD-2-Clause
/* The stage of a packet whose flow, or which itself, is limited; see limit.h. */
#include "core/limit.h"

#include "core/env.h"
#include "core/fragment/fragment.h"
#include "core/header/dccp.h"
#include "core/header/sctp.h"
#include "core/home.h"
#include "core/judge.h"
#include "core/overload.h"
#include "core/stage.h"
#include "core/table/flow_event.h"
#include "core/table/tally.h"
#include "core/track/track.h"

#define UNITS_OPENED (KS_LIMIT_UNIT(KS_LIMIT_FLOWS) | KS_LIMIT_UNIT(KS_LIMIT_CONNECTIONS))
#define UNITS_PACED (KS_LIMIT_UNIT(KS_LIMIT_PACKETS) | KS_LIMIT_UNIT(KS_LIMIT_OCTETS))

/* --- the limits of a rule --- */

/* A bisection among the limits for the first one of a rule. */
struct seek_ctx {
	struct ks_env *env;
	__u32 rule;
	__u32 begin, end;
};

static long seek_step(__u32 n, void *arg)
{
	struct seek_ctx *ctx = arg;
	__u32 middle = ctx->begin + (ctx->end - ctx->begin) / 2;
	const struct ks_limit *limit;

	if (ctx->begin >= ctx->end)
		return 1;
	limit = env_limit(ctx->env, middle);
	if (!limit)
		return 1;
	if (limit->rule < ctx->rule)
		ctx->begin = middle + 1;
	else
		ctx->end = middle;
	return 0;
}

__u32 ks_limit_first(struct ks_env *env, const struct ks_config *config, __u32 rule)
{
	struct seek_ctx ctx = {
		.env = env, .rule = rule, .begin = (__u32)ks_hide_value(0, rule), .end = config->limits
	};

	ks_loop(KS_LIMITS_SEEK, seek_step, &ctx);
	return ctx.begin;
}

/* --- asking each of them --- */

/* A walk over the limits of a rule; its numbers are in insp->limiting. */
struct walk_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	__u32 opens; /* 1: for the first packet of a flow */
};

/* Which word of its tally a limit has. */
static inline __u8 rate_of(const struct ks_limit *limit)
{
	return limit->per == KS_LIMIT_FLOW && limit->unit == KS_LIMIT_OCTETS;
}

/* The reason of a tally that did not admit. */
static inline __u32 reason_of(__u32 unit, __u32 outcome)
{
	if (outcome == KS_TALLY_REFUSED)
		return ks_limit_reason(unit);
	if (outcome == KS_TALLY_SPENT)
		return KS_REASON_TALLIES_FULL;
	return outcome == KS_TALLY_FULL ? KS_REASON_TABLE_FULL : KS_REASON_CONTENDED;
}

/* How much of a unit a packet is. Where the kernel carries several as one, each has a header. */
static inline __u64 cost_of(const struct ks_inspection *insp, __u32 unit)
{
	__u32 segments = KS_MAX(insp->home.segments, 1U);

	if (unit == KS_LIMIT_PACKETS)
		return segments;
	if (unit != KS_LIMIT_OCTETS)
		return 1;
	return insp->pkt.l3_len + (segments - 1ULL) * (insp->pkt.payload_off - insp->pkt.l3_off);
}

/* Makes the question to the tally of a limit, and insp->side its entry. */
static ks_inline void ask_make(struct walk_ctx *ctx, const struct ks_limit *limit)
{
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_limiting *walk = &insp->limiting;
	__u64 cost = cost_of(insp, limit->unit);

	walk->ask = (struct ks_tally_ask){
		.now = insp->home.now,
		.amount = limit->amount,
		.burst = limit->burst,
		.time = limit->amount ? cost * limit->period / limit->amount : 0,
		.unit = limit->unit,
		.rule = limit->rule,
		.mode = (__u8)walk->mode,
		.at = rate_of(limit),
	};
	ks_tally_key(limit, &walk->flow, walk->high, &insp->side.key);
	ks_table_hash_isolated(ctx->env, &insp->side);
}

/* Notes what a tally said. Returns 1 if it does not admit. */
static ks_inline long outcome_note(struct ks_insp_limiting *walk, __u32 outcome, __u32 at)
{
	if (outcome == KS_TALLY_ADMITTED || walk->mode == KS_TALLY_UNDO)
		return 0;
	walk->reason = reason_of(walk->ask.unit, outcome);
	walk->refused = at;
	return 1;
}

/* Returns the n-th limit of the rule, if its unit is asked; sets *over if that was the last one. */
static ks_inline const struct ks_limit *limit_of(struct walk_ctx *ctx, __u32 n, long *over)
{
	const struct ks_limit *limit = env_limit(ctx->env, ctx->insp->limiting.first + n);
	struct ks_insp_limiting *walk = &ctx->insp->limiting;

	*over = 1;
	if (!limit || limit->rule != walk->rule || (walk->mode == KS_TALLY_UNDO && n >= walk->refused))
		return NULL;
	*over = 0;
	walk->met |= KS_LIMIT_UNIT(limit->unit);
	return walk->units & KS_LIMIT_UNIT(limit->unit) ? limit : NULL;
}

static long limit_take_step(__u32 n, void *arg)
{
	struct walk_ctx *ctx = arg;
	const struct ks_limit *limit;
	long over;

	limit = limit_of(ctx, n, &over);
	if (!limit)
		return over;
	ask_make(ctx, limit);
	ctx->insp->side.after = (struct ks_flow){};
	return outcome_note(&ctx->insp->limiting, ks_tally_ask_in(ctx->env, &ctx->insp->side, &ctx->insp->limiting.ask),
			    n) != 0;
}

/* Returns true if a tally of a kind may be made without taking the place of another. */
static ks_inline bool has_room(struct ks_env *env, __u32 kind)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	const struct ks_config *config = env_config(env);

	kind &= KS_KIND_MAX - 1;
	return counts && config && ks_load_relaxed(&counts->records[kind]) < config->limit_kind[kind];
}

/* Returns true if a dry run finds that a tally would have to be made now for which there is no room. */
static ks_inline bool lacks_room(struct walk_ctx *ctx, __u32 unit)
{
	struct ks_inspection *insp = ctx->insp;

	if (insp->limiting.mode != KS_TALLY_READ || insp->side.found)
		return false;
	if (ctx->opens && (unit == KS_LIMIT_CONNECTIONS || ks_proto_has_handshake(insp->pkt.tuple.proto)))
		return false; /* it will be counted later */
	return !has_room(ctx->env, insp->side.key.kind);
}

/* The same for a walk that takes nothing. */
static long limit_look_step(__u32 n, void *arg)
{
	struct walk_ctx *ctx = arg;
	const struct ks_limit *limit;
	__u32 outcome;
	long over;

	limit = limit_of(ctx, n, &over);
	if (!limit)
		return over;
	if (ctx->opens && limit->overload && ks_proto_has_handshake(ctx->insp->pkt.tuple.proto))
		return 0; /* refuses when the source has proved to be there */
	ask_make(ctx, limit);
	outcome = ks_tally_look(ctx->env, &ctx->insp->side, &ctx->insp->limiting.ask);
	if (outcome == KS_TALLY_ADMITTED && lacks_room(ctx, limit->unit))
		outcome = KS_TALLY_SPENT;
	return outcome_note(&ctx->insp->limiting, outcome, n) != 0;
}

static ks_inline void walk_begin(struct ks_insp_limiting *walk, __u32 units, __u32 mode)
{
	walk->units = units;
	walk->mode = mode;
	walk->reason = 0;
	walk->met = 0;
}

/* --- flows that begin --- */

/* Notes what is due of a flow that begins, by the units that its rule has limits of. */
static ks_inline void opening_note(struct ks_inspection *insp)
{
	bool proves = ks_proto_has_handshake(insp->pkt.tuple.proto);
	__u32 met = insp->limiting.met, pending = proves ? UNITS_OPENED : KS_LIMIT_UNIT(KS_LIMIT_CONNECTIONS);

	insp->opening.limits =
		(__u8)((met & pending ? KS_FLOW_LIMIT_PENDING : 0) | (met & UNITS_PACED ? KS_FLOW_LIMIT_PACED : 0));
	insp->opening.limited = !proves && met & (UNITS_PACED | KS_LIMIT_UNIT(KS_LIMIT_FLOWS));
}

/* The units that are asked of a flow that begins: of a dry run also those that would be counted behind its insertion. */
static inline __u32 units_asked(const struct ks_inspection *insp)
{
	return insp->home.dry && !ks_proto_has_handshake(insp->pkt.tuple.proto) ? UNITS_OPENED | UNITS_PACED
										: UNITS_OPENED;
}

ks_isolated __u32 ks_limit_admits_isolated(struct ks_env *env, struct ks_inspection *insp)
{
	struct walk_ctx ctx = {};
	const struct ks_config *config;
	struct ks_insp_limiting *walk;

	if (!env || !insp)
		return KS_REASON_INTERNAL;
	ks_hide_bound(env);
	ks_hide_bound(insp);
	config = env_config(env);
	if (!config)
		return KS_REASON_INTERNAL;
	walk = &insp->limiting;
	walk->rule = insp->verdict.rule;
	walk->flow = (struct ks_flow_key){ .addr = { insp->sent.src, insp->sent.dst } };
	walk->flow.family = insp->sent.family & KS_FAMILY_MASK;
	walk->flow.proto = insp->sent.proto;
	walk->high = 0;
	walk->first = ks_limit_first(env, config, walk->rule);
	walk_begin(walk, units_asked(insp), insp->home.dry ? KS_TALLY_READ : KS_TALLY_LOOK);
	ctx.env = env;
	ctx.insp = insp;
	ctx.opens = 1;
	ks_loop(KS_LIMITS_PER_RULE, limit_look_step, &ctx);
	if (!walk->reason)
		opening_note(insp);
	return walk->reason;
}

/* --- counting --- */

/* Collects for whom a rule counts connections. */
static long shape_step(__u32 n, void *arg)
{
	struct walk_ctx *ctx = arg;
	const struct ks_limit *limit = env_limit(ctx->env, ctx->insp->limiting.first + n);
	struct ks_tally *tally = &ks_record_after(&ctx->insp->side)->tally;
	__u32 at = tally->shapes;

	if (!limit || limit->rule != ctx->insp->limiting.rule)
		return 1;
	if (limit->unit != KS_LIMIT_CONNECTIONS)
		return 0;
	tally->shape[at & (KS_TALLY_SHAPES - 1)] = (struct ks_tally_shape){
		.per = limit->per,
		.bits = { limit->bits[0], limit->bits[1] },
		.at = limit->at,
	};
	tally->shapes = (__u8)(at + 1);
	return 0;
}

/* Asks the tally of the rule's limits, which counts all of its connections; if it has limits of connections. */
static ks_inline __u32 rule_count(struct walk_ctx *ctx)
{
	struct ks_inspection *insp = ctx->insp;
	struct ks_insp_limiting *walk = &insp->limiting;
	__u32 outcome;

	insp->side.after = (struct ks_flow){};
	ks_loop(KS_LIMITS_PER_RULE, shape_step, ctx);
	if (!ks_record_after(&insp->side)->tally.shapes)
		return 0;
	walk->ask = (struct ks_tally_ask){
		.now = insp->home.now,
		.unit = KS_TALLY_OF_RULE,
		.rule = walk->rule,
		.mode = (__u8)walk->mode,
	};
	ks_tally_rule_key(walk->rule, &insp->side.key);
	ks_table_hash_isolated(ctx->env, &insp->side);
	outcome = ks_tally_ask_in(ctx->env, &insp->side, &walk->ask);
	if (walk->mode == KS_TALLY_UNDO || outcome == KS_TALLY_ADMITTED)
		return 0;
	return reason_of(KS_TALLY_OF_RULE, outcome);
}

ks_isolated __u32 ks_limit_count_isolated(struct ks_env *env, struct ks_inspection *insp)
{
	struct walk_ctx ctx = {};
	struct ks_insp_limiting *walk;
	bool with_rule;
	__u32 reason = 0;

	if (!env || !insp)
		return KS_REASON_INTERNAL;
	ks_hide_bound(env);
	ks_hide_bound(insp);
	ctx.env = env;
	ctx.insp = insp;
	walk = &insp->limiting;
	if (walk->mode == KS_TALLY_READ) {
		ks_loop(KS_LIMITS_PER_RULE, limit_look_step, &ctx);
		return walk->reason;
	}
	with_rule = walk->units & KS_LIMIT_UNIT(KS_LIMIT_CONNECTIONS);
	if (walk->mode != KS_TALLY_UNDO && with_rule)
		reason = rule_count(&ctx);
	if (reason)
		return reason;
	ks_loop(KS_LIMITS_PER_RULE, limit_take_step, &ctx);
	if (walk->reason && walk->mode != KS_TALLY_UNDO) {
		walk->mode = KS_TALLY_UNDO;
		ks_loop(KS_LIMITS_PER_RULE, limit_take_step, &ctx);
	}
	if (walk->mode == KS_TALLY_UNDO && with_rule)
		rule_count(&ctx);
	return walk->reason;
}

/* The same, begun. */
static ks_inline __u32 limits_take(struct ks_env *env, struct ks_inspection *insp, __u32 units, __u32 mode)
{
	walk_begin(&insp->limiting, units, mode);
	return ks_limit_count_isolated(env_isolated(env), insp);
}

/* Returns true if the originator of the flow as it would be has proved to be there. */
static inline bool is_proven(const struct ks_inspection *insp)
{
	__u32 state = insp->flow.after.state;

	if (ks_proto_has_handshake(insp->pkt.tuple.proto))
		return !ks_state_is_half_open(state) && !ks_state_is_closed(state);
	return insp->dir == KS_ORIGINAL && insp->flow.before.flags & KS_FLOW_REPLIED;
}

/* A flow that was established before it is counted is one of before the limit: it stays, and is not new. */
static inline bool was_there(const struct ks_inspection *insp)
{
	return ks_proto_has_handshake(insp->pkt.tuple.proto) && !ks_state_is_half_open(insp->flow.before.state);
}

/*
 * A limit has refused with `reason`. If it says so, the source comes into a set. Returns true if it does: then what
 * has just completed its handshake does not wait for room.
 */
static ks_inline bool exceeded_overload(struct ks_env *env, struct ks_inspection *insp, __u32 reason)
{
	const struct ks_insp_limiting *walk = &insp->limiting;
	const struct ks_limit *limit = env_limit(env, walk->first + walk->refused);

	if (!limit || !limit->overload || reason != ks_limit_reason(limit->unit) ||
	    !ks_proto_has_handshake(insp->pkt.tuple.proto))
		return false;
	ks_overload(env, limit, &walk->flow, walk->high);
	return true;
}

/*
 * Counts a flow whose originator has proved to be there, and notes that by a commit of its own, so that whoever ends the flow
 * from then on gives it back. Returns 0 or a reason.
 */
static ks_inline __u32 flow_count(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 units = KS_LIMIT_UNIT(KS_LIMIT_CONNECTIONS), reason, met;

	if (ks_proto_has_handshake(insp->pkt.tuple.proto) && !was_there(insp))
		units |= KS_LIMIT_UNIT(KS_LIMIT_FLOWS);
	reason = limits_take(env, insp, units, was_there(insp) ? KS_TALLY_FORCE : KS_TALLY_TAKE);
	if (reason) {
		if (exceeded_overload(env, insp, reason) && ks_table_free_flow(env, &insp->flow, KS_END_LIMIT))
			insp->flow.found = 0;
		return reason;
	}
	met = insp->limiting.met;
	insp->flow.after = insp->flow.before;
	insp->flow.after.limits = (met & KS_LIMIT_UNIT(KS_LIMIT_CONNECTIONS) ? KS_FLOW_LIMIT_COUNTED : 0) |
				  (met & UNITS_PACED ? KS_FLOW_LIMIT_PACED : 0) |
				  (insp->flow.after.limits & KS_FLOW_RULED);
	if (!ks_table_commit_flow(env, &insp->flow)) {
		insp->limiting.refused = KS_LIMITS_PER_RULE;
		limits_take(env, insp, units, KS_TALLY_UNDO);
		return KS_REASON_CONTENDED;
	}
	insp->flow.before = insp->flow.after;
	return 0;
}

/* --- the stage --- */

/*
 * Returns true if the packet is one of its flow, valid, and goes to its receiver. One that is not is judged as if there were no
 * limits.
 */
static ks_inline bool is_counted(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				 const __u8 *head)
{
	return ks_zones_fit(insp) && (ks_nat_is_addressed(insp) || ks_is_second_look(insp)) &&
	       ks_reason_is_pass(ks_track_update(env, config, insp)) &&
	       !(ks_moves_flow(insp) && ks_sum_is_wrong(env, config, insp, head)) && !ks_ends_here(config, insp);
}

/* Returns true for a packet that begins a handshake: within a known flow it passes with any numbers, so it proves nothing. */
static inline bool begins_handshake(const struct ks_packet *pkt)
{
	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
		return pkt->tcp_flags & KS_TCP_SYN;
	case KS_PROTO_SCTP:
		return pkt->sctp.chunks & KS_SCTP_INIT;
	default:
		return (pkt->dccp_type & KS_DCCP_TYPE_MASK) == KS_DCCP_REQUEST;
	}
}

/*
 * Returns true if limits of packets and octets count the packet. Of a protocol with a handshake it must belong to a connection
 * whose handshake is complete: what anybody can send in the name of another one must not spend his limits.
 */
static inline bool is_charged(const struct ks_inspection *insp)
{
	if (!ks_proto_has_handshake(insp->pkt.tuple.proto))
		return true;
	return !ks_state_is_half_open(insp->flow.after.state) && !begins_handshake(&insp->pkt);
}

/* Counts a packet by the limits of packets and octets. */
static ks_inline __u32 paced_count(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 reason = limits_take(env, insp, UNITS_PACED, insp->home.dry ? KS_TALLY_READ : KS_TALLY_TAKE);

	if (reason && is_proven(insp) && !insp->home.dry)
		exceeded_overload(env, insp, reason);
	return reason;
}

/* Asks for a dry run if there is room for a flow whose originator has proved to be there. */
static ks_inline __u32 flow_look(struct ks_env *env, struct ks_inspection *insp)
{
	if (was_there(insp))
		return 0;
	return limits_take(env, insp,
			   ks_proto_has_handshake(insp->pkt.tuple.proto) ? UNITS_OPENED
									 : KS_LIMIT_UNIT(KS_LIMIT_CONNECTIONS),
			   KS_TALLY_READ);
}

/* Counts a valid packet of a known flow, and the flow if it is time. Returns 0 or a reason. */
static ks_inline __u32 known_count(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 limits = insp->flow.before.limits, reason = 0;
	bool charged = is_charged(insp); /* before another commit */

	if (limits & KS_FLOW_LIMIT_PENDING && is_proven(insp))
		reason = insp->home.dry ? flow_look(env, insp) : flow_count(env, insp);
	if (!reason && limits & KS_FLOW_LIMIT_PACED && charged)
		reason = paced_count(env, insp);
	return reason;
}

/* Counts a flow without a handshake that has just begun, and its packet. One for which there is no room any more ends again. */
static ks_inline void judge_opened(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 reason = limits_take(env, insp, UNITS_PACED | KS_LIMIT_UNIT(KS_LIMIT_FLOWS), KS_TALLY_TAKE);

	if (!reason) {
		ks_flow_tell_begin(env, &insp->flow);
		ks_open_conclude(insp, config, insp->verdict.reason);
		return;
	}
	insp->flow.before = insp->flow.after;
	ks_table_free_flow(env, &insp->flow, KS_END_UNTOLD);
	insp->verdict.state = KS_STATE_NONE;
	ks_inspect_conclude(insp, config, ks_deny(insp, KS_CLASS_NEW, reason));
}

/* The flow is known. Its packet is counted, then judged as any other. */
static ks_inline void judge_known(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				  const __u8 *head)
{
	__u32 reason = is_counted(env, config, insp, head) ? known_count(env, insp) : 0;

	if (!reason && insp->flow.before.helper) {
		insp->stage = KS_STAGE_HELPER;
		return;
	}
	if (!reason) {
		ks_inspect_conclude(insp, config, ks_judge_known(env, config, insp, head));
		return;
	}
	insp->verdict.rule = insp->flow.before.rule;
	insp->verdict.state = insp->flow.found ? insp->flow.before.state : KS_STATE_NONE;
	insp->verdict.log = insp->flow.before.flags & KS_FLOW_LOG ? 1 : 0;
	insp->flow.after = insp->flow.before;
	ks_inspect_conclude(insp, config, ks_deny(insp, KS_CLASS_NEW, reason));
}

/* Returns true for a fragment that has its datagram's verdict. */
static inline bool is_later_fragment(const struct ks_inspection *insp)
{
	return insp->pkt.flags & KS_PKT_FRAGMENT && insp->pkt.frag_off;
}

/* Counts a fragment that passes with its datagram's first one, by its own length. It tells of no handshake, and fills no set. */
static ks_inline void judge_fragment(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_flow *flow = &insp->flow.before;
	__u32 reason = 0;

	if (!ks_proto_has_handshake(insp->flow.key.proto) || !ks_state_is_half_open(flow->state))
		reason = limits_take(env, insp, UNITS_PACED, insp->home.dry ? KS_TALLY_READ : KS_TALLY_TAKE);
	if (reason) {
		insp->verdict.reason = (__u8)ks_deny(insp, KS_CLASS_NEW, reason);
		insp->verdict.log = flow->flags & KS_FLOW_LOG ? 1 : 0;
		insp->translate = 0;
	}
	ks_fragment_conclude(insp, config);
}

void ks_stage_limit(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);
	struct ks_insp_limiting *walk = &insp->limiting;

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	walk->rule = insp->opening.limited ? insp->verdict.rule : insp->flow.before.rule;
	walk->first = ks_limit_first(env, config, walk->rule);
	walk->flow = insp->flow.key;
	walk->high = insp->from_high != (insp->dir & 1);
	if (is_later_fragment(insp))
		judge_fragment(env, config, insp);
	else if (insp->opening.limited)
		judge_opened(env, config, insp);
	else
		judge_known(env, config, insp, head);
}
