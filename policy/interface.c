/* SPDX-License-Identifier: BSD-2-Clause */
/* The zone of an interface by its name, for the daemon and for replay. */
#include <string.h>

#include "policy/policy.h"

#define RANK_EXACT 0x10000 /* above the length of every pattern */

/* Returns -1 if the pattern does not match, else how much of the name it writes out: 0 for "*" alone. */
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
