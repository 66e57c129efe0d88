// SPDX-License-Identifier: BSD-2-Clause
/* Makes, finds and gives up expectations; see expect.h. */
#include "core/helper/expect.h"

#include "core/env.h"
#include "core/home.h"
#include "core/link.h"
#include "core/table/hash.h"
#include "core/table/table.h"

#define EXPECT_PORT_TRIES 16U

/* Makes insp->side.key of insp->helping.want. A source of zeros stands for anybody and says nothing of a link. */
static void expectation_key_make(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_tuple *want = &insp->helping.want;

	ks_flow_key_make(want, &insp->side.key);
	if (ks_unlikely(ks_addr_is_on_link(&want->dst, want->family)))
		insp->side.key.link = ks_link_find(env, insp, want);
	insp->side.key.kind = KS_KIND_EXPECT;
	ks_table_hash(env, &insp->side);
}

/* The hash of a control connection's key. insp->flow.hash may be that of an alias. */
static __u64 control_hash(struct ks_env *env, const struct ks_flow_key *key)
{
	const struct ks_table_shape *shape = env_table_shape(env);

	return shape ? ks_flow_key_hash(key, shape->key) : 0;
}

/* Returns true if the control connection of the expectation found is still there and not closed. */
static bool control_lives(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_expectation *expectation = &ks_record_before(&insp->side)->expectation;
	struct ks_flow_ref ref = ks_slot_at(expectation->control);
	struct ks_bucket *bucket = env_bucket(env, ref.bucket);
	const struct ks_slot *slot;
	struct ks_flow_key key;
	struct ks_flow flow;

	if (!bucket)
		return false;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	/*
	 * The version is not asked: a packet may be moving the flow right now. Key and age stay the same while it lives, and
	 * a mixture with another entry's would have to meet both.
	 */
	ks_flow_peek(&slot->flow, &flow);
	ks_words_load(&key, &slot->key, sizeof(key));
	return flow.state != KS_STATE_NONE && flow.state != KS_STATE_ALIAS && !ks_state_is_closed(flow.state) &&
	       ks_load_relaxed(&slot->flow.created) == expectation->control_created &&
	       !ks_flow_is_dead(&flow, insp->side.clock) && control_hash(env, &key) == expectation->control_hash;
}

/* Looks for the expectation of insp->helping.want, opened from the zone that it names. */
static bool expectation_find(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_record *record = ks_record_before(&insp->side);

	expectation_key_make(env, insp);
	ks_table_find(env, &insp->side);
	return insp->side.found && record->state == KS_STATE_EXPECTED &&
	       ks_zone_equal(record->zone[0], insp->home.from) && control_lives(env, insp);
}

/* Not inlined, because most policies have no helpers. */
static __attribute__((noinline)) bool expectation_admits(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_record *record = ks_record_before(&insp->side);

	/* Only PPTP's calls are expected of GRE. A tunnel with a key has that as the port of both sides. */
	if (insp->pkt.tuple.proto == KS_PROTO_GRE && insp->pkt.tuple.sport)
		return false;
	insp->helping.want = insp->pkt.tuple;
	insp->helping.want.sport = 0;
	if (!expectation_find(env, insp)) {
		insp->helping.want.src = (struct ks_addr){};
		if (!expectation_find(env, insp))
			return false;
	}
	if (record->flags & KS_EXPECT_REFUSED) {
		insp->opening.unnamed = 1;
		return false;
	}
	insp->opening.expectation = ks_slot_id(&insp->side.ref);
	insp->opening.expectation_version = insp->side.before.version;
	insp->helping.name = record->expectation.name;
	insp->helping.named = record->expectation.name.d[0] || record->expectation.name.d[1];
	insp->sent.dst = record->expectation.to;
	insp->sent.dport = record->expectation.port;
	insp->verdict.rule = record->expectation.rule;
	insp->to = record->zone[1];
	return true;
}

ks_inlined bool ks_expect_find(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);

	insp->helping.named = 0;
	insp->opening.expectation = 0;
	insp->opening.unnamed = 0;
	return counts && ks_load_relaxed(&counts->records[KS_KIND_EXPECT]) && expectation_admits(env, insp);
}

bool ks_expect_consume(struct ks_env *env, struct ks_inspection *insp)
{
	if (!insp->opening.expectation)
		return true;
	insp->side.ref = ks_slot_at(insp->opening.expectation);
	insp->side.before.version = insp->opening.expectation_version;
	return ks_table_free(env, &insp->side);
}

/* Makes insp->side.after the expectation of insp->helping.want: who opens goes on to the packet's sender. */
static void expectation_fill(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_record *record = ks_record_after(&insp->side);
	struct ks_expectation *expectation = &record->expectation;
	__u32 dir = insp->dir & 1;

	insp->side.after = (struct ks_flow){};
	record->state = KS_STATE_EXPECTED;
	record->flags = insp->helping.refuses ? KS_EXPECT_REFUSED : 0;
	record->zone[0] = insp->flow.after.zone[!dir];
	record->zone[1] = insp->flow.after.zone[dir];
	record->seen = insp->side.clock;
	record->timeout = config->timeout[KS_STATE_EXPECTED];
	expectation->to = insp->pkt.tuple.src;
	expectation->port = ks_be16(insp->helping.port);
	expectation->rule = insp->flow.after.rule;
	expectation->control = ks_slot_id(&insp->flow.ref);
	expectation->control_created = insp->flow.after.created;
	expectation->control_hash = control_hash(env, &insp->flow.key);
	if (insp->translate & KS_TRANSLATE_DST && (insp->helping.want.src.d[0] || insp->helping.want.src.d[1]))
		expectation->name = insp->pkt.tuple.dst;
}

static bool side_is_in_table(struct ks_env *env, struct ks_inspection *insp)
{
	ks_table_hash(env, &insp->side);
	ks_table_find(env, &insp->side);
	return insp->side.found || insp->side.busy;
}

/* Returns true if a mapping has the port as its outer endpoint. */
static bool is_mapped(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	const struct ks_tuple *want = &insp->helping.want;

	if (!counts || !ks_load_relaxed(&counts->records[KS_KIND_MAPPING_IN]))
		return false;
	insp->side.key = (struct ks_flow_key){
		.addr = { want->dst },
		.port = { want->dport },
		.proto = want->proto,
		.family = want->family & KS_FAMILY_MASK,
		.kind = KS_KIND_MAPPING_IN,
	};
	return side_is_in_table(env, insp);
}

bool ks_expect_port_is_reserved(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_decision decision = {};

	if (env_port_is_used(env, &insp->helping.want))
		return true;
	if (!(config->options & KS_OPT_FORWARD))
		return false;
	ks_question_make(insp, &insp->helping.want, KS_LIST_FILTER, &insp->opening.question);
	insp->opening.question.from = insp->flow.after.zone[!(insp->dir & 1)];
	insp->opening.question.to = KS_ZONE_SELF;
	insp->opening.question.facts = (struct ks_facts){ .of = KS_FACTS_ANY };
	ks_rules_ask(env, &insp->opening.question, &decision);
	return decision.targets != 0;
}

/*
 * Returns true if the opener has a flow to the port from where FTP servers open data connections (RFC 959 5.2), or of PPTP
 * one with this call, even one that is over: its packets would find that flow, perhaps of another client, and not the
 * expectation.
 */
static bool is_spoken_to(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_tuple *want = &insp->helping.want;
	__be16 control = insp->translate & KS_TRANSLATE_DST ? insp->sent.dport : insp->pkt.tuple.dport;

	if (want->proto != KS_PROTO_GRE)
		want->sport = ks_be16((__u16)(ks_be16(control) - 1));
	ks_packet_key(env, insp, want, &insp->side.key);
	want->sport = 0;
	return side_is_in_table(env, insp);
}

/*
 * The key is in the table: the same endpoint was announced before, here or by another connection of the same two. The
 * entry then lives on and belongs to the connection that announced it last. Returns false if it is another endpoint's.
 */
static bool expectation_renew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_expectation *old = &ks_record_before(&insp->side)->expectation;

	ks_table_find(env, &insp->side);
	if (!insp->side.found)
		return false;
	expectation_fill(env, config, insp);
	return ks_addr_equal(&old->to, &insp->pkt.tuple.src) && old->port == ks_be16(insp->helping.port) &&
	       ks_table_commit(env, &insp->side);
}

/* Returns true if somebody has the port otherwise than by an expectation. Call ids are no ports of the box. */
static ks_inline bool is_others(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	if (insp->helping.want.proto != KS_PROTO_GRE &&
	    (ks_expect_port_is_reserved(env, config, insp) || is_mapped(env, insp)))
		return true;
	return is_spoken_to(env, insp);
}

/* A search for a port under which the connection can be expected. */
struct expect_port_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const struct ks_config *config;
	__u32 start;
	__u32 slot_id; /* of the expectation made, 0: none */
};

static long expect_port_try(__u32 n, void *arg)
{
	struct expect_port_ctx *ctx = arg;
	struct ks_inspection *insp = ctx->insp;
	__u32 reason;

	if (n)
		insp->helping.want.dport =
			ks_be16(KS_PORT_UNPRIVILEGED + (ctx->start + n) % (KS_PORT_MAX - KS_PORT_UNPRIVILEGED + 1));
	if (insp->helping.choose && is_others(ctx->env, ctx->config, insp))
		return 0;
	expectation_key_make(ctx->env, insp);
	expectation_fill(ctx->env, ctx->config, insp);
	reason = ks_table_insert(ctx->env, &insp->side);
	if (reason == KS_REASON_OK_NEW ||
	    (reason == KS_REASON_CONTENDED && expectation_renew(ctx->env, ctx->config, insp))) {
		ctx->slot_id = ks_slot_id(&insp->side.ref);
		return 1;
	}
	return reason != KS_REASON_CONTENDED;
}

__u32 ks_expect_make(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct expect_port_ctx ctx = { .env = env, .insp = insp, .config = config };

	if (insp->helping.choose)
		ctx.start = env_random(env) % (KS_PORT_MAX - KS_PORT_UNPRIVILEGED + 1);
	ks_loop(insp->helping.choose ? EXPECT_PORT_TRIES : 1, expect_port_try, &ctx);
	return ctx.slot_id;
}

void ks_expect_release(struct ks_env *env, struct ks_inspection *insp, __u32 slot_id)
{
	const struct ks_expectation *expectation = &ks_record_before(&insp->side)->expectation;

	if (!slot_id)
		return;
	insp->side.ref = ks_slot_at(slot_id);
	ks_table_read(env, &insp->side);
	if (insp->side.found && insp->side.key.kind == KS_KIND_EXPECT &&
	    expectation->control_hash == control_hash(env, &insp->flow.key) &&
	    expectation->control_created == insp->flow.after.created)
		ks_table_free(env, &insp->side);
}
