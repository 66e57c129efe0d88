// SPDX-License-Identifier: BSD-2-Clause
/* Mappings of media ports; see media.h. */
#include "core/helper/media.h"

#include "core/env.h"
#include "core/helper/expect.h"
#include "core/home.h"
#include "core/table/hash.h"
#include "core/table/table.h"

#define MEDIA_PORT_TRIES 16U
#define MEDIA_PORTS (KS_PORT_MAX - KS_PORT_UNPRIVILEGED + 1)

/* Finds the record of an endpoint; `other` is the outer address of MAPPING_OUT, or a permit's peer. */
static void media_key_make(struct ks_env *env, struct ks_inspection *insp, __u32 kind, const struct ks_addr *addr,
			   __be16 port, const struct ks_addr *other)
{
	struct ks_flow_key *key = &insp->side.key;

	*key = (struct ks_flow_key){};
	key->addr[0] = *addr;
	if (other)
		key->addr[1] = *other;
	key->port[0] = port;
	key->proto = KS_PROTO_UDP;
	key->family = insp->pkt.tuple.family & KS_FAMILY_MASK;
	key->kind = kind & (KS_KIND_MAX - 1);
	ks_table_hash(env, &insp->side);
	ks_table_find(env, &insp->side);
}

/* Makes insp->side.after a record that names this endpoint. `inner` is the direction of who has it. */
static void media_fill(const struct ks_config *config, struct ks_inspection *insp, __u32 inner,
		       const struct ks_addr *addr, __be16 port)
{
	struct ks_record *record = ks_record_after(&insp->side);

	insp->side.after = (struct ks_flow){};
	record->state = KS_STATE_MAPPING;
	record->flags = KS_TARGET_ADF;
	record->zone[0] = insp->flow.after.zone[inner & 1];
	record->zone[1] = insp->flow.after.zone[!(inner & 1)];
	record->seen = insp->side.clock;
	record->timeout = config->timeout[KS_STATE_MAPPING];
	record->mapping.addr = *addr;
	record->mapping.port = port;
	record->mapping.rule = insp->flow.after.rule;
}

static void media_put(struct ks_env *env, struct ks_inspection *insp)
{
	if (insp->side.found)
		ks_table_commit(env, &insp->side);
	else
		ks_table_insert(env, &insp->side);
}

/* Renews the record found, which belongs to this control connection from now on. */
static void media_renew(struct ks_env *env, struct ks_inspection *insp)
{
	insp->side.after = insp->side.before;
	insp->side.after.seen = insp->side.clock;
	ks_record_after(&insp->side)->mapping.control = insp->sent.sport;
	ks_table_commit(env, &insp->side);
}

/* Returns true if the record found is that of this endpoint. */
static bool is_of_endpoint(const struct ks_inspection *insp, const struct ks_addr *addr, __be16 port)
{
	const struct ks_mapping *m = &ks_record_before(&insp->side)->mapping;

	return insp->side.found && ks_addr_equal(&m->addr, addr) && (!port || m->port == port);
}

/* The outer port that the speaker's port has already, or 0. */
static __u16 media_find(struct ks_env *env, struct ks_inspection *insp, __u16 port)
{
	__be16 outer;

	media_key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, ks_be16(port), &insp->sent.src);
	if (!is_of_endpoint(insp, &insp->sent.src, 0))
		return 0;
	outer = ks_record_before(&insp->side)->mapping.port;
	media_renew(env, insp);
	media_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, outer, NULL);
	if (!is_of_endpoint(insp, &insp->pkt.tuple.src, ks_be16(port)))
		return 0;
	media_renew(env, insp);
	return ks_be16(outer);
}

/* Inserts the record that claims an outer port. Returns KS_REASON_OK_NEW or a reason. */
static ks_inline __u32 media_claim(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				   __u16 outer, __u16 port)
{
	insp->helping.want.dport = ks_be16(outer);
	if (ks_expect_port_is_reserved(env, config, insp))
		return KS_REASON_CONTENDED;
	media_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, ks_be16(outer), NULL);
	if (insp->side.found || insp->side.busy)
		return KS_REASON_CONTENDED;
	media_fill(config, insp, insp->dir, &insp->pkt.tuple.src, ks_be16(port));
	ks_record_after(&insp->side)->mapping.control = insp->sent.sport;
	return ks_table_insert(env, &insp->side);
}

static void media_release(struct ks_env *env, struct ks_inspection *insp, __u16 outer)
{
	media_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, ks_be16(outer), NULL);
	if (insp->side.found)
		ks_table_free(env, &insp->side);
}

/* A search for two adjacent outer ports, or one. */
struct media_ctx {
	struct ks_env *env;
	struct ks_inspection *insp;
	const struct ks_config *config;
	__u32 start;
	__u16 port, control;
	__u16 outer; /* the first one claimed, 0: none */
	bool pair;
};

static long media_port_try(__u32 n, void *arg)
{
	struct media_ctx *ctx = arg;
	__u32 outer = ctx->port, reason;

	if (n) /* the speaker's own is tried first; others are as even or odd as that */
		outer = KS_PORT_UNPRIVILEGED + ((ctx->start + 2 * n) % MEDIA_PORTS & ~1U) + (ctx->port & 1);
	if (ctx->pair && outer >= KS_PORT_MAX)
		return 0;
	reason = media_claim(ctx->env, ctx->config, ctx->insp, (__u16)outer, ctx->port);
	if (reason == KS_REASON_OK_NEW && ctx->pair) {
		reason = media_claim(ctx->env, ctx->config, ctx->insp, (__u16)(outer + 1), ctx->control);
		if (reason != KS_REASON_OK_NEW)
			media_release(ctx->env, ctx->insp, (__u16)outer);
	}
	if (reason == KS_REASON_OK_NEW)
		ctx->outer = (__u16)outer;
	return reason != KS_REASON_CONTENDED;
}

/* Completes a claim: the speaker's port leaves by the outer one. */
static void media_complete(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, __u16 outer,
			   __u16 port)
{
	media_key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, ks_be16(port), &insp->sent.src);
	media_fill(config, insp, insp->dir, &insp->sent.src, ks_be16(outer));
	ks_record_after(&insp->side)->mapping.control = insp->sent.sport;
	media_put(env, insp);
}

/* The announced port and the one that it gets. */
static void pair_note(struct ks_inspection *insp, __u16 inner, __u16 outer)
{
	struct ks_insp_helping *h = &insp->helping;

	if (h->port_pairs >= KS_PORT_PAIRS)
		return;
	h->port_pair[h->port_pairs & (KS_PORT_PAIRS - 1)] = (struct ks_port_pair){ .inner = inner, .outer = outer };
	h->port_pairs++;
}

/* Permits a peer to send to what an inner endpoint announces whose control connection has this outer endpoint. */
static void permit_put(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, __u32 inner,
		       const struct ks_addr *peer)
{
	bool speaks = inner == insp->dir;
	const struct ks_addr *outer_addr = speaks ? &insp->sent.src : &insp->pkt.tuple.dst;
	const struct ks_addr *inner_addr = speaks ? &insp->pkt.tuple.src : &insp->sent.dst;
	__be16 port = speaks ? insp->sent.sport : insp->pkt.tuple.dport;

	media_key_make(env, insp, KS_KIND_PERMIT, outer_addr, port, peer);
	media_fill(config, insp, inner, inner_addr, port);
	media_put(env, insp);
}

/* The first packet of media that comes from the listener, as far as it is known. */
static void want_make(struct ks_inspection *insp)
{
	insp->helping.want = (struct ks_tuple){ .family = insp->pkt.tuple.family, .proto = KS_PROTO_UDP };
	insp->helping.want.src = insp->translate & KS_TRANSLATE_DST ? insp->sent.dst : insp->pkt.tuple.dst;
	insp->helping.want.dst = insp->sent.src;
}

/* Finds free outer ports and maps them. Returns the first, or 0. */
static ks_inline __u16 media_make(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct media_ctx ctx = {
		.env = env,
		.insp = insp,
		.config = config,
		.port = insp->helping.port,
		.control = insp->helping.control,
		.pair = insp->helping.control != insp->helping.port,
	};

	ctx.start = env_random(env);
	ks_loop(MEDIA_PORT_TRIES, media_port_try, &ctx);
	if (!ctx.outer)
		return 0;
	media_complete(env, config, insp, ctx.outer, ctx.port);
	if (ctx.pair)
		media_complete(env, config, insp, ctx.outer + 1, ctx.control);
	return ctx.outer;
}

/*
 * Gives the speaker's media port, insp->helping.port, an outer one, and insp->helping.control the one behind it; if both are
 * the same the stream has no control of its own. Notes them in insp->helping.port_pair. Returns false if there is none. Inlined,
 * because frames are few (V2).
 */
static ks_inline bool media_map(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_insp_helping *helping = &insp->helping; /* whose fields are read again: this is on a deep path (V2) */
	__u16 outer;

	want_make(insp);
	outer = media_find(env, insp, helping->port);
	if (!outer)
		outer = media_make(env, config, insp);
	else if (helping->control != helping->port && media_find(env, insp, helping->control) != outer + 1 &&
		 media_claim(env, config, insp, outer + 1, helping->control) == KS_REASON_OK_NEW)
		media_complete(env, config, insp, outer + 1, helping->control);
	if (!outer)
		return false;
	permit_put(env, config, insp, insp->dir, &helping->want.src);
	helping->mapped = outer;
	pair_note(insp, helping->port, outer);
	if (helping->control != helping->port)
		pair_note(insp, helping->control, outer + 1);
	return true;
}

/* The speaker's media will come from there: that may reach what the listener, whose address is translated, announces. */
static ks_inline void peer_permit(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_addr peer = insp->helping.want.src;

	permit_put(env, config, insp, !(insp->dir & 1), &peer);
}

void ks_stage_media(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);

	insp->stage = KS_STAGE_SCAN;
	if (!config)
		return;
	if (!insp->helping.maps)
		peer_permit(env, config, insp);
	else if (media_map(env, config, insp))
		insp->helping.made++;
}
