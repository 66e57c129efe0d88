/* SPDX-License-Identifier: BSD-2-Clause */
/* See own_addresses.h. */
#include "daemon/interfaces/own_addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/netlink.h"
#include "daemon/interfaces/roles.h"

/* The interfaces of the namespace, and the addresses of one zone in the kernel's order. */
struct own {
	const struct ks_links *links;
	const struct ks_role *roles;
	unsigned zone;
	struct ks_own_address *list;
	size_t count;
	int err;
};

/* An interface has addresses of the zone if it is in it, or carries a port that is. */
static bool is_of_zone(const struct own *own, unsigned ifindex)
{
	for (size_t i = 0; i < own->links->count; i++) {
		const struct ks_role *role = &own->roles[i];

		if (role->bearer == ifindex && role->zone == own->zone &&
		    (role->kind == KS_ROLE_GUARDED || role->kind == KS_ROLE_PORT))
			return true;
	}
	return false;
}

static void take_address(const struct ks_interface_address *address, void *arg)
{
	struct own *own = arg;
	struct ks_own_address *list;

	if (!is_of_zone(own, address->ifindex))
		return;
	list = reallocarray(own->list, own->count + 1, sizeof(*list));
	if (!list) {
		own->err = -ENOMEM;
		return;
	}
	own->list = list;
	list[own->count++] = (struct ks_own_address){ .addr = address->addr, .family = address->family };
}

static int fill_zone(struct ks_policy *policy, const struct ks_links *links, const struct ks_role *roles, unsigned zone)
{
	struct own own = { .links = links, .roles = roles, .zone = zone };
	int err = ks_netlink_each_address(0, take_address, &own) ?: own.err;

	if (!err)
		err = ks_policy_set_addresses(policy, zone, own.list, own.count);
	free(own.list);
	return err;
}

static int fill_zones(struct ks_policy *policy, const struct ks_links *links)
{
	struct ks_role *roles = calloc(links->count + 1, sizeof(*roles));
	int changed = 0, err = roles ? 0 : -ENOMEM;

	if (roles)
		ks_roles_decide(policy, links, roles);
	for (size_t i = 0; err >= 0 && i < policy->address_set_count; i++) {
		err = fill_zone(policy, links, roles, policy->address_sets[i].zone);
		changed |= err > 0;
	}
	free(roles);
	return err < 0 ? err : changed;
}

int ks_own_addresses_fill(struct ks_policy *policy)
{
	struct ks_links links = { 0 };
	int err = policy->address_set_count ? ks_links_read(&links) : 0;

	if (!err && policy->address_set_count)
		err = fill_zones(policy, &links);
	ks_links_fini(&links);
	return err;
}
