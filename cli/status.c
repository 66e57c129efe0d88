/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate status: the running firewall, its table, its rates, its interfaces. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/history.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "daemon/instances.h"
#include "daemon/presence.h"
#include "daemon/trial_left.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/plural.h"

/* "2026-01-31 12:00:00 (3h2m ago)" */
static void moment_print(const json_t *status, const char *name)
{
	time_t when = (time_t)ks_member_number(status, name);
	long long ago = ks_member_number(status, "now") - (long long)when;
	char text[64] = "", duration[KS_NUMBER_TEXT];
	struct tm tm;

	if (localtime_r(&when, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf("%s (%s ago)", text, ks_span_text((uint64_t)(ago > 0 ? ago : 0) * 1000, duration));
}

static void trial_print(const json_t *trial)
{
	const char *before = ks_member_text(trial, "before");
	bool colour = ks_output_colour(stdout);

	if (!trial)
		return;
	printf("%sNOT CONFIRMED: `keepstate confirm` within %lld s, or %s%s%s\n", ks_colour(colour, KS_COLOUR_RED),
	       ks_member_number(trial, "seconds_left"),
	       *before ? "the policy before it comes back: " : "the firewall is taken away again", before,
	       ks_colour(colour, KS_COLOUR_PLAIN));
}

static void head_print(const json_t *status)
{
	long long rules = ks_member_number(status, "rules"), zones = ks_member_number(status, "zones");

	printf("Keepstate %s in %s, process %lld%s\n", ks_member_text(status, "version"),
	       ks_member_text(status, "instance"), ks_member_number(status, "pid"),
	       json_is_true(json_object_get(status, "took_over")) ? ", took over from an earlier one" : "");
	printf("in force    ");
	if (ks_member_number(status, "since")) {
		printf("since ");
		moment_print(status, "since");
	} else {
		printf("not yet: nothing was guarded so far");
	}
	printf("\npolicy      %s: %lld rule%s, %lld zone%s, generation %lld, loaded ",
	       ks_member_text(status, "policy_in_force"), rules, ks_plural((unsigned long long)rules), zones,
	       ks_plural((unsigned long long)zones), ks_member_number(status, "generation"));
	moment_print(status, "loaded");
	putchar('\n');
	if (*ks_member_text(status, "policy_refused"))
		printf("refused     %s: the WARNING below says why\n", ks_member_text(status, "policy_refused"));
	trial_print(json_object_get(status, "unconfirmed"));
}

static void fill_print(const json_t *table, const char *title, const char *name, const char *limit)
{
	char count[KS_NUMBER_TEXT], of[KS_NUMBER_TEXT];
	long long max = ks_member_number(table, limit);

	printf("%-11s %s of %s (%.1f%%)", title, ks_number_text((uint64_t)ks_member_number(table, name), count),
	       ks_number_text((uint64_t)max, of),
	       max ? 100.0 * (double)ks_member_number(table, name) / (double)max : 0.0);
}

/* "records     12 aliases, 3 of 65536 mappings": the entries of the table that are no states; nothing without any. */
static void records_print(const json_t *records)
{
	long long aliases = ks_member_number(records, "aliases");
	const char *name;
	json_t *value;
	bool any = false;

	if (aliases) {
		printf("records     %lld alias%s of translated states", aliases, aliases == 1 ? "" : "es");
		any = true;
	}
	json_object_foreach((json_t *)records, name, value)
	{
		if (!json_is_object(value) || !ks_member_number(value, "count"))
			continue;
		printf("%s%lld of %lld %s", any ? ", " : "records     ", ks_member_number(value, "count"),
		       ks_member_number(value, "limit"), name);
		any = true;
	}
	if (any)
		putchar('\n');
}

/* Prints how many connections the start took up, and how long it goes on; nothing if the firewall never settled. */
static void settling_print(const json_t *settling)
{
	double left = json_number_value(json_object_get(settling, "left"));
	char span[KS_NUMBER_TEXT];

	if (!json_is_object(settling))
		return;
	printf("settling    ");
	if (left > 0)
		printf("for %s more", ks_span_text((uint64_t)left * 1000 + 1000, span));
	else
		printf("over");
	printf("; taken up: %lld from conntrack, %lld from sockets, %lld in the middle",
	       ks_member_number(settling, "conntrack"), ks_member_number(settling, "sockets"),
	       ks_member_number(settling, "middle"));
	if (ks_member_number(settling, "denied"))
		printf("; not allowed: %lld", ks_member_number(settling, "denied"));
	if (ks_member_number(settling, "full"))
		printf("; no room: %lld", ks_member_number(settling, "full"));
	putchar('\n');
}

/* "challenge   wan on for 12s: 8,123 asked, 40 proven, 2 passed unanswered": zones that challenge, or have. */
static void challenge_print(const json_t *challenge)
{
	char asked[KS_NUMBER_TEXT], proven[KS_NUMBER_TEXT], unanswered[KS_NUMBER_TEXT], span[KS_NUMBER_TEXT];
	const json_t *seconds = json_object_get(challenge, "seconds"), *zone;
	size_t i;

	json_array_foreach(json_object_get(challenge, "zones"), i, zone)
	{
		bool on = json_is_true(json_object_get(zone, "on")), is_auto;

		if (!on && !ks_member_number(zone, "asked"))
			continue;
		is_auto = strcmp(ks_member_text(zone, "challenge"), "auto") == 0;
		printf("challenge   %s %s", ks_member_text(zone, "zone"), on ? is_auto ? "on" : "always" : "off");
		if (on && is_auto && seconds)
			printf(" for %s", ks_span_text((uint64_t)json_integer_value(seconds) * 1000, span));
		printf(": %s asked, %s proven, %s passed unanswered\n",
		       ks_number_text((uint64_t)ks_member_number(zone, "asked"), asked),
		       ks_number_text((uint64_t)ks_member_number(zone, "proven"), proven),
		       ks_number_text((uint64_t)ks_member_number(zone, "unanswered"), unanswered));
	}
}

/* "schedule    mon-fri 08:00-18:00 open until 2026-11-30 18:00" */
static void schedules_print(const json_t *schedules)
{
	const json_t *schedule;
	size_t i;

	json_array_foreach(schedules, i, schedule)
	{
		time_t until = (time_t)ks_member_number(schedule, "until");
		char text[64] = "";
		struct tm tm;

		printf("schedule    %s %s", ks_member_text(schedule, "during"),
		       json_is_true(json_object_get(schedule, "open")) ? "open" : "closed");
		if (until && localtime_r(&until, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
			printf(" until %s", text);
		putchar('\n');
	}
}

static void cgroups_print(const json_t *cgroups)
{
	const json_t *cgroup;
	size_t i;

	json_array_foreach(cgroups, i, cgroup)
		printf("cgroup      %s %s\n", ks_member_text(cgroup, "cgroup"),
		       json_is_true(json_object_get(cgroup, "exists")) ? "exists" : "does not exist");
}

static void state_table_print(const json_t *table)
{
	char created[KS_NUMBER_TEXT], expired[KS_NUMBER_TEXT], recycled[KS_NUMBER_TEXT], killed[KS_NUMBER_TEXT];

	fill_print(table, "states", "flows", "limit");
	printf("; %s created, %s expired, %s recycled, %s killed\n",
	       ks_number_text((uint64_t)ks_member_number(table, "created"), created),
	       ks_number_text((uint64_t)ks_member_number(table, "expired"), expired),
	       ks_number_text((uint64_t)ks_member_number(table, "recycled"), recycled),
	       ks_number_text((uint64_t)ks_member_number(table, "killed"), killed));
	fill_print(table, "half-open", "half_open", "half_open_limit");
	putchar('\n');
	records_print(json_object_get(table, "records"));
	if (json_is_object(json_object_get(table, "saved")))
		printf("saved       at its start: %s\n", ks_member_text(json_object_get(table, "saved"), "text"));
}

static double rate_of(const json_t *rates, const char *name)
{
	return json_number_value(json_object_get(rates, name));
}

static void rates_print(const json_t *rates)
{
	char passed[KS_NUMBER_TEXT], dropped[KS_NUMBER_TEXT];

	if (!json_is_object(rates))
		return;
	printf("now         passed %.0f packets/s (%s/s), dropped %.0f packets/s (%s/s), %.0f new states/s\n",
	       rate_of(rates, "passed_packets"), ks_bytes_text((uint64_t)rate_of(rates, "passed_bytes"), passed),
	       rate_of(rates, "dropped_packets"), ks_bytes_text((uint64_t)rate_of(rates, "dropped_bytes"), dropped),
	       rate_of(rates, "new_flows"));
}

/* "guarded", "guarded, port of br0", "NOT GUARDED": by the hooks that are there. */
static void guard_cell(struct ks_grid *grid, const json_t *interface)
{
	bool ingress = json_is_true(json_object_get(interface, "ingress"));
	bool egress = json_is_true(json_object_get(interface, "egress"));
	const char *role = ks_member_text(interface, "role"), *carrier = ks_member_text(interface, "carrier");

	if (!*ks_member_text(interface, "hooks")) /* its role needs none */
		ks_grid_cell(grid, "%s", strcmp(role, "vrf") ? role : "vrf: guarded at its members");
	else if (!ingress || !egress)
		ks_grid_cell(grid, "%s",
			     ingress  ? "guarded inwards only"
			     : egress ? "guarded outwards only"
				      : "NOT GUARDED");
	else if (!json_is_true(json_object_get(interface, "first")))
		ks_grid_cell(grid, "guarded AFTER A PROGRAM OF OTHERS");
	else if (*carrier)
		ks_grid_cell(grid, "guarded, port of %s", carrier);
	else
		ks_grid_cell(grid, "%s", strcmp(role, "carrier") ? "guarded" : "guarded at its ports");
}

static void interfaces_print(const json_t *list)
{
	ks_auto_grid struct ks_grid *grid = ks_grid_create("llllll");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *interface = json_array_get(list, i);

		ks_grid_cell(grid, "%s", i ? "" : "interfaces");
		ks_grid_cell(grid, "%s", ks_member_text(interface, "name"));
		ks_grid_cell(grid, "zone %s", ks_member_text(interface, "zone"));
		ks_grid_cell(grid, "%s", json_is_true(json_object_get(interface, "up")) ? "up" : "down");
		guard_cell(grid, interface);
		ks_grid_cell(grid, "%s", ks_member_text(interface, "error"));
	}
	if (json_array_size(list))
		ks_grid_print(grid, stdout);
	else
		printf("interfaces  none is there\n");
}

/* "tcx", "clsact", or both where they differ. */
static void hooks_print(const json_t *list)
{
	bool tcx = false, clsact = false;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *hooks = ks_member_text(json_array_get(list, i), "hooks");

		tcx |= !strcmp(hooks, "tcx");
		clsact |= !strcmp(hooks, "clsact");
	}
	printf("%s%s%s", tcx ? "tcx" : "", tcx && clsact ? " and " : "", clsact ? "clsact" : "");
}

/* The interfaces that XDP is in front of, and a line for each other one. Nothing if the policy does not want it. */
static void fronts_print(const json_t *list, long long drops)
{
	char number[KS_NUMBER_TEXT];
	unsigned count = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *interface = json_array_get(list, i);

		if (json_is_true(json_object_get(interface, "xdp")))
			printf("%s%s (%s)", count++ ? ", " : "xdp         in front of ",
			       ks_member_text(interface, "name"),
			       ks_number_text((uint64_t)ks_member_number(interface, "xdp_drops"), number));
	}
	if (count)
		printf("; dropped %s packets in all\n", ks_number_text((uint64_t)drops, number));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *interface = json_array_get(list, i);

		if (*ks_member_text(interface, "xdp_missing"))
			printf("xdp         not in front of %s: %s\n", ks_member_text(interface, "name"),
			       ks_member_text(interface, "xdp_missing"));
	}
}

/* Between any two interfaces, but those that are named. */
static void short_way_print(const json_t *way, const json_t *list)
{
	char number[KS_NUMBER_TEXT];

	if (!json_is_true(json_object_get(way, "taken"))) {
		printf("short way   not taken: %s\n", ks_member_text(way, "why"));
		return;
	}
	printf("short way   taken by established flows; %s packets so far\n",
	       ks_number_text((uint64_t)ks_member_number(way, "packets"), number));
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *interface = json_array_get(list, i);

		if (*ks_member_text(interface, "long_way"))
			printf("short way   not from or to %s: %s\n", ks_member_text(interface, "name"),
			       ks_member_text(interface, "long_way"));
	}
}

/* Where it is not taken, and why; nothing if the policy does not want it. */
static void express_print(const json_t *status)
{
	static const struct {
		const char *word, *member;
	} directions[] = { { "from", "no_express_from" }, { "to", "no_express_to" } };
	const json_t *express = json_object_get(status, "express"), *list = json_object_get(status, "interfaces");
	const json_t *way = json_object_get(status, "short_way");
	char number[KS_NUMBER_TEXT];

	if (!json_is_true(json_object_get(express, "wanted")))
		return;
	if (!json_is_true(json_object_get(way, "taken"))) {
		printf("express     not taken: %s\n", ks_member_text(way, "why"));
		return;
	}
	printf("express     XDP sends on packets of established flows; %s packets so far\n",
	       ks_number_text((uint64_t)ks_member_number(express, "packets"), number));
	for (size_t i = 0; i < json_array_size(list) * KS_ARRAY_SIZE(directions); i++) {
		const json_t *interface = json_array_get(list, i / KS_ARRAY_SIZE(directions));
		const char *why = ks_member_text(interface, directions[i % KS_ARRAY_SIZE(directions)].member);

		if (*why)
			printf("express     not %s %s: %s\n", directions[i % KS_ARRAY_SIZE(directions)].word,
			       ks_member_text(interface, "name"), why);
	}
}

static void surroundings_print(const json_t *status)
{
	const json_t *routes = json_object_get(status, "routes");

	if (*ks_member_text(status, "ignore_line"))
		printf("no zone     denied by default; to leave them alone: %s\n",
		       ks_member_text(status, "ignore_line"));
	printf("hooks       ");
	hooks_print(json_object_get(status, "interfaces"));
	printf("; backstop %s\n", json_is_true(json_object_get(status, "backstop")) ? "in force" : "NOT in force");
	fronts_print(json_object_get(status, "interfaces"), ks_member_number(status, "xdp_drops"));
	if (json_object_get(status, "short_way"))
		short_way_print(json_object_get(status, "short_way"), json_object_get(status, "interfaces"));
	express_print(status);
	if (json_is_true(json_object_get(routes, "differ")))
		printf("routes      %s: egress decides\n", ks_member_text(routes, "why"));
}

static void warnings_print(const json_t *list)
{
	bool colour = ks_output_colour(stdout);

	for (size_t i = 0; i < json_array_size(list); i++)
		printf("%sWARNING     %s%s\n", ks_colour(colour, KS_COLOUR_RED),
		       json_string_value(json_array_get(list, i)), ks_colour(colour, KS_COLOUR_PLAIN));
}

static void when_print(const char *title, long long when)
{
	time_t time = (time_t)when;
	char text[64];
	struct tm tm;

	if (when && localtime_r(&time, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm))
		printf("%s%s\n", title, text);
}

static void left_json_print(const struct ks_instance *instance, const struct ks_presence *presence, const json_t *trial)
{
	ks_json_print(json_pack("{s:s, s:b, s:b, s:I, s:o, s:O*}", "instance", instance->name, "daemon", 0, "in_force",
				1, "since", (json_int_t)presence->guarded_since, "policy",
				ks_json_text(presence->last.policy), "unconfirmed", trial),
		      stdout);
}

/* A firewall that its daemon has left, by SIGTERM or by dying. */
static void left_print(const struct ks_instance *instance, const struct ks_presence *presence, const json_t *trial)
{
	bool colour = ks_output_colour(stdout);

	printf("Keepstate in %s: in force, no daemon\n", instance->name);
	when_print("in force    since ", presence->guarded_since);
	if (*presence->last.policy)
		printf("policy      %s; its daemon, process %d, has ended\n", presence->last.policy,
		       (int)presence->last.pid);
	if (trial) {
		fputs(ks_colour(colour, KS_COLOUR_RED), stdout);
		ks_trial_left_describe(trial, stdout);
		printf("%s\n", ks_colour(colour, KS_COLOUR_PLAIN));
	}
	puts("The kernel filters on with the states it has; interfaces that come now have no programs, and nobody "
	     "tells\n"
	     "what is refused. `keepstate run FILE` takes it over, `keepstate stop` removes it.");
}

/* Returns true after printing if the firewall is in force and no daemon lives. */
static bool print_left(bool json)
{
	ks_auto_json json_t *trial = NULL;
	struct ks_presence presence;
	struct ks_instance instance;

	if (ks_instance_find(&instance))
		return false;
	ks_presence_find(&instance, &presence);
	if (presence.kind != KS_PRESENCE_LEFT)
		return false;
	trial = ks_trial_left_json(&instance);
	if (json)
		left_json_print(&instance, &presence, trial);
	else
		left_print(&instance, &presence, trial);
	return true;
}

static const char *const instance_states[] = {
	[KS_INSTANCE_RUNNING] = "running",
	[KS_INSTANCE_LEFT] = "in force, no daemon",
	[KS_INSTANCE_GONE] = "network namespace gone: `keepstate stop --gone` removes what is left",
};

static void instance_state_cell(struct ks_grid *grid, const struct ks_instance_entry *entry)
{
	if (entry->state == KS_INSTANCE_UNKNOWN)
		ks_grid_cell(grid,
			     "network namespace perhaps gone: %u process%s that may lead there cannot be looked into",
			     entry->unseen, entry->unseen == 1 ? "" : "es");
	else
		ks_grid_cell(grid, "%s", instance_states[entry->state]);
}

struct instances_ctx {
	struct ks_grid *grid; /* NULL: as JSON */
};

static void instance_print(const struct ks_instance_entry *entry, void *arg)
{
	struct instances_ctx *ctx = arg;
	bool runs = entry->state == KS_INSTANCE_RUNNING;

	if (!ctx->grid) {
		ks_json_print(json_pack("{s:s, s:o, s:b, s:b, s:i, s:o}", "instance", entry->instance.name, "netns",
					ks_json_text(entry->netns), "daemon", runs, "gone",
					entry->state == KS_INSTANCE_GONE, "pid", runs ? (int)entry->holder.pid : 0,
					"policy", ks_json_text(entry->holder.policy)),
			      stdout);
		return;
	}
	ks_grid_cell(ctx->grid, "%s", entry->instance.name);
	ks_grid_cell(ctx->grid, "%s", entry->netns);
	ks_grid_cell(ctx->grid, "%s", entry->holder.policy);
	instance_state_cell(ctx->grid, entry);
}

/* Every network namespace that has a firewall, or had one. */
static int all_print(bool json)
{
	ks_auto_grid struct ks_grid *grid = json ? NULL : ks_grid_create("llll");
	struct instances_ctx ctx = { grid };
	int err = ks_instances_each(instance_print, &ctx);

	if (err) {
		fprintf(stderr, "keepstate: " KS_RUN_DIR ": %s%s\n", strerror(-err),
			geteuid() ? ": this needs root" : "");
		return KS_EXIT_SYSTEM;
	}
	if (grid)
		ks_grid_print(grid, stdout);
	return ks_cli_finish(KS_EXIT_OK);
}

int ks_cmd_status(int argc, char **argv)
{
	bool json = false, all = false;
	const struct ks_option options[] = {
		{ .name = "all",
		  .help = "list the firewalls of all network namespaces, and what those left that are gone",
		  .take = ks_take_flag,
		  .target = &all },
		{ .name = "json", .help = "print one JSON object", .take = ks_take_flag, .target = &json },
	};
	const struct ks_usage usage = {
		"keepstate status [OPTION]...",
		"Says which policy is in force and since when, how full the state table is, what passes now,\n"
		"which interfaces are guarded and how, and what is not as the policy wants it. Returns 3 if\n"
		"no daemon runs; says so too if the firewall is in force without one.",
		options, KS_ARRAY_SIZE(options)
	};
	const struct ks_call call = { .method = "GET", .path = "/v1/status" };
	ks_auto_json json_t *answer = NULL;
	ks_auto_json json_t *journal = NULL;
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "status takes no operands");
	if (all)
		return all_print(json);
	if (print_left(json))
		return KS_MAX(ks_cli_finish(KS_EXIT_OK), KS_EXIT_SYSTEM);
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	journal = ks_history_state();
	if (journal)
		json_object_set(answer, "journal", journal);
	if (json) {
		ks_json_print(TAKE(answer), stdout);
		return ks_cli_finish(code);
	}
	head_print(answer);
	state_table_print(json_object_get(answer, "table"));
	settling_print(json_object_get(answer, "settling"));
	challenge_print(json_object_get(answer, "challenge"));
	schedules_print(json_object_get(answer, "schedules"));
	cgroups_print(json_object_get(answer, "cgroups"));
	rates_print(json_object_get(answer, "rates"));
	if (ks_member_number(answer, "answers_withheld"))
		printf("answers     %lld rejected packet%s dropped silently (limit answers, answers-per-source)\n",
		       ks_member_number(answer, "answers_withheld"),
		       ks_member_number(answer, "answers_withheld") == 1 ? " was" : "s were");
	if (journal)
		ks_history_state_print(journal);
	interfaces_print(json_object_get(answer, "interfaces"));
	surroundings_print(answer);
	warnings_print(json_object_get(answer, "warnings"));
	return ks_cli_finish(code);
}
