/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two text formats of figures: that of Prometheus (0.0.4), and OpenMetrics 1.0. They differ in the names of counters'
 * families, in units, and in the end. Labels are given as names and values in turn, NULL behind the last.
 */
#ifndef KS_DAEMON_API_EXPOSITION_H
#define KS_DAEMON_API_EXPOSITION_H

#include <stdbool.h>
#include <stdio.h>

#include <linux/types.h>

enum ks_metric_type { KS_METRIC_COUNTER, KS_METRIC_GAUGE, KS_METRIC_INFO };

struct ks_metric_family {
	const char *name; /* without _total and _info; a family with a unit ends in it */
	enum ks_metric_type type;
	const char *unit; /* "" without */
	const char *help; /* a sentence */
};

struct ks_exposition {
	FILE *out;
	bool open; /* OpenMetrics */
	const struct ks_metric_family *family; /* whose samples are written now */
};

/* Content types by the format. */
const char *ks_exposition_type(bool open);

/* Returns true if a client that accepts this (NULL: it does not say) prefers OpenMetrics. */
bool ks_exposition_negotiate(const char *accept);

void ks_metric_begin(struct ks_exposition *exposition, const struct ks_metric_family *family);

__attribute__((sentinel)) void ks_metric_count(const struct ks_exposition *exposition, __u64 value, ...);
__attribute__((sentinel)) void ks_metric_real(const struct ks_exposition *exposition, double value, ...);

/* Behind the last family. */
void ks_exposition_end(const struct ks_exposition *exposition);

#endif
