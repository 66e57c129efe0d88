/* SPDX-License-Identifier: BSD-2-Clause */
/* See options.h. Used once, at the start of a command, before there are threads. */
#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/output.h"
#include "core/types.h"
#include "policy/value.h"
#include "text/scoped.h"

#define OPTIONS_MAX 48
#define CODE_FIRST 256 /* getopt codes of long options: above every letter */

int ks_take_flag(const struct ks_option *option, const char *value, const char **expected)
{
	*(bool *)option->target = true;
	return 0;
}

int ks_take_text(const struct ks_option *option, const char *value, const char **expected)
{
	*(const char **)option->target = value;
	return 0;
}

int ks_take_number(const struct ks_option *option, const char *value, const char **expected)
{
	static char text[64];
	unsigned long long number;
	char *end;

	snprintf(text, sizeof(text), "a number from %llu to %llu", (unsigned long long)option->min,
		 (unsigned long long)option->max);
	*expected = text;
	if (value[0] < '0' || value[0] > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || *end || number < option->min || number > option->max)
		return -EINVAL;
	*(uint64_t *)option->target = number;
	return 0;
}

int ks_take_seconds(const struct ks_option *option, const char *value, const char **expected)
{
	static char text[96];
	char least[KS_DURATION_TEXT], most[KS_DURATION_TEXT];
	__u64 ms;

	snprintf(text, sizeof(text), "a time such as 60s or 2m, from %s to %s",
		 ks_duration_text(option->min * KS_MSEC_PER_SEC, least),
		 ks_duration_text(option->max * KS_MSEC_PER_SEC, most));
	*expected = text;
	if (ks_value_duration(value, &ms) || ms % KS_MSEC_PER_SEC || ms / KS_MSEC_PER_SEC < option->min ||
	    ms / KS_MSEC_PER_SEC > option->max)
		return -EINVAL;
	*(uint64_t *)option->target = ms / KS_MSEC_PER_SEC;
	return 0;
}

int ks_take_words(const struct ks_option *option, const char *value, const char **expected)
{
	struct ks_words *words = option->target;

	*expected = "at most 64 of this option";
	if (words->count == KS_WORDS_MAX)
		return -EINVAL;
	words->word[words->count++] = value;
	return 0;
}

/* Puts the process into a named network namespace (ip-netns(8)). Files and mounts stay as they are. */
static int take_netns(const struct ks_option *option, const char *value, const char **expected)
{
	ks_auto_fd int fd = -1;
	char path[256];
	int length;

	*expected = "a name as 'ip netns list' shows it";
	length = snprintf(path, sizeof(path), "/run/netns/%s", value);
	if (!*value || strchr(value, '/') || length >= (int)sizeof(path))
		return -EINVAL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -EINVAL : -errno;
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

static const struct ks_option common[] = {
	{ .name = "help", .letter = 'h', .help = "print this help" },
	{ .name = "netns", .argument = "NAME", .help = "act in this network namespace", .take = take_netns },
};

static void option_print(const struct ks_option *option, FILE *out)
{
	char text[64];
	int length;

	length = snprintf(text, sizeof(text), "--%s%s%s", option->name, option->argument ? " " : "",
			  option->argument ? option->argument : "");
	if (option->letter)
		fprintf(out, "  -%c, ", option->letter);
	else
		fprintf(out, "      ");
	if (length > 24)
		fprintf(out, "%s\n%32s%s\n", text, "", option->help);
	else
		fprintf(out, "%-25s %s\n", text, option->help);
}

static void usage_print(const struct ks_usage *usage, FILE *out)
{
	fprintf(out, "usage: %s\n", usage->synopsis);
	if (usage->text)
		fprintf(out, "\n%s\n", usage->text);
	fputs("\noptions:\n", out);
	for (size_t i = 0; i < usage->option_count; i++)
		option_print(&usage->options[i], out);
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		option_print(&common[i], out);
}

int ks_usage_error(const struct ks_usage *usage, const char *format, ...)
{
	va_list args;

	fputs("keepstate: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nusage: %s\n", usage->synopsis);
	return KS_EXIT_USAGE;
}

/* The command's options with the common ones behind them, as getopt_long wants them. */
struct parser {
	bool given[OPTIONS_MAX];
	const struct ks_option *option[OPTIONS_MAX];
	struct option longs[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 4];
	size_t count;
};

static void parser_add(struct parser *parser, const struct ks_option *option)
{
	size_t i = parser->count++, n = strlen(parser->letters);

	assert(parser->count <= OPTIONS_MAX);
	parser->option[i] = option;
	parser->longs[i].name = option->name;
	parser->longs[i].has_arg = option->argument ? required_argument : no_argument;
	parser->longs[i].val = CODE_FIRST + (int)i;
	if (option->letter) {
		parser->letters[n] = option->letter;
		parser->letters[n + 1] = option->argument ? ':' : 0;
	}
}

/* Returns its place, or -1. */
static int parser_find(const struct parser *parser, int code)
{
	if (code >= CODE_FIRST)
		return code - CODE_FIRST;
	for (size_t i = 0; i < parser->count; i++) {
		if (parser->option[i]->letter == code)
			return (int)i;
	}
	return -1;
}

/* Says which option is wrong and why; returns the exit code. */
static int option_error(const struct ks_usage *usage, int code, char **argv)
{
	const char *word = argv[optind - 1];

	if (code == ':')
		return ks_usage_error(usage, "option '%s' needs a value", word);
	if (optopt && optopt < CODE_FIRST)
		return ks_usage_error(usage, "no option '-%c'; --help lists them", optopt);
	if (optopt)
		return ks_usage_error(usage, "option '%s' takes no value", word);
	return ks_usage_error(usage, "no option '%s'; --help lists them", word);
}

/* Of two values one would be left out, and nobody would know which. */
static bool is_repeated(const struct ks_option *option, bool *given)
{
	bool before = *given;

	*given = true;
	return before && option->argument && option->take != ks_take_words;
}

static int option_take(const struct ks_usage *usage, const struct ks_option *option, bool *given)
{
	const char *expected = "a valid value";
	int err;

	if (is_repeated(option, given))
		return ks_usage_error(usage, "--%s stands there twice: it takes one value", option->name);
	err = option->take(option, optarg, &expected);
	if (!err)
		return KS_EXIT_OK;
	if (err == -EINVAL)
		return ks_usage_error(usage, "--%s: '%s' is not %s", option->name, optarg ? optarg : "", expected);
	fprintf(stderr, "keepstate: --%s %s: %s\n", option->name, optarg ? optarg : "", strerror(-err));
	return KS_EXIT_SYSTEM;
}

static int parser_run(const struct ks_usage *usage, struct parser *parser, int argc, char **argv, int *code)
{
	const struct ks_option *option;
	int c, place;

	optind = 0; /* start over: main() has parsed the global options */
	opterr = 0;
	while ((c = getopt_long(argc, argv, parser->letters, parser->longs, NULL)) != -1) {
		place = c == '?' || c == ':' ? -1 : parser_find(parser, c);
		if (place < 0) {
			*code = option_error(usage, c, argv);
			return -1;
		}
		option = parser->option[place];
		if (option == &common[0]) {
			usage_print(usage, stdout);
			*code = ks_cli_finish(KS_EXIT_OK);
			return -1;
		}
		*code = option_take(usage, option, &parser->given[place]);
		if (*code != KS_EXIT_OK)
			return -1;
	}
	return optind;
}

int ks_options_parse(const struct ks_usage *usage, int argc, char **argv, int *code)
{
	struct parser parser = { .letters = ":" };

	for (size_t i = 0; i < usage->option_count; i++)
		parser_add(&parser, &usage->options[i]);
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		parser_add(&parser, &common[i]);
	return parser_run(usage, &parser, argc, argv, code);
}

int ks_options_parse_global(const struct ks_usage *usage, int argc, char **argv, int *code)
{
	struct parser parser = { .letters = "+:" };

	for (size_t i = 0; i < usage->option_count; i++)
		parser_add(&parser, &usage->options[i]);
	parser_add(&parser, &common[1]);
	return parser_run(usage, &parser, argc, argv, code);
}
