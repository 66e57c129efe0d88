/* SPDX-License-Identifier: BSD-2-Clause */
/* `challenge` of GET /v1/status: the challenge of SYNs (core/challenge.h). */
#include "core/challenge.h"

#include "daemon/api/api.h"
#include "text/json.h"
#include "text/names.h"

/* `on` changes with the next SYN only: it is held against the mark here. */
static bool is_on(const struct ks_daemon *daemon, const struct ks_challenges *challenges)
{
	const struct ks_table_counts *counts = ks_kernel_counts(daemon->kernel);

	return challenges->on && counts->half_open > ks_kernel_config(daemon->kernel)->challenge_low;
}

bool ks_challenge_is_on(const struct ks_daemon *daemon)
{
	struct ks_challenges challenges;

	return !ks_kernel_challenges(daemon->kernel, &challenges) && is_on(daemon, &challenges);
}

static bool zone_is_on(const struct ks_zone *zone, const struct ks_config *config, bool on)
{
	if (zone->challenge == KS_CHALLENGE_AUTO)
		return on && config->challenge_high;
	return zone->challenge == KS_CHALLENGE_ALWAYS;
}

static json_t *zone_json(const struct ks_zone *zone, const struct ks_challenge_zone *counts, bool on)
{
	return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I}", "zone", zone->name, "challenge",
			 ks_challenge_mode_name(zone->challenge), "on", on, "asked", (json_int_t)counts->asked,
			 "proven", (json_int_t)counts->proven, "unanswered", (json_int_t)counts->unanswered);
}

json_t *ks_challenge_json(const struct ks_daemon *daemon)
{
	const struct ks_config *config = ks_kernel_config(daemon->kernel);
	const struct ks_policy *policy = daemon->policy;
	__u64 now = ks_kernel_now(daemon->kernel);
	json_t *zones = json_array(), *challenge;
	struct ks_challenges challenges;
	bool on;

	if (ks_kernel_challenges(daemon->kernel, &challenges)) {
		json_decref(zones);
		return json_null();
	}
	on = is_on(daemon, &challenges);
	for (size_t i = 0; i < policy->zone_count; i++)
		ks_json_append(&zones,
			       zone_json(&policy->zones[i], &challenges.zone[policy->zones[i].id & (KS_ZONE_MAX - 1)],
					 zone_is_on(&policy->zones[i], config, on)));
	challenge = json_pack(
		"{s:b, s:o*, s:I, s:I, s:o}", "on", on, "seconds",
		on && now > challenges.since ? json_integer((json_int_t)((now - challenges.since) / KS_NSEC_PER_SEC))
					     : NULL,
		"from", (json_int_t)config->challenge_high, "until", (json_int_t)config->challenge_low, "zones", zones);
	return challenge;
}
