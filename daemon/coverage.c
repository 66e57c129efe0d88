/* SPDX-License-Identifier: BSD-2-Clause */
/* See coverage.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coverage.h"

static const struct ks_guarded *find_guarded(const struct ks_interfaces *interfaces, unsigned ifindex)
{
	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].ifindex == ifindex && !interfaces->list[i].error)
			return &interfaces->list[i];
	}
	return NULL;
}

json_t *ks_coverage_difference(const struct ks_interfaces *these, const struct ks_interfaces *those)
{
	json_t *names = json_array();

	for (size_t i = 0; i < these->count; i++) {
		const struct ks_guarded *guarded = &these->list[i];

		if (!guarded->error && !find_guarded(those, guarded->ifindex))
			json_array_append_new(names, json_string(guarded->name));
	}
	return names;
}

static void warn_of_zone(const struct ks_interfaces *interfaces, const struct ks_zone *zone, json_t *warnings)
{
	char *text = NULL;
	size_t size;
	FILE *out;

	for (size_t i = 0; i < interfaces->count; i++) {
		if (interfaces->list[i].port.zone == zone->id)
			return;
	}
	out = open_memstream(&text, &size);
	if (!out)
		return;
	if (zone->interface_count)
		fprintf(out, "zone %s: no interface is there yet: ", zone->name);
	else
		fprintf(out, "zone %s: the policy names no interface for it", zone->name);
	for (size_t i = 0; i < zone->interface_count; i++)
		fprintf(out, "%s%s", i ? ", " : "", zone->interfaces[i]);
	fclose(out);
	json_array_append_new(warnings, json_string(text));
	free(text);
}

/* A reload may bring translations into a table that was made for flows of one entry. */
static void warn_of_table(const struct ks_kernel *kernel, const struct ks_policy *policy, json_t *warnings)
{
	const struct ks_config *config = &policy->config;

	if (ks_table_buckets(ks_table_entries(config)) <= ks_kernel_shape(kernel)->buckets)
		return;
	json_array_append_new(
		warnings,
		json_sprintf(
			"the policy translates addresses, for which a state needs two entries, but the running "
			"table was made for %u: it may be full before `limit states %u` is reached. Stop and start "
			"Keepstate to make a larger one",
			ks_kernel_capacity(kernel), config->limit_states));
}

json_t *ks_coverage_warnings(const struct ks_interfaces *interfaces, const struct ks_policy *policy)
{
	json_t *warnings = json_array();
	size_t guarded = 0;

	for (size_t i = 0; i < interfaces->count; i++)
		guarded += !interfaces->list[i].error;
	if (!guarded)
		json_array_append_new(
			warnings, json_string("NO INTERFACE IS GUARDED: every packet passes as without a firewall"));
	for (size_t i = 0; i < policy->zone_count; i++)
		warn_of_zone(interfaces, &policy->zones[i], warnings);
	warn_of_table(interfaces->kernel, policy, warnings);
	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *failed = &interfaces->list[i];

		if (failed->error)
			json_array_append_new(warnings, json_sprintf("%s is not guarded: %s", failed->name,
								     strerror(-failed->error)));
	}
	return warnings;
}

struct census {
	bool gone[KS_ZONE_MAX]; /* in the record, not in the policy */
	bool met[KS_ZONE_MAX]; /* and some state has it */
	size_t states;
};

static int count_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct census *census = arg;
	bool cut = false;

	for (unsigned side = 0; side < 2; side++) {
		unsigned zone = flow->zone[side];

		if (zone < KS_ZONE_MAX && census->gone[zone])
			cut = census->met[zone] = true;
	}
	census->states += cut;
	return 0;
}

void ks_coverage_add_cut(json_t *change, const struct ks_kernel *kernel, const struct ks_record *record,
			 const struct ks_policy *policy)
{
	struct census census = { 0 };
	json_t *zones = json_array();
	bool any = false;

	for (unsigned id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		census.gone[id] = record->zones[id] && ks_policy_zone_id(policy, record->zones[id]) < 0;
		any |= census.gone[id];
	}
	if (any) /* looking through a large table takes a moment */
		ks_kernel_each_flow(kernel, count_flow, &census);
	for (unsigned id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		if (census.met[id])
			json_array_append_new(zones, json_string(record->zones[id]));
	}
	json_object_set_new(change, "states_cut", json_integer((json_int_t)census.states));
	json_object_set_new(change, "zones_cut", zones);
}

/* "a, b, c" into buf, cut off where it ends. */
static const char *join(const json_t *names, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < json_array_size(names) && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 json_string_value(json_array_get(names, i)));
	return buf;
}

static void tell_names(const json_t *names, const char *what, void (*say)(bool warning, const char *line))
{
	char list[2048], line[2200];

	if (!json_array_size(names))
		return;
	snprintf(line, sizeof(line), "%s: %s", what, join(names, list, sizeof(list)));
	say(false, line);
}

void ks_coverage_tell(const json_t *change, void (*say)(bool warning, const char *line))
{
	const json_t *warnings = json_object_get(change, "warnings");
	json_int_t cut = json_integer_value(json_object_get(change, "states_cut"));
	char list[2048], line[2200];

	tell_names(json_object_get(change, "now_guarded"), "now guarded", say);
	tell_names(json_object_get(change, "no_longer_guarded"), "no longer guarded", say);
	if (cut) {
		snprintf(line, sizeof(line), "%lld live state%s a zone that the policy does not have (%s): %s cut",
			 (long long)cut, cut == 1 ? " belongs to" : "s belong to",
			 join(json_object_get(change, "zones_cut"), list, sizeof(list)),
			 cut == 1 ? "it is" : "they are");
		say(true, line);
	}
	for (size_t i = 0; i < json_array_size(warnings); i++)
		say(true, json_string_value(json_array_get(warnings, i)));
}
