/* SPDX-License-Identifier: BSD-2-Clause */
/* See own_addresses.h. */
#include "daemon/interfaces/own_addresses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/netlink.h"
#include "daemon/interfaces/roles.h"
#include "text/scoped.h"

/* The interfaces of the namespace, and the addresses of one zone in the kernel's order. */
struct own_addresses_ctx {
	const struct ks_links *links;
	const struct ks_role *roles;
	unsigned zone;
	struct ks_own_address *list;
	size_t count;
	int err;
};

/* An interface has addresses of the zone if it is in it, or carries a port that is. */
static bool is_of_zone(const struct own_addresses_ctx *ctx, unsigned ifindex)
{
	for (size_t i = 0; i < ctx->links->count; i++) {
		const struct ks_role *role = &ctx->roles[i];

		if (role->bearer == ifindex && role->zone == ctx->zone &&
		    (role->kind == KS_ROLE_GUARDED || role->kind == KS_ROLE_PORT))
			return true;
	}
	return false;
}

static void collect_own_address(const struct ks_interface_address *address, void *arg)
{
	struct own_addresses_ctx *ctx = arg;
	struct ks_own_address *list;

	if (!is_of_zone(ctx, address->ifindex))
		return;
	list = reallocarray(ctx->list, ctx->count + 1, sizeof(*list));
	if (!list) {
		ctx->err = -ENOMEM;
		return;
	}
	ctx->list = list;
	list[ctx->count++] = (struct ks_own_address){
		.addr = address->addr,
		.network = { .addr = address->network, .family = address->family, .length = address->length },
		.family = address->family,
	};
}

/* Takes the addresses of a zone. Returns 1 if something changed, 0, or -errno. */
typedef int zone_fn(struct ks_policy *policy, unsigned zone, const struct ks_own_address *list, size_t count);

static int zone_take(struct ks_policy *policy, const struct ks_links *links, const struct ks_role *roles, unsigned zone,
		     zone_fn *fn)
{
	struct own_addresses_ctx ctx = { .links = links, .roles = roles, .zone = zone };
	int err = ks_netlink_each_address(0, collect_own_address, &ctx) ?: ctx.err;
	ks_auto_free struct ks_own_address *list = ctx.list;

	return err ?: fn(policy, zone, list, ctx.count);
}

static int zones_take(struct ks_policy *policy, const struct ks_links *links, __u64 zones, zone_fn *fn)
{
	ks_auto_free struct ks_role *roles = calloc(links->count + 1, sizeof(*roles));
	int changed = 0, err = 0;

	if (!roles)
		return -ENOMEM;
	ks_roles_decide(policy, links, roles);
	for (unsigned zone = 0; err >= 0 && zone < KS_ZONE_MAX; zone++) {
		err = zones >> zone & 1 ? zone_take(policy, links, roles, zone, fn) : 0;
		changed |= err > 0;
	}
	return err < 0 ? err : changed;
}

/* Reads the interfaces, and calls fn for each zone of a mask. Returns 1 if something changed, 0, or -errno. */
static int addresses_take(struct ks_policy *policy, __u64 zones, zone_fn *fn)
{
	struct ks_links links = { 0 };
	int err = zones ? ks_links_read(&links) : 0;

	if (!err && zones)
		err = zones_take(policy, &links, zones, fn);
	ks_links_fini(&links);
	return err;
}

static int sets_fill(struct ks_policy *policy, unsigned zone, const struct ks_own_address *list, size_t count)
{
	return ks_policy_set_addresses(policy, zone, list, count);
}

int ks_own_addresses_fill(struct ks_policy *policy)
{
	__u64 zones = 0;

	for (size_t i = 0; i < policy->address_set_count; i++)
		zones |= 1ULL << policy->address_sets[i].zone;
	return addresses_take(policy, zones, sets_fill);
}

/* Takes the first address of each family that is not of a link alone. */
static void address_tell(struct ks_config *config, unsigned zone, const struct ks_own_address *own)
{
	struct ks_addr *said = &config->address[zone][own->family == KS_IPV6];

	if (said->d[0] | said->d[1] || ks_addr_is_on_link(&own->addr, own->family))
		return;
	*said = own->addr;
	config->addressed |= 1ULL << zone;
}

static int zone_tell(struct ks_policy *policy, unsigned zone, const struct ks_own_address *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		address_tell(&policy->config, zone, &list[i]);
	return 0;
}

int ks_own_addresses_tell(struct ks_policy *policy)
{
	__u64 zones = 0;

	for (size_t i = 0; i < policy->zone_count; i++)
		zones |= 1ULL << policy->zones[i].id;
	return addresses_take(policy, zones, zone_tell);
}
