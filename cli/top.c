/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate top: one look for scripts, or the screen, which is a program of its own: ncurses is needed by it alone, and neither by the
 * daemon nor by who installs the rest.
 */
#include "cli/top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/terminal.h"
#include "core/types.h"
#include "text/scoped.h"

#define ONCE_COLUMNS 1000U /* a script has room for all of them */

static void look_print(const struct ks_top *top, const struct ks_top_look *look)
{
	printf("%s: %s\n", ks_top_view_name(top->view), look->head);
	if (look->grid)
		ks_grid_print(look->grid, stdout);
}

/* Two looks some seconds apart make rates; the second one is printed. */
static int look_once(struct ks_top *top)
{
	struct ks_top_look look;
	int code = ks_top_look(top, 0, top->rows, ONCE_COLUMNS, &look);

	ks_top_look_fini(&look);
	if (code != KS_EXIT_OK)
		return code;
	sleep((unsigned)top->every);
	code = ks_top_look(top, 0, top->rows, ONCE_COLUMNS, &look);
	if (code == KS_EXIT_OK)
		look_print(top, &look);
	ks_top_look_fini(&look);
	return code;
}

static bool terminal_is_right(void)
{
	const char *term = getenv("TERM");

	if (!ks_terminal_has_keys())
		fputs("keepstate: top wants a terminal; for scripts there are top --once and states --watch\n", stderr);
	else if (!term || !*term || !strcmp(term, "dumb"))
		fputs("keepstate: top does not know this terminal: set TERM, or use top --once or states --watch\n",
		      stderr);
	else
		return true;
	return false;
}

/* The program lies beside this one, be it installed or built. */
static int screen_run(char **argv)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof(KS_TOP_PROGRAM) - 1);
	char *slash;

	if (length <= 0)
		return KS_EXIT_SYSTEM;
	path[length] = '\0';
	slash = strrchr(path, '/');
	strcpy(slash ? slash + 1 : path, KS_TOP_PROGRAM);
	execv(path, argv);
	if (errno == ENOENT)
		fprintf(stderr,
			"keepstate: %s is not there: keepstate was built without ncurses, or it is in another package; "
			"top --once "
			"and states --watch need none\n",
			path);
	else
		fprintf(stderr, "keepstate: %s: %s\n", path, strerror(errno));
	return KS_EXIT_SYSTEM;
}

static void top_destroy(struct ks_top *top)
{
	ks_top_fini(top);
	free(top);
}

KS_SCOPED(auto_top, struct ks_top *, top_destroy)

int ks_cmd_top(int argc, char **argv)
{
	ks_scoped(auto_top) struct ks_top *top = calloc(1, sizeof(*top));
	ks_auto_free char **words = calloc((size_t)argc + 1, sizeof(*words));
	int code;

	if (!top || !words)
		return ks_cli_no_memory();
	memcpy(words, argv, (size_t)argc * sizeof(*words)); /* the parser changes the order of its own */
	if (!ks_top_parse(top, argc, argv, &code))
		return code;
	if (top->once)
		return ks_cli_finish(look_once(top));
	return terminal_is_right() ? screen_run(words) : KS_EXIT_SYSTEM;
}
