/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate replay: runs captured traffic through a policy. Options and the run are here, the output in replay_*.c. */
#include "cli/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/confine.h"
#include "cli/output.h"
#include "core/types.h"

#define CONNECTIONS_KEPT 1048576U
#define PROGRESS_EVERY 16384U /* frames between looks at the clock; a power of two */
#define INTERFACE_NAMES_MAX 1024U

struct replay_arguments {
	bool json, quiet, pickup, settle, arriving;
	const char *checksums, *outside;
	struct ks_words zones, inside, self, interfaces;
	uint64_t connections;
	struct ks_replay_outputs outputs;
};

static int take_checksums(const struct ks_option *option, const char *value, const char **expected)
{
	*expected = "'verify' or 'ignore'";
	if (strcmp(value, "verify") && strcmp(value, "ignore"))
		return -EINVAL;
	*(const char **)option->target = value;
	return 0;
}

/* Adds the networks of a comma-separated list to a zone. Returns an enum ks_exit. */
static int networks_add(struct ks_zone_map *map, unsigned zone, const char *option, const char *list)
{
	ks_auto_free char *copy = strdup(list);
	char *save = NULL;
	int err = 0;

	if (!copy)
		return ks_cli_no_memory();
	for (char *word = strtok_r(copy, ",", &save); word && !err; word = strtok_r(NULL, ",", &save)) {
		err = ks_zone_map_add(map, zone, word);
		if (err == -EINVAL)
			fprintf(stderr,
				"keepstate: %s: '%s' is not a network; right would be 10.0.0.0/24 or 2001:db8::/32\n",
				option, word);
		if (err == -ENOSPC)
			fprintf(stderr, "keepstate: %s: '%s' is one too many: zones have up to %u networks\n", option,
				word, KS_NETWORKS_MAX);
	}
	if (err == -ENOMEM)
		return ks_cli_no_memory();
	return err ? KS_EXIT_USAGE : KS_EXIT_OK;
}

/* Returns the id of a zone, or -1 after saying which ones there are. */
static int zone_find(const struct ks_policy *policy, const char *option, const char *name)
{
	int id = ks_policy_zone_id(policy, name);

	if (id >= 0)
		return id;
	fprintf(stderr, "keepstate: %s: the policy has no zone '%s'; it has", option, name);
	for (size_t i = 0; i < policy->zone_count; i++)
		fprintf(stderr, "%s %s", i ? "," : "", policy->zones[i].name);
	fputs(policy->zone_count ? "\n" : " none\n", stderr);
	return -1;
}

/* --zone NAME=NET[,NET]... */
static int zone_option(const struct ks_policy *policy, struct ks_zone_map *map, const char *word)
{
	const char *equals = strchr(word, '=');
	ks_auto_free char *name = NULL;
	int id;

	if (!equals || equals == word) {
		fprintf(stderr, "keepstate: --zone: '%s' is not NAME=NETWORK[,NETWORK]...\n", word);
		return KS_EXIT_USAGE;
	}
	name = strndup(word, (size_t)(equals - word));
	if (!name)
		return ks_cli_no_memory();
	id = zone_find(policy, "--zone", name);
	return id < 0 ? KS_EXIT_USAGE : networks_add(map, (unsigned)id, "--zone", equals + 1);
}

static int inside_zone(const struct ks_policy *policy)
{
	int id = ks_policy_zone_id(policy, "inside");

	return id >= 0 ? id : zone_find(policy, "--inside", "lan");
}

static int zones_apply(const struct replay_arguments *args, const struct ks_policy *policy, struct ks_zone_map *map)
{
	int code = KS_EXIT_OK, id;

	for (size_t i = 0; i < args->zones.count && code == KS_EXIT_OK; i++)
		code = zone_option(policy, map, args->zones.word[i]);
	for (size_t i = 0; i < args->inside.count && code == KS_EXIT_OK; i++) {
		id = inside_zone(policy);
		code = id < 0 ? KS_EXIT_USAGE : networks_add(map, (unsigned)id, "--inside", args->inside.word[i]);
	}
	for (size_t i = 0; i < args->self.count && code == KS_EXIT_OK; i++)
		code = networks_add(map, KS_ZONE_SELF, "--self", args->self.word[i]);
	if (code != KS_EXIT_OK || !args->outside)
		return code;
	id = zone_find(policy, "--outside", args->outside);
	if (id < 0)
		return KS_EXIT_USAGE;
	ks_zone_map_set_outside(map, (unsigned)id);
	return KS_EXIT_OK;
}

/* --interface NUMBER=NAME */
static int interfaces_apply(const struct ks_words *words, const char **names)
{
	for (size_t i = 0; i < words->count; i++) {
		char *end;
		unsigned long number = strtoul(words->word[i], &end, 10);

		if (end == words->word[i] || *end != '=' || !end[1] || number >= INTERFACE_NAMES_MAX) {
			fprintf(stderr, "keepstate: --interface: '%s' is not NUMBER=NAME, with a number below %u\n",
				words->word[i], INTERFACE_NAMES_MAX);
			return KS_EXIT_USAGE;
		}
		names[number] = end + 1;
	}
	return KS_EXIT_OK;
}

static int each_frame(const struct ks_replay_frame *frame, void *arg)
{
	struct ks_replay_run *run = arg;

	if (run->progress && frame->number % PROGRESS_EVERY == 0)
		ks_replay_progress_draw(run);
	if (!run->quiet && frame->kind != KS_REPLAY_LOST) {
		if (run->json)
			ks_replay_print_frame_json(run, frame);
		else
			ks_replay_print_frame(run, frame);
		if (ferror(stdout))
			return KS_EXIT_SYSTEM;
	}
	return ks_replay_write(run, frame);
}

static int captures_replay(struct ks_replay_run *run, char **paths)
{
	char error[KS_CAPTURE_ERROR];

	for (size_t i = 0; paths[i]; i++) {
		int err;

		run->path = paths[i];
		err = ks_replay_file(run->replay, paths[i], error);
		ks_replay_progress_clear(run);
		if (err > 0)
			return err;
		run->capture_count++;
		if (err < 0) {
			fflush(stdout);
			fprintf(stderr, "keepstate: %s: %s\n", paths[i], error);
			return err == -EINVAL || err == -ENOENT || err == -EISDIR ? KS_EXIT_USAGE : KS_EXIT_SYSTEM;
		}
	}
	return ks_replay_finish(run->replay);
}

static void config_set_options(const struct replay_arguments *args, struct ks_replay_config *config)
{
	config->options_set = args->pickup ? KS_OPT_PICKUP : 0;
	config->settles = args->settle;
	if (!args->checksums)
		return;
	if (strcmp(args->checksums, "verify") == 0) {
		config->options_set |= KS_OPT_CHECKSUM;
		config->options_clear |= KS_OPT_NO_IP_CHECKSUM;
	} else {
		config->options_set |= KS_OPT_NO_IP_CHECKSUM;
		config->options_clear |= KS_OPT_CHECKSUM;
	}
}

/* Replays and prints. The frames before a damaged place are summed up too. */
static int run_all(const struct replay_arguments *args, struct ks_replay_run *run, char **paths)
{
	int code, end;

	clock_gettime(CLOCK_MONOTONIC, &run->started);
	run->drawn = run->started;
	code = captures_replay(run, paths);
	end = ks_replay_write_end(run);
	if (ks_replay_totals(run->replay)->frames || code == KS_EXIT_OK) {
		if (args->json)
			ks_replay_print_summary_json(run);
		else
			ks_replay_print_summary(run);
	}
	return ks_cli_finish(KS_MAX(code, end));
}

static int captures_judge(const struct replay_arguments *args, const struct ks_policy *policy, struct ks_zone_map *map,
			  char **paths)
{
	const char *names[INTERFACE_NAMES_MAX] = { NULL };
	bool writes = args->outputs.passed || args->outputs.dropped || args->outputs.answers;
	struct ks_replay_run run = {
		.policy = policy,
		.json = args->json,
		.quiet = args->quiet,
		.colour = ks_output_colour(stdout),
		.shown = args->connections,
		.progress = isatty(STDERR_FILENO) && (args->quiet || !isatty(STDOUT_FILENO)),
		.passed.path = args->outputs.passed,
		.dropped.path = args->outputs.dropped,
		.answers.path = args->outputs.answers,
	};
	struct ks_replay_config config = {
		.policy = policy,
		.zones = map,
		.arriving_only = args->arriving,
		.connections = args->connections ? CONNECTIONS_KEPT : 0,
		.interfaces = names,
		.interface_count = INTERFACE_NAMES_MAX,
		.each = run.quiet && !run.progress && !writes ? NULL : each_frame,
		.arg = &run,
	};
	ks_auto_replay struct ks_replay *replay = NULL;
	int code = zones_apply(args, policy, map), err;

	if (code == KS_EXIT_OK)
		code = interfaces_apply(&args->interfaces, names);
	if (code != KS_EXIT_OK)
		return code;
	config_set_options(args, &config);
	err = ks_replay_create(&config, &replay);
	if (err) {
		fprintf(stderr, "keepstate: %s\n", strerror(-err));
		return KS_EXIT_SYSTEM;
	}
	run.replay = replay;
	return run_all(args, &run, paths);
}

static const char help[] =
	"Runs captures (pcap or pcapng, also gzipped, '-' for standard input) through a policy with\n"
	"the very code that runs in the kernel, on the clock of the captures. Several captures are\n"
	"one stretch of traffic. Needs no privileges.\n"
	"\n"
	"Where a frame comes from and goes to: addresses of --self are the box; else the interface\n"
	"that saw it, where the capture names it and a zone has it; else its MAC address; else its IP\n"
	"address, by the longest of the zones' networks and those of --zone and --inside; else the\n"
	"outside zone. Source and destination are looked up alike.\n"
	"\n"
	"Frames that the capture cut are judged by the headers that are there and counted with their\n"
	"length on the wire. TCP connections whose beginning the capture missed are nobody's flows:\n"
	"\"no state\", unless --pickup or the policy's 'option pickup on' takes them up, or --settle for as\n"
	"long after the first frame as 'option settle' says.\n"
	"\n"
	"Returns 0 when the captures were replayed, whatever the verdicts, and 2 for a bad policy or\n"
	"capture; what was judged before a damaged place is printed.";

/* NOLINTNEXTLINE(readability-function-size): most of it is the table of options */
int ks_cmd_replay(int argc, char **argv)
{
	struct replay_arguments args = { .connections = 50 };
	const struct ks_option options[] = {
		{ .name = "quiet",
		  .letter = 'q',
		  .help = "print the summary only",
		  .take = ks_take_flag,
		  .target = &args.quiet },
		{ .name = "json",
		  .help = "print one JSON object a frame, then the summary",
		  .take = ks_take_flag,
		  .target = &args.json },
		{ .name = "zone",
		  .argument = "NAME=NET[,NET]...",
		  .help = "networks of a zone",
		  .take = ks_take_words,
		  .target = &args.zones },
		{ .name = "inside",
		  .argument = "NET[,NET]...",
		  .help = "networks of the zone 'inside', or 'lan' if there is none",
		  .take = ks_take_words,
		  .target = &args.inside },
		{ .name = "outside",
		  .argument = "ZONE",
		  .help = "zone of all other addresses; default: 'wan', else 'outside', else none",
		  .take = ks_take_text,
		  .target = &args.outside },
		{ .name = "self",
		  .argument = "ADDR[,ADDR]...",
		  .help = "addresses of the box itself",
		  .take = ks_take_words,
		  .target = &args.self },
		{ .name = "interface",
		  .argument = "NUMBER=NAME",
		  .help = "name of an interface that the capture only numbers",
		  .take = ks_take_words,
		  .target = &args.interfaces },
		{ .name = "arriving",
		  .help = "leave out frames on their way out that the box only forwards, where the capture tells",
		  .take = ks_take_flag,
		  .target = &args.arriving },
		{ .name = "pickup",
		  .help = "take up TCP connections in their middle",
		  .take = ks_take_flag,
		  .target = &args.pickup },
		{ .name = "settle",
		  .help = "the firewall starts with the first frame ('option settle')",
		  .take = ks_take_flag,
		  .target = &args.settle },
		{ .name = "checksums",
		  .argument = "verify|ignore",
		  .help = "default: what the policy says, and IPv4 headers are verified",
		  .take = take_checksums,
		  .target = &args.checksums },
		{ .name = "connections",
		  .argument = "N",
		  .help = "list the N largest connections; 0 none; default 50",
		  .take = ks_take_number,
		  .target = &args.connections,
		  .max = CONNECTIONS_KEPT },
		{ .name = "passed",
		  .argument = "FILE",
		  .help = "write the frames that pass to a capture file",
		  .take = ks_take_text,
		  .target = &args.outputs.passed },
		{ .name = "dropped",
		  .argument = "FILE",
		  .help = "write the frames that are dropped",
		  .take = ks_take_text,
		  .target = &args.outputs.dropped },
		{ .name = "answers",
		  .argument = "FILE",
		  .help = "write the answers to rejected frames",
		  .take = ks_take_text,
		  .target = &args.outputs.answers },
	};
	const struct ks_usage usage = { "keepstate replay [OPTION]... FILE CAPTURE...", help, options,
					KS_ARRAY_SIZE(options) };
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_zone_map struct ks_zone_map *map = NULL;
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first < 2)
		return ks_usage_error(&usage, "replay needs a policy file and at least one capture");
	code = ks_replay_outputs_check(&args.outputs, argv[first], argv + first + 1);
	if (code != KS_EXIT_OK)
		return code;
	ks_cli_confine(args.outputs.passed || args.outputs.dropped || args.outputs.answers);
	code = ks_cli_load(argv[first], &policy);
	if (code != KS_EXIT_OK)
		return code;
	if (ks_zone_map_create(policy, &map))
		return ks_cli_no_memory();
	return captures_judge(&args, policy, map, argv + first + 1);
}
