/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Brings the map of guards and the programs in line with the links and their
 * roles. It is done again for all links whenever one changes, and stores only
 * differences. The order keeps every packet judged at every moment:
 *
 *   1. each link gets its guard, by one store;
 *   2. addresses, stacked devices and facts about zones are written;
 *   3. whoever waits for complete maps is told (`ready`);
 *   4. programs go where they are missing, so that they find complete maps;
 *   5. a bridge whose ports have programs now becomes a carrier: until then it
 *      judges by itself;
 *   6. programs go away where there should be none, then guards;
 *   7. XDP goes in front of what has its hooks.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/interfaces/switches.h"
#include "daemon/report.h"

struct settle_links_ctx {
	struct ks_interfaces *interfaces;
	const struct ks_policy *policy;
	bool is_first; /* everything is looked at: nothing of it is news */
	bool bearers; /* some entry has another bearer, or is new: addresses are to be read */
	int err;
};

/* Adds an entry for the link, with the guard that the map has: an earlier daemon may have left one. */
static struct ks_guarded *add_guarded(struct ks_interfaces *interfaces, const struct ks_interface *link)
{
	struct ks_guarded *list = reallocarray(interfaces->list, interfaces->count + 1, sizeof(*list));
	struct ks_guarded *guarded;

	if (!list)
		return NULL;
	interfaces->list = list;
	guarded = &list[interfaces->count];
	*guarded = (struct ks_guarded){ .ifindex = link->ifindex };
	guarded->programs = ks_kernel_guard(interfaces->kernel, link->ifindex, &guarded->guard) &&
			    !(guarded->guard.flags & KS_GUARD_IGNORED);
	interfaces->count++;
	return guarded;
}

/* Drops the entry; the last one of the list takes its place. */
static void forget_guarded(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	const struct ks_guarded gone = *guarded;

	ks_kernel_forget_guard(interfaces->kernel, gone.ifindex);
	*guarded = interfaces->list[--interfaces->count];
	for (unsigned i = 0; i < 2; i++)
		ks_addresses_end_flows(interfaces, gone.name, &gone.guard.address[i], i ? KS_IPV6 : KS_IPV4);
}

/* The flags of its role, and as they are those that are found out from the hooks (programs.c) and the card (front.c). */
static __u8 wanted_flags(const struct ks_guarded *guarded, enum ks_role_kind role)
{
	return ks_role_flags(role) |
	       (guarded->guard.flags & (KS_GUARD_SHARED | KS_GUARD_UNTAGS | KS_GUARD_ANSWERS | KS_GUARD_LONG));
}

/* The guard that link and role want, with the addresses that it has. */
static struct ks_guard wanted_guard(const struct ks_interfaces *interfaces, const struct ks_guarded *guarded,
				    const struct ks_interface *link, const struct ks_role *role)
{
	struct ks_guard guard = guarded->guard;

	guard.zone = (__u8)role->zone;
	guard.link = link->layer3 ? KS_LINK_IP : KS_LINK_ETHERNET;
	guard.flags = wanted_flags(guarded, role->kind);
	guard.lower = ks_stacked_lower(interfaces, link);
	memcpy(guard.mac, link->mac, sizeof(guard.mac));
	return guard;
}

/* Says how an entry will change. */
static void tell_change(const struct ks_guarded *guarded, const struct ks_interface *link, const struct ks_role *role,
			const struct ks_policy *policy)
{
	const char *zone = ks_policy_zone_name(policy, role->zone);

	if (strcmp(guarded->name, link->name))
		ks_report("%s: is now called %s", guarded->name, link->name);
	if (guarded->role != role->kind)
		ks_report("%s: %s now, zone %s", link->name, ks_role_name(role->kind), zone);
	else if (guarded->guard.zone != role->zone)
		ks_report("%s: in zone %s now", link->name, zone);
}

/* Copies what the entry keeps of a link and its role. The guard is stored by itself. */
static void take_link(struct ks_guarded *guarded, const struct ks_interface *link, const struct ks_role *role)
{
	snprintf(guarded->name, sizeof(guarded->name), "%s", link->name);
	snprintf(guarded->kind, sizeof(guarded->kind), "%s", link->kind);
	guarded->up = link->up;
	guarded->role = role->kind;
	guarded->bearer = role->bearer;
}

/*
 * Makes or changes the entry of one link. A bridge becomes a carrier only when
 * its ports have their programs (settle_carriers); until then it judges by itself.
 */
static void settle_link(struct settle_links_ctx *ctx, const struct ks_interface *link, const struct ks_role *role)
{
	struct ks_interfaces *interfaces = ctx->interfaces;
	struct ks_guarded *guarded = ks_guarded_find(interfaces, link->ifindex);
	bool is_new = !guarded, waits;
	struct ks_guard guard;

	if (is_new)
		guarded = add_guarded(interfaces, link);
	if (!guarded) {
		ks_report_error("%s: not guarded: out of memory", link->name);
		ctx->err = -ENOMEM;
		interfaces->incomplete = true;
		return;
	}
	if (!is_new && !ctx->is_first)
		tell_change(guarded, link, role, ctx->policy);
	waits = !is_new && guarded->programs && role->kind == KS_ROLE_CARRIER && guarded->role != role->kind;
	ctx->bearers |= is_new || guarded->bearer != role->bearer;
	take_link(guarded, link, role);
	guard = wanted_guard(interfaces, guarded, link, role);
	if (waits)
		guard.flags = guarded->guard.flags;
	if (is_new || memcmp(&guard, &guarded->guard, sizeof(guard))) {
		guarded->guard = guard;
		ctx->err = ks_guarded_store(interfaces, guarded) ?: ctx->err;
	}
	if (is_new && !ctx->is_first && ks_role_has_programs(role->kind))
		ks_report("%s: appeared, in zone %s", guarded->name, ks_policy_zone_name(ctx->policy, role->zone));
}

/* Makes carriers of the bridges that waited for the programs of their ports. */
static void settle_carriers(struct settle_links_ctx *ctx)
{
	for (size_t i = 0; i < ctx->interfaces->count; i++) {
		struct ks_guarded *guarded = &ctx->interfaces->list[i];
		__u8 flags = wanted_flags(guarded, guarded->role);

		if (guarded->guard.flags == flags)
			continue;
		guarded->guard.flags = flags;
		ctx->err = ks_guarded_store(ctx->interfaces, guarded) ?: ctx->err;
	}
}

/* Takes programs off where there should be none any more, and forgets what is gone or is guarded through its master. */
static void settle_rest(struct ks_interfaces *interfaces)
{
	for (size_t i = interfaces->count; i-- > 0;) {
		struct ks_guarded *guarded = &interfaces->list[i];
		long at = ks_links_find(&interfaces->links, guarded->ifindex);
		bool is_entry = at >= 0 && interfaces->roles[at].kind != KS_ROLE_MEMBER;

		if (guarded->programs && !(is_entry && ks_role_has_programs(guarded->role))) {
			ks_programs_take_off(interfaces, guarded->ifindex, guarded->name);
			guarded->programs = guarded->checked = guarded->overtaken = false;
			guarded->front = KS_FRONT_OFF;
			guarded->error = 0;
		}
		if (is_entry)
			continue;
		if (at < 0)
			ks_report("%s: vanished, forgotten", guarded->name);
		else
			ks_report("%s: belongs to another interface now, and is guarded through it", guarded->name);
		forget_guarded(interfaces, guarded);
	}
}

static int first_error(const struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		int err = interfaces->list[i].error;

		if (err && err != -ENODEV && interfaces->list[i].guard.zone != KS_ZONE_NONE)
			return err;
	}
	return 0;
}

static void tell_ready(struct ks_interfaces *interfaces)
{
	void (*ready)(void *arg) = interfaces->ready;

	interfaces->ready = NULL;
	if (ready)
		ready(interfaces->ready_arg);
}

int ks_interfaces_settle(struct ks_interfaces *interfaces, const struct ks_policy *policy, bool is_first)
{
	struct settle_links_ctx ctx = { .interfaces = interfaces, .policy = policy, .is_first = is_first };

	interfaces->xdp = policy->config.xdp;
	interfaces->express = policy->config.options & KS_OPT_EXPRESS;
	interfaces->short_way.mode = policy->config.short_way;
	ks_interfaces_decide(interfaces, policy);
	for (size_t i = 0; i < interfaces->links.count; i++) {
		if (interfaces->roles[i].kind != KS_ROLE_MEMBER)
			settle_link(&ctx, &interfaces->links.list[i], &interfaces->roles[i]);
	}
	if (is_first && interfaces->routes.read_at)
		ctx.err = ks_routes_apply(&interfaces->routes, interfaces->kernel) ?: ctx.err;
	if (ctx.bearers || is_first)
		ks_addresses_refresh(interfaces);
	ks_stacked_note(interfaces);
	ks_stacked_note_listed(interfaces, false);
	ks_routing_store(interfaces);
	tell_ready(interfaces);
	ks_programs_attach_missing(interfaces);
	settle_carriers(&ctx);
	settle_rest(interfaces);
	ks_switches_note(interfaces);
	ks_short_way_mark(interfaces);
	ks_routing_store(interfaces);
	ks_front_settle(interfaces);
	ks_express_settle(interfaces);
	return ctx.err ?: first_error(interfaces);
}
