/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the programs what they must know of the routes: the addresses of the box
 * (routes.h), facts about zones (zone_facts.h), and the router behind each
 * interface. All follow the news of a routing socket, and what a reading once a
 * second finds.
 */
#include <errno.h>
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/interfaces/switches.h"
#include "daemon/interfaces/zone_facts.h"
#include "daemon/report.h"

/*
 * Answers that must not go by the best route leave by these routers. Of an interface with several addresses, masquerade
 * prefers the one beside its router.
 */
static void store_gateways(struct ks_interfaces *interfaces)
{
	bool changed = false;

	for (size_t i = 0; i < interfaces->count; i++) {
		struct ks_guarded *guarded = &interfaces->list[i];
		struct ks_addr found[2] = { 0 };

		ks_routes_gateway(&interfaces->routes, guarded->ifindex, KS_IPV4, &found[0]);
		ks_routes_gateway(&interfaces->routes, guarded->ifindex, KS_IPV6, &found[1]);
		if (!memcmp(found, guarded->guard.gateway, sizeof(found)))
			continue;
		memcpy(guarded->guard.gateway, found, sizeof(found));
		ks_guarded_store(interfaces, guarded);
		changed = true;
	}
	if (changed)
		ks_addresses_refresh(interfaces);
}

void ks_routing_store(struct ks_interfaces *interfaces)
{
	struct ks_control *control = ks_kernel_control(interfaces->kernel);
	bool differed = control->flags & KS_CONTROL_ROUTES_DIFFER;
	struct ks_zone_facts facts;
	char why[KS_ROUTES_WHY_TEXT];

	ks_zone_facts_find(interfaces, &facts);
	ks_zone_facts_store(&facts, control);
	ks_kernel_forget_ways(interfaces->kernel);
	store_gateways(interfaces);
	if (facts.routes_differ && !differed)
		ks_report("routes may lead elsewhere than a lookup tells (%s): egress decides",
			  ks_routes_why(&interfaces->routes, why, sizeof(why)));
}

void ks_routing_follow(struct ks_interfaces *interfaces, bool changed)
{
	changed |= ks_routes_refresh(&interfaces->routes);
	if (!changed && interfaces->routes.is_known)
		return;
	ks_routes_apply(&interfaces->routes, interfaces->kernel);
	ks_routing_store(interfaces);
}

#define VOUCHED_NS (3 * KS_NSEC_PER_SEC) /* a daemon that is busy may come late once */

void ks_routing_vouch(const struct ks_interfaces *interfaces)
{
	struct ks_control *control = ks_kernel_control(interfaces->kernel);

	__atomic_store_n(&control->routes_until, ks_kernel_now(interfaces->kernel) + VOUCHED_NS, __ATOMIC_RELEASE);
}

struct route_news_ctx {
	struct ks_interfaces *interfaces;
	bool changed;
};

static void take_route_news(const struct ks_route *route, void *arg)
{
	struct route_news_ctx *ctx = arg;

	ctx->changed |= ks_routes_take_news(&ctx->interfaces->routes, route);
}

void ks_interfaces_take_routes(struct ks_interfaces *interfaces, int fd)
{
	struct route_news_ctx ctx = { .interfaces = interfaces };
	bool others;
	int err = ks_netlink_read_routes(fd, take_route_news, &ctx, &others);

	ks_kernel_forget_ways(interfaces->kernel); /* most news of a large table are of no other interest */
	if (err && err != -ENOBUFS)
		ks_report_error("routes: %s", strerror(-err));
	if (err || others) {
		ks_routes_doubt(&interfaces->routes);
		ks_switches_note(interfaces);
	}
	if (ctx.changed || interfaces->routes.stale) /* most news of a large table change nothing here */
		ks_routing_follow(interfaces, ctx.changed);
}
