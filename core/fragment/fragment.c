// SPDX-License-Identifier: BSD-2-Clause
/*
 * The way of a fragment; see fragment.h. Everything is decided on a copy of the
 * datagram's entry, which is committed if nobody changed it meanwhile; else the
 * fragment is judged again, a bounded number of times.
 *
 * RFC 791, 8200 4.5, 1858, 3128, 5722, 8900.
 */
#include "core/fragment/fragment.h"

#include "core/env.h"
#include "core/home.h"
#include "core/link.h"
#include "core/nat/alias.h"
#include "core/table/table.h"
#include "core/header/wire.h"

#define TRIES 8

/* A datagram that is complete is remembered so long, if some of it were held. */
#define COMPLETE_MS 1000U

/* Beside the zone in a key's link. */
#define LINK_LEAVING 0x100 /* on its way out, as its translation made it */
#define LINK_SECOND 0x200 /* judged once more where it leaves, because ingress could not decide */
_Static_assert(KS_ZONE_MAX <= LINK_LEAVING, "a zone leaves room in a key");

#define TAG_SHIFT 32 /* the upper half of a key's hash tells it from others that took its place */

/* A fragment in hand, while its datagram is asked. */
struct visit {
	struct ks_env *env;
	struct ks_inspection *insp;
	const struct ks_config *config;
	__u32 reason;
	__u32 refused; /* why the parser refused it, or 0 */
	/* what it takes from its datagram, or gives to it: the entry must make room for aliases */
	__u32 flow, tag, seq;
	__u8 flags; /* KS_DATAGRAM_* */
	__u8 changed; /* the copy is to be committed */
	__u8 kept; /* fragments that the home keeps: this one, or those that waited for it */
	__u8 counts; /* the flow counts it */
};

static inline struct ks_record *datagram_of(struct ks_inspection *insp)
{
	return ks_record_after(&insp->side);
}

/*
 * What a receiver puts a datagram together by. IPv6 leaves the next header out: it may differ (RFC 8200 4.5). On its
 * way out a datagram is another one, whose addresses may be others.
 */
static void key_make(struct ks_inspection *insp, bool leaving)
{
	struct ks_flow_key *key = &insp->side.key;
	const struct ks_packet *pkt = &insp->pkt;

	key->addr[0] = pkt->tuple.src;
	key->addr[1] = pkt->tuple.dst;
	key->family = pkt->tuple.family;
	key->kind = KS_KIND_FRAGMENT;
	key->port[0] = (__be16)pkt->frag_id;
	key->port[1] = (__be16)(pkt->frag_id >> 16);
	key->proto = pkt->tuple.family == KS_IPV4 ? pkt->tuple.proto : 0;
	key->link = insp->home.from | (leaving ? LINK_LEAVING : 0) | (ks_is_second_look(insp) ? LINK_SECOND : 0);
}

static void visit_init(struct visit *v, struct ks_env *env, struct ks_inspection *insp, bool leaving)
{
	v->env = env;
	v->insp = insp;
	v->config = env_config(env);
	v->reason = KS_REASON_INTERNAL;
	v->refused = 0;
	v->flow = 0;
	v->tag = 0;
	v->seq = 0;
	v->flags = 0;
	v->changed = 0;
	v->kept = 0;
	v->counts = !leaving;
	key_make(insp, leaving);
	ks_table_hash(env, &insp->side);
}

/* Tries of one kind, until one comes to an end. */
static ks_inline __u32 visit_try(struct visit *v, long (*try)(__u32 n, void *arg))
{
	if (v->config)
		ks_loop(TRIES, try, v);
	return v->reason;
}

static void deny(struct ks_inspection *insp, __u32 reason)
{
	insp->verdict.action = KS_DENY;
	insp->verdict.class = KS_CLASS_INVALID;
	insp->verdict.reason = reason;
	insp->translate = 0;
	insp->stage = KS_STAGE_DONE;
}

static inline bool passes(__u32 action)
{
	return action == KS_ALLOW || action == KS_BYPASS;
}

/* A packet passes: its bytes may have to be changed. */
static void go_on(const struct visit *v)
{
	struct ks_inspection *insp = v->insp;
	const struct ks_config *config = v->config;
	bool changes =
		insp->verdict.action == KS_ALLOW && (insp->translate & insp->home.halves || (config && config->scrub));

	insp->stage = changes && !insp->home.dry ? KS_STAGE_WRITE : KS_STAGE_DONE;
}

/* --- a fragment comes to its datagram --- */

static void datagram_begin(struct visit *v)
{
	struct ks_record *d = datagram_of(v->insp);

	v->insp->side.after = (struct ks_flow){};
	d->state = KS_STATE_FRAGMENTS;
	d->seen = v->insp->side.clock;
	d->timeout = KS_MIN(v->config->timeout[KS_STATE_FRAGMENTS], KS_FRAGMENT_HOLD_MS);
}

/* Its remaining time begins: short when nothing more can come. */
static inline void datagram_settle(struct visit *v, struct ks_record *d)
{
	__u32 timeout = v->config->timeout[KS_STATE_FRAGMENTS];

	d->seen = v->insp->side.clock;
	d->timeout = d->flags & KS_DATAGRAM_COMPLETE ? KS_MIN(timeout, COMPLETE_MS) : timeout;
}

static void datagram_kill(struct visit *v, struct ks_record *d)
{
	d->flags = (d->flags & ~KS_DATAGRAM_COMPLETE) | KS_DATAGRAM_DEAD;
	datagram_settle(v, d);
	v->changed = 1;
}

/* The first fragment is still to come: this one is kept for it, if there is room. */
static inline __u32 fragment_keep(struct visit *v, struct ks_record *d)
{
	if (!v->kept) {
		if (d->held >= KS_DATAGRAM_HELD_MAX)
			return KS_REASON_FRAGMENT_EARLY;
		if (!v->insp->home.dry && !env_fragment_hold(v->env, v->insp, v->insp->side.hash))
			return KS_REASON_FRAGMENT_EARLY;
		v->kept = 1;
	}
	d->held++;
	d->flags |= KS_DATAGRAM_HELD;
	return KS_REASON_OK_HELD;
}

/* What becomes of the fragment, decided on the copy of its datagram. */
static ks_inline __u32 fragment_judge(struct visit *v, struct ks_record *d)
{
	bool first = v->insp->pkt.frag_off == 0;
	__u32 reason;

	if (d->flags & KS_DATAGRAM_DEAD)
		return v->refused ? v->refused : KS_REASON_FRAGMENT_DEAD;
	if (v->refused) {
		datagram_kill(v, d);
		return v->refused;
	}
	if (d->flags & KS_DATAGRAM_COMPLETE) {
		if (!first)
			return KS_REASON_FRAGMENT_AGAIN;
		datagram_begin(v); /* the identification is used again */
	}
	reason = ks_datagram_add(d, &v->insp->pkt);
	if (reason == KS_REASON_FRAGMENT_AGAIN)
		return reason;
	if (reason) {
		datagram_kill(v, d);
		return reason;
	}
	reason = v->kept ? KS_REASON_OK_HELD : KS_REASON_OK_NEW;
	if (!first && !(d->flags & KS_DATAGRAM_JUDGED))
		reason = fragment_keep(v, d);
	else if (!first && d->flags & KS_DATAGRAM_COMPLETE)
		datagram_settle(v, d);
	v->changed = ks_reason_is_pass(reason);
	return reason;
}

/* Puts the copy where it belongs. Returns false when the fragment is to be judged again. */
static ks_inline bool datagram_store(struct visit *v)
{
	struct ks_inspection *insp = v->insp;
	__u32 reason;

	if (insp->side.found)
		return ks_table_commit(v->env, &insp->side);
	reason = ks_table_insert(v->env, &insp->side);
	if (reason == KS_REASON_CONTENDED)
		return false;
	if (reason != KS_REASON_OK_NEW)
		v->reason = KS_REASON_FRAGMENT_LIMIT;
	return true;
}

/* One try; returns nonzero when it came to a verdict. */
static long arrive_try(__u32 n, void *arg)
{
	struct visit *v = arg;
	struct ks_inspection *insp = v->insp;

	ks_table_find(v->env, &insp->side);
	v->reason = KS_REASON_CONTENDED;
	v->changed = 0;
	if (insp->side.busy)
		return 0;
	if (insp->side.found)
		insp->side.after = insp->side.before;
	else
		datagram_begin(v);
	v->reason = fragment_judge(v, datagram_of(insp));
	if (insp->home.dry || !v->changed || datagram_store(v))
		return 1;
	v->reason = KS_REASON_CONTENDED;
	return 0;
}

/* One try at finding the datagram of a fragment that it knows already. */
static long find_try(__u32 n, void *arg)
{
	struct visit *v = arg;
	struct ks_inspection *insp = v->insp;
	const struct ks_record *d = datagram_of(insp);

	ks_table_find(v->env, &insp->side);
	v->reason = KS_REASON_CONTENDED;
	if (insp->side.busy)
		return 0;
	insp->side.after = insp->side.before;
	v->reason = KS_REASON_OK_NEW;
	/* One of which none was kept has none on its way back: somebody else has put the mark on this packet. */
	if (!insp->side.found || !(d->flags & KS_DATAGRAM_JUDGED) || !(d->flags & KS_DATAGRAM_HELD))
		v->reason = KS_REASON_FRAGMENT_EARLY;
	else if (d->flags & KS_DATAGRAM_DEAD)
		v->reason = KS_REASON_FRAGMENT_DEAD;
	return 1;
}

/* --- a later fragment follows the first --- */

/* Takes what the datagram's entry, found before, says of its flow and its verdict. */
static void verdict_take(struct visit *v)
{
	struct ks_inspection *insp = v->insp;
	const struct ks_record *d = datagram_of(insp);

	insp->verdict.action = d->datagram.action;
	insp->verdict.reason = d->datagram.reason;
	insp->verdict.class = d->datagram.class;
	insp->verdict.rule = d->datagram.rule;
	insp->dir = d->flags & KS_DATAGRAM_REPLY ? KS_REPLY : KS_ORIGINAL;
	insp->from_high = !!(d->flags & KS_DATAGRAM_HIGH);
	insp->by_alias = d->flags & KS_DATAGRAM_ALIAS ? 1 + insp->dir : 0;
	v->flags = d->flags;
	v->flow = d->datagram.flow;
	v->tag = d->datagram.tag;
	v->seq = d->datagram.seq;
}

/* Reads the flow of the datagram; its place may have been given to another. */
static bool flow_read(const struct visit *v)
{
	struct ks_inspection *insp = v->insp;

	insp->flow.ref = ks_slot_at(v->flow);
	ks_table_read(v->env, &insp->flow);
	if (!insp->flow.found || insp->flow.key.kind != KS_KIND_FLOW || insp->flow.before.state == KS_STATE_ALIAS)
		return false;
	ks_table_hash(v->env, &insp->flow);
	return (__u32)(insp->flow.hash >> TAG_SHIFT) == v->tag;
}

/* Whether both ends of the flow are where the fragment comes from and goes to. */
static inline bool zones_fit(const struct ks_inspection *insp)
{
	__u32 dir = insp->dir & 1;

	return ks_zone_equal(insp->home.from, insp->flow.before.zone[dir]) &&
	       (insp->to == KS_ZONE_UNKNOWN || insp->by_alias || ks_zone_equal(insp->to, insp->flow.before.zone[!dir]));
}

/*
 * Where a TCP segment ends is known when its last fragment comes: the flow
 * learns it, or the acknowledgement would be one of unsent data. The rest must
 * lie in the receiver's window as the first part did.
 */
static __u32 segment_end_learn(const struct visit *v)
{
	const struct ks_packet *pkt = &v->insp->pkt;
	struct ks_flow *flow = &v->insp->flow.after;
	__u32 end = v->seq + pkt->frag_off + pkt->frag_len, dir = v->insp->dir & 1;

	if (!(v->flags & KS_DATAGRAM_TCP) || pkt->frag_more || !ks_seq_after(end, flow->end[dir]))
		return 0;
	if (flow->tcp_flags[dir] & KS_TCP_LIBERAL || flow->state == KS_STATE_TCP_SYN_SENT) {
		if (ks_seq_after(end, flow->max_end[dir]))
			flow->max_end[dir] = end;
	} else if (ks_seq_after(end, flow->max_end[dir])) {
		v->insp->verdict.compare.have = end;
		v->insp->verdict.compare.hi = flow->max_end[dir];
		return KS_REASON_TCP_WINDOW_SEQ;
	}
	flow->end[dir] = end;
	return 0;
}

/* One try at passing with the flow; returns nonzero when it came to a verdict. */
static long follow_try(__u32 n, void *arg)
{
	struct visit *v = arg;
	struct ks_inspection *insp = v->insp;

	v->reason = KS_REASON_NO_STATE;
	if (!flow_read(v)) {
		if (!insp->flow.busy)
			return 1;
		v->reason = KS_REASON_CONTENDED;
		return 0;
	}
	insp->flow.after = insp->flow.before;
	insp->verdict.state = insp->flow.before.state;
	v->reason = KS_REASON_ZONE;
	if (!zones_fit(insp))
		return 1;
	v->reason = segment_end_learn(v);
	if (v->reason || !v->counts)
		return 1;
	ks_flow_count(&insp->flow.after, insp->dir, insp->pkt.l3_len);
	insp->flow.after.seen = insp->flow.clock;
	if (insp->home.dry || ks_table_commit(v->env, &insp->flow))
		return 1;
	v->reason = KS_REASON_CONTENDED;
	return 0;
}

/* One try at killing the datagram for what the whole of it is to its flow. */
static long kill_try(__u32 n, void *arg)
{
	struct visit *v = arg;
	struct ks_inspection *insp = v->insp;

	ks_table_find(v->env, &insp->side);
	if (insp->side.busy)
		return 0;
	if (!insp->side.found || insp->home.dry)
		return 1;
	insp->side.after = insp->side.before;
	datagram_kill(v, datagram_of(insp));
	return ks_table_commit(v->env, &insp->side) ? 1 : 0;
}

/*
 * Nobody asks for a complete datagram any more, but what was held of it: it makes room at once, because a limit counts
 * it until it is swept.
 */
static inline void complete_free(struct visit *v)
{
	struct ks_inspection *insp = v->insp;

	if (!(v->flags & KS_DATAGRAM_COMPLETE) || v->flags & KS_DATAGRAM_HELD || insp->home.dry || !v->counts)
		return;
	insp->side.before = insp->side.after;
	ks_table_free(v->env, &insp->side);
}

/* A fragment of a datagram that its first one's flow has admitted. Returns 0 or a reason. */
static ks_inline __u32 flow_follow(struct visit *v)
{
	struct ks_inspection *insp = v->insp;
	__u32 reason = visit_try(v, follow_try);

	if (reason == KS_REASON_TCP_WINDOW_SEQ)
		visit_try(v, kill_try);
	if (reason) {
		insp->flow.after = insp->flow.before;
		return reason;
	}
	complete_free(v); /* before an alias takes its place in hand */
	return ks_nat_translate(v->env, insp);
}

/* It shares the verdict, the translation and the flow of its datagram. */
static ks_inline void follow(struct visit *v)
{
	struct ks_inspection *insp = v->insp;
	__u32 reason = 0;

	verdict_take(v);
	if (v->flow)
		reason = flow_follow(v);
	else
		complete_free(v);
	if (!v->flow && insp->to == KS_ZONE_UNKNOWN)
		insp->to = v->tag;
	if (reason)
		deny(insp, reason);
	else
		go_on(v);
}

/* --- the first fragment --- */

/* It is judged like any packet. */
static void first_go_on(struct ks_env *env, struct ks_inspection *insp)
{
	insp->frag.progress = KS_FRAGMENT_FIRST;
	insp->stage = KS_STAGE_FIND;
	insp->from_high = ks_packet_key(env, insp, &insp->pkt.tuple, &insp->flow.key);
	ks_table_hash(env, &insp->flow);
}

/* What the others must know of its flow. */
static void flow_note(struct visit *v)
{
	struct ks_inspection *insp = v->insp;
	const struct ks_packet *pkt = &insp->pkt;

	v->flags = KS_DATAGRAM_JUDGED | (insp->from_high ? KS_DATAGRAM_HIGH : 0) |
		   (insp->dir == KS_REPLY ? KS_DATAGRAM_REPLY : 0) |
		   (insp->translate & KS_TRANSLATE_DST ? KS_DATAGRAM_ALIAS : 0);
	v->tag = insp->to;
	if (insp->verdict.action != KS_ALLOW || insp->verdict.state == KS_STATE_NONE)
		return;
	ks_table_hash(v->env, &insp->flow);
	v->flow = ks_slot_id(&insp->flow.ref);
	v->tag = (__u32)(insp->flow.hash >> TAG_SHIFT);
	if (pkt->tuple.proto != KS_PROTO_TCP)
		return;
	v->flags |= KS_DATAGRAM_TCP;
	v->seq = pkt->seq - (pkt->payload_off - pkt->frag_at) + !!(pkt->tcp_flags & KS_TCP_SYN) +
		 !!(pkt->tcp_flags & KS_TCP_FIN);
}

/* The verdict of the first fragment, for the others. */
static void verdict_give(struct visit *v, struct ks_record *d)
{
	struct ks_inspection *insp = v->insp;

	d->flags = (d->flags & (KS_DATAGRAM_DEAD | KS_DATAGRAM_COMPLETE | KS_DATAGRAM_HELD)) | v->flags;
	d->datagram.action = insp->verdict.action;
	d->datagram.reason = insp->verdict.reason;
	d->datagram.class = insp->verdict.class;
	d->datagram.rule = insp->verdict.rule;
	d->datagram.flow = v->flow;
	d->datagram.tag = v->tag;
	d->datagram.seq = v->seq;
	datagram_settle(v, d);
}

/* One try at putting the verdict into the datagram's entry. */
static long conclude_try(__u32 n, void *arg)
{
	struct visit *v = arg;
	struct ks_inspection *insp = v->insp;
	struct ks_record *d = datagram_of(insp);

	ks_table_find(v->env, &insp->side);
	if (insp->side.busy)
		return 0;
	v->reason = KS_REASON_FRAGMENT_EARLY;
	if (!insp->side.found)
		return 1;
	insp->side.after = insp->side.before;
	verdict_give(v, d);
	v->kept = d->held;
	d->held = 0;
	if (!ks_table_commit(v->env, &insp->side))
		return 0;
	v->reason = 0;
	return 1;
}

/* Those that were kept for the first fragment go on, or are forgotten. */
static inline bool kept_decide(const struct visit *v, bool pass)
{
	if (pass)
		return env_fragment_release(v->env, v->insp, v->insp->side.hash);
	env_fragment_forget(v->env, v->insp->side.hash);
	return true;
}

/* One try at noting the datagram under the addresses that it will leave with. */
static long announce_try(__u32 n, void *arg)
{
	struct visit *v = arg;

	ks_table_find(v->env, &v->insp->side);
	if (v->insp->side.busy)
		return 0;
	datagram_begin(v);
	verdict_give(v, datagram_of(v->insp));
	return datagram_store(v) ? 1 : 0;
}

/*
 * The source is translated on the way out, by another entry; it must be there before any of the others may pass,
 * because CPUs may overtake each other between here and there.
 */
static void leaving_announce(struct visit *v)
{
	struct ks_inspection *insp = v->insp;

	if (!(insp->translate & ~insp->home.halves & KS_TRANSLATE_SRC) || !passes(insp->verdict.action))
		return;
	key_make(insp, true);
	insp->side.key.addr[1] = insp->sent.dst;
	ks_table_hash(v->env, &insp->side);
	visit_try(v, announce_try);
	key_make(insp, false);
	ks_table_hash(v->env, &insp->side);
}

/* The first fragment has its verdict. */
static void first_conclude(struct ks_env *env, struct ks_inspection *insp)
{
	struct visit v;

	visit_init(&v, env, insp, false);
	if (!v.config) {
		deny(insp, KS_REASON_INTERNAL);
		return;
	}
	go_on(&v);
	if (insp->home.dry)
		return;
	flow_note(&v);
	leaving_announce(&v);
	if (!visit_try(&v, conclude_try) && v.kept && !kept_decide(&v, passes(insp->verdict.action)))
		deny(insp, KS_REASON_INTERNAL);
}

/* --- the stage --- */

/* A fragment is kept; if the verdict came in that very moment, it goes on at once. */
static void held(const struct visit *v)
{
	struct ks_inspection *insp = v->insp;
	const struct ks_record *d = datagram_of(insp);

	insp->verdict.action = KS_HOLD;
	insp->verdict.class = KS_CLASS_NONE;
	insp->verdict.reason = KS_REASON_OK_HELD;
	insp->stage = KS_STAGE_DONE;
	if (!insp->home.dry && d->flags & KS_DATAGRAM_JUDGED)
		kept_decide(v, passes(d->datagram.action));
}

static ks_inline void arrive(struct ks_env *env, struct ks_inspection *insp)
{
	struct visit v;

	visit_init(&v, env, insp, false);
	v.refused = insp->verdict.reason;
	if (insp->home.resumed && !v.refused)
		visit_try(&v, find_try);
	else
		visit_try(&v, arrive_try);
	if (v.reason == KS_REASON_OK_HELD) {
		held(&v);
	} else if (v.reason != KS_REASON_OK_NEW) {
		if (v.changed && datagram_of(insp)->held && !insp->home.dry)
			kept_decide(&v, false);
		deny(insp, v.refused ? v.refused : v.reason);
	} else if (insp->pkt.frag_off == 0) {
		first_go_on(env, insp);
	} else {
		follow(&v);
	}
}

void ks_stage_fragment(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	if (insp->frag.progress == KS_FRAGMENT_JUDGED)
		first_conclude(env, insp);
	else
		arrive(env, insp);
}

/* --- on the way out, translated halfway --- */

/* One try at counting a fragment that leaves. What contradicts was refused when it came: only the end of all matters. */
static long leave_try(__u32 n, void *arg)
{
	struct visit *v = arg;
	struct ks_inspection *insp = v->insp;
	struct ks_record *d = datagram_of(insp);
	bool first = insp->pkt.frag_off == 0;

	ks_table_find(v->env, &insp->side);
	v->reason = KS_REASON_CONTENDED;
	if (insp->side.busy)
		return 0;
	v->reason = KS_REASON_FRAGMENT_EARLY;
	if (!insp->side.found && !first)
		return 1;
	v->reason = KS_REASON_OK_NEW;
	insp->side.after = insp->side.before;
	if (first && (!insp->side.found || d->datagram.flow != v->flow || d->datagram.tag != v->tag)) {
		datagram_begin(v); /* the kernel has cut it itself */
		verdict_give(v, d);
	}
	if (ks_datagram_add(d, &insp->pkt))
		return 1;
	if (d->flags & KS_DATAGRAM_COMPLETE ? ks_table_free(v->env, &insp->side) : datagram_store(v))
		return 1;
	v->reason = KS_REASON_CONTENDED;
	return 0;
}

void ks_fragment_leaving(struct ks_env *env, struct ks_inspection *insp)
{
	struct visit v;

	visit_init(&v, env, insp, true);
	if (insp->pkt.frag_off == 0) {
		insp->verdict.state = insp->flow.before.state;
		flow_note(&v);
	}
	visit_try(&v, leave_try);
	if (v.reason != KS_REASON_OK_NEW)
		deny(insp, v.reason);
	else if (insp->pkt.frag_off == 0)
		go_on(&v);
	else
		follow(&v);
}
