/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of GET /metrics that can be read at once: see metrics.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api.h"
#include "daemon/api/metrics.h"
#include "daemon/coverage.h"
#include "daemon/events.h"
#include "daemon/sets.h"
#include "daemon/sets_keep.h"
#include "daemon/zone_counts.h"
#include "text/json.h"
#include "text/names.h"

/* --- what runs, and by which policy --- */

static void print_build(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, 1, "version", KS_VERSION, NULL);
}

static void print_instance(struct ks_scrape *scrape)
{
	const struct ks_daemon *daemon = scrape->daemon;

	ks_metric_count(&scrape->exposition, 1, "instance_name", daemon->instance.name, "policy", daemon->policy_path,
			"policy_in_force", ks_stand_in_name(daemon), NULL);
}

static void print_started(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, (__u64)scrape->daemon->started, NULL);
}

static void print_since(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, (__u64)scrape->daemon->ledger.since, NULL);
}

static void print_loaded(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, (__u64)scrape->daemon->loaded, NULL);
}

static void print_generation(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, ks_kernel_config(scrape->daemon->kernel)->generation, NULL);
}

static void print_reloads(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, scrape->daemon->reloads, "result", "accepted", NULL);
	ks_metric_count(&scrape->exposition, scrape->daemon->reloads_refused, "result", "refused", NULL);
}

static void print_last_reload(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, !scrape->daemon->reload_failed, NULL);
}

static void print_fallback(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, scrape->daemon->stand_in.why != NULL, NULL);
}

static void print_unconfirmed(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, scrape->daemon->trial.waits, NULL);
}

static void print_rules(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, scrape->daemon->policy->info_count, NULL);
}

static void print_zones(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, scrape->daemon->policy->zone_count, NULL);
}

static void print_warnings(struct ks_scrape *scrape)
{
	const struct ks_daemon *daemon = scrape->daemon;
	ks_auto_json json_t *warnings = ks_coverage_warnings(&daemon->interfaces, daemon->policy);

	ks_sets_add_warnings(daemon, warnings);
	ks_metric_count(&scrape->exposition, json_array_size(warnings) + (daemon->stand_in.why != NULL), NULL);
}

/* --- interfaces --- */

static void print_backstop(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, ks_kernel_backstop(scrape->daemon->kernel), NULL);
}

static unsigned interfaces_of(const struct ks_interfaces *interfaces, unsigned zone, unsigned role)
{
	unsigned count = 0;

	for (size_t i = 0; i < interfaces->count; i++)
		count += interfaces->list[i].guard.zone == zone && interfaces->list[i].role == role &&
			 (role != KS_ROLE_IGNORED || strcmp(interfaces->list[i].name, "lo"));
	return count;
}

/* A zone without a guarded interface has 0 of them: that is what alarms are for. */
static void print_interfaces(struct ks_scrape *scrape)
{
	const struct ks_policy *policy = scrape->daemon->policy;

	for (unsigned zone = 0; zone < KS_ZONE_MAX; zone++) {
		const char *name = ks_policy_zone_name(policy, zone);

		for (unsigned role = 0; role <= KS_ROLE_IGNORED; role++) {
			unsigned count = interfaces_of(&scrape->daemon->interfaces, zone, role);

			if (count || (role == KS_ROLE_GUARDED && zone >= KS_ZONE_FIRST && strcmp(name, "?")))
				ks_metric_count(&scrape->exposition, count, "zone", name, "role", ks_role_name(role),
						NULL);
		}
	}
}

static void print_interfaces_failed(struct ks_scrape *scrape)
{
	const struct ks_interfaces *interfaces = &scrape->daemon->interfaces;
	unsigned count = 0;

	for (size_t i = 0; i < interfaces->count; i++)
		count += interfaces->list[i].error != 0;
	ks_metric_count(&scrape->exposition, count, NULL);
}

/* --- packets --- */

static void print_packets(struct ks_scrape *scrape)
{
	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		ks_metric_count(&scrape->exposition, scrape->reasons[i].packets, "reason", ks_reason_name(i), "verdict",
				ks_reason_is_pass(i) ? "passed" : "dropped", NULL);
}

static void print_bytes(struct ks_scrape *scrape)
{
	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		ks_metric_count(&scrape->exposition, scrape->reasons[i].bytes, "reason", ks_reason_name(i), "verdict",
				ks_reason_is_pass(i) ? "passed" : "dropped", NULL);
}

/* No zone of a policy has such a name. */
static const char *target_name(const struct ks_zone_traffic *traffic)
{
	return traffic->is_unknown ? "(unknown)" : traffic->to;
}

static void print_zone_packets_of(const struct ks_zone_traffic *traffic, void *arg)
{
	const struct ks_scrape *scrape = arg;

	ks_metric_count(&scrape->exposition, traffic->passed.packets, "from", traffic->from, "to", target_name(traffic),
			"verdict", "passed", NULL);
	ks_metric_count(&scrape->exposition, traffic->dropped.packets, "from", traffic->from, "to",
			target_name(traffic), "verdict", "dropped", NULL);
}

static void print_zone_bytes_of(const struct ks_zone_traffic *traffic, void *arg)
{
	const struct ks_scrape *scrape = arg;

	ks_metric_count(&scrape->exposition, traffic->passed.bytes, "from", traffic->from, "to", target_name(traffic),
			"verdict", "passed", NULL);
	ks_metric_count(&scrape->exposition, traffic->dropped.bytes, "from", traffic->from, "to", target_name(traffic),
			"verdict", "dropped", NULL);
}

static void print_zone_openings_of(const struct ks_zone_traffic *traffic, void *arg)
{
	const struct ks_scrape *scrape = arg;

	ks_metric_count(&scrape->exposition, traffic->opened.packets, "from", traffic->from, "to", target_name(traffic),
			NULL);
}

static void print_zone_packets(struct ks_scrape *scrape)
{
	ks_zone_counts_each(scrape->daemon, print_zone_packets_of, scrape);
}

static void print_zone_bytes(struct ks_scrape *scrape)
{
	ks_zone_counts_each(scrape->daemon, print_zone_bytes_of, scrape);
}

static void print_zone_openings(struct ks_scrape *scrape)
{
	ks_zone_counts_each(scrape->daemon, print_zone_openings_of, scrape);
}

static void print_events_lost(struct ks_scrape *scrape)
{
	const struct ks_kernel *kernel = scrape->daemon->kernel;

	ks_metric_count(&scrape->exposition, ks_kernel_events_lost(kernel, KS_LOST_PACKETS), "of", "packets", NULL);
	ks_metric_count(&scrape->exposition, ks_kernel_events_lost(kernel, KS_LOST_FLOWS), "of", "flows", NULL);
}

static void print_followers(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, ks_events_followers(scrape->daemon->events), NULL);
}

static void print_withheld(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, ks_kernel_answers_withheld(scrape->daemon->kernel), NULL);
}

static void print_front_drops(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, ks_kernel_front_drops(scrape->daemon->kernel), NULL);
}

static void print_shortened(struct ks_scrape *scrape)
{
	struct ks_shortened shortened = { 0 };

	ks_kernel_shortened(scrape->daemon->kernel, &shortened);
	ks_metric_count(&scrape->exposition, shortened.by_ingress, NULL);
}

static void print_expressed(struct ks_scrape *scrape)
{
	struct ks_shortened shortened = { 0 };

	ks_kernel_shortened(scrape->daemon->kernel, &shortened);
	ks_metric_count(&scrape->exposition, shortened.by_express, NULL);
}

static void print_interface_front_drops(struct ks_scrape *scrape)
{
	const struct ks_interfaces *interfaces = &scrape->daemon->interfaces;
	char name[KS_NAME_TEXT];

	for (size_t i = 0; i < interfaces->count; i++) {
		const struct ks_guarded *guarded = &interfaces->list[i];

		if (ks_role_has_programs(guarded->role))
			ks_metric_count(&scrape->exposition,
					ks_kernel_front_drops_at(scrape->daemon->kernel, guarded->ifindex), "interface",
					ks_name_text(guarded->name, name), NULL);
	}
}

/* --- the table --- */

/* Numbers of the state table and its limits, which have no labels. */
#define TABLE_NUMBERS(X)                                                      \
	X(flows, ks_kernel_counts(kernel)->flows)                             \
	X(states_limit, ks_kernel_config(kernel)->limit_states)               \
	X(half_open, ks_kernel_counts(kernel)->half_open)                     \
	X(half_open_limit, ks_kernel_config(kernel)->limit_half_open)         \
	X(source_states_limit, ks_kernel_config(kernel)->limit_source_states) \
	X(capacity, ks_kernel_capacity(kernel))                               \
	X(created, ks_kernel_counts(kernel)->created)                         \
	X(expired, ks_kernel_counts(kernel)->expired)                         \
	X(recycled, ks_kernel_counts(kernel)->recycled)                       \
	X(killed, ks_kernel_counts(kernel)->killed)                           \
	X(uncounted, ks_kernel_counts(kernel)->uncounted)

#define X(name, number)                                                  \
	static void print_table_##name(struct ks_scrape *scrape)         \
	{                                                                \
		const struct ks_kernel *kernel = scrape->daemon->kernel; \
                                                                         \
		ks_metric_count(&scrape->exposition, number, NULL);      \
	}
TABLE_NUMBERS(X)
#undef X

/* Entries of the table that are no flows. Aliases have no limit of their own. */
static const struct {
	const char *name;
	enum ks_kind kind;
} kinds[] = {
	{ "alias", KS_KIND_FLOW },	   { "mapping", KS_KIND_MAPPING_OUT }, { "permit", KS_KIND_PERMIT },
	{ "expectation", KS_KIND_EXPECT }, { "fragment", KS_KIND_FRAGMENT },   { "helper", KS_KIND_HELPER_ORIGINAL },
	{ "question", KS_KIND_QUESTION },  { "tally", KS_KIND_TALLY },	       { "flow tally", KS_KIND_PACE },
};

static void print_records(struct ks_scrape *scrape)
{
	const struct ks_table_counts *counts = ks_kernel_counts(scrape->daemon->kernel);

	for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++)
		ks_metric_count(&scrape->exposition, counts->records[kinds[i].kind], "kind", kinds[i].name, NULL);
}

static void print_records_limit(struct ks_scrape *scrape)
{
	const struct ks_config *config = ks_kernel_config(scrape->daemon->kernel);

	for (size_t i = 0; i < KS_ARRAY_SIZE(kinds); i++) {
		if (kinds[i].kind != KS_KIND_FLOW)
			ks_metric_count(&scrape->exposition, config->limit_kind[kinds[i].kind], "kind", kinds[i].name,
					NULL);
	}
}

/* --- programs --- */

static void print_statistics(struct ks_scrape *scrape)
{
	ks_metric_count(&scrape->exposition, ks_kernel_times_programs(), NULL);
}

static void print_program_runs(struct ks_scrape *scrape)
{
	struct ks_program_times times;

	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++) {
		if (!ks_kernel_program_times(scrape->daemon->kernel, i, &times))
			ks_metric_count(&scrape->exposition, times.runs, "program", ks_kernel_program_name(i), NULL);
	}
}

static void print_program_seconds(struct ks_scrape *scrape)
{
	struct ks_program_times times;

	for (unsigned i = 0; i < KS_PROGRAM_MAX; i++) {
		if (!ks_kernel_program_times(scrape->daemon->kernel, i, &times))
			ks_metric_real(&scrape->exposition, (double)times.ns / (double)KS_NSEC_PER_SEC, "program",
				       ks_kernel_program_name(i), NULL);
	}
}

/* --- challenge, settling, sets --- */

static void print_challenge_on(struct ks_scrape *scrape)
{
	const struct ks_policy *policy = scrape->daemon->policy;
	__u64 on = ks_challenge_zones(scrape->daemon) | policy->config.challenge_always;

	for (size_t i = 0; i < policy->zone_count; i++)
		ks_metric_count(&scrape->exposition, on >> policy->zones[i].id & 1, "zone", policy->zones[i].name,
				NULL);
}

static void print_zone_half_open(struct ks_scrape *scrape)
{
	const struct ks_policy *policy = scrape->daemon->policy;

	for (size_t i = 0; i < policy->zone_count; i++)
		ks_metric_count(&scrape->exposition, ks_kernel_half_open(scrape->daemon->kernel, policy->zones[i].id),
				"zone", policy->zones[i].name, NULL);
}

#define X(number)                                                                                                \
	static void print_challenge_##number(struct ks_scrape *scrape)                                           \
	{                                                                                                        \
		const struct ks_policy *policy = scrape->daemon->policy;                                         \
                                                                                                                 \
		for (size_t i = 0; i < policy->zone_count; i++)                                                  \
			ks_metric_count(&scrape->exposition,                                                     \
					scrape->challenges.zone[policy->zones[i].id & (KS_ZONE_MAX - 1)].number, \
					"zone", policy->zones[i].name, NULL);                                    \
	}
X(asked)
X(proven)
X(unanswered)
#undef X

static void print_settle_left(struct ks_scrape *scrape)
{
	ks_auto_json json_t *settle = ks_settle_json(scrape->daemon);

	ks_metric_real(&scrape->exposition, json_number_value(json_object_get(settle, "left")), NULL);
}

static void print_settled(struct ks_scrape *scrape)
{
	static const char *const sources[] = { "conntrack", "sockets", "middle", "denied", "full" };
	ks_auto_json json_t *settle = ks_settle_json(scrape->daemon);

	for (size_t i = 0; i < KS_ARRAY_SIZE(sources); i++)
		ks_metric_count(&scrape->exposition, (__u64)json_integer_value(json_object_get(settle, sources[i])),
				"outcome", sources[i], NULL);
}

static void sets_each(struct ks_scrape *scrape, __u64 (*value)(const struct ks_set_target *target))
{
	struct ks_daemon *daemon = scrape->daemon;
	struct ks_set_target target;

	for (size_t i = 0; i < daemon->policy->set_info_count; i++) {
		if (ks_set_target_find(daemon, daemon->policy->set_infos[i].name, &target))
			ks_metric_count(&scrape->exposition, value(&target), "set", target.set->name, NULL);
	}
}

#define SET_NUMBERS(X)                                     \
	X(entries, ks_set_living(target))                  \
	X(limit, target->settings->limit)                  \
	X(evicted, target->set->memory.page->head.evicted) \
	X(refused, target->set->memory.page->head.refused) \
	X(memory, (__u64)target->set->memory.pages * sizeof(struct ks_member_page))

#define X(name, number)                                             \
	static __u64 set_##name(const struct ks_set_target *target) \
	{                                                           \
		return number;                                      \
	}                                                           \
	static void print_set_##name(struct ks_scrape *scrape)      \
	{                                                           \
		sets_each(scrape, set_##name);                      \
	}
SET_NUMBERS(X)
#undef X

#define COUNTER(name, help, print) { { "keepstate_" name, KS_METRIC_COUNTER, "", help }, print }
#define GAUGE(name, help, print) { { "keepstate_" name, KS_METRIC_GAUGE, "", help }, print }
#define SECONDS(name, help, print) { { "keepstate_" name, KS_METRIC_GAUGE, "seconds", help }, print }
#define BYTES(name, help, print) { { "keepstate_" name, KS_METRIC_COUNTER, "bytes", help }, print }

static const struct ks_metric metrics[] = {
	{ { "keepstate_build", KS_METRIC_INFO, "", "The program that runs." }, print_build },
	{ { "keepstate_instance", KS_METRIC_INFO, "", "The firewall, and its policy." }, print_instance },
	SECONDS("process_start_time_seconds", "When this daemon started, seconds of the epoch.", print_started),
	SECONDS("guarding_since_time_seconds",
		"When the firewall first guarded an interface, seconds of the epoch; it outlives the daemon.",
		print_since),
	SECONDS("policy_loaded_time_seconds", "When the policy in force was loaded, seconds of the epoch.",
		print_loaded),
	GAUGE("policy_generation", "How often tables were put in force since the state table was made.",
	      print_generation),
	GAUGE("policy_rules", "Rules of the policy in force.", print_rules),
	GAUGE("policy_zones", "Zones of the policy in force.", print_zones),
	GAUGE("policy_fallback", "1 while another policy is in force than the one that was named.", print_fallback),
	GAUGE("policy_unconfirmed", "1 while the policy in force waits to be confirmed.", print_unconfirmed),
	COUNTER("reloads", "Reloads since this daemon started, by their result.", print_reloads),
	GAUGE("last_reload_successful", "0 if the latest reload was refused.", print_last_reload),
	GAUGE("warnings", "Warnings that keepstate status shows now.", print_warnings),
	GAUGE("interfaces", "Interfaces by their zone and role; those of role guarded, port and carrier have programs.",
	      print_interfaces),
	GAUGE("interfaces_failed", "Interfaces that refuse our programs.", print_interfaces_failed),
	GAUGE("backstop", "1 if the netfilter programs behind the interfaces' own are in force.", print_backstop),
	COUNTER("packets",
		"Packets by reason. Of one that is undecided at ingress there is a second reason, where it leaves.",
		print_packets),
	BYTES("bytes", "Bytes of whole frames by reason, as packets.", print_bytes),
	COUNTER("zone_packets", "Packets by the zones that they came from and went to.", print_zone_packets),
	BYTES("zone_bytes", "Bytes of whole frames by the zones that they came from and went to.", print_zone_bytes),
	COUNTER("zone_openings", "Packets that opened a flow, or repeated that, by zones.", print_zone_openings),
	COUNTER("xdp_dropped_packets", "Packets that XDP has dropped in front; they are among those of the reasons.",
		print_front_drops),
	COUNTER("short_way_packets", "Packets of established flows that went past the kernel's forwarding.",
		print_shortened),
	COUNTER("express_packets", "Packets of established flows that XDP has sent on.", print_expressed),
	COUNTER("interface_xdp_dropped_packets", "Packets that XDP has dropped in front of an interface.",
		print_interface_front_drops),
	COUNTER("answers_withheld", "Rejected packets that got no answer, because others had enough.", print_withheld),
	COUNTER("events_lost", "Events that found no room in the kernel's buffer.", print_events_lost),
	GAUGE("log_followers", "Clients that follow the log.", print_followers),
	GAUGE("table_flows", "Flows in the table, those that have expired included until they are swept.",
	      print_table_flows),
	GAUGE("states_limit", "The policy's limit of states.", print_table_states_limit),
	GAUGE("half_open_states", "Half-open flows.", print_table_half_open),
	GAUGE("half_open_states_limit", "The policy's limit of half-open flows.", print_table_half_open_limit),
	GAUGE("source_states_limit", "The policy's limit of states of one source; 0: all of them.",
	      print_table_source_states_limit),
	GAUGE("table_capacity_states", "The largest limit of states that needs no larger table.", print_table_capacity),
	COUNTER("flows_created", "Flows that were opened.", print_table_created),
	COUNTER("flows_expired", "Flows that died of their timeout.", print_table_expired),
	COUNTER("flows_recycled", "Flows whose place a new one took.", print_table_recycled),
	COUNTER("flows_killed", "Flows that the administrator ended.", print_table_killed),
	COUNTER("contended_packets",
		"Valid packets that passed without being counted in their flow, because others were first.",
		print_table_uncounted),
	GAUGE("table_records", "Entries of the table that are no flows, by kind.", print_records),
	GAUGE("table_records_limit", "Limits of these.", print_records_limit),
	GAUGE("program_statistics", "1 if the kernel measures programs (sysctl kernel.bpf_stats_enabled).",
	      print_statistics),
	COUNTER("program_runs", "Runs of a program in the kernel while they were measured.", print_program_runs),
	{ { "keepstate_program_run_seconds", KS_METRIC_COUNTER, "seconds",
	    "Time of these runs, the programs that it calls included." },
	  print_program_seconds },
	GAUGE("challenge_on", "1 while SYNs from the zone are challenged.", print_challenge_on),
	GAUGE("zone_half_open_states", "Half-open flows that the zone's hosts opened.", print_zone_half_open),
	COUNTER("challenge_asked", "SYNs that were challenged, by zone.", print_challenge_asked),
	COUNTER("challenge_proven", "Sources that answered a challenge, by zone.", print_challenge_proven),
	COUNTER("challenge_unanswered", "SYNs that passed because they came again, by zone.",
		print_challenge_unanswered),
	SECONDS("settle_left_seconds", "Time for which connections are still taken up in their middle.",
		print_settle_left),
	GAUGE("settled_flows", "Connections from before the start, by what became of them.", print_settled),
	GAUGE("set_entries", "Entries of run-time sets that have not expired.", print_set_entries),
	GAUGE("set_entries_limit", "Limits of run-time sets.", print_set_limit),
	COUNTER("set_evicted_entries", "Entries that gave their place to one that a packet added.", print_set_evicted),
	COUNTER("set_refused_entries", "Entries of packets that found no place.", print_set_refused),
	{ { "keepstate_set_memory_bytes", KS_METRIC_GAUGE, "bytes", "Memory of run-time sets." }, print_set_memory },
};

int ks_metrics_print_now(struct ks_scrape *scrape)
{
	int err = ks_kernel_reasons(scrape->daemon->kernel, scrape->reasons);

	if (!err)
		err = ks_kernel_challenges(scrape->daemon->kernel, &scrape->challenges);
	if (!err)
		ks_metrics_print(scrape, metrics, KS_ARRAY_SIZE(metrics));
	return err;
}
