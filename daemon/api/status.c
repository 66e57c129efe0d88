/* SPDX-License-Identifier: BSD-2-Clause */
/* GET /v1/status and GET /v1/counters. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/api/api.h"
#include "daemon/api/forms.h"
#include "daemon/coverage.h"
#include "daemon/events.h"
#include "daemon/sets_keep.h"
#include "daemon/zone_counts.h"
#include "text/json.h"
#include "text/names.h"
#include "text/scoped.h"

/* The name of the carrier of a port, NULL for what is no port. */
static const char *carrier_name(const struct ks_interfaces *interfaces, const struct ks_guarded *guarded)
{
	long at = ks_links_find(&interfaces->links, guarded->bearer);

	return guarded->role == KS_ROLE_PORT && at >= 0 ? interfaces->links.list[at].name : NULL;
}

static json_t *interface_json(const struct ks_daemon *daemon, const struct ks_guarded *guarded)
{
	bool has_programs = ks_role_has_programs(guarded->role);
	const char *carrier = carrier_name(&daemon->interfaces, guarded);
	struct ks_hook_state hooks = { 0 };
	char name[KS_NAME_TEXT], above[KS_NAME_TEXT];

	if (has_programs)
		ks_kernel_hook_state(daemon->kernel, guarded->ifindex, &hooks);
	return json_pack(
		"{s:s, s:i, s:s, s:s, s:s, s:s*, s:b, s:b, s:b, s:s*, s:b, s:b, s:I, s:s*, s:s*, s:s*, s:s*, s:s*}",
		"name", ks_name_text(guarded->name, name), "ifindex", (int)guarded->ifindex, "kind", guarded->kind,
		"zone", ks_policy_zone_name(daemon->policy, guarded->guard.zone), "role", ks_role_name(guarded->role),
		"carrier", carrier ? ks_name_text(carrier, above) : NULL, "up", guarded->up, "ingress",
		hooks.present[0], "egress", hooks.present[1], "hooks",
		!has_programs ? NULL
		: hooks.tcx   ? "tcx"
			      : "clsact",
		"first", has_programs && hooks.first[0] && hooks.first[1], "xdp",
		has_programs && ks_kernel_has_front(daemon->kernel, guarded->ifindex), "xdp_drops",
		(json_int_t)ks_kernel_front_drops_at(daemon->kernel, guarded->ifindex), "xdp_missing",
		guarded->front > KS_FRONT_ON ? ks_front_why(guarded->front) : NULL, "long_way",
		has_programs ? ks_short_way_obstacle(&daemon->interfaces, guarded) : NULL, "no_express_from",
		ks_express_why(guarded->express[KS_EXPRESS_FROM]), "no_express_to",
		ks_express_why(guarded->express[KS_EXPRESS_TO]), "error",
		guarded->error ? strerror(-guarded->error) : NULL);
}

static json_t *interfaces_json(const struct ks_daemon *daemon)
{
	json_t *list = json_array();

	for (size_t i = 0; i < daemon->interfaces.count; i++) {
		const struct ks_guarded *guarded = &daemon->interfaces.list[i];

		if (guarded->role != KS_ROLE_IGNORED || strcmp(guarded->name, "lo"))
			ks_json_append(&list, interface_json(daemon, guarded));
	}
	return list;
}

/* The `ignore` line that would leave alone the interfaces in no zone. */
static json_t *ignore_json(const struct ks_daemon *daemon)
{
	ks_auto_free char *line = ks_coverage_ignore_line(&daemon->interfaces);

	return line && !*line ? json_null() : ks_json_text(line);
}

static json_t *routes_json(const struct ks_daemon *daemon)
{
	char why[KS_ROUTES_WHY_TEXT];

	ks_routes_why(&daemon->interfaces.routes, why, sizeof(why));
	return json_pack("{s:b, s:s}", "differ", *why != '\0', "why", why);
}

/* The number of entries of a kind, and its limit. */
static json_t *filling_json(__u32 count, __u32 limit)
{
	return json_pack("{s:I, s:I}", "count", (json_int_t)count, "limit", (json_int_t)limit);
}

/* The entries of the table that are no flows. Aliases have no limit of their own. */
static json_t *entries_json(const struct ks_table_counts *counts, const struct ks_config *config)
{
	static const struct {
		const char *name;
		enum ks_kind kind;
	} kinds[] = {
		{ "mappings", KS_KIND_MAPPING_OUT },	{ "permits", KS_KIND_PERMIT },
		{ "expectations", KS_KIND_EXPECT },	{ "fragments", KS_KIND_FRAGMENT },
		{ "helpers", KS_KIND_HELPER_ORIGINAL }, { "questions", KS_KIND_QUESTION },
		{ "tallies", KS_KIND_TALLY },		{ "tallies of flows", KS_KIND_PACE },
	};
	json_t *entries = json_pack("{s:I}", "aliases", (json_int_t)counts->records[KS_KIND_FLOW]);

	for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++)
		ks_json_set(&entries, kinds[i].name,
			    filling_json(counts->records[kinds[i].kind], config->limit_kind[kinds[i].kind]));
	return entries;
}

static json_t *table_json(const struct ks_daemon *daemon)
{
	const struct ks_table_counts *counts = ks_kernel_counts(daemon->kernel);
	const struct ks_config *config = ks_kernel_config(daemon->kernel);

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "flows", (json_int_t)counts->flows,
			 "limit", (json_int_t)config->limit_states, "half_open", (json_int_t)counts->half_open,
			 "half_open_limit", (json_int_t)config->limit_half_open, "capacity",
			 (json_int_t)ks_kernel_capacity(daemon->kernel), "created", (json_int_t)counts->created,
			 "expired", (json_int_t)counts->expired, "recycled", (json_int_t)counts->recycled, "killed",
			 (json_int_t)counts->killed, "records", entries_json(counts, config), "saved",
			 ks_keep_json(&daemon->saved));
}

/* The change in a second, between the two latest samples. */
static json_t *rates_json(const struct ks_daemon *daemon)
{
	const struct ks_sample *a = &daemon->samples[0], *b = &daemon->samples[1];
	double seconds = (double)(b->time - a->time) / (double)KS_NSEC_PER_SEC;

	if (!a->time || seconds <= 0)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:f}", "passed_packets",
			 (double)(b->passed.packets - a->passed.packets) / seconds, "passed_bytes",
			 (double)(b->passed.bytes - a->passed.bytes) / seconds, "dropped_packets",
			 (double)(b->dropped.packets - a->dropped.packets) / seconds, "dropped_bytes",
			 (double)(b->dropped.bytes - a->dropped.bytes) / seconds, "new_flows",
			 (double)(b->created - a->created) / seconds);
}

/* "taken" between any two interfaces without a "long_way" of their own. */
static json_t *short_way_json(const struct ks_daemon *daemon)
{
	static const char *const modes[] = { "off", "auto", "on" };
	const struct ks_short_way *way = &daemon->interfaces.short_way;
	struct ks_shortened shortened = { 0 };

	ks_kernel_shortened(daemon->kernel, &shortened);
	return json_pack("{s:s, s:b, s:s*, s:I}", "mode", modes[way->mode % KS_SHORT_MODES], "taken", way->is_taken,
			 "why", *way->why ? way->why : NULL, "packets", (json_int_t)shortened.by_ingress);
}

/* "wanted" by the policy; taken where the short way is, between interfaces that have no reason against it. */
static json_t *express_json(const struct ks_daemon *daemon)
{
	struct ks_shortened shortened = { 0 };

	ks_kernel_shortened(daemon->kernel, &shortened);
	return json_pack("{s:b, s:I}", "wanted", daemon->interfaces.express, "packets",
			 (json_int_t)shortened.by_express);
}

/* The warnings, first that another policy is in force than the one that was named. */
static json_t *warnings_json(const struct ks_daemon *daemon)
{
	json_t *warnings = ks_coverage_warnings(&daemon->interfaces, daemon->policy);

	ks_sets_add_warnings(daemon, warnings);
	if (daemon->stand_in.why && json_array_insert_new(warnings, 0, ks_json_text(daemon->stand_in.why))) {
		json_decref(warnings);
		return NULL;
	}
	return warnings;
}

enum MHD_Result ks_api_status(struct ks_request *request)
{
	const struct ks_daemon *daemon = request->daemon;
	const struct ks_config *config = ks_kernel_config(daemon->kernel);

	return ks_api_answer(
		request, MHD_HTTP_OK,
		json_pack("{s:s, s:i, s:s, s:o, s:o, s:o*, s:I, s:I, s:I, s:I, s:i, s:i, s:b, s:i, s:i, s:o, s:o, "
			  "s:o, s:b, s:o, s:o*, s:o*, s:o, s:o, s:o, s:o, s:i, s:I, s:I, s:I, s:o, s:o, s:o*, s:o*}",
			  "version", KS_VERSION, "pid", (int)getpid(), "instance", daemon->instance.name, "policy",
			  ks_json_text(daemon->policy_path), "policy_in_force", ks_json_text(ks_stand_in_name(daemon)),
			  "policy_refused", ks_json_text(daemon->stand_in.instead_of), "since",
			  (json_int_t)daemon->ledger.since, "started", (json_int_t)daemon->started, "loaded",
			  (json_int_t)daemon->loaded, "now", (json_int_t)time(NULL), "generation",
			  (int)config->generation, "reloads", (int)daemon->reloads, "took_over", daemon->took_over,
			  "rules", (int)daemon->policy->info_count, "zones", (int)daemon->policy->zone_count,
			  "interfaces", interfaces_json(daemon), "ignore_line", ignore_json(daemon), "routes",
			  routes_json(daemon), "backstop", ks_kernel_backstop(daemon->kernel), "warnings",
			  warnings_json(daemon), "fallback", ks_json_text(daemon->stand_in.why), "unconfirmed",
			  ks_trial_json(daemon), "table", table_json(daemon), "rates", rates_json(daemon), "settling",
			  ks_settle_json(daemon), "challenge", ks_challenge_json(daemon), "followers",
			  (int)ks_events_followers(daemon->events), "events_lost",
			  (json_int_t)(ks_kernel_events_lost(daemon->kernel, KS_LOST_PACKETS) +
				       ks_kernel_events_lost(daemon->kernel, KS_LOST_FLOWS)),
			  "answers_withheld", (json_int_t)ks_kernel_answers_withheld(daemon->kernel), "xdp_drops",
			  (json_int_t)ks_kernel_front_drops(daemon->kernel), "short_way", short_way_json(daemon),
			  "express", express_json(daemon), "schedules", ks_schedules_json(daemon), "cgroups",
			  ks_cgroups_json(daemon)));
}

static json_t *reason_counters_json(const struct ks_kernel *kernel)
{
	struct ks_count counts[KS_REASON_MAX];
	json_t *list;

	if (ks_kernel_reasons(kernel, counts))
		return NULL;
	list = json_array();
	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		ks_json_append(&list, json_pack("{s:s, s:s, s:b, s:I, s:I}", "reason", ks_reason_name(i), "text",
						ks_reason_text(i), "passes", ks_reason_is_pass(i), "packets",
						(json_int_t)counts[i].packets, "bytes", (json_int_t)counts[i].bytes));
	return list;
}

/* Adds a live flow to the counters of its rule: those in the kernel have the flows that ended. */
static int add_flow(const struct ks_flow_key *key, const struct ks_flow *flow, void *arg)
{
	struct ks_rule_count *live = arg;

	live[flow->rule].matches++; /* here: live flows */
	live[flow->rule].packets += ks_flow_packets(flow, 0) + ks_flow_packets(flow, 1);
	live[flow->rule].bytes += ks_flow_bytes(flow, 0) + ks_flow_bytes(flow, 1);
	return 0;
}

static json_t *rule_counters_json(const struct ks_kernel *kernel, const struct ks_rule_info *info,
				  const struct ks_rule_count *live)
{
	struct ks_rule_count count = { 0 };

	ks_kernel_rule_count(kernel, info->id, &count);
	return json_pack("{s:i, s:o, s:i, s:o, s:s, s:b, s:o*, s:I, s:I, s:I, s:I}", "id", (int)info->id, "file",
			 ks_json_text(info->place.file), "line", (int)info->place.line, "text",
			 ks_json_text(info->text), "action", ks_rule_verb(info), "staged", (int)info->staged, "label",
			 ks_json_text(info->label), "matches", (json_int_t)count.matches, "flows",
			 (json_int_t)live->matches, "packets", (json_int_t)(count.packets + live->packets), "bytes",
			 (json_int_t)(count.bytes + live->bytes));
}

static json_t *rules_counters_json(const struct ks_daemon *daemon)
{
	ks_auto_free struct ks_rule_count *live = calloc(KS_RULE_ID_MAX, sizeof(*live));
	json_t *list;

	if (!live)
		return NULL;
	ks_kernel_each_flow(daemon->kernel, add_flow, live);
	list = json_array();
	for (size_t i = 0; i < daemon->policy->info_count; i++) {
		const struct ks_rule_info *info = &daemon->policy->infos[i];

		ks_json_append(&list, rule_counters_json(daemon->kernel, info, &live[info->id]));
	}
	return list;
}

/* `part` of the query: without the rules, whose live flows take a walk of the whole table, the answer is cheap. */
enum MHD_Result ks_api_counters(struct ks_request *request)
{
	const char *part = ks_api_parameter(request, "part");
	bool only_reasons = part && !strcmp(part, "reasons"), only_rules = part && !strcmp(part, "rules");
	ks_auto_json json_t *reasons = only_rules ? NULL : reason_counters_json(request->daemon->kernel);
	ks_auto_json json_t *zones = only_rules ? NULL : ks_zone_counts_json(request->daemon);
	ks_auto_json json_t *rules = only_reasons ? NULL : rules_counters_json(request->daemon);

	if (part && !only_reasons && !only_rules)
		return ks_api_refuse(request, MHD_HTTP_BAD_REQUEST, "part: '%s' is not right; give reasons or rules",
				     part);
	if (((!reasons || !zones) && !only_rules) || (!rules && !only_reasons))
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "cannot read the counters");
	return ks_api_answer(request, MHD_HTTP_OK,
			     json_pack("{s:O*, s:O*, s:O*}", "reasons", reasons, "zones", zones, "rules", rules));
}
