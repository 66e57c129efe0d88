/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets from zone to zone, as the programs have counted them (core/env.h), by the names of the zones. Zones that are gone
 * keep their names, as their ids (policy/adopt.h); after 62 names one that gets the id of another begins at 0 (daemon/zone_ids.h).
 */
#ifndef KS_DAEMON_ZONE_COUNTS_H
#define KS_DAEMON_ZONE_COUNTS_H

#include "daemon/daemon.h"

struct ks_zone_traffic {
	const char *from, *to;
	bool is_unknown; /* where they go to was never known: `to` is "unknown" */
	struct ks_count passed; /* those of `opened` included */
	struct ks_count opened; /* that opened a flow, or repeated that */
	struct ks_count dropped;
};

/* Calls fn for each pair that has counted anything. Returns 0 or -errno. */
int ks_zone_counts_each(const struct ks_daemon *daemon, void (*fn)(const struct ks_zone_traffic *traffic, void *arg),
			void *arg);

#endif
