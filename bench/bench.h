/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate-bench: one measurement a call, made as often as asked. Every run
 * is a JSON object on a line of its own; bench/run calls this program and
 * makes a table of what it prints. Not installed.
 */
#ifndef KS_BENCH_BENCH_H
#define KS_BENCH_BENCH_H

#include <stdbool.h>

#include "core/types.h"
#include "policy/policy.h"

struct bench_opts {
	__u32 runs;
	__u32 flows; /* how many there are */
	__u32 count; /* packets, new flows or connections of a run */
	__u32 rules; /* of the policy, the last one matching */
	__u32 prefixes; /* in a set of the policy */
	__u32 seconds;
	__u32 port;
	__u32 rate; /* frames a second */
	__u32 sources; /* addresses that connections come from, counting up from `from` */
	bool tcp; /* else UDP */
	bool xdp; /* else tc */
	bool fresh; /* every packet opens a flow; else flows are established first */
	bool reply; /* frames go the other way */
	bool summed; /* datagrams have a checksum: of the first 65,536 flows, a right one */
	bool sustain; /* connections: go on when nothing comes back, and tell how many were made in every second; frames: at --rate */
	bool bare; /* sink: by the least that a filter does */
	const char *device;
	const char *address;
	const char *from;
	const char *file;
	const char *attack; /* one of siege.c */
	const char *macs; /* destination and source of generated frames, as 24 hexadecimal digits */
};

/* The commands; each returns 0 or -errno, having said on standard error what failed. */
int bench_native(const struct bench_opts *opts);
int bench_churn(const struct bench_opts *opts);
int bench_kernel(const struct bench_opts *opts);
int bench_memory(const struct bench_opts *opts);
int bench_processors(const struct bench_opts *opts);
int bench_policy(const struct bench_opts *opts);
int bench_rules(const struct bench_opts *opts);
int bench_policy_text(const struct bench_opts *opts);
int bench_capture(const struct bench_opts *opts);
int bench_flood(const struct bench_opts *opts);
int bench_siege(const struct bench_opts *opts);
int bench_echo(const struct bench_opts *opts);
int bench_front(const struct bench_opts *opts);
int bench_forward(const struct bench_opts *opts);
int bench_gro(const struct bench_opts *opts);
int bench_sink(const struct bench_opts *opts);
int bench_serve(const struct bench_opts *opts);
int bench_connect(const struct bench_opts *opts);
int bench_handshake(const struct bench_opts *opts);

/* Reads --macs. Returns 0 or -EINVAL. */
#define BENCH_MACS 12
int bench_macs_parse(const char *text, __u8 *macs);

/*
 * `limit states` for so many flows: the benchmarks of established flows measure a table that is not at its limit, and open
 * all of them at once, which is more than half of a table's seats (core/table/queue.h).
 */
static inline __u32 bench_room(__u32 flows)
{
	return flows + flows / 2;
}

/* CPU time of this thread, and the wall clock, in ns. What others do on the machine is not in the first. */
__u64 bench_cpu_time(void);
__u64 bench_wall_time(void);

/* How many a second, if `count` took `ns`. */
static inline double bench_rate(__u32 count, __u64 ns)
{
	return count * 1e9 / (double)ns;
}

/* Says what failed; returns err. */
__attribute__((format(printf, 2, 3))) int bench_fail(int err, const char *format, ...);

/*
 * The text of a policy with this many rules of which the last one lets all
 * pass from lan to wan, room for this many flows, and a set of this many
 * prefixes if there are any. The caller frees it; NULL without memory.
 */
char *bench_policy_text_make(__u32 rules, __u32 flows, __u32 prefixes);

/* The same, loaded. */
int bench_policy_make(__u32 rules, __u32 flows, __u32 prefixes, struct ks_policy **policy);

/* Zone ids of that policy. */
#define BENCH_LAN KS_ZONE_FIRST
#define BENCH_WAN (KS_ZONE_FIRST + 1)

#endif
