/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate diff: the packets that two policies treat differently, by proof, in captures, or among the flows that live now. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/confine.h"
#include "cli/diff.h"
#include "cli/dry_run.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/header/packet.h"
#include "core/types.h"
#include "explain/json.h"
#include "proof/diff.h"
#include "text/names.h"
#include "text/plural.h"

/* --- classes --- */

static void rule_print(const struct ks_diff_outcome *outcome, char sign, const char *path)
{
	const struct ks_rule_info *info = ks_deed_info(&outcome->deed);

	if (info)
		printf("  %c %s:%u: %s%s%s%s\n", sign, info->place.file, info->place.line, info->text,
		       info->log ? " log" : "", info->label ? " " : "", info->label ? info->label : "");
	else
		printf("  %c %s: no rule\n", sign, path);
}

/* The packet as it leaves by one policy: "passes as 192.0.2.1:40000 > ...". */
static void outcome_print(const struct ks_diff_outcome *outcome, bool translated)
{
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT];
	bool ports = ks_proto_has_ports(outcome->sent.proto);

	printf("%s", ks_action_name(outcome->action));
	if (!translated)
		return;
	printf(" as %s > %s",
	       ks_endpoint_text(&outcome->sent.src, outcome->sent.family, ports ? outcome->sent.sport : 0, src),
	       ks_endpoint_text(&outcome->sent.dst, outcome->sent.family, ports ? outcome->sent.dport : 0, dst));
}

static void test_print(const char *test)
{
	for (const char *line = test; *line; line = strchr(line, '\n') + 1)
		printf("  %.*s\n", (int)strcspn(line, "\n"), line);
}

/* The packet that shows a class, and its two fates. */
static void outcomes_print(const struct ks_diff_class *class)
{
	bool translated = class->differs & KS_DIFFERS_TRANSLATION;

	printf("  %s: ", class->witness.text);
	outcome_print(&class->outcome[KS_DIFF_BEFORE], translated);
	printf(" before, ");
	outcome_print(&class->outcome[KS_DIFF_AFTER], translated);
	puts(" after");
	if (class->is_lent)
		puts("    (192.0.2.0/24 and 2001:db8::/64 stand for addresses that the policy does not say; so there "
		     "is no test)");
}

struct print_ctx {
	const char *path[KS_DIFF_SIDES];
	unsigned printed;
};

static int class_print(const struct ks_diff_class *class, void *arg)
{
	struct print_ctx *ctx = arg;
	char differs[KS_DIFFERS_TEXT];

	printf("%s%s%s: ", ctx->printed++ ? "\n" : "", class->vague ? "perhaps " : "",
	       ks_differs_text(class->differs, differs));
	ks_regions_print(class->space, class->region, class->regions, stdout);
	puts(class->regions == KS_DIFF_REGIONS_MAX ? "; and more" : "");
	if (!class->vague)
		outcomes_print(class);
	rule_print(&class->outcome[KS_DIFF_BEFORE], '-', ctx->path[KS_DIFF_BEFORE]);
	rule_print(&class->outcome[KS_DIFF_AFTER], '+', ctx->path[KS_DIFF_AFTER]);
	test_print(class->test);
	return 0;
}

static int setting_print(int side, const char *line, void *arg)
{
	struct print_ctx *ctx = arg;

	printf("%s%c %s\n", ctx->printed++ ? "" : "settings:\n", side == KS_DIFF_BEFORE ? '-' : '+', line);
	return 0;
}

/* Prints all that differs. Returns an exit status. */
static int policies_print(struct ks_policy *before, struct ks_policy *after)
{
	struct print_ctx ctx = { { before->path, after->path }, 0 }, settings = ctx;
	struct ks_diff_stats stats;
	int err = ks_diff_policies(before, after, class_print, &ctx, &stats);

	if (ctx.printed && !err)
		puts("");
	if (!err)
		err = ks_diff_settings(before, after, setting_print, &settings);
	if (err == -E2BIG)
		fprintf(stderr,
			"keepstate: the two policies have more than %u zones together: their packets cannot be "
			"told apart\n",
			KS_ZONE_MAX);
	if (err)
		return err == -E2BIG ? KS_EXIT_USAGE : ks_cli_no_memory();
	if (stats.given_up)
		fprintf(stderr, "keepstate: not all was compared in %llu steps: there may be more\n", stats.steps);
	if (ctx.printed || settings.printed)
		return KS_EXIT_NO;
	return stats.given_up ? KS_EXIT_USAGE : KS_EXIT_OK;
}

static int policies_json(struct ks_policy *before, struct ks_policy *after)
{
	ks_auto_json json_t *value = ks_diff_json(before, after);
	bool same = !json_array_size(json_object_get(value, "classes")) &&
		    !json_array_size(json_object_get(value, "settings"));
	bool complete = json_is_true(json_object_get(value, "complete"));

	if (!value)
		return ks_cli_no_memory();
	ks_json_print(TAKE(value), stdout);
	if (!same)
		return KS_EXIT_NO;
	return complete ? KS_EXIT_OK : KS_EXIT_USAGE;
}

static int files_diff(const char *before, const char *after, const struct ks_diff_wish *wish)
{
	ks_auto_policy struct ks_policy *a = NULL, *b = NULL;
	int code;

	ks_cli_confine(false);
	code = ks_cli_load(before, &a);
	if (code == KS_EXIT_OK)
		code = ks_cli_load(after, &b);
	if (code != KS_EXIT_OK)
		return code;
	if (wish->captures.count)
		return ks_diff_captures(a, b, wish);
	return wish->json ? policies_json(a, b) : policies_print(a, b);
}

/* Returns true if the daemon's answer says that something would be different. */
static bool live_differs(const json_t *answer)
{
	const json_t *diff = json_object_get(answer, "diff");

	return json_array_size(json_object_get(diff, "classes")) ||
	       json_array_size(json_object_get(diff, "settings")) || ks_member_number(answer, "states_denied") ||
	       ks_member_number(answer, "states_retargeted");
}

/* Compares the policy in force with a file, on the flows that live now too: a dry run of the daemon. */
static int live_diff(const char *path, const struct ks_diff_wish *wish)
{
	struct ks_call call = { .method = "POST", .path = "/v1/reload" };
	ks_auto_json json_t *body = NULL, *answer = NULL;
	char absolute[PATH_MAX];
	bool differs;
	int code;

	if (!realpath(path, absolute)) {
		fprintf(stderr, "keepstate: %s: %s\n", path, strerror(errno));
		return KS_EXIT_USAGE;
	}
	body = json_pack("{s:s, s:b}", "path", absolute, "dry_run", true);
	if (!body) {
		fprintf(stderr, "keepstate: %s: the path is not UTF-8, or memory is short\n", path);
		return KS_EXIT_USAGE;
	}
	call.body = body;
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	differs = live_differs(answer);
	if (wish->json)
		ks_json_print(TAKE(answer), stdout);
	else
		ks_dry_run_print(answer);
	return differs ? KS_EXIT_NO : KS_EXIT_OK;
}

static const char help[] =
	"Compares two policies: the packets that they treat differently, in classes, by verdict,\n"
	"translation, log, limits, helper, timeout and sets. Each class has a packet that the inspector has\n"
	"judged by both, the two lines that decide, and a test for the second policy that fails with the\n"
	"first.\n"
	"Settings that differ are listed behind them.\n"
	"\n"
	"With --on the frames and connections of captures that differ are listed instead. With --live\n"
	"the policy in force is compared with a file: the packets, and the states that live now and\n"
	"would not be allowed to open, end, or be translated otherwise. Nothing changes.\n"
	"Returns 0 if nothing differs, 1 if something does, and 2 or 3 on errors.";

int ks_cmd_diff(int argc, char **argv)
{
	struct ks_diff_wish wish = { 0 };
	bool live = false;
	const struct ks_option options[] = {
		{ .name = "json", .help = "print the differences as JSON", .take = ks_take_flag, .target = &wish.json },
		{ .name = "on",
		  .argument = "CAPTURE",
		  .help = "compare on captured traffic; may be repeated",
		  .take = ks_take_words,
		  .target = &wish.captures },
		{ .name = "live",
		  .help = "compare the policy in force with a file, on living states too",
		  .take = ks_take_flag,
		  .target = &live },
	};
	const struct ks_usage usage = { "keepstate diff [OPTION]... {FILE FILE | --on CAPTURE FILE FILE | --live FILE}",
					help, options, KS_ARRAY_SIZE(options) };
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (live && (argc - first != 1 || wish.captures.count))
		return ks_usage_error(&usage, "--live takes one policy file, and no captures");
	if (live)
		return ks_cli_finish(live_diff(argv[first], &wish));
	if (argc - first != 2)
		return ks_usage_error(&usage, "diff needs two policy files");
	return ks_cli_finish(files_diff(argv[first], argv[first + 1], &wish));
}
