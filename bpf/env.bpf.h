/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the programs inside the kernel: the environment behind core/env.h, and how an inspection is run. */
#ifndef KS_BPF_ENV_BPF_H
#define KS_BPF_ENV_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "core/env.h"
#include "core/home.h"
#include "bpf/maps.h"
#include "bpf/seal.h"

/* Programs and maps are what the loader finds; everything else is hidden (V9). */
#define PROGRAM(name) __attribute__((visibility("default"))) SEC(name)
#define MAP __attribute__((visibility("default"))) SEC(".maps")

enum hook { HOOK_TC, HOOK_XDP };

#define AF_INET 2
#define AF_INET6 10

/* A seal of one kind (KS_SEAL_*), for a zone. */
static inline __u32 seal_make(__u32 secret, __u32 kind, __u32 zone)
{
	return secret << KS_SEAL_SECRET_SHIFT | kind | (zone & KS_SEAL_ZONE_MASK);
}

/* Returns true if skb->tc_index is a seal of ours. */
static inline bool seal_is_ours(__u32 tc_index, __u32 secret)
{
	return secret && (tc_index >> KS_SEAL_SECRET_SHIFT & KS_SEAL_SECRET_MASK) == secret;
}

/* This CPU's working memory. Never NULL in practice, but the verifier wants the check. */
struct ks_scratch *scratch_get(void);
struct ks_scratch *kill_scratch_get(void); /* that of ks_kill and ks_ask, which packets may interrupt */
const struct ks_control *control_get(void);

/* The only entry of an array map, inlined so that the verifier sees which map it is (V12). */
static ks_inline void *first_of(void *map)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(map, &zero);
}

/* A length of 1 to 256 bytes, with a bound that the verifier sees (V3, V4). */
static inline __u32 length_bound(__u32 len)
{
	len--;
	ks_hide_bound(len);
	return (len & (KS_HEAD_MAX - 1)) + 1;
}

/* The guarded interface, or NULL. */
struct ks_guard *guard_get(__u32 ifindex);

/*
 * Returns true if a seal on a packet that leaves can only be one of ours. tc_index survives a veth, at whose other end somebody
 * may have tried all secrets; so a seal counts only on what came in by a guarded interface, or by none: that is a packet that we
 * sent on ourselves.
 */
bool seal_counts(const struct __sk_buff *skb);

/* The owner of a MAC address behind an interface that is not the interface's own: KS_STACKED_*, 0 if it is not known. */
__u32 stacked_kind(const struct ks_stacked_key *key);
void stacked_learn(const struct ks_stacked_key *key);

/* Fills in insp->home, but for the zones, and resets the relay. `now` is env_clock(). */
void inspection_prepare(struct ks_env *env, struct ks_inspection *insp, const struct ks_control *control, __u64 now);

/* Builds the answer to a rejected packet in scratch->answer. Returns its bytes, 0 for none. */
__u32 answer_build(struct ks_env *env, struct ks_scratch *scratch);

/* The head of a run-time set, NULL if there is no such set. */
struct ks_member_page *member_head(struct ks_env *env, __u32 set);

/* Starts the timer that expires flows (sweeper.bpf.c); it goes on by itself. */
void sweeper_start(void);

/* 1 in programs that tests load: clock, randomness, zones and routes are the test's (ks_control.test_*). */
extern const volatile __u8 ks_test_mode;

/* 1 where programs can look at the kernel's own packet (Linux 6.2): the loader knows. */
extern const volatile __u8 ks_has_kernel_skb;

/* Ticks are exact enough for timeouts, and much cheaper than the clock itself. */
static ks_inline __u64 env_clock(const struct ks_control *control)
{
	if (ks_test_mode && control->test_now)
		return control->test_now;
	return bpf_ktime_get_coarse_ns() + control->clock_offset;
}

/*
 * The same for a packet. That clock moves with the kernel's count of ticks, which is a word to be read, so each CPU asks it once a
 * tick. Who asks between the two is late by one tick more.
 */
static ks_inline __u64 packet_clock(struct ks_scratch *scratch, const struct ks_control *control)
{
	__u64 tick = bpf_jiffies64();

	if (ks_test_mode)
		return env_clock(control);
	if (ks_unlikely(scratch->tick != tick)) {
		scratch->tick = tick;
		scratch->tick_ns = bpf_ktime_get_coarse_ns();
	}
	return scratch->tick_ns + control->clock_offset;
}

#endif
