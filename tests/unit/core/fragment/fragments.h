/* SPDX-License-Identifier: BSD-2-Clause */
/* Fragments of UDP datagrams and TCP segments between two zones, for IPv4 and IPv6, and an inspection of each. */
#ifndef KS_TESTS_UNIT_CORE_FRAGMENT_FRAGMENTS_H
#define KS_TESTS_UNIT_CORE_FRAGMENT_FRAGMENTS_H

#include "tests/unit/core/test_home.h"

#include "core/fragment/fragment.h"
#include "core/verdict.h"

#define START (1000 * KS_NSEC_PER_SEC)

static struct ks_env *env;
static __u64 now;
static bool v6;

static inline int setup(void **state)
{
	env = test_env_create(16);
	env->rules = &test_allow_all;
	env->config.rules = 1;
	env->config.limit_kind[KS_KIND_FRAGMENT] = 8;
	now = START;
	v6 = *state;
	return 0;
}

static inline int teardown(void **state)
{
	test_env_destroy(env);
	return 0;
}

/* A fragment of the datagram `id` between 1 and 2 with the upper header already in `f` from `start`. */
static inline void header_put(struct frame *f, bool back, __u8 proto, __u32 id, __u32 off, bool more, __u32 len)
{
	*f = (struct frame){ 0 };
	frame_ethernet(f, v6 ? 0x86dd : 0x0800, 0);
	if (v6) {
		frame_ipv6(f, KS_PROTO_FRAGMENT, back ? 2 : 1, back ? 1 : 2, len + 8);
		frame_put8(f, proto);
		frame_put8(f, 0);
		frame_put16(f, (__u16)(off | more));
		frame_put32(f, id);
		return;
	}
	frame_ipv4(f, proto, back ? 2 : 1, back ? 1 : 2, 0, len);
	f->data[14 + 4] = id >> 8 & 0xff;
	f->data[14 + 5] = id & 0xff;
	f->data[14 + 6] = (__u8)((more ? 0x20 : 0) | off >> 11);
	f->data[14 + 7] = off >> 3 & 0xff;
	frame_ipv4_checksum(f, 14);
}

static struct ks_inspection last;

static inline __u32 inspect_from(const struct frame *f, __u8 from, __u8 to)
{
	test_inspect(env, f, from, to, now, &last);
	return last.verdict.reason;
}

static inline __u32 inspect(const struct frame *f, bool back)
{
	return inspect_from(f, back ? ZONE_WAN : ZONE_LAN, back ? ZONE_LAN : ZONE_WAN);
}

/* UDP from 4000 to 53, or back. */
static inline __u32 udp(bool back, __u32 id, __u32 off, bool more, __u32 len)
{
	struct frame f;

	header_put(&f, back, KS_PROTO_UDP, id, off, more, len);
	if (off == 0)
		frame_udp(&f, back ? 53 : 4000, back ? 4000 : 53, 0);
	frame_zeros(&f, len - (off == 0 ? 8 : 0));
	return inspect(&f, back);
}

static inline __u32 tcp(bool back, __u32 id, __u32 off, bool more, __u32 len, __u32 seq, __u32 ack, __u8 flags)
{
	struct frame f;

	header_put(&f, back, KS_PROTO_TCP, id, off, more, len);
	if (off == 0)
		frame_tcp(&f, back ? 80 : 4000, back ? 4000 : 80, seq, ack, flags, 1000);
	if (off || len > 20)
		frame_zeros(&f, len - (off ? 0 : 20));
	else
		f.len -= 20 - len;
	return inspect(&f, back);
}

#define NEW KS_REASON_OK_NEW
#define EST KS_REASON_OK_ESTABLISHED
#define HELD KS_REASON_OK_HELD
#define DEAD KS_REASON_FRAGMENT_DEAD

#define BOTH(f) { #f " ipv4", f, setup, teardown, (void *)0 }, { #f " ipv6", f, setup, teardown, (void *)1 }

#endif
