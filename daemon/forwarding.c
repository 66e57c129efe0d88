/* SPDX-License-Identifier: BSD-2-Clause */
/* See forwarding.h. The switches are read from /proc/sys/net. */
#include <stdio.h>

#include "daemon/forwarding.h"
#include "kernel/sysctl.h"

#define OTHER_ZONES (~(1ULL << KS_ZONE_SELF))

unsigned ks_forwarding_wanted(const struct ks_policy *policy)
{
	unsigned wanted = 0;

	for (__u32 i = 0; i < policy->config.rules; i++) {
		const struct ks_rule *rule = &policy->rules[i];

		if ((rule->action != KS_ALLOW && rule->action != KS_BYPASS) || !(rule->from_zones & OTHER_ZONES) ||
		    !(rule->to_zones & OTHER_ZONES))
			continue;
		wanted |= rule->family != KS_IPV6 ? KS_FORWARDING_IPV4 : 0;
		wanted |= rule->family != KS_IPV4 ? KS_FORWARDING_IPV6 : 0;
	}
	return wanted;
}

static bool is_on(const char *family, const char *interface, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, interface, name);
	return ks_sysctl_is_on(path);
}

/* The setting of the input interface decides. `force_forwarding` came with Linux 6.17. */
static bool is_forwarding(const struct ks_interfaces *interfaces, const char *family)
{
	if (is_on(family, "all", "forwarding"))
		return true;
	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];

		if (guarded->role != KS_ROLE_IGNORED &&
		    (is_on(family, guarded->name, "forwarding") || is_on(family, guarded->name, "force_forwarding")))
			return true;
	}
	return false;
}

static bool is_forwarding_end(const struct ks_guarded *guarded, unsigned family)
{
	const struct ks_addr *addr = &guarded->guard.address[1];

	if ((guarded->role != KS_ROLE_GUARDED && guarded->role != KS_ROLE_PORT) || guarded->guard.zone == KS_ZONE_NONE)
		return false;
	return family == KS_FORWARDING_IPV4 || addr->d[0] | addr->d[1];
}

/* Returns true if there are two ends to forward between. The ports of a bridge are one end. */
static bool has_two_ends(const struct ks_interfaces *interfaces, unsigned family)
{
	unsigned first = 0;

	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];

		if (!is_forwarding_end(guarded, family))
			continue;
		if (first && first != guarded->bearer)
			return true;
		first = guarded->bearer;
	}
	return false;
}

unsigned ks_forwarding_missing(const struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	static const char *const names[] = { "ipv4", "ipv6" };
	unsigned wanted = ks_forwarding_wanted(policy), missing = 0;

	for (unsigned i = 0; i < 2; i++) {
		unsigned family = 1U << i;

		if (wanted & family && has_two_ends(interfaces, family) && !is_forwarding(interfaces, names[i]))
			missing |= family;
	}
	return missing;
}
