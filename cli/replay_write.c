/* SPDX-License-Identifier: BSD-2-Clause */
/* Output files of keepstate replay: passed frames, dropped frames, answers to rejected ones. Written by libpcap. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/replay.h"
#include "core/reject.h"
#include "capture/link.h"

#define SNAP_MAX 262144

static int dump_open(struct ks_dump *dump, int link_type)
{
	dump->link_type = link_type;
	dump->pcap = pcap_open_dead_with_tstamp_precision(link_type, SNAP_MAX, PCAP_TSTAMP_PRECISION_NANO);
	if (dump->pcap)
		dump->dumper = pcap_dump_open(dump->pcap, dump->path);
	if (dump->dumper)
		return KS_EXIT_OK;
	fprintf(stderr, "keepstate: cannot write %s\n", dump->pcap ? pcap_geterr(dump->pcap) : strerror(ENOMEM));
	return KS_EXIT_SYSTEM;
}

static int dump_frame(struct ks_dump *dump, int link_type, __u64 time, const __u8 *data, __u32 captured, __u32 length)
{
	struct pcap_pkthdr head = { .caplen = captured, .len = length };
	int code;

	if (!dump->dumper) {
		code = dump_open(dump, link_type);
		if (code != KS_EXIT_OK)
			return code;
	}
	if (dump->link_type != link_type) {
		fprintf(stderr,
			"keepstate: %s: frames of link types %s and %s do not fit in one capture file; "
			"replay the captures one by one\n",
			dump->path, ks_link_name((__u16)dump->link_type), ks_link_name((__u16)link_type));
		return KS_EXIT_USAGE;
	}
	head.ts.tv_sec = (time_t)(time / KS_NSEC_PER_SEC);
	head.ts.tv_usec = (suseconds_t)(time % KS_NSEC_PER_SEC);
	pcap_dump((u_char *)dump->dumper, &head, data);
	return KS_EXIT_OK;
}

/* The head is copied because ks_answer_build() may read up to KS_HEAD_SIZE bytes, more than the frame may have. */
static int answer_write(struct ks_dump *dump, const struct ks_replay_frame *frame)
{
	__u8 head[KS_HEAD_SIZE] = { 0 }, answer[KS_REJECT_MAX];
	__u32 size;

	memcpy(head, frame->frame->data, KS_MIN(frame->frame->captured, KS_HEAD_MAX));
	size = ks_answer_build(frame->env, frame->insp, head, answer);
	if (!size)
		return KS_EXIT_OK;
	return dump_frame(dump, frame->insp->pkt.link == KS_LINK_IP ? DLT_RAW : DLT_EN10MB, frame->captured->time,
			  answer, size, size);
}

int ks_replay_write(struct ks_replay_run *run, const struct ks_replay_frame *frame)
{
	const struct ks_capture_frame *captured = frame->captured;
	bool lost = frame->kind == KS_REPLAY_LOST, passes = !lost && ks_reason_is_pass(frame->insp->verdict.reason);
	struct ks_dump *dump = passes ? &run->passed : &run->dropped;
	int code = KS_EXIT_OK;

	if (!lost && frame->insp->verdict.action == KS_HOLD) /* it is written when it goes on, or is lost */
		return KS_EXIT_OK;

	if (dump->path)
		code = dump_frame(dump, captured->link_type, captured->time, captured->data, captured->captured,
				  captured->length);
	if (code == KS_EXIT_OK && run->answers.path && !lost && frame->insp->verdict.action == KS_REJECT)
		code = answer_write(&run->answers, frame);
	return code;
}

static int dump_end(struct ks_dump *dump)
{
	int code = KS_EXIT_OK;

	if (!dump->path)
		return KS_EXIT_OK;
	if (!dump->dumper && !dump->pcap)
		code = dump_open(dump, DLT_EN10MB);
	if (dump->dumper) {
		if (pcap_dump_flush(dump->dumper) || ferror(pcap_dump_file(dump->dumper))) {
			fprintf(stderr, "keepstate: cannot write %s: %s\n", dump->path, strerror(errno));
			code = KS_EXIT_SYSTEM;
		}
		pcap_dump_close(dump->dumper);
	}
	if (dump->pcap)
		pcap_close(dump->pcap);
	return code;
}

int ks_replay_write_end(struct ks_replay_run *run)
{
	struct ks_dump *dumps[] = { &run->passed, &run->dropped, &run->answers };
	int code = KS_EXIT_OK;

	for (size_t i = 0; i < KS_ARRAY_SIZE(dumps); i++) {
		int one = dump_end(dumps[i]);

		code = KS_MAX(code, one);
	}
	return code;
}
