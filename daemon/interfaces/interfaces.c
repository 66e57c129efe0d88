/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of interfaces and what the daemon calls. See interfaces.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/interfaces/interfaces.h"
#include "daemon/interfaces/internal.h"
#include "daemon/report.h"

struct ks_guarded *ks_guarded_find(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].ifindex == ifindex)
			return &interfaces->list[i];
	}
	return NULL;
}

int ks_guarded_store(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	int err = ks_kernel_set_guard(interfaces->kernel, guarded->ifindex, &guarded->guard);

	if (err && err != guarded->store_error)
		ks_report_error("%s: %s", guarded->name, ks_kernel_complaint());
	guarded->store_error = err;
	return err;
}

size_t ks_interfaces_guarded(const struct ks_interfaces *interfaces)
{
	size_t guarded = 0;

	for (size_t i = 0; i < interfaces->count; i++)
		guarded += ks_role_has_programs(interfaces->list[i].role) && !interfaces->list[i].error;
	return guarded;
}

bool ks_interfaces_are_attached(const struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];

		if (ks_role_has_programs(guarded->role) && guarded->error && guarded->error != -ENODEV)
			return false;
	}
	return true;
}

/* --- links and their roles --- */

/* Makes room for the roles of so many links. */
static int reserve_roles(struct ks_interfaces *interfaces, size_t count)
{
	struct ks_role *roles;

	if (interfaces->roles && count <= interfaces->room)
		return 0;
	roles = reallocarray(interfaces->roles, count + 1, sizeof(*roles));
	if (!roles)
		return -ENOMEM;
	interfaces->roles = roles;
	interfaces->room = count + 1;
	return 0;
}

/* Reads all links. With an error those that were known stay. */
static int read_links(struct ks_interfaces *interfaces)
{
	struct ks_links links = { 0 };
	int err = ks_links_read(&links) ?: reserve_roles(interfaces, links.count);

	if (err) {
		ks_links_fini(&links);
		return err;
	}
	ks_links_fini(&interfaces->links);
	interfaces->links = links;
	return 0;
}

void ks_interfaces_decide(struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	if (!interfaces->links.count)
		return;
	memset(interfaces->roles, 0, interfaces->links.count * sizeof(*interfaces->roles));
	ks_roles_decide(policy, &interfaces->links, interfaces->roles);
}

/* --- a policy --- */

/* Puts an interface in no zone if its zone will be another. */
static int shut_if_other(struct ks_interfaces *interfaces, unsigned ifindex, const struct ks_role *role)
{
	struct ks_guarded *guarded = ks_guarded_find(interfaces, ifindex);
	struct ks_guard guard;
	int err;

	if (!ks_kernel_guard(interfaces->kernel, ifindex, &guard) || guard.zone == role->zone)
		return 0;
	guard.zone = KS_ZONE_NONE;
	err = ks_kernel_set_guard(interfaces->kernel, ifindex, &guard);
	if (!err && guarded)
		guarded->guard.zone = KS_ZONE_NONE;
	return err;
}

int ks_interfaces_prepare(struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	int err = read_links(interfaces);

	if (err)
		return err;
	ks_interfaces_decide(interfaces, policy);
	for (size_t i = 0; !err && i < interfaces->links.count; i++)
		err = shut_if_other(interfaces, interfaces->links.list[i].ifindex, &interfaces->roles[i]);
	return err;
}

/* Guards in the map that have no entry in the list. */
struct stray_guards_ctx {
	const struct ks_interfaces *interfaces;
	unsigned list[256];
	size_t count;
};

static void collect_stray_guard(unsigned ifindex, const struct ks_guard *guard, void *arg)
{
	struct stray_guards_ctx *strays = arg;

	if (!ks_guarded_find(strays->interfaces, ifindex) && strays->count < KS_ARRAY_SIZE(strays->list))
		strays->list[strays->count++] = ifindex;
}

static int release_stray(struct ks_interfaces *interfaces, unsigned ifindex)
{
	long at = ks_links_find(&interfaces->links, ifindex);
	const char *name = at >= 0 ? interfaces->links.list[at].name : "an interface that is gone";

	ks_report("no longer guarded: %s", name);
	ks_programs_take_off(interfaces, ifindex, name);
	return ks_kernel_forget_guard(interfaces->kernel, ifindex);
}

/* Releases the guards that an earlier daemon left and that no link needs. */
static void release_strays(struct ks_interfaces *interfaces)
{
	struct stray_guards_ctx strays = { .interfaces = interfaces };
	int err = 0;

	do {
		strays.count = 0;
		ks_kernel_each_guard(interfaces->kernel, collect_stray_guard, &strays);
		for (size_t i = 0; i < strays.count; i++)
			err = release_stray(interfaces, strays.list[i]) ?: err;
	} while (!err && strays.count == KS_ARRAY_SIZE(strays.list));
	if (err)
		ks_report_error("interfaces that are not guarded any more are not forgotten: %s", strerror(-err));
}

int ks_interfaces_apply(struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	int err = read_links(interfaces), routes_err;

	interfaces->incomplete = err != 0;
	if (err) /* the old list stays: better than to forget what cannot be seen */
		return err;
	routes_err = ks_routes_read(&interfaces->routes);
	for (size_t i = 0; i < interfaces->count; i++)
		interfaces->list[i].checked = false;
	err = ks_interfaces_settle(interfaces, policy, true);
	release_strays(interfaces);
	ks_routing_vouch(interfaces);
	ks_short_way_follow(interfaces);
	return err ?: routes_err;
}

/* --- news --- */

/* Returns true if the news change nothing that roles and guards depend on. */
static bool is_same_link(const struct ks_interface *old, const struct ks_interface *news)
{
	return !strcmp(old->name, news->name) && !strcmp(old->kind, news->kind) && old->master == news->master &&
	       old->lower == news->lower && old->layer3 == news->layer3 && old->loopback == news->loopback &&
	       !memcmp(old->mac, news->mac, sizeof(old->mac));
}

/* Puts the news into the list of links. Returns false if nothing but its being up or down can have changed. */
static bool take_link_news(struct ks_interfaces *interfaces, const struct ks_interface *news)
{
	long at = ks_links_find(&interfaces->links, news->ifindex);
	bool is_same;

	if (at < 0 && news->gone)
		return false;
	if (at < 0) {
		int err = reserve_roles(interfaces, interfaces->links.count + 1)
				  ?: ks_links_insert(&interfaces->links, news);

		if (err)
			ks_report_error("%s: not guarded: out of memory", news->name);
		interfaces->incomplete |= err != 0;
		return !err;
	}
	is_same = !news->gone && is_same_link(&interfaces->links.list[at], news);
	if (news->gone)
		ks_links_remove(&interfaces->links, at);
	else
		interfaces->links.list[at] = *news;
	return !is_same;
}

/* Notes news of a filter. One reading brings many for an interface, which are looked at together afterwards. */
static void note_filter_news(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	struct ks_guarded *guarded = ks_guarded_find(interfaces, ifindex);

	if (guarded)
		guarded->filters_changed = true;
}

void ks_interfaces_end_news(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		struct ks_guarded *guarded = &interfaces->list[i];

		if (guarded->filters_changed) {
			ks_programs_check(interfaces, guarded);
			ks_express_watch(interfaces, guarded);
		}
		guarded->filters_changed = false;
	}
}

void ks_interfaces_take_news(struct ks_interfaces *interfaces, const struct ks_policy *policy,
			     const struct ks_interface *news)
{
	struct ks_guarded *guarded;

	ks_kernel_forget_ways(interfaces->kernel);
	if (news->filters) {
		note_filter_news(interfaces, news->ifindex);
		return;
	}
	ks_routes_doubt(&interfaces->routes); /* a link that goes down takes routes along without news of them */
	if (news->addresses) {
		ks_addresses_refresh(interfaces);
		return;
	}
	if (take_link_news(interfaces, news)) {
		ks_interfaces_settle(interfaces, policy, false);
		return;
	}
	guarded = ks_guarded_find(interfaces, news->ifindex);
	if (!guarded || guarded->up == news->up)
		return;
	guarded->up = news->up;
	ks_routing_store(interfaces);
}

void ks_interfaces_watch(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		struct ks_guarded *guarded = &interfaces->list[i];

		if (guarded->store_error)
			ks_guarded_store(interfaces, guarded);
		if (!ks_role_has_programs(guarded->role))
			continue;
		ks_programs_watch(interfaces, guarded);
		ks_front_watch(interfaces, guarded);
		ks_express_watch(interfaces, guarded);
	}
	ks_stacked_note(interfaces);
	ks_stacked_note_listed(interfaces, true);
	ks_routing_follow(interfaces, false);
	ks_routing_vouch(interfaces);
	ks_short_way_follow(interfaces);
}

void ks_interfaces_fini(struct ks_interfaces *interfaces)
{
	ks_routes_fini(&interfaces->routes);
	ks_links_fini(&interfaces->links);
	free(interfaces->roles);
	free(interfaces->list);
	*interfaces = (struct ks_interfaces){ 0 };
}
