/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate: finds the command and runs it. Options before the command are
 * the global ones; everything behind it belongs to the command.
 */
#include <locale.h>
#include <signal.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
};

#define X(name, help) { #name, ks_cmd_##name, help },
static const struct command commands[] = { KS_COMMANDS(X) };
#undef X

static int commands_print(void)
{
	fputs("keepstate: a stateful packet inspection firewall\n\n"
	      "usage: keepstate [--netns NAME] COMMAND [OPTION]... [ARGUMENT]...\n\ncommands:\n",
	      stdout);
	for (size_t i = 0; i < KS_ARRAY_SIZE(commands); i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\n'keepstate COMMAND --help' tells more of a command, keepstate(8) of them all,\n"
	      "keepstate.conf(5) of the policy language.\n",
	      stdout);
	return ks_cli_finish(KS_EXIT_OK);
}

static int version_print(void)
{
	printf("keepstate %s\n", KS_VERSION);
	return ks_cli_finish(KS_EXIT_OK);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* 'help COMMAND' is 'COMMAND --help'. */
static int command_help(const struct command *command)
{
	char name[16], option[] = "--help";
	char *argv[] = { name, option, NULL };

	snprintf(name, sizeof(name), "%s", command->name);
	return command->run(2, argv);
}

int main(int argc, char **argv)
{
	bool version = false, help = false, asked;
	const struct ks_option options[] = {
		{ .name = "version", .help = "print the version", .take = ks_take_flag, .target = &version },
		{ .name = "help", .letter = 'h', .help = "list the commands", .take = ks_take_flag, .target = &help },
	};
	const struct ks_usage usage = { "keepstate [--netns NAME] COMMAND [ARGUMENT]...", NULL, options,
					KS_ARRAY_SIZE(options) };
	const struct command *command;
	int first, code;

	setlocale(LC_CTYPE, "");
	json_set_alloc_funcs(ks_cli_alloc, free);
	first = ks_options_parse_global(&usage, argc, argv, &code);
	if (first < 0)
		return code;
	if (version)
		return version_print();
	if (help || first == argc)
		return commands_print();
	asked = strcmp(argv[first], "help") == 0;
	first += asked;
	if (first == argc)
		return commands_print();
	command = command_find(argv[first]);
	if (!command) {
		fprintf(stderr, "keepstate: no command '%s'; 'keepstate' alone lists the commands\n", argv[first]);
		return KS_EXIT_USAGE;
	}
	return asked ? command_help(command) : command->run(argc - first, argv + first);
}
