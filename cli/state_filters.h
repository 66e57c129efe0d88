/* SPDX-License-Identifier: BSD-2-Clause */
/* The filters of states as options of commands: each may be given several times, and a value may begin with "not ". */
#ifndef KS_CLI_STATE_FILTERS_H
#define KS_CLI_STATE_FILTERS_H

#include "cli/client.h"
#include "cli/options.h"

enum ks_state_filter {
	KS_STATE_FILTER_ADDRESS,
	KS_STATE_FILTER_SOURCE,
	KS_STATE_FILTER_DESTINATION,
	KS_STATE_FILTER_PORT,
	KS_STATE_FILTER_PROTO,
	KS_STATE_FILTER_ZONE,
	KS_STATE_FILTER_STATE,
	KS_STATE_FILTER_RULE,
	KS_STATE_FILTERS,
};

struct ks_state_filters {
	struct ks_words words[KS_STATE_FILTERS];
};

#define KS_STATE_FILTER(filters, id, name_, letter_, argument_, help_) \
	{ .name = name_,                                               \
	  .letter = letter_,                                           \
	  .argument = argument_,                                       \
	  .help = help_,                                               \
	  .take = ks_take_words,                                       \
	  .target = &(filters).words[KS_STATE_FILTER_##id] }

/* Entries of a table of options. */
#define KS_STATE_FILTER_OPTIONS(filters)                                                                         \
	KS_STATE_FILTER(filters, ADDRESS, "address", 'a', "PREFIX", "of either side: an address or a prefix"),   \
		KS_STATE_FILTER(filters, SOURCE, "source", 's', "PREFIX", "of the side that opened the flow"),   \
		KS_STATE_FILTER(filters, DESTINATION, "destination", 'd', "PREFIX", "of the other side"),        \
		KS_STATE_FILTER(filters, PORT, "port", 'p', "PORT", "of either side: 443 or 8000-8100"),         \
		KS_STATE_FILTER(filters, PROTO, "proto", 0, "PROTO", "tcp, udp, icmp, icmpv6, ... or a number"), \
		KS_STATE_FILTER(filters, ZONE, "zone", 'z', "ZONE", "of either side"),                           \
		KS_STATE_FILTER(filters, STATE, "state", 0, "STATE", "such as ESTABLISHED or UDP_SINGLE"),       \
		KS_STATE_FILTER(filters, RULE, "rule", 'r', "RULE", "its label, FILE:LINE or id")

#define KS_STATE_PARAMETERS_MAX (KS_STATE_FILTERS * KS_WORDS_MAX)

/* "address" */
const char *ks_state_filter_name(enum ks_state_filter filter);

/* Returns how many filters are given. */
size_t ks_state_filters_count(const struct ks_state_filters *filters);

/* Writes them as parameters of a call, and returns how many. There is room for KS_STATE_PARAMETERS_MAX. */
size_t ks_state_filters_put(const struct ks_state_filters *filters, struct ks_parameter *parameters);

#endif
