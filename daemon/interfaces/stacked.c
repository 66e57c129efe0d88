/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of this namespace that are stacked on a guarded interface (macvlan,
 * VLAN and the like). They have programs of their own, so the programs of the
 * interface below must know their MAC addresses, which are in the map ks_stacked.
 */
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/report.h"

#define STRAYS_MAX 64 /* more are removed a second later */

/* Makes the key of a link in the map. Returns false if it belongs in no entry. */
static bool stacked_key(const struct ks_interfaces *interfaces, const struct ks_interface *link,
			struct ks_stacked_key *key)
{
	static const __u8 none[sizeof(link->mac)];
	long lower = link->lower ? ks_links_find(&interfaces->links, link->lower) : -1;

	if (lower < 0 || !ks_link_is_stacked(link) || interfaces->roles[lower].kind == KS_ROLE_MEMBER ||
	    !memcmp(link->mac, none, sizeof(none)) ||
	    !memcmp(link->mac, interfaces->links.list[lower].mac, sizeof(link->mac)))
		return false;
	*key = (struct ks_stacked_key){ .ifindex = link->lower };
	memcpy(key->mac, link->mac, sizeof(key->mac));
	return true;
}

__u32 ks_stacked_lower(const struct ks_interfaces *interfaces, const struct ks_interface *link)
{
	struct ks_stacked_key key;

	if (strcmp(link->kind, "macvlan") && strcmp(link->kind, "macvtap"))
		return 0;
	return stacked_key(interfaces, link, &key) ? key.ifindex : 0;
}

/* Entries of the map that no link has any more. */
struct stray_stacked_ctx {
	const struct ks_interfaces *interfaces;
	struct ks_stacked_key list[STRAYS_MAX];
	size_t count;
};

static void collect_stray_stacked(const struct ks_stacked_key *key, __u32 kind, void *arg)
{
	struct stray_stacked_ctx *strays = arg;
	const struct ks_interfaces *interfaces = strays->interfaces;
	struct ks_stacked_key wanted;

	if (kind != KS_STACKED_OURS || strays->count == STRAYS_MAX)
		return;
	for (size_t i = 0; i < interfaces->links.count; i++) {
		if (stacked_key(interfaces, &interfaces->links.list[i], &wanted) && !memcmp(&wanted, key, sizeof(*key)))
			return;
	}
	strays->list[strays->count++] = *key;
}

/* The map drops entries that were not used for long when it is full, so ours are written every second. */
void ks_stacked_note(struct ks_interfaces *interfaces)
{
	struct stray_stacked_ctx strays = { .interfaces = interfaces };
	struct ks_stacked_key key;
	int err = 0;

	for (size_t i = 0; i < interfaces->links.count; i++) {
		if (stacked_key(interfaces, &interfaces->links.list[i], &key))
			err = ks_kernel_set_stacked(interfaces->kernel, &key, KS_STACKED_OURS) ?: err;
	}
	ks_kernel_each_stacked(interfaces->kernel, collect_stray_stacked, &strays);
	for (size_t i = 0; i < strays.count; i++)
		ks_kernel_forget_stacked(interfaces->kernel, &strays.list[i]);
	if (err)
		ks_report_error("stacked interfaces are not noted: %s", strerror(-err));
}
