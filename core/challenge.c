// SPDX-License-Identifier: BSD-2-Clause
/* The challenge of a SYN; see challenge.h. */
#include "core/challenge.h"

#include "core/env.h"
#include "core/inspection.h"
#include "core/rate.h"
#include "core/table/hash.h"
#include "core/table/ruled.h"
#include "core/table/share.h"
#include "core/table/table.h"

/* No entry of the table has this kind, so that a cookie tells nothing about the hash of a flow. */
#define CHALLENGE_KIND (KS_KIND_MAX - 1)
#define COOKIE_BITS 16
#define COOKIE_MASK 0xffffU
#define MINUTE_NS (60 * KS_NSEC_PER_SEC)
#define ANSWER_S 120U /* an answer counts in the minute of the challenge and the next */
#define MINUTE_MASK 0x7fffU
#define OWN_NUMBER_SHIFT 32 /* the bits of the cookie's hash that are the SYN+ACK's own number */

/* A word of a set: a tag of the hash, a time, a number. */
#define WORD_TAG_SHIFT 32
#define WORD_TIME_SHIFT 8
#define WORD_TIME_MASK 0xffffffU
#define WORD_NUMBER_MASK 0xffU
#define SET_SHIFT 40 /* the bits of the hash that choose the set */

/* Between a SYN and its repetition, in ticks of an eighth of a second: a host waits a second or longer, then twice as long. */
#define TICK_NS (KS_NSEC_PER_SEC / 8)
#define REPEAT_MIN 4U
#define REPEAT_MAX 128U

#define UNANSWERED_BURST 17U /* as many pass at once */

#define WAY_MASK (KS_CHALLENGE_WAYS - 1)

static inline __u64 word_make(__u32 tag, __u32 time, __u32 number)
{
	return (__u64)tag << WORD_TAG_SHIFT | (__u64)(time & WORD_TIME_MASK) << WORD_TIME_SHIFT | number;
}

static inline __u32 word_tag(__u64 word)
{
	return (__u32)(word >> WORD_TAG_SHIFT);
}

static inline __u32 word_time(__u64 word)
{
	return (__u32)(word >> WORD_TIME_SHIFT) & WORD_TIME_MASK;
}

/* Time from `from` to `to`, both modulo WORD_TIME_MASK + 1. */
static inline __u32 time_between(__u32 from, __u32 to)
{
	return (to - from) & WORD_TIME_MASK;
}

static inline __u32 tag_of(__u64 hash)
{
	return (__u32)hash | 1;
}

static ks_inline __u64 source_hash(const struct ks_tuple *tuple, const __u64 *secret)
{
	struct ks_flow_key key = ks_source_key(tuple);

	key.kind = CHALLENGE_KIND;
	return ks_flow_key_hash(&key, secret);
}

static ks_inline __u64 cookie_hash(const struct ks_tuple *tuple, __u32 minute, const __u64 *secret)
{
	struct ks_flow_key key = { .addr = { tuple->src, tuple->dst },
				   .port = { tuple->sport, tuple->dport },
				   .proto = KS_PROTO_TCP,
				   .family = tuple->family & KS_FAMILY_MASK,
				   .kind = CHALLENGE_KIND,
				   .link = (__u16)minute };

	return ks_flow_key_hash(&key, secret);
}

/* The way of a set whose word has a tag, KS_CHALLENGE_WAYS if none has. */
static ks_inline __u32 way_find(const struct ks_challenge_set *set, __u32 tag)
{
	__u32 found = KS_CHALLENGE_WAYS;

	for (__u32 i = 0; i < KS_CHALLENGE_WAYS; i++)
		found = word_tag(ks_load_relaxed(&set->word[i])) == tag ? i : found;
	return found;
}

static inline bool source_is_alive(__u64 word, __u32 now)
{
	return word && time_between(now, word_time(word)) <= KS_CHALLENGE_PROVEN_S;
}

/* Returns true if the source is proven. That is one of its uses. */
static ks_inline bool source_passes(struct ks_env *env, const struct ks_insp_challenge *c, __u64 hash)
{
	struct ks_challenge_set *set =
		env_challenge_set(env, (__u32)(hash >> SET_SHIFT) & (KS_CHALLENGE_PROVEN_SETS - 1));
	__u32 way;
	__u64 word;

	if (!set)
		return false;
	way = way_find(set, tag_of(hash));
	if (way == KS_CHALLENGE_WAYS)
		return false;
	word = ks_load_relaxed(&set->word[way & WAY_MASK]);
	if (!source_is_alive(word, (__u32)(c->now / KS_NSEC_PER_SEC)) || !(word & WORD_NUMBER_MASK))
		return false;
	if (!c->dry && !c->front)
		ks_cmpxchg(&set->word[way & WAY_MASK], word, word - 1);
	return true;
}

/* The way of a set that a new source gets: one that is free or dead, else any. */
static ks_inline __u32 way_for_source(struct ks_env *env, const struct ks_challenge_set *set, __u32 now)
{
	__u32 way = env_random(env) & WAY_MASK;

	for (__u32 i = 0; i < KS_CHALLENGE_WAYS; i++)
		way = source_is_alive(ks_load_relaxed(&set->word[i]), now) ? way : i;
	return way;
}

static ks_inline void source_remember(struct ks_env *env, const struct ks_insp_challenge *c, __u64 hash)
{
	struct ks_challenge_set *set =
		env_challenge_set(env, (__u32)(hash >> SET_SHIFT) & (KS_CHALLENGE_PROVEN_SETS - 1));
	__u32 now = (__u32)(c->now / KS_NSEC_PER_SEC) & WORD_TIME_MASK, way;

	if (!set)
		return;
	way = way_find(set, tag_of(hash));
	if (way == KS_CHALLENGE_WAYS)
		way = way_for_source(env, set, now);
	ks_store_relaxed(&set->word[way & WAY_MASK],
			 word_make(tag_of(hash), now + KS_CHALLENGE_PROVEN_S, KS_CHALLENGE_USES));
}

/* The way of a set that a new SYN gets: a free one, else that of the SYN seen longest ago. */
static ks_inline __u32 way_for_syn(const struct ks_challenge_set *set, __u32 now)
{
	__u32 way = 0, longest = 0;

	for (__u32 i = 0; i < KS_CHALLENGE_WAYS; i++) {
		__u64 word = ks_load_relaxed(&set->word[i]);
		__u32 age = word ? time_between(word_time(word), now) : WORD_TIME_MASK;

		way = age > longest ? i : way;
		longest = KS_MAX(longest, age);
	}
	return way;
}

/* How often the SYN has come, this time included, if each time is as long after the last one as TCP waits. */
static ks_inline __u32 syn_repeated(__u64 word, __u32 now)
{
	__u32 gap = time_between(word_time(word), now), times = (__u32)(word & WORD_NUMBER_MASK);

	return gap > REPEAT_MAX ? 1 : KS_MIN(times + 1, WORD_NUMBER_MASK);
}

/* The hash of its flow is at hand, and nothing of it is told to anybody. */
static ks_inline __u64 syn_hash(const struct ks_insp_challenge *c)
{
	return (c->hash ^ c->seq) * KS_BUDGET_MULTIPLIER;
}

static ks_inline struct ks_challenge_set *syn_set(struct ks_env *env, __u64 hash)
{
	__u32 index = (__u32)(hash >> SET_SHIFT) & (KS_CHALLENGE_WAITING_SETS - 1);

	return env_challenge_set(env, KS_CHALLENGE_PROVEN_SETS + index);
}

/* Begins to fetch the set of a SYN, which in a flood is far away in memory, while its source is looked for. */
static ks_inline void syn_set_fetch(struct ks_env *env, const struct ks_insp_challenge *c)
{
	const struct ks_challenge_set *set = syn_set(env, syn_hash(c));

	if (set)
		(void)ks_load_relaxed(&set->word[0]);
}

/* Returns true if the SYN has been repeated often enough without an answer to its challenge. */
static ks_inline bool syn_has_waited(struct ks_env *env, const struct ks_insp_challenge *c)
{
	__u64 hash = syn_hash(c);
	struct ks_challenge_set *set = syn_set(env, hash);
	__u32 now = (__u32)(c->now / TICK_NS) & WORD_TIME_MASK, repeats = 1, way;
	__u64 word;

	if (!set)
		return false;
	way = way_find(set, tag_of(hash));
	if (way == KS_CHALLENGE_WAYS) {
		way = way_for_syn(set, now);
	} else {
		word = ks_load_relaxed(&set->word[way & WAY_MASK]);
		if (time_between(word_time(word), now) < REPEAT_MIN)
			return false;
		repeats = syn_repeated(word, now);
	}
	if (!c->dry && !(c->front && repeats > KS_CHALLENGE_REPEATS))
		ks_store_relaxed(&set->word[way & WAY_MASK], word_make(tag_of(hash), now, repeats));
	return repeats > KS_CHALLENGE_REPEATS;
}

/* Returns true if a SYN without an answer may pass: as many as are spread over a minute, and a few at once. */
static ks_inline bool unanswered_admits(const struct ks_config *config, struct ks_challenges *challenges,
					const struct ks_insp_challenge *c)
{
	__u64 interval = KS_CHALLENGE_SHARE * MINUTE_NS / KS_MAX(config->limit_half_open, 1U);
	__u64 burst = UNANSWERED_BURST * interval;

	if (c->dry)
		return ks_rate_admits(ks_load_relaxed(&challenges->unanswered_rate), c->now, interval, burst);
	return ks_rate_take(&challenges->unanswered_rate, c->now, interval, burst);
}

/*
 * Returns true if a zone has more half-open connections than its even part of the lower mark. While all together are above that, at
 * least one zone has.
 */
static ks_inline bool zone_fills(struct ks_env *env, const struct ks_config *config, __u32 zone)
{
	return ks_share_half_open(env, zone) > config->challenge_low / KS_MAX(config->zones, 1U);
}

/* Returns true while half-open connections fill: from the upper mark on until they are down to the lower one. */
static ks_inline bool half_open_fill(struct ks_env *env, const struct ks_config *config,
				     struct ks_challenges *challenges, const struct ks_insp_challenge *c)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	__u32 half_open = counts ? ks_load_relaxed(&counts->half_open) : 0;
	__u32 was = ks_load_relaxed(&challenges->on), is;

	is = !config->challenge_high ? 0
	     : was		     ? half_open > config->challenge_low
				     : half_open >= config->challenge_high;
	if (is != was && !c->dry) {
		ks_store_relaxed(&challenges->since, c->now);
		ks_store_relaxed(&challenges->on, is);
	}
	return is;
}

static inline bool zone_has(__u64 zones, __u32 zone)
{
	return zones >> (zone & (KS_ZONE_MAX - 1)) & 1;
}

/* Returns true if sources of a zone are challenged now, as the last SYN has found. */
static ks_inline bool is_on_for(const struct ks_config *config, const struct ks_challenges *challenges,
				const struct ks_insp_challenge *c)
{
	return zone_has(config->challenge_always, c->zone) || ks_load_relaxed(&challenges->on) ||
	       ks_load_relaxed(&challenges->flooded) > (__u32)(c->now / KS_NSEC_PER_SEC);
}

/* The numbers of the answer: it acknowledges what lies up to 65536 before the SYN and ends with the cookie. */
static ks_inline void numbers_choose(struct ks_insp_challenge *c, const __u64 *secret)
{
	__u64 hash = cookie_hash(&c->tuple, (__u32)(c->now / MINUTE_NS) & MINUTE_MASK, secret);
	__u32 before = (c->seq - (__u32)hash) & COOKIE_MASK;

	c->ack = c->seq - (before ? before : 1U << COOKIE_BITS);
	c->own = (__u32)(hash >> OWN_NUMBER_SHIFT);
}

static ks_inline bool cookie_is_of(const struct ks_insp_challenge *c, __u64 minute, const __u64 *secret)
{
	__u64 hash = cookie_hash(&c->tuple, (__u32)minute & MINUTE_MASK, secret);

	return ((__u32)hash & COOKIE_MASK) == (c->seq & COOKIE_MASK);
}

/* The parts of a home that a challenge needs. */
struct challenge_home {
	const struct ks_table_shape *shape;
	struct ks_challenges *challenges;
	const struct ks_config *config;
};

/* Returns false if one of them is missing, or the arguments are. */
static ks_inline bool home_find(struct ks_env *env, const struct ks_insp_challenge *c, struct challenge_home *home)
{
	if (!env || !c)
		return false;
	ks_hide_bound(env);
	ks_hide_bound(c);
	home->shape = env_table_shape(env);
	home->config = env_config(env);
	home->challenges = env_challenges(env);
	return home->shape && home->config && home->challenges;
}

/* Returns true if sources of the SYN's zone are challenged, because the policy says so or because they fill the budget. */
static ks_inline bool is_asked_from(struct ks_env *env, const struct challenge_home *home,
				    const struct ks_insp_challenge *c)
{
	if (zone_has(home->config->challenge_always, c->zone))
		return true;
	return half_open_fill(env, home->config, home->challenges, c) && zone_fills(env, home->config, c->zone);
}

/* Returns 1 if the SYN in `c` is to be challenged. */
ks_isolated __u32 ks_challenge_asks_isolated(struct ks_env *env, struct ks_insp_challenge *c)
{
	struct challenge_home home;

	if (!home_find(env, c, &home))
		return 0;
	if (!is_asked_from(env, &home, c) && !c->flooded)
		return 0;
	if (c->flooded && !c->dry)
		ks_store_relaxed(&home.challenges->flooded, (__u32)(c->now / KS_NSEC_PER_SEC) + ANSWER_S);
	syn_set_fetch(env, c);
	if (source_passes(env, c, source_hash(&c->tuple, home.shape->key)))
		return 0;
	if (syn_has_waited(env, c) && (c->front || unanswered_admits(home.config, home.challenges, c))) {
		if (!c->dry && !c->front)
			ks_fetch_add(&home.challenges->zone[c->zone & (KS_ZONE_MAX - 1)].unanswered, 1);
		return 0;
	}
	numbers_choose(c, home.shape->key);
	if (!c->dry)
		ks_fetch_add(&home.challenges->zone[c->zone & (KS_ZONE_MAX - 1)].asked, 1);
	return 1;
}

/* Returns 1 if the RST in `c` answers a challenge of this minute or the last. */
ks_isolated __u32 ks_challenge_hears_isolated(struct ks_env *env, struct ks_insp_challenge *c)
{
	struct challenge_home home;
	__u64 minute;

	if (!home_find(env, c, &home) || !is_on_for(home.config, home.challenges, c))
		return 0;
	minute = c->now / MINUTE_NS;
	if (!cookie_is_of(c, minute, home.shape->key) && !cookie_is_of(c, minute - 1, home.shape->key))
		return 0;
	if (c->dry)
		return 1;
	source_remember(env, c, source_hash(&c->tuple, home.shape->key));
	ks_fetch_add(&home.challenges->zone[c->zone & (KS_ZONE_MAX - 1)].proven, 1);
	return 1;
}

/* Remembers the source in `c`. Returns 1 if it does. */
ks_isolated __u32 ks_challenge_confirm_isolated(struct ks_env *env, struct ks_insp_challenge *c)
{
	struct challenge_home home;

	if (!home_find(env, c, &home) || !is_on_for(home.config, home.challenges, c))
		return 0;
	source_remember(env, c, source_hash(&c->tuple, home.shape->key));
	return 1;
}

/* Returns true if packets from the zone may be challenged at all. What the box sends is not. */
static ks_inline bool zone_is_challenged(const struct ks_config *config, __u32 zone)
{
	if (zone == KS_ZONE_SELF || zone_has(config->challenge_never, zone))
		return false;
	return config->challenge_high || zone_has(config->challenge_always, zone) ||
	       ks_protect_has(&config->protection[zone & (KS_ZONE_MAX - 1)], KS_PROTECT_SYN_FLOOD);
}

static ks_inline void case_make(struct ks_inspection *insp, bool front)
{
	insp->challenge.now = insp->home.now;
	insp->challenge.tuple = insp->pkt.tuple;
	insp->challenge.hash = insp->flow.hash;
	insp->challenge.seq = insp->pkt.seq;
	insp->challenge.zone = insp->home.from;
	insp->challenge.dry = insp->home.dry;
	insp->challenge.front = front;
	insp->challenge.flooded = insp->opening.flooded;
}

bool ks_challenge_asks(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, bool front)
{
	if (insp->pkt.tuple.proto != KS_PROTO_TCP || (insp->pkt.tcp_flags & (KS_TCP_SYN | KS_TCP_ACK)) != KS_TCP_SYN)
		return false;
	if (insp->opening.replaces || !zone_is_challenged(config, insp->home.from))
		return false;
	case_make(insp, front);
	return ks_challenge_asks_isolated(env_isolated(env), &insp->challenge) != 0;
}

bool ks_challenge_hears(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	if (insp->pkt.tuple.proto != KS_PROTO_TCP || !(insp->pkt.tcp_flags & KS_TCP_RST) ||
	    !zone_is_challenged(config, insp->home.from))
		return false;
	case_make(insp, false);
	return ks_challenge_hears_isolated(env_isolated(env), &insp->challenge) != 0;
}

/*
 * The state moves only if the responder's own number is acknowledged. Where it is asymmetric it may be anything, because
 * the responder's packets are not seen.
 */
static bool completes_handshake(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp)
{
	return insp->pkt.tuple.proto == KS_PROTO_TCP && insp->dir == KS_ORIGINAL &&
	       insp->flow.before.state == KS_STATE_TCP_SYN_RECV && insp->flow.after.state == KS_STATE_TCP_ESTABLISHED &&
	       !ks_flow_is_asymmetric(env, config, &insp->flow.before);
}

void ks_challenge_confirm(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	if (insp->home.dry || !completes_handshake(env, config, insp) || !zone_is_challenged(config, insp->home.from))
		return;
	case_make(insp, false);
	ks_challenge_confirm_isolated(env_isolated(env), &insp->challenge);
}
