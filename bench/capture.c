// SPDX-License-Identifier: BSD-2-Clause
/* Writes a capture to replay: small packets of many flows in random order, each flow answered once at first. */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "bench/frames.h"

#define START 1700000000 /* seconds since 1970 */
#define USEC_PER_SEC 1000000

struct writer {
	pcap_dumper_t *out;
	__u32 flows;
	__u32 packets; /* so far; one every microsecond */
};

static void packet_write(struct writer *w, enum bench_step step, __u32 flow, bool reply)
{
	struct pcap_pkthdr header = {
		.ts = { .tv_sec = START + w->packets / USEC_PER_SEC, .tv_usec = w->packets % USEC_PER_SEC },
		.caplen = BENCH_FRAME,
		.len = BENCH_FRAME,
	};
	__u8 frame[BENCH_FRAME];

	bench_frame_make(step, flow, reply, frame);
	pcap_dump((u_char *)w->out, &header, frame);
	w->packets++;
}

static int open_step(enum bench_step step, bool reply, void *arg)
{
	struct writer *w = arg;

	for (__u32 i = 0; i < w->flows; i++)
		packet_write(w, step, i, reply);
	return 0;
}

int bench_capture(const struct bench_opts *opts)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	struct writer w = { .flows = opts->flows };
	__u64 random = opts->flows;
	int err = 0;

	if (!pcap)
		return bench_fail(-ENOMEM, "capture");
	w.out = opts->file ? pcap_dump_open(pcap, opts->file) : NULL;
	if (!w.out) {
		err = bench_fail(-EINVAL, "--file: %s", opts->file ? pcap_geterr(pcap) : "is needed");
	} else {
		bench_opening_each(opts->tcp, open_step, &w);
		while (w.packets < opts->count)
			packet_write(&w, bench_step_steady(opts->tcp), bench_random(&random, opts->flows), false);
		if (pcap_dump_flush(w.out))
			err = bench_fail(-EIO, "%s", opts->file);
		pcap_dump_close(w.out);
	}
	pcap_close(pcap);
	return err;
}
