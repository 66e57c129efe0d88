// SPDX-License-Identifier: BSD-2-Clause
/* Detection of port scans; see port_scan.h. */
#include "core/port_scan.h"

#include "core/antispoof.h"
#include "core/env.h"
#include "core/inspection.h"
#include "core/members.h"
#include "core/table/hash.h"
#include "core/table/table.h"

#define SCAN_KIND (KS_KIND_MAX - 1) /* no entry of the table has it */
#define OF_SOURCE 1 /* hashed with the key of a source, ... */
#define OF_TARGET 2 /* ... and of a destination */
#define WAY_MASK (KS_SCAN_WAYS - 1)
#define WORD_BITS 64U
#define WORD_SHIFT 6
#define PORTS_KNOWN 1024U /* services answer from ports below */

static ks_inline __u64 source_hash(const struct ks_insp_scan *ask, const __u64 *secret)
{
	struct ks_flow_key key = ks_source_key(&ask->tuple);
	__u64 hash;

	key.kind = SCAN_KIND;
	key.proto = OF_SOURCE;
	key.link = (__u16)ask->zone;
	hash = ks_flow_key_hash(&key, secret);
	return hash ? hash : 1;
}

static ks_inline __u64 target_hash(const struct ks_insp_scan *ask, const __u64 *secret)
{
	struct ks_flow_key key = { .addr = { ask->tuple.dst },
				   .port = { ask->tuple.dport },
				   .proto = OF_TARGET,
				   .family = ask->tuple.family & KS_FAMILY_MASK,
				   .kind = SCAN_KIND,
				   .link = ask->tuple.proto };

	return ks_flow_key_hash(&key, secret);
}

static ks_inline bool window_is_over(const struct ks_scan_place *place, const struct ks_insp_scan *ask)
{
	return ask->now - ks_load_relaxed(&place->began) > ask->window;
}

/* How much a place is worth to be kept. */
static ks_inline __u32 place_rank(const struct ks_scan_place *place, const struct ks_insp_scan *ask)
{
	return window_is_over(place, ask) ? 0 : ks_load_relaxed(&place->marks);
}

/* The way of a set that a source has, else the one that is worth least. */
static ks_inline __u32 way_find(const struct ks_scan_set *set, const struct ks_insp_scan *ask, __u64 hash)
{
	__u32 least = ~0U, way = 0, own = KS_SCAN_WAYS;

	for (__u32 i = 0; i < KS_SCAN_WAYS; i++) {
		__u32 rank = place_rank(&set->place[i], ask);

		own = ks_load_relaxed(&set->place[i].whose) == hash ? i : own;
		way = rank < least ? i : way;
		least = rank < least ? rank : least;
	}
	return own < KS_SCAN_WAYS ? own : way;
}

/* Makes a place a source's, with a window that goes on. */
static ks_inline void place_claim(struct ks_scan_place *place, const struct ks_insp_scan *ask, __u64 hash)
{
	__u64 owner = ks_load_relaxed(&place->whose), began = ks_load_relaxed(&place->began);

	if (owner == hash && !window_is_over(place, ask))
		return;
	if (owner != hash && ks_cmpxchg(&place->whose, owner, hash) != owner)
		return;
	if (ks_cmpxchg(&place->began, began, ask->now) != began)
		return;
	for (__u32 i = 0; i < KS_SCAN_WORDS; i++)
		ks_store_relaxed(&place->mark[i], 0);
	ks_store_relaxed(&place->marks, 0);
}

/* Sets the bit of a destination. Returns true if it was not set. */
static ks_inline bool place_mark(struct ks_scan_place *place, __u64 hash)
{
	__u32 at = (__u32)hash & (KS_SCAN_BITS - 1);
	__u64 bit = 1ULL << (at & (WORD_BITS - 1));

	if (ks_fetch_or(&place->mark[at >> WORD_SHIFT & (KS_SCAN_WORDS - 1)], bit) & bit)
		return false;
	ks_fetch_add(&place->marks, 1);
	return true;
}

ks_isolated __u32 ks_scan_count_isolated(struct ks_env *env, const struct ks_insp_scan *ask)
{
	const struct ks_table_shape *shape;
	struct ks_scan_place *place;
	struct ks_scan_set *set;
	__u64 hash;
	bool fresh;

	if (!env || !ask)
		return KS_SCAN_NONE;
	ks_hide_bound(env);
	ks_hide_bound(ask);
	shape = env_table_shape(env);
	if (!shape)
		return KS_SCAN_NONE;
	hash = source_hash(ask, shape->key);
	set = env_scan_set(env, (__u32)hash & (KS_SCAN_SETS - 1));
	if (!set)
		return KS_SCAN_NONE;
	place = &set->place[way_find(set, ask, hash) & WAY_MASK];
	place_claim(place, ask, hash);
	fresh = place_mark(place, target_hash(ask, shape->key));
	if (ks_load_relaxed(&place->marks) < ask->marks)
		return KS_SCAN_NONE;
	return fresh ? KS_SCAN_GOES_ON : KS_SCAN_KNOWN;
}

/* Returns true if the packet asks for a port, and does not look like an answer that comes too late. */
static bool is_attempt(const struct ks_inspection *insp)
{
	const struct ks_packet *pkt = &insp->pkt;

	if (pkt->flags & KS_PKT_GROUP || pkt->frag_off)
		return false;
	if (insp->verdict.reason == KS_REASON_TCP_FLAGS)
		return true;
	if (insp->verdict.reason != KS_REASON_RULE && insp->verdict.reason != KS_REASON_NO_RULE)
		return false;
	switch (pkt->tuple.proto) {
	case KS_PROTO_TCP:
		return (pkt->tcp_flags & (KS_TCP_SYN | KS_TCP_ACK)) == KS_TCP_SYN;
	case KS_PROTO_UDP:
	case KS_PROTO_UDPLITE:
		return ks_be16(pkt->tuple.sport) >= PORTS_KNOWN || ks_be16(pkt->tuple.dport) < PORTS_KNOWN;
	default:
		return (pkt->tuple.proto == KS_PROTO_SCTP || pkt->tuple.proto == KS_PROTO_DCCP) &&
		       insp->verdict.class == KS_CLASS_NEW;
	}
}

/*
 * Puts the source of a scan into the set of the policy, unless it is one of those that never come there, or cannot be at home
 * where the packet comes from: of flags alone nobody has asked that before.
 */
static void scanner_add(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp,
			const struct ks_protection *protection)
{
	const struct ks_tuple *tuple = &insp->pkt.tuple;
	struct ks_set_ask exception = { .addr = tuple->src, .set = protection->scan_except, .family = tuple->family };
	__u8 length = tuple->family == KS_IPV4 ? KS_LIMIT_SOURCE_BITS4 : KS_LIMIT_SOURCE_BITS6;

	if (!ks_source_is_believed(env, config, insp, true))
		return;
	if (protection->scan_except != KS_SET_ANY && ks_set_holds_isolated(env_isolated(env), &exception))
		return;
	ks_set_add(env, protection->scan_set - 1U, &tuple->src, tuple->family, length, protection->scan_hold);
}

void ks_port_scan_note(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_protection *protection = &config->protection[insp->home.from & (KS_ZONE_MAX - 1)];
	__u32 answer;

	if (!ks_protect_has(protection, KS_PROTECT_PORT_SCAN) || !is_attempt(insp))
		return;
	insp->scan = (struct ks_insp_scan){
		.tuple = insp->pkt.tuple,
		.now = insp->home.now,
		.window = protection->scan_window * KS_NSEC_PER_MSEC,
		.marks = protection->scan_marks,
		.zone = insp->home.from,
	};
	answer = ks_scan_count_isolated(env_isolated(env), &insp->scan);
	if (answer == KS_SCAN_NONE)
		return;
	insp->verdict.reason = KS_REASON_PORT_SCAN;
	if (answer == KS_SCAN_GOES_ON && protection->scan_set)
		scanner_add(env, config, insp, protection);
}
