/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of keepstate replay share: the run's options, its printing and its output files. */
#ifndef KS_CLI_REPLAY_H
#define KS_CLI_REPLAY_H

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "cli/options.h"
#include "capture/replay.h"
#include "policy/policy.h"

/* A capture file being written; its link type is that of the first frame. */
struct ks_dump {
	const char *path; /* NULL: not asked for */
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	int link_type;
};

/* Paths of the files to write, NULL for those that nobody asked for. */
struct ks_replay_outputs {
	const char *passed, *dropped, *answers;
};

struct ks_replay_run {
	const struct ks_policy *policy;
	struct ks_replay *replay;
	bool json, quiet, colour;
	uint64_t shown; /* connections to list at most */
	struct ks_dump passed, dropped, answers;
	const char *path; /* of the capture being read */
	size_t capture_count;
	bool progress; /* a progress line is wanted */
	bool progress_shown;
	struct timespec started, drawn;
};

/* One frame, as a line of text or as a JSON object. */
void ks_replay_print_frame(const struct ks_replay_run *run, const struct ks_replay_frame *frame);
void ks_replay_print_frame_json(const struct ks_replay_run *run, const struct ks_replay_frame *frame);

/* What the whole replay comes to. */
void ks_replay_print_summary(const struct ks_replay_run *run);
void ks_replay_print_summary_json(const struct ks_replay_run *run);

/*
 * The connections to list: the `shown` with the most bytes, in the order in
 * which they began. The array is the caller's to free. Returns how many.
 */
size_t ks_replay_pick(const struct ks_replay_run *run, const struct ks_replay_connection ***picked);

/* Draws the progress line at most twice a second, and removes it. */
void ks_replay_progress_draw(struct ks_replay_run *run);
void ks_replay_progress_clear(struct ks_replay_run *run);

/* Seconds since the run began. */
double ks_replay_seconds(const struct ks_replay_run *run);

/*
 * Whether the files to write are neither among those to read (the policy and
 * the captures, NULL behind them) nor the same twice. Opens nothing. Returns
 * 0, or KS_EXIT_USAGE having said which ones collide.
 */
int ks_replay_outputs_check(const struct ks_replay_outputs *outputs, const char *policy, char **captures);

/* Writes a frame to the files that want it. Returns 0, or an enum ks_exit having said what is wrong. */
int ks_replay_write(struct ks_replay_run *run, const struct ks_replay_frame *frame);

/* Finishes the files; a file that was asked for exists even if nothing was written. Returns an enum ks_exit. */
int ks_replay_write_end(struct ks_replay_run *run);

#endif
