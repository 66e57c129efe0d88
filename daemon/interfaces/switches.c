/* SPDX-License-Identifier: BSD-2-Clause */
/* See switches.h. */
#include "daemon/interfaces/switches.h"

#include <stdio.h>

#include "daemon/interfaces/internal.h"
#include "kernel/sysctl.h"

static bool is_on(const char *family, const char *interface, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, name);
	return ks_sysctl_is_on(path);
}

/* The switches of all interfaces, which many ask for. */
struct switches {
	bool rp_filter, forwards_ipv6;
};

static __u8 find(const struct switches *all, const char *name)
{
	__u8 forward = 0;

	if (all->rp_filter || is_on("ipv4", name, "rp_filter"))
		forward |= KS_FORWARD_BY_SOURCE;
	if (!all->forwards_ipv6 && !is_on("ipv6", name, "force_forwarding"))
		forward |= KS_FORWARD_NO_IPV6;
	return forward;
}

void ks_switches_note(struct ks_interfaces *interfaces)
{
	const struct switches all = {
		.rp_filter = is_on("ipv4", "all", "rp_filter"),
		.forwards_ipv6 = is_on("ipv6", "all", "forwarding"),
	};

	for (size_t i = 0; i < interfaces->count; i++) {
		struct ks_guarded *guarded = &interfaces->list[i];
		__u8 forward = find(&all, guarded->name);

		if (guarded->guard.forward == forward)
			continue;
		guarded->guard.forward = forward;
		ks_guarded_store(interfaces, guarded);
	}
}
