/* SPDX-License-Identifier: BSD-2-Clause */
/* One run of keepstate replay, for replay.c (options), replay_print.c and replay_json.c (output), replay_write.c (files). */
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
	const char *path; /* NULL: not wanted */
	pcap_t *pcap;
	pcap_dumper_t *dumper;
	int link_type;
};

/* Paths of the files to write; NULL for a file that is not wanted. */
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

/* The summary of the whole replay. */
void ks_replay_print_summary(const struct ks_replay_run *run);
void ks_replay_print_summary_json(const struct ks_replay_run *run);

/*
 * The connections to list: the `shown` with the most bytes, in the order in
 * which they began. The array is the caller's to free. Returns 0 or -ENOMEM.
 */
int ks_replay_pick(const struct ks_replay_run *run, const struct ks_replay_connection ***picked, size_t *count);

/* Draws the progress line at most twice a second, and removes it. */
void ks_replay_progress_draw(struct ks_replay_run *run);
void ks_replay_progress_clear(struct ks_replay_run *run);

/* Seconds since the run began. */
double ks_replay_seconds(const struct ks_replay_run *run);

/*
 * Checks that no file to write is one to read (the policy or one of the captures,
 * a list that ends with NULL), and that none is written twice. Opens nothing. Returns
 * 0, or KS_EXIT_USAGE after saying which files collide.
 */
int ks_replay_outputs_check(const struct ks_replay_outputs *outputs, const char *policy, char **captures);

/* Writes a frame to the files that want it. Returns 0, or an enum ks_exit after saying what is wrong. */
int ks_replay_write(struct ks_replay_run *run, const struct ks_replay_frame *frame);

/* Finishes the files; a file that is wanted is made even if it has no frames. Returns an enum ks_exit. */
int ks_replay_write_end(struct ks_replay_run *run);

#endif
