/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions about the past, which the journal (keepstate-journal) answers. */
#ifndef KS_CLI_HISTORY_H
#define KS_CLI_HISTORY_H

#include "cli/client.h"
#include "cli/moment.h"

/* The options of `log` that ask the journal. Times are empty and pointers NULL where they are not given. */
struct ks_history {
	char since[KS_MOMENT_TEXT], until[KS_MOMENT_TEXT], at[KS_MOMENT_TEXT];
	const char *who;
	bool flows, follows;
	uint64_t last; /* the last so many entries; 0: all */
};

/* Entries of a table of options. */
#define KS_HISTORY_OPTIONS(history)                                                                       \
	{ .name = "since",                                                                                \
	  .letter = 'S',                                                                                  \
	  .argument = "TIME",                                                                             \
	  .help = "from the journal: what came from then on (10:00, \"2026-11-29 10:00\", 5m)",           \
	  .take = ks_take_moment,                                                                         \
	  .target = (history).since },                                                                    \
		{ .name = "until",                                                                        \
		  .letter = 'U',                                                                          \
		  .argument = "TIME",                                                                     \
		  .help = "from the journal: what came before then",                                      \
		  .take = ks_take_moment,                                                                 \
		  .target = (history).until },                                                            \
		{ .name = "last",                                                                         \
		  .argument = "N",                                                                        \
		  .help = "from the journal: the last so many entries",                                   \
		  .take = ks_take_number,                                                                 \
		  .target = &(history).last,                                                              \
		  .min = 1,                                                                               \
		  .max = INT64_MAX },                                                                     \
		{ .name = "follow",                                                                       \
		  .letter = 'f',                                                                          \
		  .help = "go on behind the journal's entries, also over restarts",                       \
		  .take = ks_take_flag,                                                                   \
		  .target = &(history).follows },                                                         \
		{ .name = "who",                                                                          \
		  .argument = "ADDRESS:PORT",                                                             \
		  .help = "from the journal: who had this endpoint, translated or not, --at a time",      \
		  .take = ks_take_text,                                                                   \
		  .target = &(history).who },                                                             \
	{                                                                                                 \
		.name = "at", .argument = "TIME", .help = "of --who: the moment", .take = ks_take_moment, \
		.target = (history).at                                                                    \
	}

#define KS_LOG_PARAMETERS_MAX 720 /* filters of `log`, each as often as it may be given */

/* Returns true if an option was given that only the journal can answer. */
bool ks_history_is_asked(const struct ks_history *history);

/*
 * Hands the lines of the log over as the daemon told them, with the filters of `log`. It follows over the journal's restarts if that is asked.
 * Returns an enum ks_exit.
 */
int ks_history_log(const struct ks_history *history, const struct ks_parameter *filters, size_t filter_count,
		   ks_line_fn *take, void *arg);

/* Prints those that had an endpoint at a time. Returns an enum ks_exit; KS_EXIT_NO if nobody. */
int ks_history_who(const struct ks_history *history, const struct ks_parameter *filters, size_t filter_count,
		   bool json);

/* The policy that was in force at a moment, with its text. Returns an enum ks_exit; complains if the journal knows of none. */
int ks_history_policy(const char *at, json_t **policy);

/* The state of the journal, as it tells it; NULL if none runs here. */
json_t *ks_history_state(void);

/* Says on stderr that the journal has not heard of the firewall up to a moment, if it has not. */
void ks_history_note_known(const char *at);

/* The line of `status` about it. */
void ks_history_state_print(const json_t *state);

#endif
