/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control API (docs/api.md) from the side of the commands: HTTP over the
 * unix socket of this network namespace's instance (cli/http.h). Each call
 * makes its own connection. Functions return an enum ks_exit and print their
 * errors themselves.
 */
#ifndef KS_CLI_CLIENT_H
#define KS_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A name and a value of a query; with the value NULL it is not sent. */
struct ks_parameter {
	const char *name;
	const char *value;
};

struct ks_call {
	const char *method; /* "GET", "POST", "DELETE" */
	const char *path; /* "/v1/status" */
	const struct ks_parameter *parameters;
	size_t parameter_count;
	json_t *body; /* NULL for none; stays the caller's */
	const char *text; /* the body where it is no JSON */
	bool journal; /* asks the journal (keepstate-journal) instead of the daemon */
	bool details; /* *answer is set for 422 too, and the caller shows it */
};

/*
 * Calls and reads a JSON answer. Returns KS_EXIT_OK with *answer; KS_EXIT_USAGE
 * if the daemon does not accept the call (400, 422); KS_EXIT_SYSTEM for every other
 * error, most often that no daemon runs.
 */
int ks_client_call(const struct ks_call *call, json_t **answer);

/* Called with a line without its newline; returns nonzero to end the stream. */
typedef int ks_line_fn(const char *line, size_t length, void *arg);

/* Calls and hands over the answer line by line as it comes. Returns KS_EXIT_OK also if fn has ended the stream. */
int ks_client_lines(const struct ks_call *call, ks_line_fn *fn, void *arg);

/* Returns true if a journal answers here. */
bool ks_client_journal_runs(void);

#endif
