/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate show: prints a policy in its normal form, of a file or the one in force, or the tables that it was compiled to. */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "text/json.h"
#include "explain/json.h"
#include "text/names.h"
#include "policy/protect.h"
#include "policy/settings.h"

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

/* "half-open" as a member's name. */
static const char *member_name(const char *name, char buf[64])
{
	size_t i = 0;

	for (; name[i] && i < 63; i++)
		buf[i] = name[i] == '-' || name[i] == ' ' ? '_' : name[i];
	buf[i] = '\0';
	return buf;
}

static json_t *refused_options_json(const struct ks_protection *protection)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < KS_IP_OPTION_MAX; i++) {
		if (protection->ip_options >> i & 1)
			json_array_append_new(list, json_string(ks_ip_option_name(i)));
	}
	return list;
}

static json_t *protection_item_json(const struct ks_protection *protection, const struct ks_zone *zone, unsigned item)
{
	if (!ks_protect_has(protection, item))
		return json_false();
	if (item == KS_PROTECT_SYN_FLOOD)
		return json_pack("{s:i, s:b}", "per_second", (int)protection->rate[item], "drop",
				 protection->flags & KS_PROTECT_SYN_DROP);
	if (item == KS_PROTECT_PORT_SCAN)
		return json_pack("{s:i, s:i, s:s?, s:I, s:s?}", "ports", (int)protection->scan_ports, "window_ms",
				 (int)protection->scan_window, "into", zone->scan_into, "for_ms",
				 (json_int_t)protection->scan_hold, "except", zone->scan_except);
	if (item < KS_FLOODS)
		return json_pack("{s:i}", "per_second", (int)protection->rate[item]);
	return item == KS_PROTECT_IP_OPTIONS ? refused_options_json(protection) : json_true();
}

/* The protection of a zone; null without `protect`. */
static json_t *protection_json(const struct ks_policy *policy, const struct ks_zone *zone)
{
	json_t *object = zone->protect.line ? json_object() : json_null();
	char name[64];

	for (unsigned item = 0; zone->protect.line && item < KS_PROTECT_MAX; item++)
		json_object_set_new(object, member_name(ks_protect_name(item), name),
				    protection_item_json(&policy->config.protection[zone->id], zone, item));
	return object;
}

static json_t *policy_zone_json(const struct ks_policy *policy, const struct ks_zone *zone)
{
	json_t *interfaces = json_array(), *networks = json_array(), *macs = json_array(), *addresses = json_array();
	char text[KS_ADDR_TEXT];

	for (size_t i = 0; i < zone->interface_count; i++)
		json_array_append_new(interfaces, ks_json_text(zone->interfaces[i]));
	for (size_t i = 0; i < zone->network_count; i++)
		json_array_append_new(networks, network_json(&zone->networks[i]));
	for (size_t i = 0; i < zone->mac_count; i++)
		json_array_append_new(macs, mac_json(zone->macs[i]));
	for (int i = 0; i < 2; i++) {
		if (zone->address[i].family)
			json_array_append_new(addresses, json_string(ks_addr_text(&zone->address[i].addr,
										  zone->address[i].family, text)));
	}
	return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o, s:b, s:s, s:o}", "name", zone->name, "id", zone->id,
			 "interfaces", interfaces, "networks", networks, "addresses", addresses, "macs", macs,
			 "antispoof", zone->antispoof, "challenge", ks_challenge_mode_name(zone->challenge), "protect",
			 protection_json(policy, zone));
}

static json_t *policy_rule_json(const struct ks_rule_info *info, unsigned entries)
{
	return json_pack("{s:i, s:o, s:i, s:s, s:b, s:s, s:b, s:s*, s:i}", "id", (int)info->id, "file",
			 ks_json_text(info->place.file), "line", (int)info->place.line, "action", ks_rule_verb(info),
			 "staged", (int)info->staged, "text", info->text, "log", (int)info->log, "label", info->label,
			 "entries", (int)entries);
}

static json_t *value_json(const struct ks_config *config, const struct ks_setting *setting)
{
	__u64 value = ks_setting_value(config, setting);

	switch (setting->kind) {
	case KS_SETTING_OPTION:
		return json_boolean(value != 0);
	case KS_SETTING_SHARES:
		return json_pack("{s:i, s:i}", "low", (int)ks_setting_share(config, setting, false), "high",
				 (int)ks_setting_share(config, setting, true));
	case KS_SETTING_CHOICE:
		return json_string(setting->words[value]);
	case KS_SETTING_NUMBER:
		return value ? json_integer((json_int_t)value) : json_null();
	default:
		return json_integer((json_int_t)value);
	}
}

/* The settings behind one keyword of the language. */
static json_t *settings_json(const struct ks_config *config, const char *keyword)
{
	json_t *object = json_object();
	char name[64];

	for (size_t i = 0; i < ks_setting_count; i++) {
		if (!strcmp(ks_setting_keyword(ks_settings[i].kind), keyword))
			json_object_set_new(object, member_name(ks_settings[i].name, name),
					    value_json(config, &ks_settings[i]));
	}
	return object;
}

static json_t *timeouts_json(const struct ks_config *config)
{
	json_t *value = json_object();

	for (unsigned i = KS_STATE_NONE + 1; i < KS_STATE_MAX; i++)
		json_object_set_new(value, ks_state_name(i), json_integer(config->timeout[i]));
#define X(class, answered, name, seconds) \
	json_object_set_new(value, name, json_integer(config->class_timeout[KS_UDP_##class][answered]));
	KS_CLASS_TIMEOUT_DEFAULTS(X)
#undef X
	return value;
}

static json_t *options_json(const struct ks_config *config)
{
	json_t *options = settings_json(config, "option");

	json_object_set_new(options, "bypass_rules", json_boolean(config->options & KS_OPT_BYPASS_RULES));
	json_object_set_new(options, "nat", json_boolean(config->options & KS_OPT_NAT));
	return options;
}

static json_t *tables_json(const struct ks_config *config)
{
	static const char *const names[KS_LIST_MAX] = { "rules", "inbound", "source", "helper", "staged", "own" };
	json_t *tables = json_pack("{s:i, s:i, s:i}", "sets", (int)config->sets, "ranges", (int)config->ranges,
				   "targets", (int)config->targets);

	for (int i = 0; i < KS_LIST_MAX; i++)
		json_object_set_new(tables, names[i],
				    json_integer(i == KS_LIST_FILTER ? config->rules : config->list[i].count));
	return tables;
}

static json_t *policy_json(const struct ks_policy *policy)
{
	ks_auto_free unsigned *entries =
		calloc(policy->info_count + 1, sizeof(*entries)); /* of each rule of the text */
	json_t *zones, *ignores, *rules;

	if (!entries) {
		ks_cli_no_memory();
		return NULL;
	}
	zones = json_array();
	ignores = json_array();
	rules = json_array();
	for (__u32 i = 0; i < policy->config.entries; i++)
		entries[policy->rule_info[i]]++;
	for (size_t i = 0; i < policy->zone_count; i++)
		json_array_append_new(zones, policy_zone_json(policy, &policy->zones[i]));
	for (size_t i = 0; i < policy->ignore_count; i++)
		json_array_append_new(ignores, ks_json_text(policy->ignores[i]));
	for (size_t i = 0; i < policy->info_count; i++)
		json_array_append_new(rules, policy_rule_json(&policy->infos[i], entries[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "file", ks_json_text(policy->path), "zones",
			 zones, "ignore", ignores, "rules", rules, "limits", settings_json(&policy->config, "limit"),
			 "timeouts_ms", timeouts_json(&policy->config), "options", options_json(&policy->config),
			 "tables", tables_json(&policy->config), "tests", (int)policy->test_count);
}

/* Asks the daemon: the file may have changed since it was loaded. */
static int running_show(bool json)
{
	const struct ks_call call = { .method = "GET", .path = "/v1/policy" };
	ks_auto_json json_t *answer = NULL;
	int code = ks_client_call(&call, &answer);

	if (code != KS_EXIT_OK)
		return code;
	if (json)
		ks_json_print(TAKE(answer), stdout);
	else
		fputs(ks_member_text(answer, "text"), stdout);
	return ks_cli_finish(KS_EXIT_OK);
}

int ks_cmd_show(int argc, char **argv)
{
	bool json = false, running = false;
	const struct ks_option options[] = {
		{ .name = "json",
		  .help = "print what the policy was compiled to",
		  .take = ks_take_flag,
		  .target = &json },
		{ .name = "running",
		  .help = "the policy that is in force, as it was when it was loaded",
		  .take = ks_take_flag,
		  .target = &running },
	};
	const struct ks_usage usage = {
		"keepstate show [OPTION]... {FILE | --running}",
		"Prints a policy ('-' for standard input) in its normal form: includes, variables and\n"
		"sets resolved as far as they can be written back, one rule a line. The output is a\n"
		"policy that means the same. Returns 2 for a policy that cannot be read; with --running 3\n"
		"without a daemon.",
		options, KS_ARRAY_SIZE(options)
	};
	ks_auto_policy struct ks_policy *policy = NULL;
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (running && argc != first)
		return ks_usage_error(&usage, "give a policy file or --running, not both");
	if (running)
		return running_show(json);
	if (argc - first != 1)
		return ks_usage_error(&usage, "show needs one policy file, or --running");
	ks_cli_confine(false);
	code = ks_cli_load(argv[first], &policy);
	if (code != KS_EXIT_OK)
		return code;
	if (json)
		ks_json_print(policy_json(policy), stdout);
	else
		ks_policy_print(policy, stdout);
	return ks_cli_finish(KS_EXIT_OK);
}
