/* SPDX-License-Identifier: BSD-2-Clause */
/* See history.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/history.h"
#include "cli/output.h"
#include "cli/state_text.h"
#include "core/types.h"
#include "explain/json.h"
#include "text/json.h"
#include "text/plural.h"

#define PARAMETERS_MAX (KS_LOG_PARAMETERS_MAX + 8)
#define RECONNECT_US 500000
#define LAST_LINES 10 /* before those that are followed */

struct parameters {
	struct ks_parameter list[PARAMETERS_MAX];
	size_t count;
};

static void add(struct parameters *parameters, const char *name, const char *value)
{
	if (value && parameters->count < PARAMETERS_MAX)
		parameters->list[parameters->count++] = (struct ks_parameter){ name, value };
}

/* A moment, or a place in the log, that is not given is empty. */
static void add_given(struct parameters *parameters, const char *name, const char *value)
{
	add(parameters, name, *value ? value : NULL);
}

bool ks_history_is_asked(const struct ks_history *history)
{
	return *history->since || *history->until || history->follows || history->last || history->who;
}

/* The log on its way, and where it is. */
struct follow_ctx {
	ks_line_fn *take;
	void *arg;
	char cursor[24]; /* of the last line that was taken */
	bool ended; /* the taker has enough */
	bool any;
};

/* The cursor is the journal's own and no part of what the daemon told. */
static int line_pass(const char *line, size_t length, void *arg)
{
	struct follow_ctx *ctx = arg;
	ks_auto_json json_t *entry = length ? json_loadb(line, length, 0, NULL) : NULL;
	ks_auto_free char *text = NULL;

	if (!entry) {
		ctx->ended = ctx->take(line, length, ctx->arg);
		return ctx->ended;
	}
	ctx->any = true;
	snprintf(ctx->cursor, sizeof(ctx->cursor), "%s", ks_member_text(entry, "cursor"));
	json_object_del(entry, "cursor");
	text = json_dumps(entry, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (!text)
		return 1;
	ctx->ended = ctx->take(text, strlen(text), ctx->arg);
	return ctx->ended;
}

/* The newest so many entries are asked from the end, so that they need not be counted. */
static int last_cursor(const char *line, size_t length, void *arg)
{
	ks_auto_json json_t *entry = json_loadb(line, length, 0, NULL);
	long long cursor = entry ? strtoll(ks_member_text(entry, "cursor"), NULL, 10) : 0;

	if (cursor)
		snprintf(arg, 24, "%lld", cursor - 1);
	return 0;
}

/* Finds the cursor before the last `last` entries. */
static int find_last(uint64_t last, const struct parameters *parameters, char cursor[24])
{
	struct parameters asked = *parameters;
	char limit[24];
	struct ks_call call = { .method = "GET", .path = "/v1/history", .journal = true };

	snprintf(limit, sizeof(limit), "%" PRIu64, last);
	add(&asked, "order", "desc");
	add(&asked, "limit", limit);
	call.parameters = asked.list;
	call.parameter_count = asked.count;
	return ks_client_lines(&call, last_cursor, cursor);
}

static int ask_once(const struct ks_history *history, const struct parameters *parameters, struct follow_ctx *ctx)
{
	struct parameters asked = *parameters;
	struct ks_call call = { .method = "GET", .path = "/v1/history", .journal = true };

	add_given(&asked, "after", ctx->cursor);
	add(&asked, "follow", history->follows ? "1" : NULL);
	call.parameters = asked.list;
	call.parameter_count = asked.count;
	return ks_client_lines(&call, line_pass, ctx);
}

/* Returns true if the journal is there, or is there again after some time. */
static bool await_journal(void)
{
	if (!ks_client_journal_runs())
		fputs("keepstate: the journal has ended; this goes on when it runs again\n", stderr);
	while (!ks_client_journal_runs()) {
		if (ferror(stdout))
			return false;
		usleep(RECONNECT_US);
	}
	return true;
}

int ks_history_log(const struct ks_history *history, const struct ks_parameter *filters, size_t filter_count,
		   ks_line_fn *take, void *arg)
{
	struct follow_ctx ctx = { .take = take, .arg = arg };
	struct parameters parameters = { 0 };
	uint64_t last = history->last;
	int code = KS_EXIT_OK;

	if (!last && history->follows && !*history->since && !*history->until)
		last = LAST_LINES;
	for (size_t i = 0; i < filter_count; i++)
		add(&parameters, filters[i].name, filters[i].value);
	add_given(&parameters, "since", history->since);
	add_given(&parameters, "until", history->until);
	if (last)
		code = find_last(last, &parameters, ctx.cursor);
	while (code == KS_EXIT_OK || code == KS_EXIT_SYSTEM) { /* it may be restarted: the cursor says where to go on */
		code = ask_once(history, &parameters, &ctx);
		if (ctx.ended || !history->follows || !await_journal())
			break;
	}
	return code;
}

/* --- who had an endpoint --- */

static void seen_print(const json_t *nat, const char *word, const char *name, const char *port_name)
{
	const char *address = ks_member_text(nat, name);
	const json_t *port = json_object_get(nat, port_name);

	if (*address && port)
		printf(strchr(address, ':') ? "  %s [%s]:%d" : "  %s %s:%d", word, address,
		       (int)json_integer_value(port));
	else if (*address)
		printf("  %s %s", word, address);
}

/* How the outside saw its ends. */
static void nat_print(const json_t *flow)
{
	const json_t *nat = json_object_get(flow, "nat");

	seen_print(nat, "as", "source", json_object_get(nat, "id") ? "id" : "source_port");
	seen_print(nat, "via", "destination", "destination_port");
}

struct who_ctx {
	bool json;
	unsigned count;
};

static void times_print(const json_t *flow)
{
	char begun[KS_MOMENT_TEXT], ended[KS_MOMENT_TEXT];
	const char *end = ks_member_text(flow, "ended"), *known = ks_member_text(flow, "known");

	printf("  %s to ", ks_moment_local(ks_member_text(flow, "begun"), begun));
	if (*end || !*known)
		fputs(*end ? ks_moment_local(end, ended) : "now", stdout);
	else
		printf("at least %s", ks_moment_local(known, ended));
}

/* "10.0.0.10:45656 (lan)  tcp, to 192.0.2.10:80 as 203.0.113.1:45656  ..." */
static int who_take(const char *line, size_t length, void *arg)
{
	struct who_ctx *who = arg;
	ks_auto_json json_t *flow = json_loadb(line, length, 0, NULL);
	char source[KS_STATE_END_TEXT], destination[KS_STATE_END_TEXT];
	const json_t *rule = json_object_get(flow, "rule");

	if (!flow)
		return 0;
	who->count++;
	if (who->json)
		return printf("%.*s\n", (int)length, line) < 0;
	ks_state_end_text(flow, true, source);
	ks_state_end_text(flow, false, destination);
	printf("%s (%s)  %s to %s (%s)", source, ks_member_text(flow, "from"), ks_member_text(flow, "proto"),
	       destination, ks_member_text(flow, "to"));
	nat_print(flow);
	times_print(flow);
	if (*ks_member_text(rule, "file"))
		printf("  %s:%d", ks_member_text(rule, "file"), (int)ks_member_number(rule, "line"));
	putchar('\n');
	return ferror(stdout);
}

int ks_history_who(const struct ks_history *history, const struct ks_parameter *filters, size_t filter_count, bool json)
{
	struct parameters parameters = { 0 };
	struct who_ctx who = { .json = json };
	struct ks_call call = { .method = "GET", .path = "/v1/flows", .journal = true };
	int code;

	add(&parameters, "who", history->who);
	add_given(&parameters, "at", history->at);
	add_given(&parameters, "since", history->since);
	add_given(&parameters, "until", history->until);
	for (size_t i = 0; i < filter_count; i++)
		add(&parameters, filters[i].name, filters[i].value);
	call.parameters = parameters.list;
	call.parameter_count = parameters.count;
	code = ks_client_lines(&call, who_take, &who);
	if (code == KS_EXIT_OK && !who.count) {
		fprintf(stderr, "keepstate: the journal knows of nobody who had %s then\n", history->who);
		code = KS_EXIT_NO;
	}
	return ks_cli_finish(code);
}

static int policy_take(const char *line, size_t length, void *arg)
{
	*(json_t **)arg = json_loadb(line, length, 0, NULL);
	return 1;
}

int ks_history_policy(const char *at, json_t **policy)
{
	const struct ks_parameter moment = { "at", at };
	const struct ks_call call = {
		.method = "GET", .path = "/v1/policies", .parameters = &moment, .parameter_count = 1, .journal = true
	};
	json_t *found = NULL;
	int code = ks_client_lines(&call, policy_take, &found);

	if (code == KS_EXIT_OK && !found) {
		fputs("keepstate: the journal knows of no policy that was in force then\n", stderr);
		return KS_EXIT_USAGE;
	}
	if (code == KS_EXIT_OK)
		*policy = found;
	return code;
}

json_t *ks_history_state(void)
{
	const struct ks_call call = { .method = "GET", .path = "/v1/journal", .journal = true };
	json_t *state = NULL;

	if (!ks_client_journal_runs() || ks_client_call(&call, &state) != KS_EXIT_OK)
		return NULL;
	return state;
}

void ks_history_note_known(const char *at)
{
	ks_auto_json json_t *state = ks_history_state();
	const char *heard = ks_member_text(state, "heard");
	char seconds[KS_MOMENT_TEXT], local[KS_MOMENT_TEXT];

	if (!state || json_is_true(json_object_get(state, "daemon")) || !*heard || ks_moment_read(heard, seconds) ||
	    strtod(seconds, NULL) >= strtod(at, NULL))
		return;
	fprintf(stderr,
		"keepstate: note: the journal has heard of the firewall last at %.19s: what lived then is shown\n",
		ks_moment_local(heard, local));
}

void ks_history_state_print(const json_t *state)
{
	const char *name = ks_member_text(state, "state"), *oldest = ks_member_text(state, "oldest");
	char size[KS_NUMBER_TEXT], limit[KS_NUMBER_TEXT], since[KS_MOMENT_TEXT];

	printf("journal     ");
	if (!strcmp(name, "off")) {
		puts("off: option journal off");
		return;
	}
	printf("%s, %s of %s", strcmp(name, "stopped") ? name : "STOPPED",
	       ks_bytes_text((uint64_t)ks_member_number(state, "size"), size),
	       ks_bytes_text((uint64_t)ks_member_number(state, "limit"), limit));
	if (*oldest)
		printf(", from %.19s on", ks_moment_local(oldest, since));
	if (ks_member_number(state, "lost"))
		printf(", %lld event%s lost", ks_member_number(state, "lost"),
		       ks_plural((unsigned long long)ks_member_number(state, "lost")));
	if (ks_member_number(state, "unsent"))
		printf(", %lld not sent elsewhere", ks_member_number(state, "unsent"));
	if (*ks_member_text(state, "why"))
		printf(": %s", ks_member_text(state, "why"));
	putchar('\n');
}
