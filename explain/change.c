/* SPDX-License-Identifier: BSD-2-Clause */
/* See change.h. */
#include "explain/change.h"

#include <stdio.h>

#include "explain/json.h"

#define NAMES_TEXT 2048

const char *ks_names_join(const json_t *names, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < json_array_size(names) && used < size; i++)
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i ? ", " : "",
					 json_string_value(json_array_get(names, i)));
	return buf;
}

static void tell_names(const json_t *names, const char *what, ks_say_fn *say)
{
	char list[NAMES_TEXT], line[NAMES_TEXT + 128];

	if (!json_array_size(names))
		return;
	snprintf(line, sizeof(line), "%s: %s", what, ks_names_join(names, list, sizeof(list)));
	say(false, line);
}

static void tell_cut(const json_t *change, ks_say_fn *say)
{
	long long cut = ks_member_number(change, "states_cut");
	char list[NAMES_TEXT], line[NAMES_TEXT + 128];

	if (!cut)
		return;
	snprintf(line, sizeof(line),
		 "%lld live state%s a zone that the policy does not have (%s): what comes from there is dropped", cut,
		 cut == 1 ? " belongs to" : "s belong to",
		 ks_names_join(json_object_get(change, "zones_cut"), list, sizeof(list)));
	say(true, line);
}

static void tell_table(const json_t *change, ks_say_fn *say)
{
	long long grown = ks_member_number(change, "table_grown"), kept = ks_member_number(change, "table_kept");
	char line[160];

	if (!grown && !kept)
		return;
	if (grown)
		snprintf(line, sizeof(line), "the table of states is larger now, made for %lld; all states are in it",
			 grown);
	else
		snprintf(line, sizeof(line),
			 "the table of states stays as it is, made for %lld, until the firewall is stopped and started",
			 kept);
	say(false, line);
}

/* Living states that the policy does not allow, or forwards elsewhere. */
static void tell_denied(const json_t *change, ks_say_fn *say)
{
	long long denied = ks_member_number(change, "states_denied"),
		  retargeted = ks_member_number(change, "states_retargeted");
	bool ended = ks_member_number(change, "states_ended") > retargeted;
	char line[256];

	if (retargeted) {
		snprintf(line, sizeof(line), "%lld living state%s ended: the policy forwards %s to another destination",
			 retargeted, retargeted == 1 ? "" : "s", retargeted == 1 ? "it" : "them");
		say(false, line);
	}
	if (!denied)
		return;
	if (ended)
		snprintf(line, sizeof(line), "%lld living state%s that the policy does not allow ended", denied,
			 denied == 1 ? "" : "s");
	else
		snprintf(line, sizeof(line),
			 "%lld living state%s go%s on that the policy does not allow to open: `keepstate reload "
			 "--end-denied` ends %s",
			 denied, denied == 1 ? "" : "s", denied == 1 ? "es" : "", denied == 1 ? "it" : "them");
	say(false, line);
}

/* The login that the policy would not let open again. */
static void tell_login(const json_t *change, ks_say_fn *say)
{
	const char *login = ks_member_text(change, "login");
	char line[NAMES_TEXT];

	if (!*login)
		return;
	snprintf(line, sizeof(line), "%s%s", login,
		 json_object_get(change, "unconfirmed") ? ""
							: ". With --confirm 60s the policy before would come back");
	say(true, line);
}

/* The word that a policy on trial waits for, and what comes without it. */
static void tell_unconfirmed(const json_t *change, ks_say_fn *say)
{
	const json_t *trial = json_object_get(change, "unconfirmed");
	const char *before = ks_member_text(trial, "before");
	char line[NAMES_TEXT];

	if (!trial)
		return;
	snprintf(line, sizeof(line), "it waits to be confirmed: `keepstate confirm` within %lld s, or %s%s",
		 ks_member_number(trial, "seconds_left"),
		 *before ? "the policy before it comes back: " : "the firewall is taken away again", before);
	say(true, line);
}

void ks_change_tell(const json_t *change, ks_say_fn *say)
{
	const json_t *warnings = json_object_get(change, "warnings");

	tell_names(json_object_get(change, "now_guarded"), "now guarded", say);
	tell_names(json_object_get(change, "no_longer_guarded"), "no longer guarded", say);
	tell_names(json_object_get(change, "in_no_zone"), "in no zone any more, denied by default", say);
	tell_cut(change, say);
	tell_denied(change, say);
	tell_table(change, say);
	tell_login(change, say);
	tell_unconfirmed(change, say);
	for (size_t i = 0; i < json_array_size(warnings); i++)
		say(true, json_string_value(json_array_get(warnings, i)));
}
