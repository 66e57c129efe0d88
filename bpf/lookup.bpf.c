// SPDX-License-Identifier: BSD-2-Clause
/* The answers of route lookups, kept in a flood; see lookup.bpf.h. */
#include "bpf/lookup.bpf.h"
#include "bpf/front.bpf.h"

#include "core/header/wire.h"

#define IPV4_TOS_MASK 0xfcU /* without ECN, which no route asks for */

/* Answers are forgotten when a span of time is over, ms: 2 to the power of this. */
#define SPAN_SHIFT 10
#define SPAN_ALONE_SHIFT 7 /* nobody follows the routes */
#define SPAN_ALONE 0x40000000U

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 2U << LOOKUP_BITS);
	 __type(key, __u32); __type(value, struct lookup); } ks_lookups MAP;
/* clang-format on */

/* Returns true if the packet in hand is one of many that are dropped, and a route depends on its address alone. */
static ks_inline bool lookups_are_kept(const struct ks_env *env, const struct ks_control *control, __u8 family)
{
	const struct ks_scratch *scratch = env->scratch;
	__u32 off = scratch->insp.pkt.l3_off & (KS_HEAD_MAX - 1);

	if (scratch->relay.is_egress || ks_load_relaxed(&control->flags) & KS_CONTROL_ROUTES_DIFFER)
		return false;
	if (family == KS_IPV4 && scratch->head[off + IPV4_TOS_OFF] & IPV4_TOS_MASK)
		return false;
	return front_is_awake(scratch->insp.home.now);
}

/* Times and changes of routes are mixed, so that one word tells both. It is odd, and so never LOOKUP_NEVER. */
ks_inlined __u32 lookup_age(const struct ks_env *env, __u8 family)
{
	const struct ks_control *control = control_get();
	__u32 clock = env->scratch->insp.flow.clock, span;

	if (!control || !lookups_are_kept(env, control, family))
		return LOOKUP_NEVER;
	span = env->scratch->insp.home.now < ks_load_relaxed(&control->routes_until)
		       ? clock >> SPAN_SHIFT
		       : SPAN_ALONE | clock >> SPAN_ALONE_SHIFT;
	return ((__u32)ks_load_acquire(&control->routes) * (__u32)LOOKUP_MULTIPLIER + span) << 1 | 1;
}

/* The place of an address: destinations have one half of the table, sources the other. */
static ks_inline struct lookup *lookup_at(const struct ks_env *env, const struct ks_addr *addr, bool is_way)
{
	__u64 mixed = addr->d[0] ^ addr->d[1] ^ (__u64)env->scratch->relay.ifindex << 32;
	__u32 index = (__u32)((mixed * LOOKUP_MULTIPLIER) >> (64 - LOOKUP_BITS)) | (__u32)is_way << LOOKUP_BITS;

	return bpf_map_lookup_elem(&ks_lookups, &index);
}

static ks_inline bool what_is_way(__u32 what)
{
	return (what >> LOOKUP_QUESTION_SHIFT & LOOKUP_QUESTION_MASK) == LOOKUP_TO;
}

ks_inlined void lookup_fetch(const struct ks_env *env, const struct ks_tuple *tuple)
{
	const struct lookup *source = lookup_at(env, &tuple->src, false);
	const struct lookup *way = lookup_at(env, &tuple->dst, true);

	if (source)
		ks_load_relaxed(&source->word);
	if (way)
		ks_load_relaxed(&way->word);
}

static ks_inline bool lookup_fits(const struct lookup *lookup, const struct ks_env *env, const struct ks_addr *addr,
				  __u32 age)
{
	return ks_load_relaxed(&lookup->addr.d[1]) == addr->d[1] && ks_load_relaxed(&lookup->addr.d[0]) == addr->d[0] &&
	       ks_load_relaxed(&lookup->age) == age && ks_load_relaxed(&lookup->ifindex) == env->scratch->relay.ifindex;
}

ks_inlined bool lookup_find(struct ks_env *env, const struct ks_addr *addr, __u32 what, __u32 age, __u32 *answer)
{
	const struct lookup *lookup;
	__u32 word, out_ifindex;

	if (age == LOOKUP_NEVER)
		return false;
	lookup = lookup_at(env, addr, what_is_way(what));
	if (!lookup)
		return false;
	word = ks_load_acquire(&lookup->word);
	if ((word ^ what) & (LOOKUP_WHAT_MASK | LOOKUP_BUSY) || !lookup_fits(lookup, env, addr, age))
		return false;
	out_ifindex = ks_load_relaxed(&lookup->out_ifindex);
	ks_fence_acquire();
	if (ks_load_relaxed(&lookup->word) != word)
		return false;
	if (out_ifindex)
		env->scratch->relay.out_ifindex = out_ifindex;
	*answer = word >> LOOKUP_ANSWER_SHIFT & LOOKUP_ANSWER_MASK;
	return true;
}

ks_inlined void lookup_keep(const struct ks_env *env, const struct ks_addr *addr, __u32 what, __u32 age, __u32 answer)
{
	bool is_way = what_is_way(what);
	struct lookup *lookup;
	__u32 word, version;

	if (age == LOOKUP_NEVER)
		return;
	lookup = lookup_at(env, addr, is_way);
	if (!lookup)
		return;
	word = ks_load_relaxed(&lookup->word);
	if (word & LOOKUP_BUSY || ks_cmpxchg(&lookup->word, word, word | LOOKUP_BUSY) != word)
		return;
	lookup->addr = *addr;
	lookup->ifindex = env->scratch->relay.ifindex;
	lookup->out_ifindex = is_way ? env->scratch->relay.out_ifindex : 0;
	lookup->age = age;
	version = (word + LOOKUP_VERSION_STEP) & LOOKUP_VERSION_MASK;
	ks_store_release(&lookup->word, what | (answer & LOOKUP_ANSWER_MASK) << LOOKUP_ANSWER_SHIFT | version);
}
