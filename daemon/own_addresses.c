/* SPDX-License-Identifier: BSD-2-Clause */
/* See own_addresses.h. */
#include "own_addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "interfaces.h"
#include "netlink.h"

/* The interfaces of one zone, and their addresses in the kernel's order. */
struct own {
	const struct ks_policy *policy;
	unsigned zone;
	unsigned *indices;
	size_t index_count;
	struct ks_own_address *list;
	size_t count;
	int err;
};

static void take_interface(const struct ks_interface *interface, void *arg)
{
	struct own *own = arg;
	unsigned *indices;

	if (ks_interfaces_zone_of(own->policy, interface->name) != own->zone)
		return;
	indices = reallocarray(own->indices, own->index_count + 1, sizeof(*indices));
	if (!indices) {
		own->err = -ENOMEM;
		return;
	}
	own->indices = indices;
	indices[own->index_count++] = interface->ifindex;
}

static bool is_of_zone(const struct own *own, unsigned ifindex)
{
	for (size_t i = 0; i < own->index_count; i++) {
		if (own->indices[i] == ifindex)
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

static int fill_zone(struct ks_policy *policy, unsigned zone)
{
	struct own own = { .policy = policy, .zone = zone };
	int err = ks_netlink_each_interface(take_interface, &own) ?: own.err;

	if (!err)
		err = ks_netlink_each_address(0, take_address, &own) ?: own.err;
	if (!err)
		err = ks_policy_set_addresses(policy, zone, own.list, own.count);
	free(own.indices);
	free(own.list);
	return err;
}

int ks_own_addresses_fill(struct ks_policy *policy)
{
	int changed = 0;

	for (size_t i = 0; i < policy->address_set_count; i++) {
		int err = fill_zone(policy, policy->address_sets[i].zone);

		if (err < 0)
			return err;
		changed |= err;
	}
	return changed;
}
