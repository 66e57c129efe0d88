/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Facts about all zones that the programs need: which exist, which are outside, an
 * interface of each. Used by the daemon's thread.
 */
#ifndef KS_DAEMON_ZONE_FACTS_H
#define KS_DAEMON_ZONE_FACTS_H

#include "daemon/interfaces/interfaces.h"

/* As in struct ks_control. */
struct ks_zone_facts {
	__u64 zones;
	__u64 outside;
	__u32 zone_ifindex[KS_ZONE_MAX];
	bool routes_differ;
	bool has_uplinks; /* several of one zone */
};

void ks_zone_facts_find(const struct ks_interfaces *interfaces, struct ks_zone_facts *facts);

/*
 * One store a field, because the programs read them meanwhile. A packet may see some fields new and others old for a moment, as
 * if it had come a little earlier or later: each field is right by itself.
 */
void ks_zone_facts_store(const struct ks_zone_facts *facts, struct ks_control *control);

#endif
