/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting policies into force. The order keeps every promise at every moment:
 * load and test, give rules and zones their old ids, write the record, take
 * interfaces that change zones out of the zone map, switch, then bring zone
 * map and filters in line. Before the switch any failure leaves the old policy
 * as it was.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coverage.h"
#include "daemon.h"
#include "own_addresses.h"
#include "report.h"

void ks_load_outcome_fini(struct ks_load_outcome *outcome)
{
	ks_diags_fini(&outcome->diags);
	free(outcome->message);
	free(outcome->tests);
	json_decref(outcome->change);
	memset(outcome, 0, sizeof(*outcome));
}

void ks_load_outcome_report(const struct ks_load_outcome *outcome, const char *path)
{
	ks_report_diags(&outcome->diags);
	if (outcome->tests)
		ks_report_error("%s: its tests fail:\n%s", path, outcome->tests);
	if (outcome->message)
		ks_report_error("%s: %s", path, outcome->message);
}

__attribute__((format(printf, 3, 4))) static int fail(struct ks_load_outcome *outcome, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(&outcome->message, format, args) < 0)
		outcome->message = NULL;
	va_end(args);
	return err;
}

int ks_daemon_load(const char *path, struct ks_policy **policy, struct ks_load_outcome *outcome)
{
	struct ks_policy *new;
	int err;

	memset(outcome, 0, sizeof(*outcome));
	err = ks_policy_load(path, &new, &outcome->diags);
	if (err == -EINVAL)
		return fail(outcome, err, "%zu error%s", outcome->diags.errors, outcome->diags.errors == 1 ? "" : "s");
	if (err)
		return fail(outcome, err, "cannot read it: %s", strerror(-err));
	err = ks_daemon_test(new, outcome);
	if (err) {
		ks_policy_destroy(new);
		return err;
	}
	err = ks_own_addresses_fill(new);
	if (err < 0) {
		ks_policy_destroy(new);
		return fail(outcome, err, "cannot read the interfaces' addresses: %s", strerror(-err));
	}
	*policy = new;
	return 0;
}

/* Counters of an id that no rule had before start at 0, whatever an earlier bearer left. */
static void reset_new_counters(struct ks_daemon *daemon, const struct ks_record *new)
{
	for (size_t i = 0; i < new->rule_count; i++) {
		bool known = false;

		for (size_t j = 0; !known && j < daemon->record.rule_count; j++)
			known = daemon->record.rules[j].id == new->rules[i].id;
		if (!known)
			ks_kernel_rule_reset(daemon->kernel, new->rules[i].id);
	}
}

/* The record of a policy is on disk before the kernel judges by its ids. */
static int switch_policy(struct ks_daemon *daemon, struct ks_policy *policy, struct ks_record *record, bool fresh,
			 char **message)
{
	int err = ks_record_write(record, daemon->instance.record);

	if (err && asprintf(message, "cannot write %s: %s", daemon->instance.record, strerror(-err)) < 0)
		*message = NULL;
	if (err || fresh)
		return err;
	reset_new_counters(daemon, record);
	err = ks_interfaces_prepare(&daemon->interfaces, policy);
	if (!err)
		err = ks_kernel_set_policy(daemon->kernel, policy);
	if (err) {
		const char *why = *ks_kernel_complaint() ? ks_kernel_complaint() : strerror(-err);

		*message = strdup(why);
		ks_record_write(&daemon->record, daemon->instance.record);
		if (daemon->policy) /* whom prepare took out of the zone map */
			ks_interfaces_apply(&daemon->interfaces, daemon->policy);
	}
	return err;
}

int ks_daemon_install(struct ks_daemon *daemon, struct ks_policy *policy, bool fresh, char **message)
{
	struct ks_record record;
	int err = ks_record_adopt(&daemon->record, policy, &record);

	*message = NULL;
	if (err) {
		*message = strdup(err == -ENOSPC ? "no rule ids are left" : strerror(-err));
		return err;
	}
	err = switch_policy(daemon, policy, &record, fresh, message);
	if (err) {
		ks_record_fini(&record);
		return err;
	}
	ks_policy_destroy(daemon->policy);
	ks_record_fini(&daemon->record);
	daemon->policy = policy;
	daemon->record = record;
	daemon->loaded = time(NULL);
	return 0;
}

/* The new policy is in force whatever happens here: an interface that cannot be guarded is reported and tried again. */
static void follow_interfaces(struct ks_daemon *daemon)
{
	int err = ks_interfaces_apply(&daemon->interfaces, daemon->policy);

	if (err)
		ks_report_error("not every interface is guarded: %s", strerror(-err));
	ks_daemon_note_guard(daemon);
	err = ks_record_write(&daemon->record, daemon->instance.record);
	if (err)
		ks_report_error("cannot write %s: %s", daemon->instance.record, strerror(-err));
}

void ks_daemon_note_guard(struct ks_daemon *daemon)
{
	for (size_t i = 0; !daemon->record.since && i < daemon->interfaces.count; i++) {
		if (!ks_role_has_programs(daemon->interfaces.list[i].role) || daemon->interfaces.list[i].error)
			continue;
		daemon->record.since = time(NULL);
		ks_record_write(&daemon->record, daemon->instance.record);
	}
}

void ks_daemon_say(bool warning, const char *line)
{
	if (warning)
		ks_report_error("WARNING: %s", line);
	else
		ks_report("%s", line);
}

/* What is other than with the interfaces `before`. */
static json_t *find_change(const struct ks_daemon *daemon, const struct ks_interfaces *before)
{
	const struct ks_interfaces *now = &daemon->interfaces;
	json_t *change =
		json_pack("{s:o, s:o, s:o}", "now_guarded", ks_coverage_difference(now, before), "no_longer_guarded",
			  ks_coverage_difference(before, now), "warnings", ks_coverage_warnings(now, daemon->policy));

	ks_coverage_add_cut(change, daemon->kernel, &daemon->record, daemon->policy);
	return change;
}

/* The switch is done: brings the interfaces in line with it. */
static void follow(struct ks_daemon *daemon, struct ks_load_outcome *outcome)
{
	struct ks_interfaces before = { .count = daemon->interfaces.count };

	before.list = calloc(before.count + 1, sizeof(*before.list));
	if (!before.list)
		before.count = 0; /* then everything counts as newly guarded */
	else if (before.count)
		memcpy(before.list, daemon->interfaces.list, before.count * sizeof(*before.list));
	follow_interfaces(daemon);
	outcome->change = find_change(daemon, &before);
	free(before.list);
}

void ks_daemon_sign(const struct ks_daemon *daemon)
{
	struct ks_holder holder = { .pid = getpid(), .since = daemon->started };

	snprintf(holder.policy, sizeof(holder.policy), "%s", daemon->policy_path);
	if (ks_instance_sign(daemon->lock_fd, &holder)) /* only a second instance's message suffers */
		ks_report_error("cannot write %s", daemon->instance.lock);
}

int ks_daemon_reload(struct ks_daemon *daemon, const char *path, struct ks_load_outcome *outcome)
{
	struct ks_policy *policy;
	char *name = strdup(path ? path : daemon->policy_path);
	int err;

	memset(outcome, 0, sizeof(*outcome));
	if (!name)
		return -ENOMEM;
	err = ks_daemon_load(name, &policy, outcome);
	if (!err) {
		err = ks_daemon_install(daemon, policy, false, &outcome->message);
		if (err)
			ks_policy_destroy(policy);
	}
	if (err) {
		free(name);
		return err;
	}
	free(daemon->policy_path);
	daemon->policy_path = name;
	daemon->reloads++;
	ks_daemon_sign(daemon);
	follow(daemon, outcome);
	return 0;
}
