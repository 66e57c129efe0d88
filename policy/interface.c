/* SPDX-License-Identifier: BSD-2-Clause */
/* The zone that an interface belongs to, for the daemon, replay and tests alike. See core/rules.h. */
#include <string.h>

#include "policy/policy.h"

#define RANK_EXACT 0x10000 /* above the length of every pattern */

/* How well a pattern matches: -1 not at all, "*" alone 0, and higher the more of the name is written out. */
static int match_rank(const char *pattern, const char *name)
{
	size_t length = strlen(pattern);

	if (length && pattern[length - 1] == '*')
		return strncmp(pattern, name, length - 1) == 0 ? (int)length - 1 : -1;
	return strcmp(pattern, name) == 0 ? RANK_EXACT : -1;
}

static int best_rank(char *const *patterns, size_t count, const char *name)
{
	int best = -1;

	for (size_t i = 0; i < count; i++)
		best = KS_MAX(best, match_rank(patterns[i], name));
	return best;
}

__u32 ks_policy_interface_zone(const struct ks_policy *policy, const char *name, bool *ignored)
{
	bool is_loopback = strcmp(name, "lo") == 0, has_name = *name && !is_loopback;
	int best = has_name ? best_rank(policy->ignores, policy->ignore_count, name) : -1;
	__u32 zone = KS_ZONE_NONE;

	if (ignored)
		*ignored = is_loopback || best >= 0;
	for (size_t i = 0; has_name && i < policy->zone_count; i++) {
		int rank = best_rank(policy->zones[i].interfaces, policy->zones[i].interface_count, name);

		if (rank <= best)
			continue;
		best = rank;
		zone = policy->zones[i].id;
		if (ignored)
			*ignored = false;
	}
	return zone;
}
