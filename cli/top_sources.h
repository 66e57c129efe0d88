/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sources of drops, as the log tells them, counted since somebody began to look. A child process follows the log
 * and hands its lines over a pipe, so that whoever shows them waits for nothing. Memory is bounded: when all places are taken the
 * source with the fewest packets gives way to a new one.
 */
#ifndef KS_CLI_TOP_SOURCES_H
#define KS_CLI_TOP_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KS_TOP_SOURCES 4096
#define KS_TOP_SOURCE_TEXT 48
#define KS_TOP_REASON_TEXT 48

struct ks_top_source {
	char source[KS_TOP_SOURCE_TEXT];
	char reason[KS_TOP_REASON_TEXT]; /* of the last one */
	char packet[160]; /* the last one */
	uint64_t packets, before; /* before: at the last ks_top_sources_beat() */
	double rate; /* packets a second */
};

struct ks_top_sources {
	pid_t child; /* 0: nobody follows */
	int fd; /* its lines */
	char rest[8192]; /* the beginning of a line */
	size_t used;
	struct ks_top_source *list;
	size_t count;
	uint64_t many; /* packets that were told as of many sources */
	uint64_t lost; /* events that were lost, or whose source gave way */
	uint64_t begun, beaten; /* ns */
};

/* Begins to follow the log, if nobody does. Returns 0 or -errno. */
int ks_top_sources_begin(struct ks_top_sources *sources, uint64_t now);

/* Takes what has come. Waits for nothing. */
void ks_top_sources_take(struct ks_top_sources *sources);

/* Takes one line of the log. */
void ks_top_sources_line(struct ks_top_sources *sources, const char *line, size_t length);

/* Makes the rates of the time since the last call, and sorts: the most packets first. */
void ks_top_sources_beat(struct ks_top_sources *sources, uint64_t now);

/* Counts from now on. */
void ks_top_sources_reset(struct ks_top_sources *sources, uint64_t now);
void ks_top_sources_end(struct ks_top_sources *sources);

#endif
