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

/* The same of a zone as in core/challenge.c. */
static bool zone_fills(const struct ks_config *config, __u32 half_open)
{
	return half_open > config->challenge_low / KS_MAX(config->zones, 1U);
}

__u64 ks_challenge_zones(const struct ks_daemon *daemon)
{
	const struct ks_config *config = ks_kernel_config(daemon->kernel);
	struct ks_challenges challenges;
	__u64 zones = 0;

	if (ks_kernel_challenges(daemon->kernel, &challenges) || !is_on(daemon, &challenges))
		return 0;
	for (__u32 zone = 0; zone < KS_ZONE_MAX; zone++)
		zones |= (__u64)zone_fills(config, ks_kernel_half_open(daemon->kernel, zone)) << zone;
	return zones & ~config->challenge_never;
}

static bool zone_is_on(const struct ks_zone *zone, const struct ks_config *config, bool on, __u32 half_open)
{
	if (zone->challenge == KS_CHALLENGE_AUTO)
		return on && config->challenge_high && zone_fills(config, half_open);
	return zone->challenge == KS_CHALLENGE_ALWAYS;
}

static json_t *zone_json(const struct ks_daemon *daemon, const struct ks_zone *zone,
			 const struct ks_challenges *challenges, bool on)
{
	const struct ks_challenge_zone *counts = &challenges->zone[zone->id & (KS_ZONE_MAX - 1)];
	__u32 half_open = ks_kernel_half_open(daemon->kernel, zone->id);
	bool zone_on = zone_is_on(zone, ks_kernel_config(daemon->kernel), on, half_open);

	return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I}", "zone", zone->name, "challenge",
			 ks_challenge_mode_name(zone->challenge), "on", zone_on, "half_open", (json_int_t)half_open,
			 "asked", (json_int_t)counts->asked, "proven", (json_int_t)counts->proven, "unanswered",
			 (json_int_t)counts->unanswered);
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
		ks_json_append(&zones, zone_json(daemon, &policy->zones[i], &challenges, on));
	challenge = json_pack(
		"{s:b, s:o*, s:I, s:I, s:o}", "on", on, "seconds",
		on && now > challenges.since ? json_integer((json_int_t)((now - challenges.since) / KS_NSEC_PER_SEC))
					     : NULL,
		"from", (json_int_t)config->challenge_high, "until", (json_int_t)config->challenge_low, "zones", zones);
	return challenge;
}
