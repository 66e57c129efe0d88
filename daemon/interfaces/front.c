/* SPDX-License-Identifier: BSD-2-Clause */
/* See front.h. */
#include <errno.h>
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/report.h"
#include "kernel/ethtool.h"

const char *ks_front_why(enum ks_front_state state)
{
	static const char *const why[] = {
#define X(id, text) [KS_FRONT_##id] = text,
		KS_FRONT_STATES(X)
#undef X
	};

	return why[state];
}

/* Their members' XDP programs see the frames. */
static bool is_aggregate(const struct ks_guarded *guarded)
{
	return !strcmp(guarded->kind, "bond") || !strcmp(guarded->kind, "team") || !strcmp(guarded->kind, "bridge");
}

static bool is_veth(const struct ks_guarded *guarded)
{
	return !strcmp(guarded->kind, "veth");
}

/* Devices of software that hand over TCP in large pieces, which XDP ends. */
static bool is_costly(const struct ks_guarded *guarded)
{
	char driver[KS_DRIVER_NAME];

	ks_ethtool_driver(guarded->name, driver);
	return is_veth(guarded) || !strcmp(driver, "virtio_net");
}

static bool has_vlan_device(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	for (size_t i = 0; i < interfaces->links.count; i++) {
		const struct ks_interface *link = &interfaces->links.list[i];

		if (link->lower == ifindex && !strcmp(link->kind, "vlan"))
			return true;
	}
	return false;
}

/*
 * Tells the programs if the front sees no tags, and if it can answer: a veth takes no frame back from XDP unless its peer is
 * ready for XDP, too.
 */
static void note_card(struct ks_interfaces *interfaces, struct ks_guarded *guarded, bool untags)
{
	const __u8 known = KS_GUARD_UNTAGS | KS_GUARD_ANSWERS;
	__u8 is = (untags ? KS_GUARD_UNTAGS : 0) | (is_veth(guarded) ? 0 : KS_GUARD_ANSWERS);

	if ((guarded->guard.flags & known) == is)
		return;
	guarded->guard.flags = (__u8)((guarded->guard.flags & ~known) | is);
	ks_guarded_store(interfaces, guarded);
}

/* ON if the front may be put there, else why not. */
static enum ks_front_state judge(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	static const __u8 none[sizeof(guarded->guard.mac)];
	bool untags;

	if (interfaces->xdp == KS_XDP_OFF)
		return KS_FRONT_OFF;
	if (!guarded->checked || guarded->error)
		return KS_FRONT_WAITS;
	if (guarded->role != KS_ROLE_GUARDED || is_aggregate(guarded))
		return KS_FRONT_SHARES;
	if (guarded->guard.link != KS_LINK_ETHERNET || !memcmp(guarded->guard.mac, none, sizeof(none)))
		return KS_FRONT_NO_ADDRESS;
	if (interfaces->xdp == KS_XDP_AUTO && is_costly(guarded))
		return KS_FRONT_COSTS;
	untags = ks_ethtool_untags(guarded->name);
	if (untags && has_vlan_device(interfaces, guarded->ifindex))
		return KS_FRONT_TAGS;
	note_card(interfaces, guarded, untags);
	return KS_FRONT_ON;
}

static enum ks_front_state attach(struct ks_interfaces *interfaces, const struct ks_guarded *guarded)
{
	switch (ks_kernel_attach_front(interfaces->kernel, guarded->ifindex)) {
	case 0:
		return KS_FRONT_ON;
	case -EBUSY:
		return KS_FRONT_OTHERS;
	case -EOPNOTSUPP:
		return KS_FRONT_NO_DRIVER;
	case -ENOEXEC:
		return KS_FRONT_NO_PROGRAM;
	case -ENODEV:
		return KS_FRONT_WAITS;
	default:
		return KS_FRONT_REFUSED;
	}
}

/* Brings it in line, and says what has changed. */
static void follow(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	enum ks_front_state state = judge(interfaces, guarded), before = guarded->front;

	if (state == KS_FRONT_ON)
		state = attach(interfaces, guarded);
	else
		ks_kernel_detach_front(ks_kernel_pin_dir(interfaces->kernel), guarded->ifindex);
	guarded->front = state;
	if (state == before || state == KS_FRONT_WAITS)
		return;
	if (state == KS_FRONT_ON)
		ks_report("%s: XDP is in front", guarded->name);
	else if (state != KS_FRONT_OFF)
		ks_report("%s: no XDP in front: %s", guarded->name, ks_front_why(state));
	else
		ks_report("%s: XDP is not in front any more", guarded->name);
}

void ks_front_settle(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (ks_role_has_programs(interfaces->list[i].role))
			follow(interfaces, &interfaces->list[i]);
	}
}

/* A driver that has none, or a kernel that loads none, will have none in a second. */
void ks_front_watch(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	if (interfaces->xdp != KS_XDP_OFF && guarded->front != KS_FRONT_NO_DRIVER &&
	    guarded->front != KS_FRONT_NO_PROGRAM)
		follow(interfaces, guarded);
}
