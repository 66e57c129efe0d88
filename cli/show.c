/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate show: prints a policy in its normal form, or what it was compiled to. */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "host/names.h"

static json_t *network_json(const struct ks_prefix *prefix)
{
	char text[KS_ADDR_TEXT];

	ks_addr_text(&prefix->addr, prefix->family, text);
	return json_sprintf("%s/%u", text, prefix->length);
}

static json_t *mac_json(const __u8 mac[6])
{
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static json_t *zone_json(const struct ks_zone *zone)
{
	json_t *interfaces = json_array(), *networks = json_array(), *macs = json_array();

	for (size_t i = 0; i < zone->interface_count; i++)
		json_array_append_new(interfaces, json_string(zone->interfaces[i]));
	for (size_t i = 0; i < zone->network_count; i++)
		json_array_append_new(networks, network_json(&zone->networks[i]));
	for (size_t i = 0; i < zone->mac_count; i++)
		json_array_append_new(macs, mac_json(zone->macs[i]));
	return json_pack("{s:s, s:i, s:o, s:o, s:o}", "name", zone->name, "id", zone->id, "interfaces", interfaces,
			 "networks", networks, "macs", macs);
}

static json_t *rule_json(const struct ks_rule_info *info, unsigned entries)
{
	return json_pack("{s:i, s:s, s:i, s:s, s:s, s:b, s:s*, s:i}", "id", (int)info->id, "file", info->place.file,
			 "line", (int)info->place.line, "action", ks_action_name(info->action), "text", info->text,
			 "log", (int)info->log, "label", info->label, "entries", (int)entries);
}

static json_t *timeouts_json(const struct ks_config *config)
{
	json_t *value = json_object();

	for (unsigned i = KS_STATE_NONE + 1; i < KS_STATE_MAX; i++)
		json_object_set_new(value, ks_state_name(i), json_integer(config->timeout[i]));
	return value;
}

static json_t *options_json(const struct ks_config *config)
{
	return json_pack("{s:b, s:b, s:b, s:b}", "pickup", !!(config->options & KS_OPT_PICKUP), "checksum",
			 !!(config->options & KS_OPT_CHECKSUM), "log_drops", !!(config->options & KS_OPT_LOG_DROPS),
			 "bypass_rules", !!(config->options & KS_OPT_BYPASS_RULES));
}

static json_t *policy_json(const struct ks_policy *policy)
{
	json_t *zones = json_array(), *rules = json_array();
	__u32 entry = 0;

	for (size_t i = 0; i < policy->zone_count; i++)
		json_array_append_new(zones, zone_json(&policy->zones[i]));
	/* The table entries of a rule of the text stand together, in the order of the text. */
	for (size_t i = 0; i < policy->info_count; i++) {
		__u32 first = entry;

		while (entry < policy->config.rules && policy->rule_info[entry] == i)
			entry++;
		json_array_append_new(rules, rule_json(&policy->infos[i], entry - first));
	}
	return json_pack("{s:s, s:o, s:o, s:{s:i, s:i}, s:o, s:o, s:{s:i, s:i, s:i}, s:i}", "file", policy->path,
			 "zones", zones, "rules", rules, "limits", "states", (int)policy->config.limit_states,
			 "half_open", (int)policy->config.limit_half_open, "timeouts_ms",
			 timeouts_json(&policy->config), "options", options_json(&policy->config), "tables", "rules",
			 (int)policy->config.rules, "sets", (int)policy->config.sets, "ranges",
			 (int)policy->config.ranges, "tests", (int)policy->test_count);
}

int ks_cmd_show(int argc, char **argv)
{
	bool json = false;
	const struct ks_option options[] = {
		{ .name = "json",
		  .help = "print what the policy was compiled to",
		  .take = ks_take_flag,
		  .target = &json },
	};
	const struct ks_usage usage = {
		"keepstate show [OPTION]... FILE",
		"Prints a policy ('-' for standard input) in its normal form: includes, variables and\n"
		"sets resolved as far as they can be written back, one rule a line. The output is a\n"
		"policy that means the same.",
		options, KS_ARRAY_SIZE(options)
	};
	struct ks_policy *policy;
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first != 1)
		return ks_usage_error(&usage, "show needs one policy file");
	code = ks_cli_load(argv[first], &policy);
	if (code != KS_EXIT_OK)
		return code;
	if (json)
		ks_json_print(policy_json(policy), stdout);
	else
		ks_policy_print(policy, stdout);
	ks_policy_destroy(policy);
	return ks_cli_finish(KS_EXIT_OK);
}
