// SPDX-License-Identifier: BSD-2-Clause
/* Loading and running the programs of bench.bpf.c; see programs.h. */
#include "bench/programs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bench/bench.skel.h"

int bench_programs_init(struct bench_programs *programs, enum bench_hook hook, __u32 entries)
{
	struct bench_bpf *skeleton = bench_bpf__open();
	int err;

	if (!skeleton)
		return -errno;
	err = bpf_map__set_max_entries(skeleton->maps.bench_peer, KS_MAX(entries, 1U));
	if (!err)
		err = bench_bpf__load(skeleton);
	if (err) {
		bench_bpf__destroy(skeleton);
		return err;
	}
	programs->skeleton = skeleton;
	programs->hook = hook;
	return 0;
}

void bench_programs_fini(struct bench_programs *programs)
{
	bench_bpf__destroy(programs->skeleton);
	programs->skeleton = NULL;
}

int bench_programs_aim(struct bench_programs *programs, int fd)
{
	const struct bench_bpf *s = programs->skeleton;
	const struct bpf_map *targets[] = { [BENCH_HOOK_TC] = s->maps.bench_tc_target,
					    [BENCH_HOOK_XDP] = s->maps.bench_xdp_target,
					    [BENCH_HOOK_FRONT] = s->maps.bench_front_target };
	__u32 first = 0;

	return bpf_map_update_elem(bpf_map__fd(targets[programs->hook]), &first, &fd, BPF_ANY) ? -errno : 0;
}

int bench_programs_repeat(struct bench_programs *programs, const __u8 *frame, __u32 count, __u64 *took)
{
	struct bench_bpf *s = programs->skeleton;
	const struct bpf_program *pickers[] = { [BENCH_HOOK_TC] = s->progs.bench_tc,
						[BENCH_HOOK_XDP] = s->progs.bench_xdp,
						[BENCH_HOOK_FRONT] = s->progs.bench_front };
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = BENCH_FRAME, .repeat = (int)count);
	__u64 start = bench_cpu_time();

	if (bpf_prog_test_run_opts(bpf_program__fd(pickers[programs->hook]), &run))
		return -errno;
	if (took)
		*took = bench_cpu_time() - start;
	return 0;
}

int bench_programs_run(struct bench_programs *programs, const __u8 *frame, bool reply, __u32 flows, __u32 count,
		       __u64 *took)
{
	struct bench_bpf *s = programs->skeleton;

	s->bss->bench_reply = reply;
	s->bss->bench_lanes = 0;
	s->data->bench_flows = flows;
	return bench_programs_repeat(programs, frame, count, took);
}

__u64 bench_map_memory(int fd)
{
	unsigned long long bytes = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "memlock: %llu", &bytes) == 1)
			break;
	}
	fclose(file);
	return bytes;
}
