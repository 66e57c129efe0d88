/* SPDX-License-Identifier: BSD-2-Clause */
/* See express.h. */
#include "daemon/interfaces/express.h"

#include <errno.h>
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/report.h"
#include "kernel/ethtool.h"
#include "kernel/xdp_features.h"

const char *ks_express_why(enum ks_express_state state)
{
	static const char *const why[] = {
#define X(id, text) [KS_EXPRESS_IS_##id] = text,
		KS_EXPRESS_STATES(X)
#undef X
	};

	return *why[state] ? why[state] : NULL;
}

/* Returns true unless all that comes by it was on a wire: what another stack sends it may have no checksum yet. */
static bool is_unfinished(const struct ks_guarded *guarded)
{
	static const char *const virtual_cards[] = { "virtio_net", "vmxnet3", "hv_netvsc", "vif" };
	char driver[KS_DRIVER_NAME];

	if (*guarded->kind)
		return true;
	ks_ethtool_driver(guarded->name, driver);
	for (size_t i = 0; i < KS_ARRAY_SIZE(virtual_cards); i++) {
		if (!strcmp(driver, virtual_cards[i]))
			return true;
	}
	return !*driver;
}

/* ON if nothing stands in the way in either direction. */
static enum ks_express_state judge(const struct ks_interfaces *interfaces, const struct ks_guarded *guarded)
{
	if (!interfaces->express || !ks_role_has_programs(guarded->role))
		return KS_EXPRESS_IS_OFF;
	if (!guarded->checked || guarded->error)
		return KS_EXPRESS_IS_WAITS;
	if (ks_short_way_obstacle(interfaces, guarded))
		return KS_EXPRESS_IS_LONG;
	if (guarded->overtaken || ks_kernel_has_other_filters(interfaces->kernel, guarded->ifindex))
		return KS_EXPRESS_IS_FILTERS;
	return KS_EXPRESS_IS_ON;
}

static enum ks_express_state judge_to(const struct ks_guarded *guarded, int features)
{
	char kind[KS_QUEUE_KIND];

	if (features < 0)
		return features == -EOPNOTSUPP ? KS_EXPRESS_IS_UNTOLD : KS_EXPRESS_IS_WAITS;
	if (!((unsigned)features & KS_XDP_SENDS))
		return KS_EXPRESS_IS_NO_DRIVER;
	return ks_netlink_queue_is_more(guarded->ifindex, kind) ? KS_EXPRESS_IS_QUEUE : KS_EXPRESS_IS_ON;
}

/* Fills in the state of both directions. Returns what the programs are to know: KS_EXPRESS_*. */
static __u8 find(const struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	enum ks_express_state both = judge(interfaces, guarded), from = both, to = both;
	int features = both == KS_EXPRESS_IS_ON ? ks_xdp_features(guarded->ifindex) : 0;
	__u8 flags = 0;

	if (both == KS_EXPRESS_IS_ON) {
		from = guarded->front == KS_FRONT_ON ? KS_EXPRESS_IS_ON : KS_EXPRESS_IS_NO_XDP;
		to = judge_to(guarded, features);
	}
	if (from == KS_EXPRESS_IS_ON)
		flags |= KS_EXPRESS_IN | (is_unfinished(guarded) ? KS_EXPRESS_UNFINISHED : 0);
	if (to == KS_EXPRESS_IS_ON)
		flags |= KS_EXPRESS_OUT | ((unsigned)features & KS_XDP_SENDS_LARGE ? KS_EXPRESS_OUT_LARGE : 0);
	guarded->express[KS_EXPRESS_FROM] = from;
	guarded->express[KS_EXPRESS_TO] = to;
	return flags;
}

static void tell_change(const struct ks_guarded *guarded, enum ks_express_direction direction,
			enum ks_express_state before)
{
	static const char *const directions[] = { [KS_EXPRESS_FROM] = "from", [KS_EXPRESS_TO] = "to" };
	enum ks_express_state now = guarded->express[direction];

	if (now == before || now == KS_EXPRESS_IS_WAITS)
		return;
	if (now == KS_EXPRESS_IS_ON)
		ks_report("%s: express %s it", guarded->name, directions[direction]);
	else if (ks_express_why(now))
		ks_report("%s: no express %s it: %s", guarded->name, directions[direction], ks_express_why(now));
}

static void follow(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	enum ks_express_state before[KS_EXPRESS_DIRECTIONS];
	__u8 flags;

	memcpy(before, guarded->express, sizeof(before));
	flags = find(interfaces, guarded);
	for (unsigned i = 0; i < KS_EXPRESS_DIRECTIONS; i++)
		tell_change(guarded, i, before[i]);
	if (guarded->guard.express == flags)
		return;
	guarded->guard.express = flags;
	ks_guarded_store(interfaces, guarded);
}

void ks_express_settle(struct ks_interfaces *interfaces)
{
	for (size_t i = 0; i < interfaces->count; i++)
		follow(interfaces, &interfaces->list[i]);
}

void ks_express_watch(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	if (interfaces->express)
		follow(interfaces, guarded);
}
