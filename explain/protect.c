/* SPDX-License-Identifier: BSD-2-Clause */
/* The step about `protect` of the zone that a packet comes from. */
#include "explain/internal.h"
#include "policy/protect.h"

static const struct ks_zone *zone_of(const struct ks_policy *policy, unsigned id)
{
	for (size_t i = 0; i < policy->zone_count; i++) {
		if (policy->zones[i].id == id)
			return &policy->zones[i];
	}
	return NULL;
}

bool ks_explain_protect(struct ks_explain *explain)
{
	const struct ks_inspection *insp = explain->insp;
	const struct ks_zone *zone = zone_of(explain->policy, insp->home.from);
	int item = ks_protect_item_of(insp->verdict.reason);

	if (item < 0 || !zone)
		return false;
	ks_explain_step(explain, "protect", "drop", "protect %s: %s (%s:%u): refused is %s", zone->name,
			ks_protect_name((unsigned)item), zone->protect.file, zone->protect.line,
			ks_protect_means((unsigned)item));
	return insp->verdict.class != KS_CLASS_NEW;
}
