// SPDX-License-Identifier: BSD-2-Clause
/* Gives flows that would clash another port; see clash.h. */
#include "core/nat/clash.h"

#include "core/env.h"
#include "core/home.h"
#include "core/link.h"
#include "core/nat/port.h"
#include "core/table/table.h"

void ks_clash_find_own(struct ks_env *env, struct ks_inspection *insp, __u8 high)
{
	bool clash = insp->by_alias;
	__u64 hash;

	if (clash) {
		insp->flow.key = insp->side.key;
		insp->flow.hash = insp->side.hash;
		insp->from_high = high;
		insp->by_alias = 0;
	}
	hash = insp->flow.hash;
	insp->flow.key.link |= KS_LINK_OWN;
	ks_table_hash(env, &insp->flow);
	ks_table_find(env, &insp->flow);
	if (clash || insp->flow.found || insp->flow.busy)
		return;
	insp->flow.key.link &= (__u16)~KS_LINK_OWN;
	insp->flow.hash = hash;
}

bool ks_clash_is_own(const struct ks_inspection *insp)
{
	return insp->flow.key.link & KS_LINK_OWN && !(insp->flow.key.link & KS_LINK_CROSSING);
}

/* Returns true if the key in insp->flow is that of an entry which does not make room for another. */
static bool key_is_taken(struct ks_env *env, struct ks_inspection *insp)
{
	bool taken;

	ks_table_hash(env, &insp->flow);
	ks_table_find(env, &insp->flow);
	taken = insp->flow.busy || (insp->flow.found && !ks_state_is_closed(insp->flow.before.state));
	insp->flow.found = 0;
	insp->flow.busy = 0;
	return taken;
}

#define KEY_TRIES 64U /* the table would have to be full of this client's flows to one server */

/* A search for a port with which the key is free. */
struct key_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	__u32 lo, span; /* ports that may be used: as privileged as the packet's own; of ICMP any identifier */
	__u32 start; /* the first to be tried, counted from lo */
	__u32 reason;
};

static void key_bound(struct key_ctx *ctx)
{
	__u32 own = ks_be16(ctx->insp->pkt.tuple.sport), hi = KS_PORT_MAX;

	ctx->lo = KS_PORT_UNPRIVILEGED;
	if (!ks_port_is_number(ctx->insp->sent.proto)) {
		ctx->lo = 0;
	} else if (own < KS_PORT_UNPRIVILEGED) {
		ctx->lo = 1;
		hi = KS_PORT_UNPRIVILEGED - 1;
	}
	ctx->span = hi - ctx->lo + 1;
	ctx->start = env_random(ctx->env) % ctx->span;
}

static long key_try(__u32 n, void *arg)
{
	struct key_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;

	insp->sent.sport = ks_be16((__u16)(ctx->lo + (ctx->start + n) % (ctx->span ? ctx->span : 1)));
	insp->from_high = ks_packet_key(ctx->env, insp, &insp->sent, &insp->flow.key);
	if (key_is_taken(ctx->env, insp))
		return 0;
	ctx->reason = 0;
	return 1;
}

__u32 ks_clash_avoid(struct ks_env *env, struct ks_inspection *insp)
{
	struct key_ctx ctx = { .env = env, .insp = insp, .reason = KS_REASON_NO_PORT };

	if (!key_is_taken(env, insp))
		return 0;
	if (!ks_port_may_change(insp->sent.proto))
		return KS_REASON_NO_PORT;
	key_bound(&ctx);
	ks_loop(KEY_TRIES, key_try, &ctx);
	insp->inner_port = insp->sent.sport;
	insp->translate |= KS_TRANSLATE_PORT;
	return ctx.reason;
}
