/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Options of a command: one table drives getopt_long(3), --help and the
 * checks of values. Every command understands --help and --netns by itself.
 */
#ifndef KS_CLI_OPTIONS_H
#define KS_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ks_option {
	const char *name; /* long name, without the dashes */
	char letter; /* short name, 0 without one */
	const char *argument; /* the name of its value in --help; NULL: it takes none */
	const char *help;
	/*
	 * Stores the value (NULL for an option without one) in its target. Returns 0, or -EINVAL,
	 * having set *expected to the description of a right value ("a number from 1 to 9").
	 */
	int (*take)(const struct ks_option *option, const char *value, const char **expected);
	void *target;
	uint64_t min, max; /* for numbers, inclusive */
};

struct ks_usage {
	const char *synopsis; /* "keepstate check FILE" */
	const char *text; /* its purpose and its exit codes; may be NULL */
	const struct ks_option *options;
	size_t option_count;
};

/* Ready-made takers: the target is a bool, a const char *, a uint64_t (seconds too), a struct ks_words. */
int ks_take_flag(const struct ks_option *option, const char *value, const char **expected);
int ks_take_text(const struct ks_option *option, const char *value, const char **expected);
int ks_take_number(const struct ks_option *option, const char *value, const char **expected);
int ks_take_seconds(const struct ks_option *option, const char *value,
		    const char **expected); /* a duration: "60s", "2m" */
int ks_take_words(const struct ks_option *option, const char *value, const char **expected);

/* An option that may be given several times. */
#define KS_WORDS_MAX 64
struct ks_words {
	const char *word[KS_WORDS_MAX];
	size_t count;
};

/*
 * Parses the options of a command (argv[0] is its name); options and operands
 * may be mixed, and argv is reordered. Returns the index of the first operand,
 * or -1 when the command is over (help given, or an error printed), with the
 * exit code in *code.
 */
int ks_options_parse(const struct ks_usage *usage, int argc, char **argv, int *code);

/* The same for the options before the command: stops at the first operand, and --help is in the table. */
int ks_options_parse_global(const struct ks_usage *usage, int argc, char **argv, int *code);

/* Prints an error and how the command is used; returns KS_EXIT_USAGE. */
int ks_usage_error(const struct ks_usage *usage, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
