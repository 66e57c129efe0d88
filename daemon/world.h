/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The world as the programs in the kernel see it now, for a native engine that
 * explains what they would do. Their own functions answer where a packet goes and
 * if its source is believed (ks_kernel_ask()); their maps say which addresses
 * the box has.
 *
 * The words of a packet name zones, while the programs know interfaces. A packet of
 * a zone is taken to come by the interface that has the network of its source, or
 * the one to whose broadcast address it goes, else by any interface of the zone.
 */
#ifndef KS_DAEMON_WORLD_H
#define KS_DAEMON_WORLD_H

#include "daemon/daemon.h"
#include "engine/engine.h"

/* Fills in a world of this daemon, which must outlive it. */
void ks_world_init(struct ks_world *world, struct ks_daemon *daemon);

/* The zone that a packet of the box itself for this address leaves by, KS_ZONE_SELF if it is the box's own. */
__u8 ks_world_zone_of(const struct ks_daemon *daemon, const struct ks_addr *addr, unsigned family);

#endif
