/* SPDX-License-Identifier: BSD-2-Clause */
/* See short_way.h. */
#include "daemon/interfaces/short_way.h"

#include <stdio.h>
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/report.h"

#define SAFE_NS (3 * KS_NSEC_PER_SEC) /* a daemon that is busy may come late once */

/* A VRF's device sees what its ports receive, and so do its filters. */
static bool is_in_vrf(const struct ks_interfaces *interfaces, const struct ks_guarded *guarded)
{
	long at = ks_links_find(&interfaces->links, guarded->ifindex), master;

	if (at < 0 || !interfaces->links.list[at].master)
		return false;
	master = ks_links_find(&interfaces->links, interfaces->links.list[at].master);
	return master >= 0 && !strcmp(interfaces->links.list[master].kind, "vrf");
}

const char *ks_short_way_obstacle(const struct ks_interfaces *interfaces, const struct ks_guarded *guarded)
{
	if (guarded->role != KS_ROLE_GUARDED)
		return "its packets are those of a bridge or VRF";
	if (guarded->guard.link != KS_LINK_ETHERNET)
		return "it has no link addresses";
	if (guarded->guard.flags & KS_GUARD_SHARED)
		return "filters of others are behind ours at its ingress";
	return is_in_vrf(interfaces, guarded) ? "it is in a VRF" : NULL;
}

/* Ways are remembered by addresses, interface, mark and type of service. Some kernels do not look routes up by the mark. */
static const char *routes_obstacle(const struct ks_interfaces *interfaces)
{
	const struct ks_control *control = ks_kernel_control(interfaces->kernel);
	unsigned rules = interfaces->routes.rules;

	if (interfaces->routes.several)
		return "a route has several next hops";
	if (rules & 1U << KS_ROUTE_RULE_PORT)
		return "routes are chosen by port";
	if (rules & 1U << KS_ROUTE_RULE_MARK && control->flags & KS_CONTROL_NO_MARK)
		return "routes are chosen by mark, and this kernel's lookup does not know marks";
	return NULL;
}

/* Writes why it is not safe, "" if it is. */
static void find_why(const struct ks_interfaces *interfaces, char why[KS_SHORT_WAY_TEXT])
{
	const char *routes = routes_obstacle(interfaces);
	char others[KS_OTHERS_TEXT] = "";
	int err = 0;

	*why = '\0';
	if (interfaces->short_way.mode == KS_SHORT_OFF) {
		snprintf(why, KS_SHORT_WAY_TEXT, "option short-way off");
		return;
	}
	if (routes) {
		snprintf(why, KS_SHORT_WAY_TEXT, "%s", routes);
		return;
	}
	err = ks_others_in_ipsec(others, sizeof(others));
	if (!err && !*others && interfaces->short_way.mode == KS_SHORT_AUTO)
		err = ks_others_in_netfilter(others, sizeof(others));
	if (err)
		snprintf(why, KS_SHORT_WAY_TEXT, "the kernel does not tell what others do: %s", strerror(-err));
	else if (*others)
		snprintf(why, KS_SHORT_WAY_TEXT, "%s", others);
}

void ks_short_way_mark(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		struct ks_guarded *guarded = &interfaces->list[i];
		__u8 flag = ks_short_way_obstacle(interfaces, guarded) ? KS_GUARD_LONG : 0;

		if ((guarded->guard.flags & KS_GUARD_LONG) == flag)
			continue;
		guarded->guard.flags ^= KS_GUARD_LONG;
		ks_guarded_store(interfaces, guarded);
	}
}

void ks_short_way_follow(struct ks_interfaces *interfaces)
{
	struct ks_control *control = ks_kernel_control(interfaces->kernel);
	struct ks_short_way *way = &interfaces->short_way;
	bool was = way->is_taken, is_told = was || *way->why;
	char why[KS_SHORT_WAY_TEXT];

	find_why(interfaces, why);
	way->is_taken = !*why;
	__atomic_store_n(&control->short_until, way->is_taken ? ks_kernel_now(interfaces->kernel) + SAFE_NS : 0,
			 __ATOMIC_RELEASE);
	if (is_told && was != way->is_taken)
		ks_report("established flows go the %s way%s%s", way->is_taken ? "short" : "long",
			  way->is_taken ? "" : ": ", why);
	memcpy(way->why, why, sizeof(why));
}
