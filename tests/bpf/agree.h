/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Four homes side by side: the native one, the tc program, the XDP
 * program, and the front with tc behind it, each with a table of its own. For every frame they must come to the
 * same verdict, and send the same bytes.
 */
#ifndef KS_TESTS_BPF_AGREE_H
#define KS_TESTS_BPF_AGREE_H

#include "tests/bpf/compare.h"

#define AGREE_HOMES 4 /* the native one first */

struct agreement {
	struct ks_policy *policy;
	struct ks_home homes[AGREE_HOMES];
	struct flow_list flows[AGREE_HOMES];
	struct ks_passage passages[AGREE_HOMES]; /* of the last frame */
	unsigned reasons[KS_REASON_MAX]; /* how often the native home gave each */
	unsigned changed; /* frames that were changed on their way */
};

/* Loads the programs for each. Returns 0, or what main() shall return (kernel_home.h). */
int agreement_open(struct agreement *agreement);
void agreement_close(struct agreement *agreement);

/* Takes up a policy in all homes and empties their tables. Returns 0 or -errno, the complaints printed. */
int agreement_begin(struct agreement *agreement, const char *text);

/*
 * Gives a frame to all homes. Returns 0 if they agree, 1 if not, and then says
 * in what; -EAGAIN if one of them cannot take such a frame. `what` and `number` name it.
 */
int agreement_frame(struct agreement *agreement, const struct ks_frame *frame, const char *what, unsigned number);

/* Compares the tables. Returns 0, or 1 after it has said what is different. */
int agreement_tables(struct agreement *agreement, const char *what, unsigned number);

void agreement_advance(struct agreement *agreement, __u64 ns);

/* Corrects the IPv4 header checksum, so that a frame with a flipped byte is not refused for it. */
void frame_mend(__u8 *frame, __u32 length);

/* Prints how often each reason was given. */
void agreement_summary(const struct agreement *agreement);

#endif
