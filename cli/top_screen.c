/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate-top: the screen of keepstate top. One loop waits for keys, for lines of the log's child and for the next look. Messages that
 * the client writes to standard error go into a file in memory, and its last line is shown on the screen's last one.
 */
#include <ctype.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "cli/command.h"
#include "cli/top.h"
#include "core/types.h"
#include "text/scoped.h"

#define HEAD_LINES 2
#define FOOT_LINES 1
#define FILTER_TEXT 512
#define FILTERS_SHOWN 60
#define KEY_CTRL(c) ((c) & 0x1f)

/* The question that the keys answer. */
enum prompt { PROMPT_NONE, PROMPT_FILTER, PROMPT_EVERY };

struct screen {
	struct ks_top top;
	struct ks_top_look look;
	uint64_t offset; /* the row at the top of the list */
	uint64_t due; /* the next look, ns */
	bool paused, quit, helping;
	enum prompt prompt;
	char typed[FILTER_TEXT]; /* at the prompt */
	char filter[FILTER_TEXT]; /* that is in force, as typed */
	char words[FILTER_TEXT + 8 * KS_WORDS_MAX]; /* its values */
	int errors; /* a file in memory, in the place of standard error */
	char message[256]; /* about the last key */
	char error[256]; /* of the last look */
};

static unsigned list_lines(void)
{
	return LINES > HEAD_LINES + FOOT_LINES + 1 ? (unsigned)(LINES - HEAD_LINES - FOOT_LINES - 1) : 1;
}

/* --- drawing --- */

/* Writes a line, cut at the edge of the screen; what cannot be shown in this locale as it is. */
static void line_put(int y, const char *text, attr_t attributes)
{
	wchar_t wide[1024];
	size_t length = mbstowcs(wide, text, KS_ARRAY_SIZE(wide) - 1);

	if (y >= LINES)
		return;
	attrset((int)attributes);
	move(y, 0);
	clrtoeol();
	if (length == (size_t)-1) {
		addnstr(text, COLS);
	} else {
		wide[KS_MIN(length, KS_ARRAY_SIZE(wide) - 1)] = L'\0';
		addnwstr(wide, COLS);
	}
	attrset((int)A_NORMAL);
}

/* The grid as lines of the screen; the first one has the titles. */
static void grid_put(const struct ks_grid *grid)
{
	ks_auto_free char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int y = HEAD_LINES;

	if (!out)
		return;
	ks_grid_print(grid, out);
	fclose(out);
	for (char *line = text, *next; text && *line && y < LINES - FOOT_LINES; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		line_put(y, line, y == HEAD_LINES ? A_REVERSE : A_NORMAL);
		y++;
	}
}

static void head_put(const struct screen *screen)
{
	const struct ks_top *top = &screen->top;
	char line[512], clock[16];
	time_t now = time(NULL);
	struct tm tm;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &tm));
	snprintf(line, sizeof(line), "%s  %s%s", clock, screen->look.head, screen->paused ? "  [paused]" : "");
	line_put(0, line, A_BOLD);
	snprintf(line, sizeof(line), "%s by %s%s, %llu to %llu of %llu%s%.*s", ks_top_view_name(top->view),
		 top->sort ? top->sort : ks_top_sorts(top->view)[0], top->reverse ? ", reversed" : "",
		 screen->look.rows ? (unsigned long long)screen->offset + 1 : 0,
		 (unsigned long long)screen->offset + screen->look.rows, (unsigned long long)screen->look.all,
		 *screen->filter && ks_top_view_is_flows(top->view) ? "   filter: " : "",
		 ks_top_view_is_flows(top->view) ? FILTERS_SHOWN : 0, screen->filter);
	line_put(1, line, A_NORMAL);
}

static void foot_put(const struct screen *screen)
{
	static const char *const prompts[] = {
		[PROMPT_FILTER] = "filter (such as port=443 zone!=dmz; nothing: all): ",
		[PROMPT_EVERY] = "seconds between looks: ",
	};
	char line[FILTER_TEXT + 80];

	if (screen->prompt)
		snprintf(line, sizeof(line), "%s%s", prompts[screen->prompt], screen->typed);
	else if (*screen->message || *screen->error)
		snprintf(line, sizeof(line), "%s", *screen->message ? screen->message : screen->error);
	else
		snprintf(line, sizeof(line), "q quit  h help  v view  o order  r reverse  f filter  p pause");
	line_put(LINES - 1, line, (*screen->message || *screen->error) && !screen->prompt ? A_BOLD : A_NORMAL);
}

static void help_put(void)
{
	static const char *const lines[] = {
		"0 to 7      the views: flows, hosts, rules, zones, ports, drops, dropped-sources, dropped-rules",
		"v, right    the next view; left: the one before",
		"o           the next order, of those that the view has",
		"R B P A E   by rate, bytes, packets, age, end (time left)",
		"F T D       by source (from), destination (to), destination port",
		"r           the other way round",
		"up, down, page up, page down, home    move in the list; also ctrl-p, ctrl-n, ctrl-b, ctrl-f",
		"f           a filter of flows: address, source, destination, port, proto, zone, state, rule,",
		"            with = or !=, and commas between values; blanks between filters",
		"s           seconds between looks",
		"p           pause, and go on",
		"space       look now; ctrl-l: draw everything again",
		"z           count drops from now on; the counters themselves stay as they are",
		"q           quit",
		"",
		"Any key goes back.",
	};

	erase();
	for (size_t i = 0; i < KS_ARRAY_SIZE(lines); i++)
		line_put((int)i, lines[i], A_NORMAL);
}

static void draw(const struct screen *screen)
{
	if (screen->helping) {
		help_put();
	} else {
		erase();
		head_put(screen);
		if (screen->look.grid)
			grid_put(screen->look.grid);
		foot_put(screen);
	}
	refresh();
}

/* --- looking --- */

/* Takes the last line that was written to standard error. */
static void error_take(struct screen *screen)
{
	char text[sizeof(screen->error)] = "";
	off_t size = lseek(screen->errors, 0, SEEK_END);
	char *line;

	screen->error[0] = '\0';
	if (size <= 0)
		return;
	size = KS_MIN(size, (off_t)sizeof(text) - 1);
	lseek(screen->errors, -size, SEEK_END);
	if (read(screen->errors, text, (size_t)size) < 0 || ftruncate(screen->errors, 0))
		return;
	lseek(screen->errors, 0, SEEK_SET);
	for (char *end = text + strlen(text); end > text && end[-1] == '\n'; end--)
		end[-1] = '\0';
	line = strrchr(text, '\n');
	snprintf(screen->error, sizeof(screen->error), "%s", line ? line + 1 : text);
}

static void look(struct screen *screen)
{
	struct ks_top_look new;
	int code = ks_top_look(&screen->top, screen->offset, list_lines(), (unsigned)COLS, &new);

	fflush(stderr);
	error_take(screen);
	if (code == KS_EXIT_OK || !screen->look.grid) {
		ks_top_look_fini(&screen->look);
		screen->look = new;
	} else { /* the last one stays, with the message why it is old */
		ks_top_look_fini(&new);
	}
	screen->due = ks_top_now() + screen->top.every * KS_NSEC_PER_SEC;
}

/* --- keys --- */

static void view_show(struct screen *screen, unsigned view)
{
	screen->top.view = (enum ks_top_view)(view % KS_TOP_VIEWS);
	screen->top.sort = NULL;
	screen->top.reverse = false;
	screen->offset = 0;
	screen->due = 0;
	clearok(stdscr, TRUE);
}

/* The next order of the view. */
static void sort_next(struct screen *screen)
{
	const char *const *sorts = ks_top_sorts(screen->top.view), *const *at = sorts;

	while (screen->top.sort && *at && strcmp(*at, screen->top.sort))
		at++;
	screen->top.sort = *at && at[1] ? at[1] : sorts[0];
	screen->due = 0;
}

/* An order by its key, if the view has it. */
static bool sort_by_key(struct screen *screen, int key)
{
	static const struct {
		int key;
		const char *sort;
	} keys[] = { { 'R', "rate" }, { 'B', "bytes" },	 { 'P', "packets" },	 { 'A', "age" },
		     { 'E', "left" }, { 'F', "source" }, { 'T', "destination" }, { 'D', "port" } };

	for (size_t i = 0; i < KS_ARRAY_SIZE(keys); i++) {
		if (keys[i].key != key)
			continue;
		for (const char *const *sort = ks_top_sorts(screen->top.view); *sort; sort++) {
			if (!strcmp(*sort, keys[i].sort)) {
				screen->top.sort = *sort;
				screen->due = 0;
			}
		}
		return true;
	}
	return false;
}

static void scroll_by(struct screen *screen, int64_t rows)
{
	int64_t last = (int64_t)KS_MIN(screen->look.all, 90000ULL) - 1;

	screen->offset = (uint64_t)KS_MAX(KS_MIN((int64_t)screen->offset + rows, last), (int64_t)0);
	screen->due = 0;
}

static bool move_by_key(struct screen *screen, int key)
{
	int64_t page = list_lines();

	switch (key) {
	case KEY_DOWN:
	case KEY_CTRL('n'):
		scroll_by(screen, 1);
		return true;
	case KEY_UP:
	case KEY_CTRL('p'):
		scroll_by(screen, -1);
		return true;
	case KEY_NPAGE:
	case KEY_CTRL('f'):
		scroll_by(screen, page);
		return true;
	case KEY_PPAGE:
	case KEY_CTRL('b'):
		scroll_by(screen, -page);
		return true;
	case KEY_HOME:
		scroll_by(screen, -(int64_t)screen->offset);
		return true;
	default:
		return false;
	}
}

static void prompt_begin(struct screen *screen, enum prompt prompt)
{
	screen->prompt = prompt;
	snprintf(screen->typed, sizeof(screen->typed), "%s", prompt == PROMPT_FILTER ? screen->filter : "");
}

static void key_command(struct screen *screen, int key)
{
	screen->message[0] = '\0';
	if (key >= '0' && key < '0' + KS_TOP_VIEWS)
		view_show(screen, (unsigned)(key - '0'));
	else if (key == 'v' || key == KEY_RIGHT)
		view_show(screen, screen->top.view + 1U);
	else if (key == KEY_LEFT)
		view_show(screen, screen->top.view + KS_TOP_VIEWS - 1U);
	else if (key == 'o')
		sort_next(screen);
	else if (key == 'r')
		screen->top.reverse = !screen->top.reverse, screen->due = 0;
	else if (key == 'p')
		screen->paused = !screen->paused;
	else if (key == ' ')
		screen->due = 0;
	else if (key == KEY_CTRL('l'))
		clearok(stdscr, TRUE);
	else if (key == 'z')
		ks_top_reset(&screen->top), screen->due = 0;
	else if (key == 'f')
		prompt_begin(screen, PROMPT_FILTER);
	else if (key == 's')
		prompt_begin(screen, PROMPT_EVERY);
	else if (key == 'h' || key == '?')
		screen->helping = true, clearok(stdscr, TRUE);
	else if (key == 'q')
		screen->quit = true;
	else if (!sort_by_key(screen, key))
		move_by_key(screen, key);
}

static bool filter_add(struct screen *screen, const char *word, char **room)
{
	struct ks_state_filters *filters = &screen->top.query.filters;
	const char *equals = strchr(word, '=');
	bool negated = equals && equals > word && equals[-1] == '!';
	size_t length = equals ? (size_t)(equals - word) - negated : 0;
	const char *name;

	for (unsigned i = 0; length && i < KS_STATE_FILTERS; i++) {
		struct ks_words *words = &filters->words[i];

		name = ks_state_filter_name((enum ks_state_filter)i);
		if (strlen(name) != length || memcmp(name, word, length) || words->count == KS_WORDS_MAX)
			continue;
		words->word[words->count++] = *room;
		*room += sprintf(*room, "%s%s", negated ? "not " : "", equals + 1) + 1;
		return true;
	}
	snprintf(screen->message, sizeof(screen->message),
		 "no filter '%.60s'; there are address, source, destination, port, "
		 "proto, zone, state, rule, each with = or !=",
		 word);
	return false;
}

/* "port=443 zone!=dmz" in the place of the filter. */
static void filter_set(struct screen *screen)
{
	char text[FILTER_TEXT], *rest = text, *word, *room = screen->words;

	screen->top.query.filters = (struct ks_state_filters){ 0 };
	snprintf(screen->filter, sizeof(screen->filter), "%s", screen->typed);
	snprintf(text, sizeof(text), "%s", screen->typed);
	while ((word = strsep(&rest, " "))) {
		if (*word && !filter_add(screen, word, &room)) {
			screen->filter[0] = '\0';
			screen->top.query.filters = (struct ks_state_filters){ 0 };
			return;
		}
	}
	screen->offset = 0;
	screen->due = 0;
}

static void every_set(struct screen *screen)
{
	char *end;
	unsigned long seconds = strtoul(screen->typed, &end, 10);

	if (*screen->typed && !*end && seconds >= 1 && seconds <= 3600)
		screen->top.every = seconds;
	else if (*screen->typed)
		snprintf(screen->message, sizeof(screen->message), "'%.20s' is no number of seconds from 1 to 3600",
			 screen->typed);
	screen->due = 0;
}

static void key_typed(struct screen *screen, int key)
{
	size_t length = strlen(screen->typed);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		enum prompt prompt = screen->prompt;

		screen->prompt = PROMPT_NONE;
		if (prompt == PROMPT_FILTER)
			filter_set(screen);
		else
			every_set(screen);
	} else if (key == 27 || key == KEY_CTRL('g')) {
		screen->prompt = PROMPT_NONE;
	} else if ((key == KEY_BACKSPACE || key == 127 || key == '\b') && length) {
		screen->typed[length - 1] = '\0';
	} else if (key >= ' ' && key < 127 && length + 1 < sizeof(screen->typed)) {
		screen->typed[length] = (char)key;
		screen->typed[length + 1] = '\0';
	}
}

static void key_take(struct screen *screen, int key)
{
	if (key == KEY_RESIZE)
		screen->due = 0;
	else if (screen->helping)
		screen->helping = false;
	else if (screen->prompt)
		key_typed(screen, key);
	else
		key_command(screen, key);
}

/* --- the loop --- */

static void wait_for_something(const struct screen *screen)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = screen->top.sources.child ? screen->top.sources.fd : -1, .events = POLLIN } };
	uint64_t now = ks_top_now();
	int ms = screen->paused ? 1000 : screen->due > now ? (int)((screen->due - now) / KS_NSEC_PER_MSEC) + 1 : 0;

	poll(fds, KS_ARRAY_SIZE(fds), ms);
	if (fds[0].revents & (POLLHUP | POLLERR)) /* the terminal is gone */
		_exit(KS_EXIT_SYSTEM);
}

static void run(struct screen *screen)
{
	while (!screen->quit) {
		bool due = !screen->due || (!screen->paused && ks_top_now() >= screen->due);
		int key;

		if (due && !screen->prompt)
			look(screen);
		draw(screen);
		wait_for_something(screen);
		ks_top_sources_take(&screen->top.sources);
		while ((key = getch()) != ERR)
			key_take(screen, key);
	}
}

/* Standard error into memory, because it would be written across the screen. Returns what it was, -1 if that failed. */
static int errors_redirect(struct screen *screen)
{
	int before = dup(STDERR_FILENO);

	screen->errors = memfd_create("messages", MFD_CLOEXEC);
	if (before < 0 || screen->errors < 0 || dup2(screen->errors, STDERR_FILENO) < 0)
		return -1;
	return before;
}

static int screen_begin(void)
{
	if (!newterm(NULL, stdout, stdin)) {
		fputs("keepstate: top does not know this terminal: set TERM, or use top --once or states --watch\n",
		      stderr);
		return KS_EXIT_SYSTEM;
	}
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	return KS_EXIT_OK;
}

int main(int argc, char **argv)
{
	static struct screen screen; /* of some hundred kilobytes */
	int code, errors;

	setlocale(LC_ALL, "");
	json_set_alloc_funcs(ks_cli_alloc, free);
	if (!ks_top_parse(&screen.top, argc, argv, &code))
		return code;
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fputs("keepstate: top wants a terminal; for scripts there are top --once and states --watch\n", stderr);
		return KS_EXIT_SYSTEM;
	}
	code = screen_begin();
	if (code != KS_EXIT_OK)
		return code;
	errors = errors_redirect(&screen);
	run(&screen);
	endwin();
	if (errors >= 0)
		dup2(errors, STDERR_FILENO);
	ks_top_look_fini(&screen.look);
	ks_top_fini(&screen.top);
	return KS_EXIT_OK;
}
