/* SPDX-License-Identifier: BSD-2-Clause */
/* See zone_counts.h. */
#include "daemon/zone_counts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/scoped.h"

#define ZONE_TEXT 16

static const char *zone_name(const struct ks_daemon *daemon, unsigned zone, char buf[ZONE_TEXT])
{
	if (zone == KS_ZONE_MAX)
		return "unknown";
	if (zone < KS_ZONE_FIRST)
		return ks_policy_zone_name(daemon->policy, zone);
	if (daemon->ledger.ids.zones[zone])
		return daemon->ledger.ids.zones[zone];
	snprintf(buf, ZONE_TEXT, "(gone %u)", zone); /* the ledger was lost */
	return buf;
}

static void count_add(struct ks_count *sum, const struct ks_count *count)
{
	sum->packets += count->packets;
	sum->bytes += count->bytes;
}

static bool is_any(const struct ks_zone_traffic *traffic)
{
	return traffic->passed.packets || traffic->dropped.packets;
}

int ks_zone_counts_each(const struct ks_daemon *daemon, void (*fn)(const struct ks_zone_traffic *traffic, void *arg),
			void *arg)
{
	ks_auto_free struct ks_zone_count *zones = calloc(KS_ZONE_PAIRS, sizeof(*zones));
	ks_auto_free struct ks_count *flows = calloc(KS_FLOW_PAIRS, sizeof(*flows));
	char from_text[ZONE_TEXT], to_text[ZONE_TEXT];
	int err = zones && flows ? ks_kernel_zones(daemon->kernel, zones) : -ENOMEM;

	if (!err)
		err = ks_kernel_established(daemon->kernel, flows);
	for (__u32 pair = 0; !err && pair < KS_ZONE_PAIRS; pair++) {
		__u32 from = pair / KS_ZONE_TARGETS, to = pair % KS_ZONE_TARGETS;
		struct ks_zone_traffic traffic = { .passed = zones[pair].by[KS_FATE_PASSED],
						   .opened = zones[pair].by[KS_FATE_NEW],
						   .dropped = zones[pair].by[KS_FATE_DROPPED] };

		count_add(&traffic.passed, &traffic.opened);
		if (to < KS_ZONE_MAX)
			count_add(&traffic.passed, &flows[ks_flow_pair(from, to)]);
		traffic.is_unknown = to == KS_ZONE_MAX;
		traffic.from = zone_name(daemon, from, from_text);
		traffic.to = zone_name(daemon, to, to_text);
		if (is_any(&traffic))
			fn(&traffic, arg);
	}
	return err;
}
