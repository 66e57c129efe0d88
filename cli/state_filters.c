/* SPDX-License-Identifier: BSD-2-Clause */
/* See state_filters.h. */
#include "cli/state_filters.h"

static const char *const names[KS_STATE_FILTERS] = {
	[KS_STATE_FILTER_ADDRESS] = "address",
	[KS_STATE_FILTER_SOURCE] = "source",
	[KS_STATE_FILTER_DESTINATION] = "destination",
	[KS_STATE_FILTER_PORT] = "port",
	[KS_STATE_FILTER_PROTO] = "proto",
	[KS_STATE_FILTER_ZONE] = "zone",
	[KS_STATE_FILTER_STATE] = "state",
	[KS_STATE_FILTER_RULE] = "rule",
};

const char *ks_state_filter_name(enum ks_state_filter filter)
{
	return names[filter];
}

size_t ks_state_filters_count(const struct ks_state_filters *filters)
{
	size_t count = 0;

	for (size_t i = 0; i < KS_STATE_FILTERS; i++)
		count += filters->words[i].count;
	return count;
}

size_t ks_state_filters_put(const struct ks_state_filters *filters, struct ks_parameter *parameters)
{
	size_t count = 0;

	for (size_t i = 0; i < KS_STATE_FILTERS; i++) {
		for (size_t k = 0; k < filters->words[i].count; k++)
			parameters[count++] = (struct ks_parameter){ names[i], filters->words[i].word[k] };
	}
	return count;
}
