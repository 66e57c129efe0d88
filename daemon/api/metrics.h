/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /metrics, which is made in two parts: what can be read at once (metrics_now.c), and what a census of the flows tells
 * (metrics.c). Names and labels of what is here are an interface: docs/metrics.md.
 */
#ifndef KS_DAEMON_API_METRICS_H
#define KS_DAEMON_API_METRICS_H

#include "core/challenge.h"
#include "daemon/api/exposition.h"
#include "daemon/census.h"
#include "daemon/daemon.h"

struct ks_scrape {
	struct ks_exposition exposition;
	struct ks_daemon *daemon;
	struct ks_places *places; /* of its socket: it has one of them */
	struct ks_count reasons[KS_REASON_MAX];
	struct ks_challenges challenges;
	struct ks_census *census;
	__u64 busy; /* ns of the daemon's time that were spent on it */
	char *text; /* that was written */
	size_t size, sent; /* bytes of it */
	bool complete; /* all is written */
};

/* A family, and who writes its samples. */
struct ks_metric {
	struct ks_metric_family family;
	void (*print)(struct ks_scrape *scrape);
};

void ks_metrics_print(struct ks_scrape *scrape, const struct ks_metric *metrics, size_t count);

/* Reads and writes what can be read at once. Returns 0 or -errno. */
int ks_metrics_print_now(struct ks_scrape *scrape);

#endif
