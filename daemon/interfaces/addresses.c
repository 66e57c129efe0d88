/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address of each family that an interface's packets are masqueraded with:
 * the best one that the interface has at the moment (rank in kernel/netlink.h), and
 * of equally good ones that in whose network the router is, as the kernel chooses.
 * When an interface loses an address, the flows that are translated to or from
 * it are ended, because nothing comes to it any more.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/interfaces/resets.h"
#include "daemon/report.h"
#include "text/names.h"
#include "text/scoped.h"

/* The best address of each family of one entry, and which of the former ones are still there. */
struct best_addresses {
	struct ks_addr best[2];
	unsigned rank[2];
	bool kept[2];
};

struct address_scan_ctx {
	const struct ks_interfaces *interfaces;
	struct best_addresses *found; /* of each entry */
	struct best_addresses any; /* of the whole box */
};

#define RANKS_OF_ONE 2 /* the router is in the network of the address, or not */

/* Returns true if a router is in the network around an address. Zeros are no router. */
static bool is_beside(const struct ks_interface_address *address, const struct ks_addr *router)
{
	struct ks_addr network = address->network, its = *router;

	if (!(router->d[0] | router->d[1]))
		return false;
	ks_addr_mask(&network, address->family, address->length);
	ks_addr_mask(&its, address->family, address->length);
	return !memcmp(&network, &its, sizeof(its));
}

static void take_better(struct best_addresses *addresses, const struct ks_interface_address *address,
			const struct ks_addr *router)
{
	unsigned at = address->family == KS_IPV6;
	unsigned rank = RANKS_OF_ONE * address->rank + is_beside(address, router);

	if (rank <= addresses->rank[at])
		return;
	addresses->rank[at] = rank;
	addresses->best[at] = address->addr;
}

static void scan_address(const struct ks_interface_address *address, void *arg)
{
	static const struct ks_addr none;
	struct address_scan_ctx *ctx = arg;
	unsigned at = address->family == KS_IPV6;

	take_better(&ctx->any, address, &none);
	for (size_t i = 0; i < ctx->interfaces->count; i++) {
		const struct ks_guarded *guarded = &ctx->interfaces->list[i];

		if (!memcmp(&address->addr, &guarded->guard.address[at], sizeof(address->addr)))
			ctx->found[i].kept[at] = true;
		if (guarded->bearer == address->ifindex)
			take_better(&ctx->found[i], address, &guarded->guard.gateway[at]);
	}
}

/* An interface without an address uses another one of the box (unnumbered: RFC 1812 2.2.7), as the kernel does. */
static void borrow_addresses(struct best_addresses *addresses, const struct best_addresses *any)
{
	for (unsigned at = 0; at < 2; at++) {
		if (!addresses->rank[at])
			addresses->best[at] = any->best[at];
	}
}

static bool is_in_use(const struct ks_interfaces *interfaces, const struct ks_addr *addr, unsigned family)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (!memcmp(&interfaces->list[i].guard.address[family == KS_IPV6], addr, sizeof(*addr)))
			return true;
	}
	return false;
}

void ks_addresses_end_flows(struct ks_interfaces *interfaces, const char *name, const struct ks_addr *addr,
			    unsigned family)
{
	struct ks_resets resets = { .fd = -1 };
	char text[KS_ADDR_TEXT];
	long ended;

	if (!(addr->d[0] | addr->d[1]) || is_in_use(interfaces, addr, family))
		return;
	ended = ks_kernel_kill_translated(interfaces->kernel, addr, family, ks_reset_send, &resets);
	ks_resets_end(&resets);
	ks_addr_text(addr, family, text);
	if (ended < 0)
		ks_report_error("%s: lost %s, and its flows cannot be ended: %s", name, text, strerror((int)-ended));
	else if (ended)
		ks_report("%s: lost %s: %ld translated flow%s ended", name, text, ended, ended == 1 ? "" : "s");
}

static void change_addresses(struct ks_interfaces *interfaces, struct ks_guarded *guarded,
			     const struct best_addresses *addresses)
{
	struct ks_addr former[2];

	if (!memcmp(guarded->guard.address, addresses->best, sizeof(addresses->best)))
		return;
	memcpy(former, guarded->guard.address, sizeof(former));
	memcpy(guarded->guard.address, addresses->best, sizeof(addresses->best));
	ks_guarded_store(interfaces, guarded);
	for (unsigned i = 0; i < 2; i++) {
		if (!addresses->kept[i])
			ks_addresses_end_flows(interfaces, guarded->name, &former[i], i ? KS_IPV6 : KS_IPV4);
	}
}

void ks_addresses_refresh(struct ks_interfaces *interfaces)
{
	ks_auto_free struct best_addresses *found = calloc(interfaces->count + 1, sizeof(*found));
	struct address_scan_ctx ctx = { .interfaces = interfaces, .found = found };
	int err = found ? ks_netlink_each_address(0, scan_address, &ctx) : -ENOMEM;

	if (err) {
		ks_report_error("cannot read the interfaces' addresses: %s", strerror(-err));
		interfaces->incomplete = true;
		return;
	}
	for (size_t i = 0; i < interfaces->count; i++) {
		borrow_addresses(&found[i], &ctx.any);
		change_addresses(interfaces, &interfaces->list[i], &found[i]);
	}
}
