/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate set: the run-time sets of the running firewall. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "explain/change.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/memory_file.h"
#include "text/scoped.h"
#include "text/plural.h"

/* Rows whose columns get one width: the first of a million entries need not wait for the last. */
#define ROWS_TOGETHER 512

struct choices {
	bool json, plain, end_states, quiet;
};

struct verb {
	const char *name;
	int (*run)(const struct ks_usage *usage, const struct choices *choices, const struct verb *verb, int count,
		   char **operands);
	const char *method; /* of a change */
};

/* --- lists --- */

static void span_cell(struct ks_grid *grid, const json_t *seconds)
{
	char text[KS_NUMBER_TEXT];

	if (json_is_number(seconds))
		ks_grid_cell(grid, "%s", ks_span_text((uint64_t)(json_number_value(seconds) * 1000), text));
	else
		ks_grid_cell(grid, "-");
}

static void sets_print(json_t *sets)
{
	static const char *const titles[] = { "SET",  "ENTRIES", "LIMIT",   "TIMEOUT",
					      "KEPT", "EVICTED", "REFUSED", "MEMORY" };
	ks_auto_grid struct ks_grid *grid = ks_grid_create("lrrrlrrr");
	char text[KS_NUMBER_TEXT];
	json_t *set;
	size_t i;

	for (i = 0; i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(grid, "%s", titles[i]);
	json_array_foreach(sets, i, set)
	{
		ks_grid_cell(grid, "%s", ks_member_text(set, "name"));
		ks_grid_cell(grid, "%lld", ks_member_number(set, "entries"));
		ks_grid_cell(grid, "%lld", ks_member_number(set, "limit"));
		span_cell(grid, json_object_get(set, "timeout"));
		ks_grid_cell(grid, "%s", json_is_true(json_object_get(set, "keep")) ? "yes" : "no");
		ks_grid_cell(grid, "%lld", ks_member_number(set, "evicted"));
		ks_grid_cell(grid, "%lld", ks_member_number(set, "refused"));
		ks_grid_cell(grid, "%s", ks_bytes_text((uint64_t)ks_member_number(set, "memory"), text));
	}
	ks_grid_print(grid, stdout);
}

static void time_cell(struct ks_grid *grid, const json_t *when)
{
	time_t seconds = (time_t)json_integer_value(when);
	char text[32] = "-";
	struct tm tm;

	if (json_is_integer(when) && localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	ks_grid_cell(grid, "%s", text);
}

static void host_row(struct ks_grid *grid, const char *set, const json_t *host)
{
	ks_grid_cell(grid, "%s", ks_member_text(host, "name"));
	ks_grid_cell(grid, "%s", set);
	ks_grid_cell(grid, "%lld", ks_member_number(host, "addresses"));
	time_cell(grid, json_object_get(host, "resolved"));
	time_cell(grid, json_object_get(host, "failed"));
	ks_grid_cell(grid, "%s", ks_member_text(host, "why"));
}

/* The host names of all sets, in a table of their own. */
static void hosts_print(json_t *sets)
{
	static const char *const titles[] = { "HOST", "SET", "ADDRESSES", "RESOLVED", "FAILS SINCE", "" };
	ks_auto_grid struct ks_grid *grid = ks_grid_create("llrlll");
	size_t i, j, hosts = 0;
	json_t *set, *host;

	for (i = 0; i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(grid, "%s", titles[i]);
	json_array_foreach(sets, i, set)
	{
		json_array_foreach(json_object_get(set, "hosts"), j, host)
		{
			host_row(grid, ks_member_text(set, "name"), host);
			hosts++;
		}
	}
	if (!hosts)
		return;
	putchar('\n');
	ks_grid_print(grid, stdout);
}

static void all_print(json_t *sets)
{
	sets_print(sets);
	hosts_print(sets);
}

static int sets_list(const struct choices *choices)
{
	const struct ks_call call = { .method = "GET", .path = "/v1/sets" };
	ks_auto_json json_t *answer = NULL;
	json_t *sets;
	int code = ks_client_call(&call, &answer);

	if (code != KS_EXIT_OK)
		return code;
	sets = json_object_get(answer, "sets");
	if (choices->json)
		ks_json_print(TAKE(answer), stdout);
	else if (json_array_size(sets))
		all_print(sets);
	else
		fprintf(stderr, "the policy has no dynamic sets\n");
	return ks_cli_finish(KS_EXIT_OK);
}

struct entries_ctx {
	struct ks_grid *grid;
	unsigned rows;
	unsigned long long total;
};

static void entries_begin(struct entries_ctx *ctx)
{
	static const char *const titles[] = { "ENTRY", "LEFT", "PACKETS", "BYTES", "" };

	ctx->grid = ks_grid_create("lrrrl");
	for (size_t i = 0; !ctx->total && i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(ctx->grid, "%s", titles[i]);
}

static void entries_end(struct entries_ctx *ctx)
{
	ks_grid_print(ctx->grid, stdout);
	ks_grid_destroy(ctx->grid);
	ctx->grid = NULL;
	ctx->rows = 0;
}

/* Tells where an entry comes from, if not from the administrator. */
static const char *origin_of(const json_t *entry)
{
	if (json_is_true(json_object_get(entry, "policy")))
		return "of the policy";
	return json_is_true(json_object_get(entry, "limit")) ? "by a limit" : "";
}

static int entry_take(const char *line, size_t length, void *arg)
{
	struct entries_ctx *ctx = arg;
	ks_auto_json json_t *entry = json_loadb(line, length, 0, NULL);
	char text[KS_NUMBER_TEXT];

	if (!entry)
		return 0;
	if (!ctx->grid)
		entries_begin(ctx);
	ks_grid_cell(ctx->grid, "%s", ks_member_text(entry, "entry"));
	span_cell(ctx->grid, json_object_get(entry, "left"));
	ks_grid_cell(ctx->grid, "%lld", ks_member_number(entry, "packets"));
	ks_grid_cell(ctx->grid, "%s", ks_bytes_text((uint64_t)ks_member_number(entry, "bytes"), text));
	ks_grid_cell(ctx->grid, "%s", origin_of(entry));
	ctx->total++;
	if (++ctx->rows == ROWS_TOGETHER)
		entries_end(ctx);
	return ferror(stdout);
}

struct copy_ctx {
	unsigned long long total;
};

static int line_copy(const char *line, size_t length, void *arg)
{
	struct copy_ctx *ctx = arg;

	ctx->total++;
	fwrite(line, 1, length, stdout);
	return putchar('\n') == EOF;
}

static int entries_list(const struct choices *choices, const char *name, const char *address)
{
	const struct ks_parameter parameters[] = { { "name", name },
						   { "address", address },
						   { "format", choices->plain ? "plain" : NULL } };
	const struct ks_call call = { .method = "GET",
				      .path = "/v1/sets",
				      .parameters = parameters,
				      .parameter_count = KS_ARRAY_SIZE(parameters) };
	struct entries_ctx ctx = { 0 };
	struct copy_ctx copied = { 0 };
	int code;

	if (choices->json || choices->plain) {
		code = ks_client_lines(&call, line_copy, &copied);
		ctx.total = copied.total;
	} else {
		code = ks_client_lines(&call, entry_take, &ctx);
	}
	if (ctx.grid)
		entries_end(&ctx);
	if (code == KS_EXIT_OK && address && !ctx.total)
		code = KS_EXIT_NO;
	return ks_cli_finish(code);
}

static int list_run(const struct ks_usage *usage, const struct choices *choices, const struct verb *verb, int count,
		    char **operands)
{
	if (count > 2)
		return ks_usage_error(usage, "set list takes a name and an address, not '%s' too", operands[2]);
	if (!count && choices->plain)
		return ks_usage_error(usage, "--plain lists the entries of a set: give its name");
	return count ? entries_list(choices, operands[0], count > 1 ? operands[1] : NULL) : sets_list(choices);
}

/* --- changes --- */

static void count_print(long long count, const char *what, const char **between)
{
	if (!count)
		return;
	printf("%s%lld %s", *between, count, what);
	*between = ", ";
}

static void change_print(const json_t *answer)
{
	const char *between = "";

	count_print(ks_member_number(answer, "added"), "added", &between);
	count_print(ks_member_number(answer, "renewed"), "renewed", &between);
	count_print(ks_member_number(answer, "removed"), "removed", &between);
	count_print(ks_member_number(answer, "missing"), "not there", &between);
	count_print(ks_member_number(answer, "no_room"), "without room", &between);
	count_print(ks_member_number(answer, "states_ended"), "states ended", &between);
	printf("%s%lld entr%s now\n", between, ks_member_number(answer, "entries"),
	       ks_member_number(answer, "entries") == 1 ? "y" : "ies");
}

/* Entries were wished, and none of them was there, or found room. */
static bool did_nothing(const json_t *answer)
{
	return (ks_member_number(answer, "missing") || ks_member_number(answer, "no_room")) &&
	       !ks_member_number(answer, "added") && !ks_member_number(answer, "renewed") &&
	       !ks_member_number(answer, "removed");
}

static int change_call(const struct choices *choices, const struct ks_call *call)
{
	ks_auto_json json_t *answer = NULL;
	int code = ks_client_call(call, &answer);

	if (code != KS_EXIT_OK)
		return code;
	code = did_nothing(answer) ? KS_EXIT_NO : KS_EXIT_OK;
	if (choices->json)
		ks_json_print(TAKE(answer), stdout);
	else if (!choices->quiet)
		change_print(answer);
	return ks_cli_finish(code);
}

/* Copies standard input. */
static int input_copy(FILE *out)
{
	char buf[65536];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), stdin)) > 0)
		fwrite(buf, 1, n, out);
	if (ferror(stdin)) {
		fprintf(stderr, "keepstate: standard input: %s\n", strerror(errno));
		return -EIO;
	}
	return 0;
}

static char *input_text(void)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	if (ks_memory_file_open(&file)) {
		ks_cli_no_memory();
		return NULL;
	}
	return input_copy(file.out) ? NULL : ks_memory_file_take(&file);
}

/* A list in JSON: a complaint counts its entries. */
static char *operands_text(int count, char **operands)
{
	ks_auto_json json_t *list = json_array();
	char *text;

	for (int i = 0; i < count; i++)
		ks_json_append(&list, ks_json_text(operands[i]));
	text = list ? json_dumps(list, JSON_COMPACT) : NULL;
	if (!text)
		ks_cli_no_memory();
	return text;
}

/* The entries as the daemon reads them; a single '-' stands for standard input. NULL after a complaint. */
static char *entries_text(int count, char **operands)
{
	return count == 1 && !strcmp(operands[0], "-") ? input_text() : operands_text(count, operands);
}

/* Returns true if `for` stands where an entry is expected. */
static bool has_time_within(int count, char **operands)
{
	for (int i = 1; i < count; i++) {
		if (!strcmp(operands[i], "for"))
			return true;
	}
	return false;
}

/* Takes `for DURATION` off the end of the operands. */
static const char *time_take(int *count, char **operands)
{
	if (*count < 2 || strcmp(operands[*count - 2], "for"))
		return NULL;
	*count -= 2;
	return operands[*count + 1];
}

static int change_run(const struct ks_usage *usage, const struct choices *choices, const struct verb *verb, int count,
		      char **operands)
{
	const char *time = strcmp(verb->method, "DELETE") ? time_take(&count, operands) : NULL;
	struct ks_parameter parameters[] = { { "name", count ? operands[0] : NULL },
					     { "for", time },
					     { "end_states", choices->end_states ? "1" : NULL } };
	struct ks_call call = { .method = verb->method,
				.path = "/v1/sets",
				.parameters = parameters,
				.parameter_count = KS_ARRAY_SIZE(parameters) };
	ks_auto_free char *text = NULL;

	if (count < 1 || (count < 2 && strcmp(verb->method, "PUT")))
		return ks_usage_error(usage,
				      "set %s needs the name of a set, and entries, or - for lines of standard input",
				      verb->name);
	if (choices->end_states && strcmp(verb->method, "POST"))
		return ks_usage_error(usage, "--end-flows goes with set add only");
	if (has_time_within(count, operands))
		return ks_usage_error(
			usage, "'for' and a duration stand last, once, and hold for all entries of add and replace");
	text = entries_text(count - 1, operands + 1);
	if (!text)
		return KS_EXIT_SYSTEM;
	call.text = text;
	return change_call(choices, &call);
}

static int flush_run(const struct ks_usage *usage, const struct choices *choices, const struct verb *verb, int count,
		     char **operands)
{
	const struct ks_parameter parameters[] = { { "name", count ? operands[0] : NULL }, { "all", "1" } };
	const struct ks_call call = { .method = "DELETE",
				      .path = "/v1/sets",
				      .parameters = parameters,
				      .parameter_count = KS_ARRAY_SIZE(parameters) };

	if (count != 1)
		return ks_usage_error(usage, "set flush needs the name of a set, and nothing else");
	return change_call(choices, &call);
}

static const struct verb verbs[] = {
	{ "list", list_run, "GET" },	  { "add", change_run, "POST" },    { "remove", change_run, "DELETE" },
	{ "replace", change_run, "PUT" }, { "flush", flush_run, "DELETE" },
};

int ks_cmd_set(int argc, char **argv)
{
	struct choices choices = { 0 };
	const struct ks_option options[] = {
		{ .name = "json", .help = "print JSON", .take = ks_take_flag, .target = &choices.json },
		{ .name = "plain",
		  .help = "list: print lines that `set add NAME -` reads",
		  .take = ks_take_flag,
		  .target = &choices.plain },
		{ .name = "end-flows",
		  .help = "add: end the states that an entry is an end of",
		  .take = ks_take_flag,
		  .target = &choices.end_states },
		{ .name = "quiet",
		  .letter = 'q',
		  .help = "print nothing",
		  .take = ks_take_flag,
		  .target = &choices.quiet },
	};
	const struct ks_usage usage = {
		"keepstate set list [NAME [ADDRESS]]\n"
		"       keepstate set add NAME ENTRY... [for DURATION]\n"
		"       keepstate set remove NAME ENTRY...\n"
		"       keepstate set replace NAME [ENTRY...] [for DURATION]\n"
		"       keepstate set flush NAME",
		"Lists and changes the dynamic sets of the running firewall. An entry is an address or a prefix;\n"
		"a single '-' reads them from standard input, one on each line, each with `for DURATION` if it likes,\n"
		"and # comments. A change counts as a whole: if an entry is wrong, or does not fit the limit of the "
		"set,\n"
		"nothing is changed. Adding an entry again renews it. With an ADDRESS, list shows the entries around "
		"it, and\n"
		"returns 1 if there are none. remove returns 1 if no entry was there.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first == argc)
		return ks_usage_error(&usage, "set needs list, add, remove, replace or flush");
	for (size_t i = 0; i < KS_ARRAY_SIZE(verbs); i++) {
		if (!strcmp(verbs[i].name, argv[first]))
			return verbs[i].run(&usage, &choices, &verbs[i], argc - first - 1, argv + first + 1);
	}
	return ks_usage_error(&usage, "set knows list, add, remove, replace and flush, not '%s'", argv[first]);
}
