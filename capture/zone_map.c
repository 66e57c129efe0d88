/* SPDX-License-Identifier: BSD-2-Clause */
/* See zone_map.h. */
#include "capture/zone_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/wire.h"
#include "core/link.h"
#include "core/network.h"
#include "engine/big_endian.h"
#include "policy/value.h"

#define ZONE_OPEN KS_ZONE_UNKNOWN /* not decided */

struct mac {
	__u8 bytes[KS_MAC_SIZE];
	__u8 zone;
};

struct ks_zone_map {
	const struct ks_policy *policy;
	struct ks_network *networks; /* longest first, later ones before earlier ones of the same length */
	size_t network_count;
	size_t zone_networks; /* of these: all but the box's own addresses */
	struct mac *macs;
	size_t mac_count;
	__u8 outside;
};

/* The addresses of a frame, found without judging it. */
struct frame_ends {
	struct ks_addr src, dst;
	__u8 family; /* 0: not IP */
};

static int network_add(struct ks_zone_map *map, const struct ks_prefix *prefix, unsigned zone)
{
	struct ks_network *list;
	size_t at = 0;

	if (zone != KS_ZONE_SELF && ++map->zone_networks > KS_NETWORKS_MAX)
		return -ENOSPC;
	list = realloc(map->networks, (map->network_count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	map->networks = list;
	while (at < map->network_count && list[at].bits > prefix->length)
		at++;
	memmove(&list[at + 1], &list[at], (map->network_count - at) * sizeof(*list));
	ks_network_make(prefix, zone, &list[at]);
	map->network_count++;
	return 0;
}

static int mac_add(struct ks_zone_map *map, const __u8 *bytes, unsigned zone)
{
	struct mac *list = realloc(map->macs, (map->mac_count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	map->macs = list;
	memcpy(list[map->mac_count].bytes, bytes, KS_MAC_SIZE);
	list[map->mac_count++].zone = (__u8)zone;
	return 0;
}

static int zone_add(struct ks_zone_map *map, const struct ks_zone *zone)
{
	int err = 0;

	for (size_t i = 0; i < zone->network_count && !err; i++)
		err = network_add(map, &zone->networks[i], zone->id);
	for (unsigned i = 0; i < KS_ARRAY_SIZE(zone->address) && !err; i++) {
		if (zone->address[i].family)
			err = network_add(map, &zone->address[i], KS_ZONE_SELF);
	}
	for (size_t i = 0; i < zone->mac_count && !err; i++)
		err = mac_add(map, zone->macs[i], zone->id);
	return err;
}

int ks_zone_map_create(const struct ks_policy *policy, struct ks_zone_map **map)
{
	ks_auto_zone_map struct ks_zone_map *made = calloc(1, sizeof(*made));
	int err = 0;

	if (!made)
		return -ENOMEM;
	made->policy = policy;
	made->outside = (__u8)ks_policy_outside(policy);
	for (size_t i = 0; i < policy->zone_count && !err; i++)
		err = zone_add(made, &policy->zones[i]);
	if (err)
		return err;
	*map = TAKE(made);
	return 0;
}

void ks_zone_map_destroy(struct ks_zone_map *map)
{
	if (!map)
		return;
	free(map->networks);
	free(map->macs);
	free(map);
}

int ks_zone_map_add(struct ks_zone_map *map, unsigned zone, const char *network)
{
	struct ks_prefix prefix;
	int err = ks_value_prefix(network, &prefix);

	return err ? err : network_add(map, &prefix, zone);
}

void ks_zone_map_networks(const struct ks_zone_map *map, struct ks_config *config)
{
	config->networks = 0;
	for (size_t i = map->network_count; i-- > 0;) { /* so that of equal ones the first stays the first */
		if (map->networks[i].zone != KS_ZONE_SELF)
			ks_config_add_network(config, &map->networks[i]);
	}
	ks_config_set_outside(config, map->outside);
}

void ks_zone_map_set_outside(struct ks_zone_map *map, unsigned zone)
{
	map->outside = (__u8)zone;
}

unsigned ks_zone_map_interface(const struct ks_zone_map *map, const char *name)
{
	return ks_policy_interface_zone(map->policy, name, NULL);
}

/* Offset of the network header: behind Ethernet and any VLAN tags. Returns false if it is not in the capture. */
static bool network_offset(const struct ks_frame *frame, __u32 *offset)
{
	__u32 at = ETH_TYPE_OFF;

	if (frame->link == KS_LINK_IP) {
		*offset = 0;
		return true;
	}
	while (at + 2 <= frame->captured) {
		__u16 type = ks_get16(frame->data + at);

		if (type != ETH_TYPE_VLAN && type != ETH_TYPE_QINQ && type != ETH_TYPE_QINQ_OLD) {
			*offset = at + 2;
			return type == ETH_TYPE_IPV4 || type == ETH_TYPE_IPV6;
		}
		at += VLAN_TAG_LEN;
	}
	return false;
}

static void frame_ends_find(const struct ks_frame *frame, struct frame_ends *found)
{
	const __u8 *p;
	__u32 at, left;

	memset(found, 0, sizeof(*found));
	if (!network_offset(frame, &at) || at >= frame->captured)
		return;
	p = frame->data + at;
	left = frame->captured - at;
	if (p[0] >> 4 == 4 && left >= IPV4_HEADER_LEN) {
		found->family = KS_IPV4;
		memcpy(&found->src.w[3], p + IPV4_SRC_OFF, 4);
		memcpy(&found->dst.w[3], p + IPV4_DST_OFF, 4);
	} else if (p[0] >> 4 == 6 && left >= IPV6_HEADER_LEN) {
		found->family = KS_IPV6;
		memcpy(&found->src, p + IPV6_SRC_OFF, 16);
		memcpy(&found->dst, p + IPV6_DST_OFF, 16);
	}
}

static const struct ks_network *network_of(const struct ks_zone_map *map, const struct ks_addr *addr, __u8 family)
{
	for (size_t i = 0; i < map->network_count; i++) {
		if (ks_network_holds(&map->networks[i], addr, family))
			return &map->networks[i];
	}
	return NULL;
}

static unsigned zone_by_address(const struct ks_zone_map *map, const struct ks_addr *addr, __u8 family)
{
	const struct ks_network *network = network_of(map, addr, family);

	return network ? network->zone : ZONE_OPEN;
}

static unsigned zone_by_mac(const struct ks_zone_map *map, const __u8 *mac)
{
	for (size_t i = 0; mac && i < map->mac_count; i++) {
		if (memcmp(map->macs[i].bytes, mac, KS_MAC_SIZE) == 0)
			return map->macs[i].zone;
	}
	return ZONE_OPEN;
}

/* Returns true for the broadcast address of a network that the zone has. */
static bool is_broadcast_in(const struct ks_zone_map *map, const struct ks_addr *addr, __u8 family, unsigned zone)
{
	const struct ks_network *network = network_of(map, addr, family);

	return network && network->zone == zone && ks_network_is_broadcast(network, addr);
}

/* The zone of one end of a frame: that of the box if the address is its own, else by MAC address, else by IP address. */
static unsigned end_zone(const struct ks_zone_map *map, const __u8 *mac, const struct ks_addr *addr, __u8 family)
{
	unsigned address = zone_by_address(map, addr, family), link;

	if (address == KS_ZONE_SELF)
		return address;
	link = zone_by_mac(map, mac);
	return link != ZONE_OPEN ? link : address;
}

static bool is_leaving(unsigned interface, unsigned way, unsigned from, unsigned to)
{
	if (way != KS_WAY_UNKNOWN)
		return way == KS_WAY_OUT;
	if (from == KS_ZONE_SELF)
		return true;
	return from != interface && (to == interface || (from != ZONE_OPEN && to == ZONE_OPEN));
}

/* Returns true for groups that no network lists, and the broadcast address of the network that the frame comes from. */
static bool is_heard_by_box(const struct ks_zone_map *map, const struct frame_ends *found, unsigned from, unsigned to)
{
	if (to == ZONE_OPEN && ks_addr_is_group(&found->dst, found->family))
		return true;
	return is_broadcast_in(map, &found->dst, found->family, from);
}

bool ks_zone_map_assign(const struct ks_zone_map *map, unsigned interface, const struct ks_link_info *info,
			struct ks_frame *frame)
{
	struct frame_ends found;
	unsigned from, to;

	frame_ends_find(frame, &found);
	from = end_zone(map, info->src_mac, &found.src, found.family);
	to = end_zone(map, info->dst_mac, &found.dst, found.family);
	if (interface != KS_ZONE_NONE && is_leaving(interface, info->way, from, to)) {
		if (to != KS_ZONE_SELF)
			to = interface;
	} else if (interface != KS_ZONE_NONE && from != KS_ZONE_SELF) {
		from = interface;
	}
	if (from != KS_ZONE_SELF && found.family && is_heard_by_box(map, &found, from, to))
		to = KS_ZONE_SELF;
	frame->from = (__u8)(from == ZONE_OPEN ? map->outside : from);
	frame->to = (__u8)(to == ZONE_OPEN ? map->outside : to);
	return from != ZONE_OPEN || to != ZONE_OPEN || !found.family;
}
