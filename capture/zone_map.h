/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The zones of captured frames, for which no kernel can be asked. The rules:
 *
 * - An address of the box (--self, or `address` of a zone) is zone self.
 * - The interface that saw the frame, if the capture names it and a zone has
 *   it, is where the frame came from. If the capture says that the frame was
 *   on its way out there, it is where the frame goes to. Where the capture
 *   does not say, a frame was on its way out if its source is not known to be
 *   in that zone and its destination is, or if its source is known to be in
 *   another zone and its destination in none.
 * - Else the MAC address decides if a zone lists it, else the IP address by
 *   the longest prefix of the zones' networks; of equal ones the one given
 *   last, so that a command line overrides a policy. The source decides where
 *   a frame comes from, the destination where it goes to.
 * - Multicast and broadcast that no network lists go to the box itself, unless
 *   it sent them; so does what comes from a network for its broadcast address.
 * - Ends that none of this decides belong to the outside zone.
 *
 * Made once, then only read; any number of threads may share it.
 */
#ifndef KS_CAPTURE_ZONE_MAP_H
#define KS_CAPTURE_ZONE_MAP_H

#include "capture/link.h"
#include "policy/policy.h"

struct ks_zone_map;

/*
 * Makes the map of a policy's zones. The outside zone is the one named "wan",
 * else "outside", else none. Returns 0 or -ENOMEM.
 */
int ks_zone_map_create(const struct ks_policy *policy, struct ks_zone_map **map);
void ks_zone_map_destroy(struct ks_zone_map *map);

KS_SCOPED(ks_auto_zone_map, struct ks_zone_map *, ks_zone_map_destroy)
#define ks_auto_zone_map ks_scoped(ks_auto_zone_map)

/* Adds a network ("10.0.0.0/24", "2001:db8::1") to a zone id. Returns 0, -EINVAL for a bad text, -ENOSPC if the zones have KS_NETWORKS_MAX, -ENOMEM. */
int ks_zone_map_add(struct ks_zone_map *map, unsigned zone, const char *network);

/* Replaces the policy's networks in `config` by those of the map: an engine looks there for the home of a source (core/network.h). */
void ks_zone_map_networks(const struct ks_zone_map *map, struct ks_config *config);

void ks_zone_map_set_outside(struct ks_zone_map *map, unsigned zone);

/* The zone that has an interface of this name, KS_ZONE_NONE if none has. */
unsigned ks_zone_map_interface(const struct ks_zone_map *map, const char *name);

/*
 * Sets frame->from and frame->to; `interface` is the zone of the interface that
 * saw the frame, KS_ZONE_NONE if unknown. Returns false for an IP frame if no rule but
 * the last one decided either end.
 */
bool ks_zone_map_assign(const struct ks_zone_map *map, unsigned interface, const struct ks_link_info *info,
			struct ks_frame *frame);

#endif
