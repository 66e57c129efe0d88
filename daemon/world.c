/* SPDX-License-Identifier: BSD-2-Clause */
/* See world.h. Runs in the daemon's thread; everything is asked at the moment of the question. */
#include <stdio.h>
#include <string.h>

#include "text/names.h"
#include "kernel/netlink.h"
#include "daemon/world.h"

static const struct ks_control *control_of(const struct ks_daemon *daemon)
{
	return ks_kernel_control(daemon->kernel);
}

/* The interface that the daemon has chosen for a zone, 0 without one. Of a bridge whose ports are in zones it is the bridge. */
static unsigned interface_of(const struct ks_daemon *daemon, __u32 zone)
{
	return zone < KS_ZONE_MAX ? control_of(daemon)->zone_ifindex[zone] : 0;
}

static bool is_in_zone(const struct ks_daemon *daemon, unsigned ifindex, __u32 zone)
{
	struct ks_guard guard;

	if (!ks_kernel_guard(daemon->kernel, ifindex, &guard) || guard.flags & KS_GUARD_IGNORED)
		return false;
	return guard.flags & KS_GUARD_CARRIER ? interface_of(daemon, zone) == ifindex : guard.zone == zone;
}

/* The interface that a packet of a zone comes by. */
static unsigned arrival(const struct ks_daemon *daemon, const struct ks_tuple *tuple, __u32 from)
{
	struct ks_local local;

	if (from == KS_ZONE_SELF)
		return KS_LOOPBACK_IFINDEX;
	if (ks_kernel_local(daemon->kernel, &tuple->dst, tuple->family, &local) && local.kind == KS_LOCAL_BROADCAST &&
	    is_in_zone(daemon, local.ifindex, from))
		return local.ifindex;
	if (ks_kernel_local(daemon->kernel, &tuple->src, tuple->family, &local) && local.kind == KS_LOCAL_LINK &&
	    is_in_zone(daemon, local.ifindex, from))
		return local.ifindex;
	return interface_of(daemon, from) ?: KS_LOOPBACK_IFINDEX;
}

/* Asks the programs. If they cannot be asked, egress decides, and sources are not believed. */
static struct ks_ask ask_programs(const struct ks_daemon *daemon, const struct ks_tuple *tuple, __u32 from,
				  bool by_route)
{
	struct ks_ask ask = {
		.tuple = *tuple, .ifindex = arrival(daemon, tuple, from), .from = (__u8)from, .by_route = by_route
	};

	if (ks_kernel_ask(daemon->kernel, &ask))
		ask.to = KS_ZONE_UNDECIDED;
	return ask;
}

static __u32 zone_to(const struct ks_tuple *tuple, __u32 from, void *arg)
{
	return ask_programs(arg, tuple, from, false).to;
}

static __u64 other_zones(const struct ks_tuple *tuple, __u32 from, void *arg)
{
	return ask_programs(arg, tuple, from, false).others;
}

static __u32 broadcast(const struct ks_tuple *tuple, __u32 from, void *arg)
{
	const struct ks_daemon *daemon = arg;
	struct ks_local local;

	if (!ks_kernel_local(daemon->kernel, &tuple->dst, tuple->family, &local) || local.kind != KS_LOCAL_BROADCAST)
		return KS_ZONE_UNKNOWN;
	return is_in_zone(daemon, local.ifindex, from) ? KS_ZONE_SELF : KS_ZONE_ASTRAY;
}

/* Returns true if a bridge forwards packets between the zones, without a route that could tell anything of them. */
static bool zones_are_bridged(const struct ks_daemon *daemon, __u32 from, __u32 to)
{
	unsigned ifindex = interface_of(daemon, from);
	struct ks_guard guard;

	return ifindex && ifindex == interface_of(daemon, to) && ks_kernel_guard(daemon->kernel, ifindex, &guard) &&
	       guard.flags & KS_GUARD_CARRIER;
}

static bool source_is_at_home(const struct ks_tuple *tuple, __u32 from, __u32 to, bool by_route, void *arg)
{
	return ask_programs(arg, tuple, from, by_route && !zones_are_bridged(arg, from, to)).is_home;
}

static bool source_is_near(const struct ks_tuple *tuple, __u32 from, void *arg)
{
	return ask_programs(arg, tuple, from, false).is_near;
}

static bool zones_are_one(__u32 a, __u32 b, void *arg)
{
	__u64 both = 1ULL << (a & (KS_ZONE_MAX - 1)) | 1ULL << (b & (KS_ZONE_MAX - 1));

	return (control_of(arg)->outside & both) == both;
}

static bool send_back(__u32 zone, void *arg)
{
	return interface_of(arg, zone) != 0;
}

/* The address of the interface that stands for the zone: it is unknown here by which one a packet would leave. */
static bool address_of(__u32 zone, __u8 family, struct ks_addr *addr, void *arg)
{
	const struct ks_daemon *daemon = arg;
	struct ks_guard guard;

	if (!ks_kernel_guard(daemon->kernel, interface_of(daemon, zone), &guard))
		return false;
	*addr = guard.address[family == KS_IPV6];
	return addr->d[0] || addr->d[1];
}

__u8 ks_world_zone_of(const struct ks_daemon *daemon, const struct ks_addr *addr, unsigned family)
{
	size_t first = family == KS_IPV4 ? 12 : 0;
	struct ks_guard guard;
	unsigned ifindex;

	if (ks_netlink_route(&addr->b[first], sizeof(addr->b) - first, &ifindex))
		return KS_ZONE_NONE;
	if (!ifindex)
		return KS_ZONE_SELF;
	return ks_kernel_guard(daemon->kernel, ifindex, &guard) ? guard.zone : KS_ZONE_NONE;
}

static void tell_home(const struct ks_tuple *tuple, __u32 from, char *buf, size_t size, void *arg)
{
	const struct ks_daemon *daemon = arg;
	__u64 outside = control_of(daemon)->outside;
	struct ks_tuple back = *tuple;
	struct ks_local local;
	__u32 zone;

	if (ks_kernel_local(daemon->kernel, &tuple->src, tuple->family, &local) && local.kind != KS_LOCAL_LINK) {
		snprintf(buf, size, "it is %s",
			 local.kind == KS_LOCAL_SELF ? "an address of the box" : "the broadcast address of a network");
		return;
	}
	back.src = tuple->dst;
	back.dst = tuple->src;
	zone = ask_programs(daemon, &back, KS_ZONE_SELF, false).to;
	if (zone >= KS_ZONE_MAX)
		snprintf(buf, size, "no route back to it leads to a zone");
	else
		snprintf(buf, size, "the route back to it leads to zone %s%s",
			 ks_policy_zone_name(daemon->policy, zone),
			 zone != from && outside >> zone & outside >> from & 1 ? ", outside too" : "");
}

void ks_world_init(struct ks_world *world, struct ks_daemon *daemon)
{
	*world = (struct ks_world){
		.zone_to = zone_to,
		.other_zones = other_zones,
		.broadcast = broadcast,
		.source_is_at_home = source_is_at_home,
		.source_is_near = source_is_near,
		.zones_are_one = zones_are_one,
		.send_back = send_back,
		.address_of = address_of,
		.tell_home = tell_home,
		.arg = daemon,
	};
}
