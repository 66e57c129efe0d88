// SPDX-License-Identifier: BSD-2-Clause
/* Finds a free source port for a new flow, and reserves it; see port.h. */
#include "core/nat/port.h"

#include "core/env.h"
#include "core/home.h"
#include "core/link.h"
#include "core/nat/mapping.h"
#include "core/table/table.h"

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
	if (env_port_is_used(env, &q->tuple))
		return true;
	if (!(config->options & KS_OPT_FORWARD))
		return false;
	ks_rules_ask(env, q, &decision);
	return decision.targets != 0;
}

long ks_port_try(__u32 n, void *arg)
{
	struct ks_port_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;

	if (n == 0) {
		if (!ctx->keep)
			return 0;
		insp->sent.sport = insp->pkt.tuple.sport;
	} else {
		insp->sent.sport = ks_be16(ctx->lo + (ctx->start + n) % (ctx->span ? ctx->span : 1));
	}
	if (port_is_reserved(ctx->env, ctx->config, insp))
		return 0;
	if (insp->opening.mapped)
		ks_mapping_claim(ctx->env, ctx->config, insp);
	else
		alias_make(ctx->env, ctx->config, insp, &insp->sent, KS_REPLY);
	ctx->reason = side_reserve(ctx->env, insp);
	return ctx->reason != KS_REASON_CONTENDED;
}

void ks_port_bound(struct ks_port_ctx *ctx, const struct ks_target *t)
{
	__u32 own = ks_be16(ctx->insp->pkt.tuple.sport), hi = KS_PORT_MAX;
	bool is_icmp = !ks_port_is_number(ctx->insp->sent.proto);

	ctx->lo = is_icmp ? 0 : KS_PORT_UNPRIVILEGED;
	if (t->flags & KS_TARGET_PORTS && !is_icmp) {
		ctx->lo = t->port_lo;
		hi = t->port_hi;
	} else if (!is_icmp && own < KS_PORT_UNPRIVILEGED) {
		ctx->lo = 1;
		hi = KS_PORT_UNPRIVILEGED - 1;
	}
	ctx->span = hi >= ctx->lo ? hi - ctx->lo + 1 : 1;
	ctx->keep = !(t->flags & KS_TARGET_RANDOM) && own >= ctx->lo && own <= hi;
	ctx->start = env_random(ctx->env) % (ctx->span ? ctx->span : 1);
}
