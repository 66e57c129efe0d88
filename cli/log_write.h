/* SPDX-License-Identifier: BSD-2-Clause */
/* `keepstate log --write`: packets of the log in a capture file, with what was decided about each as its comment. */
#ifndef KS_CLI_LOG_WRITE_H
#define KS_CLI_LOG_WRITE_H

#include <jansson.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>

struct ks_log_write {
	FILE *out; /* NULL: none is written */
	bool begun;
	__u32 interfaces[2]; /* by enum ks_link: 1 + the number of its interface in the file; 0: not there yet */
	__u32 count; /* interfaces */
	bool rebuilds; /* entries of the journal, which have no bytes: their headers are made anew */
	__u64 left_out; /* entries of packets that could not be rebuilt */
};

/* "-" is standard output. What is in the file stays until it is begun. Returns 0 or -errno. */
int ks_log_write_open(struct ks_log_write *file, const char *path);

/* To be called when the log is heard: only then the file is emptied. Returns 0 or -errno. */
int ks_log_write_begin(struct ks_log_write *file);

/* Writes an event if it is of a packet and has its bytes, or they are to be made. Returns 1 if it was written, 0 if it is none, or -errno. */
int ks_log_write_event(struct ks_log_write *file, const json_t *event);

/* Returns 0, or -errno if not all could be written. */
int ks_log_write_close(struct ks_log_write *file);

#endif
