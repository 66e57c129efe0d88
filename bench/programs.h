/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The programs of bench.bpf.c, loaded, and a way to run one of them. All
 * returns are 0 or -errno. The structure is the caller's.
 */
#ifndef KS_BENCH_PROGRAMS_H
#define KS_BENCH_PROGRAMS_H

#include "bench/bench.h"
#include "bench/frames.h"

struct bench_bpf;

enum bench_hook { BENCH_HOOK_TC, BENCH_HOOK_XDP, BENCH_HOOK_FRONT };

struct bench_programs {
	struct bench_bpf *skeleton;
	enum bench_hook hook;
};

/* Room for `entries` flows in the peer's hash map. */
int bench_programs_init(struct bench_programs *programs, enum bench_hook hook, __u32 entries);
void bench_programs_fini(struct bench_programs *programs);

/* The program that runs behind the one that picks flows. */
int bench_programs_aim(struct bench_programs *programs, int fd);

/*
 * Runs the program that picks flows, `count` times over the frame, with the
 * aim behind it. flows: see bench_flows in bench.bpf.c. `took` gets the CPU
 * time in ns; NULL if not wanted.
 */
int bench_programs_run(struct bench_programs *programs, const __u8 *frame, bool reply, __u32 flows, __u32 count,
		       __u64 *took);

/* The same with the settings as they are. Several threads may do so at a time. */
int bench_programs_repeat(struct bench_programs *programs, const __u8 *frame, __u32 count, __u64 *took);

/* Bytes of kernel memory of a map as the kernel accounts for them; 0 if it does not tell. */
__u64 bench_map_memory(int fd);

#endif
