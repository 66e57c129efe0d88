/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate suggest: a policy that allows what was seen, in captures or by the journal. */
#include "cli/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "suggest/observe.h"
#include "text/memory_file.h"
#include "text/plural.h"

struct suggest_arguments {
	const char *policy, *outside, *join, *checksums;
	struct ks_words zones, self;
	bool exact, unanswered, journal, arriving;
	struct ks_suggest_time time;
};

static int take_checksums(const struct ks_option *option, const char *value, const char **expected)
{
	*expected = "'ignore'";
	if (strcmp(value, "ignore") != 0)
		return -EINVAL;
	*(const char **)option->target = value;
	return 0;
}

/* --- zones --- */

/* Writes --zone NAME=INTERFACE|NETWORK[,...] as a statement. */
static int zone_write(const char *word, FILE *out)
{
	const char *equals = strchr(word, '=');
	ks_auto_free char *copy = NULL;
	char *save = NULL;
	const char *comma = "";

	if (!equals || equals == word || !equals[1]) {
		fprintf(stderr, "keepstate: --zone: '%s' is not NAME=INTERFACE|NETWORK[,...]\n", word);
		return KS_EXIT_USAGE;
	}
	copy = strdup(equals + 1);
	if (!copy)
		return ks_cli_no_memory();
	fprintf(out, "zone %.*s { ", (int)(equals - word), word);
	for (char *item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save), comma = ", ")
		fprintf(out, "%s%s%s", comma, strpbrk(item, "/:") ? "network " : "", item);
	fputs(" }\n", out);
	return KS_EXIT_OK;
}

/* Loads a policy of the zones that the options name. */
static int zones_load(const struct suggest_arguments *args, struct ks_policy **policy)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_diags struct ks_diags diags = { 0 };
	ks_auto_free char *text = NULL;
	int err, code = KS_EXIT_OK;

	if (ks_memory_file_open(&file))
		return ks_cli_no_memory();
	for (size_t i = 0; i < args->zones.count && code == KS_EXIT_OK; i++)
		code = zone_write(args->zones.word[i], file.out);
	text = ks_memory_file_take(&file);
	if (code != KS_EXIT_OK)
		return code;
	if (!text)
		return ks_cli_no_memory();
	err = ks_policy_load_text(text, strlen(text), "--zone", NULL, policy, &diags);
	if (err)
		ks_diags_print(&diags, stderr, ks_output_colour(stderr));
	return ks_cli_load_code(err);
}

/* Adds addresses with commas between them. Returns 0 or -errno; -EINVAL after a complaint. */
static int self_add(struct ks_zone_map *map, const char *words)
{
	ks_auto_free char *list = strdup(words);
	char *rest = NULL;

	if (!list)
		return -ENOMEM;
	for (const char *one = strtok_r(list, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
		int err = ks_zone_map_add(map, KS_ZONE_SELF, one);

		if (err == -EINVAL)
			fprintf(stderr, "keepstate: --self: '%s' is not an address\n", one);
		if (err)
			return err;
	}
	return 0;
}

static int map_make(const struct suggest_arguments *args, const struct ks_policy *watch, struct ks_zone_map **map)
{
	int err = ks_zone_map_create(watch, map);

	for (size_t i = 0; i < args->self.count && !err; i++)
		err = self_add(*map, args->self.word[i]);
	if (!err && args->outside) {
		int id = ks_policy_zone_id(watch, args->outside);

		if (id < 0)
			fprintf(stderr, "keepstate: --outside: there is no zone '%s'\n", args->outside);
		if (id < 0)
			return KS_EXIT_USAGE;
		ks_zone_map_set_outside(*map, (unsigned)id);
	}
	return err == -ENOMEM ? ks_cli_no_memory() : err ? KS_EXIT_USAGE : KS_EXIT_OK;
}

/* --- traffic --- */

static int captures_observe(const struct suggest_arguments *args, struct ks_suggestion *suggestion, char **paths)
{
	ks_auto_zone_map struct ks_zone_map *map = NULL;
	struct ks_observe observe = { .watch = suggestion->wish.zones,
				      .paths = (const char *const *)paths,
				      .arriving_only = args->arriving,
				      .ignores_checksums = args->checksums };
	char error[KS_CAPTURE_ERROR];
	const char *failed;
	int code = map_make(args, suggestion->wish.zones, &map), err;

	if (code != KS_EXIT_OK)
		return code;
	observe.zones = map;
	err = ks_suggest_observe(suggestion, &observe, &failed, error);
	if (err == -ENOMEM)
		return ks_cli_no_memory();
	if (err)
		fprintf(stderr, "keepstate: %s: %s\n", failed, error[0] ? error : strerror(-err));
	return !err ? KS_EXIT_OK : err == -EINVAL || err == -ENOENT || err == -EISDIR ? KS_EXIT_USAGE : KS_EXIT_SYSTEM;
}

static int suggestion_print(struct ks_suggestion *suggestion, const char *origin)
{
	ks_auto_free char *text = NULL;
	int err = ks_suggestion_write(suggestion, origin, &text);

	if (err && err != -EPROTO)
		return ks_cli_no_memory();
	fputs(text, stdout);
	if (err) {
		fputs("keepstate: the suggestion is no policy: check says why; this is a fault of this program\n",
		      stderr);
		return KS_EXIT_SYSTEM;
	}
	return suggestion->asked.count ? KS_EXIT_OK : KS_EXIT_NO;
}

/* --join LENGTH[,LENGTH] */
static int join_read(const char *text, struct ks_suggest_wish *wish)
{
	unsigned ipv4, ipv6 = 64;
	char rest;
	int count = sscanf(text, "%3u,%3u%c", &ipv4, &ipv6, &rest);

	if ((count != 2 && (count != 1 || strchr(text, ','))) || !ipv4 || ipv4 > 32 || !ipv6 || ipv6 > 128) {
		fprintf(stderr, "keepstate: --join: '%s' is not the length of a prefix such as 24, or 24,64\n", text);
		return KS_EXIT_USAGE;
	}
	wish->join4 = (__u8)ipv4;
	wish->join6 = (__u8)ipv6;
	return KS_EXIT_OK;
}

static int suggest(const struct suggest_arguments *args, char **paths, size_t count)
{
	ks_auto_policy struct ks_policy *policy = NULL, *watch = NULL;
	ks_auto_suggestion struct ks_suggestion suggestion = { .takes_unanswered = args->unanswered };
	ks_auto_diags struct ks_diags diags = { 0 };
	char origin[64] = "the journal";
	int code = args->policy ? ks_cli_load(args->policy, &policy) : zones_load(args, &policy);

	if (code != KS_EXIT_OK)
		return code;
	if (ks_suggest_watch(policy, &watch, &diags))
		return ks_cli_no_memory();
	suggestion.settings = policy;
	suggestion.wish.zones = watch;
	suggestion.wish.exact = args->exact;
	if (args->join && join_read(args->join, &suggestion.wish) != KS_EXIT_OK)
		return KS_EXIT_USAGE;
	if (!args->journal)
		snprintf(origin, sizeof(origin), "%zu capture%s", count, ks_plural(count));
	code = args->journal ? ks_suggest_journal(&suggestion, &args->time)
			     : captures_observe(args, &suggestion, paths);
	return code == KS_EXIT_OK ? suggestion_print(&suggestion, origin) : code;
}

static const char help[] =
	"Prints a policy that allows what was seen in captures, or by the journal: few rules, tests made\n"
	"of connections, and in comments what is left out and why: what nobody answered, what is\n"
	"invalid, connections whose beginning is missing.\n"
	"\n"
	"Rules are no wider than this: a port is that of its service, a message of ICMP its type. A\n"
	"source is joined to the network of its zone. Where a zone has no networks, anybody of it is\n"
	"meant. Other addresses, and all destinations, stand for themselves, or with --join for their\n"
	"network of this length. Rules are joined only where nothing else becomes allowed.\n"
	"\n"
	"Zones are those of a policy, whose settings and translations of sources are kept and whose\n"
	"rules are not looked at, or are given: --zone lan=eth1,10.0.0.0/24 --zone wan=eth0. Addresses\n"
	"of no network are in zone 'wan', or that of --outside.\n"
	"\n"
	"Returns 0, 1 if there is nothing to allow, 2 for a bad policy or capture.";

/* NOLINTNEXTLINE(readability-function-size): most of it is the table of options */
int ks_cmd_suggest(int argc, char **argv)
{
	struct suggest_arguments args = { 0 };
	const struct ks_option options[] = {
		{ .name = "policy",
		  .argument = "FILE",
		  .help = "a policy with the zones",
		  .take = ks_take_text,
		  .target = &args.policy },
		{ .name = "zone",
		  .argument = "NAME=WHAT[,WHAT]...",
		  .help = "a zone, by interfaces and networks",
		  .take = ks_take_words,
		  .target = &args.zones },
		{ .name = "outside",
		  .argument = "ZONE",
		  .help = "zone of all other addresses; default: 'wan', else 'outside', else none",
		  .take = ks_take_text,
		  .target = &args.outside },
		{ .name = "self",
		  .argument = "ADDR",
		  .help = "addresses of the box itself, with commas between them; may be repeated",
		  .take = ks_take_words,
		  .target = &args.self },
		{ .name = "journal",
		  .help = "take the flows that the journal remembers",
		  .take = ks_take_flag,
		  .target = &args.journal },
		{ .name = "since",
		  .argument = "TIME",
		  .help = "with --journal: those that lived since then",
		  .take = ks_take_moment,
		  .target = args.time.since },
		{ .name = "until",
		  .argument = "TIME",
		  .help = "with --journal: and until then",
		  .take = ks_take_moment,
		  .target = args.time.until },
		{ .name = "exact", .help = "join no address to anything", .take = ks_take_flag, .target = &args.exact },
		{ .name = "join",
		  .argument = "LENGTH[,LENGTH]",
		  .help = "join other addresses to prefixes of this length, of IPv4 and IPv6",
		  .take = ks_take_text,
		  .target = &args.join },
		{ .name = "unanswered",
		  .help = "allow what nobody answered, too",
		  .take = ks_take_flag,
		  .target = &args.unanswered },
		{ .name = "arriving",
		  .help = "leave out frames on their way out that the box only forwards, where the capture tells",
		  .take = ks_take_flag,
		  .target = &args.arriving },
		{ .name = "checksums",
		  .argument = "ignore",
		  .help = "for captures of a host that leaves checksums to its card",
		  .take = take_checksums,
		  .target = &args.checksums },
	};
	const struct ks_usage usage = { "keepstate suggest [OPTION]... {CAPTURE... | --journal}", help, options,
					KS_ARRAY_SIZE(options) };
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (!args.policy == !args.zones.count)
		return ks_usage_error(&usage, "suggest needs zones: --policy FILE, or --zone for each");
	if (args.journal == (first < argc))
		return ks_usage_error(&usage, "suggest needs captures, or --journal");
	if (!args.journal && (*args.time.since || *args.time.until))
		return ks_usage_error(&usage, "--since and --until are of the journal");
	if (!args.journal)
		ks_cli_confine(false);
	return ks_cli_finish(suggest(&args, argv + first, (size_t)(argc - first)));
}
