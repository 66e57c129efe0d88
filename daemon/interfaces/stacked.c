/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that are stacked on a guarded interface (macvlan, VLAN and the like).
 * Those of this namespace have programs of their own, those of another one are
 * judged as the box: so the programs of the interface below must know their MAC
 * addresses, which are in the map ks_stacked. Egress learns what a device of
 * another namespace sends from. One that has sent nothing yet is known to the
 * kernel only, which has no news of it: its list is read before an interface
 * gets programs, and then every second.
 */
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/report.h"

#define STRAYS_MAX 64 /* more are removed a second later */
#define FEW 4 /* interfaces whose lists are read singly: all lists in one have those of the ports of bridges, too */

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

static bool is_ours(const struct ks_interfaces *interfaces, const struct ks_stacked_key *key)
{
	for (size_t i = 0; i < interfaces->links.count; i++) {
		const struct ks_interface *link = &interfaces->links.list[i];
		struct ks_stacked_key wanted;

		if (link->lower == key->ifindex && stacked_key(interfaces, link, &wanted) &&
		    !memcmp(&wanted, key, sizeof(*key)))
			return true;
	}
	return false;
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

	if (kind == KS_STACKED_OURS && strays->count < STRAYS_MAX && !is_ours(strays->interfaces, key))
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

/* Returns true if ingress at an interface may see frames for a device of another namespace. Nothing is stacked on a macvlan. */
static bool bears_others(const struct ks_guarded *guarded)
{
	return ks_role_has_programs(guarded->role) && guarded->guard.link == KS_LINK_ETHERNET &&
	       !(guarded->guard.flags & KS_GUARD_BRIDGED) && strcmp(guarded->kind, "macvlan") &&
	       strcmp(guarded->kind, "macvtap");
}

/* The kernel's lists. */
struct listed_ctx {
	const struct ks_interfaces *interfaces;
	int err;
};

static void note_listed(unsigned ifindex, const __u8 mac[6], void *arg)
{
	struct listed_ctx *listed = arg;
	const struct ks_guarded *guarded = ks_guarded_find(listed->interfaces, ifindex);
	struct ks_stacked_key key = { .ifindex = ifindex };

	memcpy(key.mac, mac, sizeof(key.mac));
	if (guarded && bears_others(guarded) && !is_ours(listed->interfaces, &key))
		listed->err = ks_kernel_set_stacked(listed->interfaces->kernel, &key, KS_STACKED_LEARNT) ?: listed->err;
}

/* Collects up to FEW of the interfaces whose lists are to be read. Returns the number of all such. */
static size_t bearers(const struct ks_interfaces *interfaces, bool all, unsigned list[FEW])
{
	size_t count = 0;

	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];

		if (!bears_others(guarded) || (guarded->checked && !all))
			continue;
		if (count < FEW)
			list[count] = guarded->ifindex;
		count++;
	}
	return count;
}

void ks_stacked_note_listed(const struct ks_interfaces *interfaces, bool all)
{
	struct listed_ctx listed = { .interfaces = interfaces };
	unsigned list[FEW];
	size_t count = bearers(interfaces, all, list);
	int err = 0;

	if (count > FEW)
		err = ks_netlink_each_unicast(0, note_listed, &listed);
	for (size_t i = 0; i < count && count <= FEW; i++)
		err = ks_netlink_each_unicast(list[i], note_listed, &listed) ?: err;
	err = err ?: listed.err;
	if (err)
		ks_report_error("what is stacked on the interfaces in other namespaces is not noted: %s",
				strerror(-err));
}
