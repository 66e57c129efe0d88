// SPDX-License-Identifier: BSD-2-Clause
/*
 * Fragments that are kept until the first one of their datagram is judged,
 * behind core/env.h. They lie in a map of bounded size, each place claimed by
 * compare-and-swap, and are forgotten after a while.
 *
 * To let them go on there must be packets: while the first fragment passes its
 * bytes are put aside, it takes on those of each that waited, and a clone of it is
 * received by the interface again, marked so that the datagram knows it. XDP
 * cannot do that, nor is anything late on its way out of the box.
 */
#include "bpf/env.bpf.h"

#include "core/fragment/fragment.h"

/* clang-format off */
#define MAP __attribute__((visibility("default"))) SEC(".maps")

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, KS_FRAGMENT_POOL);
	 __type(key, __u32); __type(value, struct ks_held); } ks_held MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_aside); } ks_aside MAP;
/* clang-format on */

/* A walk over the places, beginning where the datagram's hash says. */
struct walk {
	struct ks_env *env;
	__u64 hash;
	__u64 now;
	__u32 length;
	bool done;
};

static struct ks_held *place_get(const struct walk *w, __u32 n)
{
	__u32 index = ((__u32)w->hash + n) & (KS_FRAGMENT_POOL - 1);

	return bpf_map_lookup_elem(&ks_held, &index);
}

_Static_assert((KS_FRAGMENT_POOL & (KS_FRAGMENT_POOL - 1)) == 0, "places are masked");

/* A length of 1 to 2048 bytes, said so that every verifier sees it. */
static ks_inline __u32 bytes_bound(__u32 len)
{
	len--;
	ks_hide_bound(len);
	return (len & (KS_FRAGMENT_BYTES - 1)) + 1;
}

static ks_inline bool bytes_load(struct ks_env *env, void *to, __u32 len)
{
	if (env->hook == HOOK_TC)
		return bpf_skb_load_bytes(env->ctx, 0, to, bytes_bound(len)) == 0;
	return bpf_xdp_load_bytes(env->ctx, 0, to, bytes_bound(len)) == 0;
}

/* Takes a free place, or one whose fragment has waited too long. */
static bool place_claim(struct ks_held *held, __u64 now)
{
	__u32 state = held->state;

	if (state == KS_HELD_KEPT && now - held->since <= KS_FRAGMENT_HOLD_MS * KS_NSEC_PER_MSEC)
		return false;
	if (state != KS_HELD_FREE && state != KS_HELD_KEPT)
		return false;
	return ks_cmpxchg(&held->state, state, KS_HELD_BUSY) == state;
}

static long keep_step(__u32 n, void *arg)
{
	struct walk *w = arg;
	struct ks_held *held = place_get(w, n);

	if (!held)
		return 1;
	if (!place_claim(held, w->now))
		return 0;
	held->hash = w->hash;
	held->since = w->now;
	held->order = bpf_ktime_get_ns();
	held->length = w->length;
	w->done = bytes_load(w->env, held->bytes, w->length);
	ks_store_release(&held->state, w->done ? KS_HELD_KEPT : KS_HELD_FREE);
	return 1;
}

bool env_fragment_hold(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	struct walk walk = { .env = env, .hash = hash, .now = insp->home.now, .length = env->scratch->relay.length };

	if (!ks_test_mode && (env->hook == HOOK_XDP || env->scratch->relay.is_egress))
		return false;
	if (walk.length == 0 || walk.length > KS_FRAGMENT_BYTES)
		return false;
	ks_loop(KS_FRAGMENT_POOL, keep_step, &walk);
	return walk.done;
}

/* Gives the packet the bytes of another; its length follows. */
static ks_inline bool bytes_put(struct __sk_buff *skb, const void *from, __u32 len)
{
	if (bpf_skb_change_tail(skb, len, 0))
		return false;
	return bpf_skb_store_bytes(skb, 0, from, bytes_bound(len), BPF_F_RECOMPUTE_CSUM) == 0;
}

/* One of those that waited goes on as a clone of the packet. */
static long release_step(__u32 n, void *arg)
{
	struct walk *w = arg;
	struct ks_held *held = place_get(w, n);
	struct __sk_buff *skb = w->env->ctx;

	if (!held)
		return 1;
	if (held->state != KS_HELD_KEPT || held->hash != w->hash ||
	    ks_cmpxchg(&held->state, KS_HELD_KEPT, KS_HELD_BUSY) != KS_HELD_KEPT)
		return 0;
	/* It may have been given to another datagram just before it was ours. */
	if (held->hash != w->hash) {
		ks_store_release(&held->state, KS_HELD_KEPT);
		return 0;
	}
	if (ks_test_mode) {
		ks_store_release(&held->state, KS_HELD_RELEASED); /* the test itself offers it again */
		return 0;
	}
	if (w->env->hook == HOOK_TC && bytes_put(skb, held->bytes, held->length))
		bpf_clone_redirect(skb, w->env->scratch->relay.ifindex, BPF_F_INGRESS);
	ks_store_release(&held->state, KS_HELD_FREE);
	return 0;
}

static ks_inline struct ks_aside *aside_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ks_aside, &zero);
}

bool env_fragment_release(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	struct walk walk = { .env = env, .hash = hash };
	__u32 length = env->scratch->relay.length, seal = 0;
	struct ks_aside *aside = aside_get();
	struct __sk_buff *skb = env->ctx;

	if (!aside || length == 0 || length > KS_FRAGMENT_BYTES || !bytes_load(env, aside->bytes, length))
		return true; /* a frame too large to put aside goes on alone */
	if (env->hook == HOOK_TC) {
		seal = skb->tc_index;
		skb->tc_index = seal_make(env->scratch->relay.secret, KS_SEAL_RESUMED, 0);
	}
	ks_loop(KS_FRAGMENT_POOL, release_step, &walk);
	if (env->hook != HOOK_TC)
		return true;
	skb->tc_index = seal;
	return ks_test_mode || bytes_put(skb, aside->bytes, length);
}

static long forget_step(__u32 n, void *arg)
{
	struct walk *w = arg;
	struct ks_held *held = place_get(w, n);

	if (!held)
		return 1;
	if (held->state == KS_HELD_KEPT && held->hash == w->hash)
		ks_cmpxchg(&held->state, KS_HELD_KEPT, KS_HELD_FREE);
	return 0;
}

void env_fragment_forget(struct ks_env *env, __u64 hash)
{
	struct walk walk = { .env = env, .hash = hash };

	ks_loop(KS_FRAGMENT_POOL, forget_step, &walk);
}
