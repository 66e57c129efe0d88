// SPDX-License-Identifier: BSD-2-Clause
/*
 * Small frames for a gateway, and a place where they end. The kernel itself
 * sends them: an XDP program in live-frame test mode redirects frames into a
 * veth device, as fast as the other end takes them; bounded by --count. With
 * --sustain at --rate, for --seconds. --tcp: SYNs; with --address and --port from
 * random sources to there. --reply with --address: answers to openers who are
 * masqueraded as that address.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>

#include "bench/bench.h"
#include "bench/programs.h"
#include "bench/bench.skel.h"

#define BATCH 64 /* frames the kernel sends at once */
#define PACE_NS 1000000 /* between two of --sustain */
#define PACE_LATE 20 /* ms */

int bench_macs_parse(const char *text, __u8 *macs)
{
	for (unsigned i = 0; i < BENCH_MACS; i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -EINVAL;
		macs[i] = (__u8)byte;
	}
	return 0;
}

static int generate(struct bench_programs *programs, const __u8 *frame, __u32 count)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = BENCH_FRAME, .repeat = (int)count,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .batch_size = BATCH);

	if (bpf_prog_test_run_opts(bpf_program__fd(programs->skeleton->progs.bench_generate), &run))
		return bench_fail(-errno, "live frames");
	return 0;
}

/* --rate frames a second for --seconds; on a busy machine, what is late for more than a moment is left out. */
static int send_paced(struct bench_programs *programs, const struct bench_opts *opts, const __u8 *frame)
{
	static const struct timespec idle = { .tv_nsec = PACE_NS };
	__u64 begin = bench_wall_time(), end = begin + opts->seconds * KS_NSEC_PER_SEC, sent = 0, now;
	int err = 0;

	while (!err && (now = bench_wall_time()) < end) {
		__u64 due = (now - begin) * opts->rate / KS_NSEC_PER_SEC, most = PACE_LATE * opts->rate / 1000;

		if (due > sent + most) {
			begin += (due - sent - most) * KS_NSEC_PER_SEC / opts->rate;
			due = sent + most;
		}
		if (due > sent)
			err = generate(programs, frame, (__u32)(due - sent));
		sent = due;
		nanosleep(&idle, NULL);
	}
	printf("{\"sent\": %llu}\n", (unsigned long long)sent);
	return err;
}

static int send_frames(struct bench_programs *programs, const struct bench_opts *opts, const __u8 *frame)
{
	__u64 cpu = bench_cpu_time(), wall = bench_wall_time();
	int err = generate(programs, frame, opts->count);

	if (err)
		return err;
	cpu = bench_cpu_time() - cpu;
	wall = bench_wall_time() - wall;
	printf("{\"sent\": %u, \"cpu_s\": %.6f, \"wall_s\": %.6f}\n", opts->count, (double)cpu / 1e9,
	       (double)wall / 1e9);
	return 0;
}

int bench_flood(const struct bench_opts *opts)
{
	unsigned device = opts->device ? if_nametoindex(opts->device) : 0;
	struct bench_programs programs = { 0 };
	__u8 frame[BENCH_FRAME];
	__be32 target = 0;
	int err;

	if (!device || !opts->macs || strlen(opts->macs) != 2 * BENCH_MACS)
		return bench_fail(-EINVAL, "flood needs --device and --macs");
	bench_frame_make(opts->tcp ? BENCH_TCP_SYN : BENCH_UDP, 0, opts->reply, frame);
	err = bench_macs_parse(opts->macs, frame);
	if (err)
		return bench_fail(err, "--macs");
	if (opts->address && inet_pton(AF_INET, opts->address, &target) != 1)
		return bench_fail(-EINVAL, "--address");
	if (opts->summed)
		bench_datagram_sum(frame);
	if (target && !opts->reply)
		bench_syn_aim(frame, target, (__u16)opts->port);
	err = bench_programs_init(&programs, BENCH_HOOK_XDP, 1);
	if (err)
		return bench_fail(err, "cannot load the generator");
	memcpy(programs.skeleton->bss->bench_template, frame, sizeof(programs.skeleton->bss->bench_template));
	programs.skeleton->bss->bench_fixed = target && !opts->reply;
	programs.skeleton->bss->bench_outer = opts->reply ? target : 0;
	programs.skeleton->bss->bench_device = device;
	programs.skeleton->bss->bench_reply = opts->reply;
	/* `fresh`: each flow in turn, else at random. */
	programs.skeleton->data->bench_flows = opts->fresh ? 0 : opts->flows;
	for (__u32 i = 0; !err && i < opts->runs; i++)
		err = opts->sustain ? send_paced(&programs, opts, frame) : send_frames(&programs, opts, frame);
	bench_programs_fini(&programs);
	return err;
}

/* Answers every line of standard input with the count so far. */
static void count_until_end(const struct bench_programs *programs)
{
	char line[16];

	puts("{\"ready\": true}");
	while (fgets(line, sizeof(line), stdin))
		printf("{\"counted\": %llu}\n",
		       (unsigned long long)*(volatile __u64 *)&programs->skeleton->bss->bench_counted);
}

int bench_gro(const struct bench_opts *opts)
{
	struct ethtool_value value = { .cmd = ETHTOOL_SGRO, .data = 1 };
	struct ifreq request = { .ifr_data = (void *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return bench_fail(-errno, "socket");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", opts->device ? opts->device : "");
	if (ioctl(fd, SIOCETHTOOL, &request))
		err = bench_fail(-errno, "receive offload of %s", request.ifr_name);
	close(fd);
	return err;
}

int bench_sink(const struct bench_opts *opts)
{
	unsigned device = opts->device ? if_nametoindex(opts->device) : 0;
	struct bench_programs programs = { 0 };
	int err, program;

	if (!device)
		return bench_fail(-EINVAL, "sink needs --device");
	err = bench_programs_init(&programs, BENCH_HOOK_XDP, 1);
	if (err)
		return bench_fail(err, "cannot load the counter");
	program =
		bpf_program__fd(opts->bare ? programs.skeleton->progs.bare_drop : programs.skeleton->progs.bench_count);
	err = bpf_xdp_attach((int)device, program, XDP_FLAGS_DRV_MODE, NULL);
	if (err) {
		bench_fail(err, "%s", opts->device);
	} else {
		count_until_end(&programs);
		bpf_xdp_detach((int)device, XDP_FLAGS_DRV_MODE, NULL);
	}
	bench_programs_fini(&programs);
	return err;
}
