// SPDX-License-Identifier: BSD-2-Clause
/*
 * Overview. Fragments that came before the first one of their datagram are
 * held here until that one is judged (env_fragment_hold() and its siblings of
 * core/env.h). They lie in a map of KS_FRAGMENT_POOL slots.
 *
 * Life cycle. A slot is FREE; hold claims it (BUSY), fills it, and makes it
 * STORED; release or forget frees it. A fragment held longer than
 * KS_FRAGMENT_HOLD_MS may lose its slot to another.
 *
 * To re-inject a fragment the kernel needs a packet. So while the first
 * fragment passes, its bytes are put aside; it takes on those of each held
 * one, and a clone of it is received by the interface again, or sent by it
 * again, marked in tc_index so that its datagram knows it; then it gets its own
 * bytes back. What is sent is inspected at once, in the middle of the inspection
 * of the first fragment, whose working memory is put aside too. XDP cannot do
 * that and holds none, nor does egress where no seal counts.
 *
 * Races. CPUs claim a slot by compare-and-swap of its state; only the one
 * that succeeds writes it, and its release store is what others see last. A
 * slot may be given to another datagram between a look at its hash and the
 * claim, so the hash is compared again after the claim.
 */
#include "bpf/env.bpf.h"

#include "core/fragment/fragment.h"

/* clang-format off */
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, KS_FRAGMENT_POOL);
	 __type(key, __u32); __type(value, struct ks_held); } ks_held MAP;
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1);
	 __type(key, __u32); __type(value, struct ks_aside); } ks_aside MAP;
/* clang-format on */

/* A walk over the slots, beginning where the datagram's hash says. */
struct held_ctx {
	struct ks_env *env;
	__u64 hash;
	__u64 now;
	__u32 length; /* of one to be held */
	__u32 ifindex; /* by which those that were held go on */
	bool leaves; /* they are sent by it, not received */
	bool done;
};

static struct ks_held *held_get(const struct held_ctx *w, __u32 n)
{
	__u32 index = ((__u32)w->hash + n) & (KS_FRAGMENT_POOL - 1);

	return bpf_map_lookup_elem(&ks_held, &index);
}

_Static_assert((KS_FRAGMENT_POOL & (KS_FRAGMENT_POOL - 1)) == 0, "slots are masked");

/* A length of 1 to KS_FRAGMENT_BYTES, with a bound that the verifier sees (V3, V4). */
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

/* Claims a free slot, or one whose fragment has been held for too long. */
static bool held_claim(struct ks_held *held, __u64 now)
{
	__u32 state = ks_load_acquire(&held->state);

	if (state == KS_HELD_STORED && now - ks_load_relaxed(&held->since) <= KS_FRAGMENT_HOLD_MS * KS_NSEC_PER_MSEC)
		return false;
	if (state != KS_HELD_FREE && state != KS_HELD_STORED)
		return false;
	return ks_cmpxchg(&held->state, state, KS_HELD_BUSY) == state;
}

static long hold_step(__u32 n, void *arg)
{
	struct held_ctx *w = arg;
	struct ks_held *held = held_get(w, n);

	if (!held)
		return 1;
	if (!held_claim(held, w->now))
		return 0;
	ks_store_relaxed(&held->hash, w->hash);
	ks_store_relaxed(&held->since, w->now);
	held->order = bpf_ktime_get_ns();
	held->length = w->length;
	w->done = bytes_load(w->env, held->bytes, w->length);
	ks_store_release(&held->state, w->done ? KS_HELD_STORED : KS_HELD_FREE);
	return 1;
}

/* Returns true if a fragment that leaves again will be known by its seal. */
static bool may_resume_at_egress(const struct ks_env *env)
{
	return !env->scratch->relay.stacked && seal_counts(env->ctx);
}

bool env_fragment_hold(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	struct held_ctx walk = {
		.env = env, .hash = hash, .now = insp->home.now, .length = env->scratch->relay.length
	};

	if (!ks_test_mode && (env->hook == HOOK_XDP || (env->scratch->relay.is_egress && !may_resume_at_egress(env))))
		return false;
	if (walk.length == 0 || walk.length > KS_FRAGMENT_BYTES)
		return false;
	ks_loop(KS_FRAGMENT_POOL, hold_step, &walk);
	return walk.done;
}

/* Gives the packet the bytes of another; its length follows. */
static ks_inline bool bytes_put(struct __sk_buff *skb, const void *from, __u32 len)
{
	if (bpf_skb_change_tail(skb, len, 0))
		return false;
	return bpf_skb_store_bytes(skb, 0, from, bytes_bound(len), BPF_F_RECOMPUTE_CSUM) == 0;
}

/* One held fragment goes on as a clone of the packet. */
static long release_step(__u32 n, void *arg)
{
	struct held_ctx *w = arg;
	struct ks_held *held = held_get(w, n);
	struct __sk_buff *skb = w->env->ctx;

	if (!held)
		return 1;
	if (ks_load_acquire(&held->state) != KS_HELD_STORED || ks_load_relaxed(&held->hash) != w->hash ||
	    ks_cmpxchg(&held->state, KS_HELD_STORED, KS_HELD_BUSY) != KS_HELD_STORED)
		return 0;
	/* The slot may have been given to another datagram between the look and the claim. */
	if (held->hash != w->hash) {
		ks_store_release(&held->state, KS_HELD_STORED);
		return 0;
	}
	if (ks_test_mode) {
		ks_store_release(&held->state, KS_HELD_RELEASED); /* the test itself offers it again */
		return 0;
	}
	if (w->env->hook == HOOK_TC && bytes_put(skb, held->bytes, held->length))
		bpf_clone_redirect(skb, w->ifindex, w->leaves ? 0 : BPF_F_INGRESS);
	ks_store_release(&held->state, KS_HELD_FREE);
	return 0;
}

static ks_inline struct ks_aside *aside_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ks_aside, &zero);
}

/* Puts aside the bytes of the packet in hand, and its inspection if others are made meanwhile. Returns false if it is too large. */
static __attribute__((noinline)) bool aside_put(struct ks_env *env)
{
	__u32 length = env->scratch->relay.length;
	struct ks_aside *aside = aside_get();

	if (!aside || length == 0 || length > KS_FRAGMENT_BYTES || !bytes_load(env, aside->bytes, length))
		return false;
	if (env->scratch->relay.is_egress)
		bpf_probe_read_kernel(&aside->scratch, sizeof(aside->scratch), env->scratch);
	return true;
}

/* Returns false if the packet did not get its bytes back. */
static __attribute__((noinline)) bool aside_take(struct ks_env *env, bool leaves)
{
	struct ks_aside *aside = aside_get();

	if (!aside)
		return false;
	if (leaves)
		bpf_probe_read_kernel(env->scratch, sizeof(*env->scratch), &aside->scratch);
	return ks_test_mode || bytes_put(env->ctx, aside->bytes, env->scratch->relay.length);
}

bool env_fragment_release(struct ks_env *env, const struct ks_inspection *insp, __u64 hash)
{
	const struct ks_relay *relay = &env->scratch->relay;
	struct held_ctx walk = { .env = env, .hash = hash, .ifindex = relay->ifindex };
	struct __sk_buff *skb = env->ctx;
	__u32 seal = 0;

	if (!aside_put(env))
		return true; /* a frame too large to put aside goes on alone */
	if (relay->is_egress) {
		walk.ifindex = relay->out_ifindex;
		walk.leaves = true;
	}
	if (env->hook == HOOK_TC) {
		seal = skb->tc_index;
		skb->tc_index = seal_make(relay->secret, KS_SEAL_RESUMED, walk.leaves ? insp->home.from : 0);
	}
	ks_loop(KS_FRAGMENT_POOL, release_step, &walk);
	if (env->hook != HOOK_TC)
		return true;
	skb->tc_index = seal;
	return aside_take(env, walk.leaves);
}

static long forget_step(__u32 n, void *arg)
{
	struct held_ctx *w = arg;
	struct ks_held *held = held_get(w, n);

	if (!held)
		return 1;
	if (ks_load_acquire(&held->state) == KS_HELD_STORED && ks_load_relaxed(&held->hash) == w->hash)
		ks_cmpxchg(&held->state, KS_HELD_STORED, KS_HELD_FREE);
	return 0;
}

void env_fragment_forget(struct ks_env *env, __u64 hash)
{
	struct held_ctx walk = { .env = env, .hash = hash };

	ks_loop(KS_FRAGMENT_POOL, forget_step, &walk);
}
