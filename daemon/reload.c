/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts policies into force.
 *
 * Order. The policy is loaded and tested; its rules and zones get the ids that they
 * had; the ledger is written; interfaces that change zones are put in no zone; the
 * kernel switches; guards and programs are brought in line. So every packet is
 * judged by one policy, under the ids of that policy. A failure before the switch
 * leaves the old policy as it was.
 *
 * Threads. A second thread loads and tests, while the daemon's own goes on to guard
 * interfaces that come, and to answer the API. It has the policy and the outcome, and
 * nothing else, until it ends; everything after that is done by the daemon's thread.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/aside.h"
#include "daemon/coverage.h"
#include "daemon/daemon.h"
#include "daemon/denied.h"
#include "daemon/foresight.h"
#include "daemon/handover.h"
#include "daemon/interfaces/kept_guards.h"
#include "daemon/interfaces/own_addresses.h"
#include "daemon/last_good.h"
#include "daemon/manager.h"
#include "daemon/login.h"
#include "daemon/report.h"
#include "daemon/rule_peaks.h"
#include "daemon/sets_keep.h"
#include "daemon/zone_ids.h"
#include "engine/seats.h"
#include "kernel/seed.h"
#include "proof/shadow.h"
#include "text/json.h"
#include "text/scoped.h"
#include "text/plural.h"

#define SHADOW_STEPS 4000000ULL /* a fiftieth of a second: a reload waits for it. keepstate check takes more */

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

__attribute__((format(printf, 3, 4))) static int fail_load(struct ks_load_outcome *outcome, int err, const char *format,
							   ...)
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
	static const struct ks_shadow_wish wish = { .steps = SHADOW_STEPS, .steps_rule = SHADOW_STEPS };
	ks_auto_policy struct ks_policy *new = NULL;
	int err;

	memset(outcome, 0, sizeof(*outcome));
	err = ks_policy_load(path, &new, &outcome->diags);
	if (!err)
		err = ks_policy_require_zones(new, &outcome->diags);
	if (err == -EINVAL)
		return fail_load(outcome, err, "%zu error%s", outcome->diags.errors, ks_plural(outcome->diags.errors));
	if (err)
		return fail_load(outcome, err, "cannot read it: %s", strerror(-err));
	err = ks_daemon_test(new, outcome);
	if (err)
		return err;
	err = ks_shadow_check(new, &wish, &outcome->diags, NULL) ?: ks_policy_keep_warnings(new, &outcome->diags);
	if (err)
		return fail_load(outcome, err, "cannot look for shadowed rules: %s", strerror(-err));
	err = ks_own_addresses_fill(new);
	if (err < 0)
		return fail_load(outcome, err, "cannot read the interfaces' addresses: %s", strerror(-err));
	*policy = TAKE(new);
	return 0;
}

/* The counters of a rule that is new begin at 0, whatever an earlier bearer of its id left. */
static void reset_new_counters(struct ks_daemon *daemon, const struct ks_ledger *new)
{
	for (size_t i = 0; i < new->ids.rule_count; i++) {
		if (!new->ids.rules[i].is_new)
			continue;
		ks_kernel_rule_reset(daemon->kernel, new->ids.rules[i].id);
		ks_rule_peaks_forget(daemon->rule_peaks, new->ids.rules[i].id);
	}
}

/*
 * The ledger of a policy is on disk before the kernel judges by its ids. A takeover goes on without: a full disk must not
 * leave the firewall alone for ever.
 */
static int store_ledger(const struct ks_daemon *daemon, struct ks_ledger *ledger, bool fresh, char **message)
{
	int err = ks_ledger_write(ledger, daemon->instance.ledger);

	if (!err)
		return 0;
	if (!fresh && !daemon->policy && (err == -ENOSPC || err == -EDQUOT)) {
		ks_report_error("cannot write %s: %s; if the daemon dies before there is room, counters of rules mix",
				daemon->instance.ledger, strerror(-err));
		ledger->changed = true; /* it is tried again every second */
		return 0;
	}
	if (asprintf(message, "cannot write %s: %s", daemon->instance.ledger, strerror(-err)) < 0)
		*message = NULL;
	return err;
}

/* Interfaces that were put in no zone get theirs back, under the policy before; after a takeover that is an earlier daemon's. */
static void undo_preparation(struct ks_daemon *daemon, const struct ks_kept_guards *guards)
{
	ks_daemon_write_ledger(daemon); /* the old one */
	if (ks_kept_guards_restore(daemon->kernel, guards))
		ks_report_error("not every interface got its zone back: what comes by it is denied");
	if (daemon->policy)
		ks_interfaces_apply(&daemon->interfaces, daemon->policy);
}

/* Budgets of another size have queues of another length. Whoever gets no seat lives until his timeout. */
static void seat_all(struct ks_daemon *daemon, const struct ks_policy *policy)
{
	if (daemon->policy && ks_seats_differ(&daemon->policy->config, &policy->config) &&
	    ks_kernel_seat_all(daemon->kernel, policy))
		ks_report_error("half-open states beyond the new limit stay until their timeouts: no memory");
}

static int switch_policy(struct ks_daemon *daemon, struct ks_policy *policy, struct ks_ledger *ledger, bool fresh,
			 char **message)
{
	ks_auto_kept_guards struct ks_kept_guards guards = { 0 };
	int err = store_ledger(daemon, ledger, fresh, message);

	if (err || fresh)
		return err;
	reset_new_counters(daemon, ledger);
	err = ks_kept_guards_take(daemon->kernel, &guards);
	if (!err)
		err = ks_interfaces_prepare(&daemon->interfaces, policy);
	if (!err)
		err = ks_kernel_set_policy(daemon->kernel, policy);
	if (!err) {
		ks_zone_ids_clear(daemon, ks_ids_taken_zones(&daemon->ledger.ids, &ledger->ids));
		seat_all(daemon, policy);
	}
	if (err) {
		const char *why = *ks_kernel_complaint() ? ks_kernel_complaint() : strerror(-err);

		*message = strdup(why);
		undo_preparation(daemon, &guards);
	}
	return err;
}

/* A copy of the list before anything changes. Without memory it is empty, and every interface counts as new. */
static struct ks_interfaces copy_list(const struct ks_interfaces *interfaces)
{
	struct ks_interfaces copy = { .list = calloc(interfaces->count + 1, sizeof(*copy.list)) };

	copy.count = copy.list ? interfaces->count : 0;
	if (copy.count)
		memcpy(copy.list, interfaces->list, copy.count * sizeof(*copy.list));
	return copy;
}

void ks_replaced_fini(struct ks_replaced *replaced)
{
	ks_policy_destroy(replaced->policy);
	ks_ids_fini(&replaced->ids);
	free(replaced->interfaces.list);
	*replaced = (struct ks_replaced){ 0 };
}

static int adopt_refuse(int err, char **message)
{
	*message = strdup(err == -ENOSPC ? "no rule ids are left" : strerror(-err));
	return err;
}

static int install(struct ks_daemon *daemon, struct ks_policy *policy, bool fresh, struct ks_replaced *replaced,
		   char **message)
{
	ks_auto_ledger struct ks_ledger ledger = { 0 };
	int err = ks_ledger_adopt(&daemon->ledger, policy, &ledger);

	*message = NULL;
	if (err)
		return adopt_refuse(err, message);
	err = switch_policy(daemon, policy, &ledger, fresh, message);
	if (err)
		return err;
	replaced->policy = daemon->policy;
	replaced->ids = TAKE_STRUCT(daemon->ledger.ids);
	ks_ledger_fini(&daemon->ledger);
	daemon->policy = policy;
	daemon->ledger = TAKE_STRUCT(ledger);
	daemon->loaded = time(NULL);
	return 0;
}

int ks_daemon_install(struct ks_daemon *daemon, struct ks_policy *policy, bool fresh, char **message)
{
	ks_auto_replaced struct ks_replaced replaced = { 0 };

	return install(daemon, policy, fresh, &replaced, message);
}

int ks_daemon_replace(struct ks_daemon *daemon, struct ks_policy *policy, struct ks_replaced *replaced, char **message)
{
	replaced->interfaces = copy_list(&daemon->interfaces);
	return install(daemon, policy, false, replaced, message);
}

void ks_daemon_write_ledger(struct ks_daemon *daemon)
{
	int err = ks_ledger_write(&daemon->ledger, daemon->instance.ledger);

	if (err && err != daemon->ledger_error)
		ks_report_error("cannot write %s: %s", daemon->instance.ledger, strerror(-err));
	daemon->ledger_error = err;
	daemon->ledger.changed = err != 0;
}

void ks_daemon_keep_policy(struct ks_daemon *daemon)
{
	int err;

	if (daemon->trial.waits) {
		ks_trial_keep(daemon);
		return;
	}
	if (daemon->stand_in.why)
		return;
	err = ks_last_good_keep(&daemon->kept, daemon->policy);
	if (err && err != daemon->keep_error)
		ks_report_error(
			"%s: cannot keep the policy: %s: at a start whose policy does not load, an older one, or none, "
			"comes back",
			daemon->kept.state_dir, strerror(-err));
	daemon->keep_error = err;
}

/* The new policy is in force whatever happens here: an interface that cannot be guarded is reported and tried again. */
void ks_daemon_follow(struct ks_daemon *daemon)
{
	int err = ks_interfaces_apply(&daemon->interfaces, daemon->policy);

	if (err)
		ks_report_error("not every interface is guarded: %s", strerror(-err));
	ks_daemon_note_guard(daemon);
	ks_daemon_write_ledger(daemon);
	ks_hosts_follow(daemon);
}

void ks_daemon_note_guard(struct ks_daemon *daemon)
{
	for (size_t i = 0; !daemon->ledger.since && i < daemon->interfaces.count; i++) {
		if (!ks_role_has_programs(daemon->interfaces.list[i].role) || daemon->interfaces.list[i].error)
			continue;
		daemon->ledger.since = time(NULL);
		ks_daemon_write_ledger(daemon);
	}
}

void ks_daemon_say(bool warning, const char *line)
{
	if (warning)
		ks_report_error("WARNING: %s", line);
	else
		ks_report("%s", line);
}

/* The change since the interfaces were as in `before`, NULL without memory. */
static json_t *find_change(const struct ks_daemon *daemon, const struct ks_interfaces *before)
{
	const struct ks_interfaces *now = &daemon->interfaces;
	json_t *change =
		json_pack("{s:o, s:o, s:o, s:o}", "now_guarded", ks_coverage_difference(now, before),
			  "no_longer_guarded", ks_coverage_difference(before, now), "in_no_zone",
			  ks_coverage_outcast(before, now), "warnings", ks_coverage_warnings(now, daemon->policy));

	ks_sets_add_warnings(daemon, json_object_get(change, "warnings"));
	ks_coverage_add_cut(&change, daemon->kernel, &daemon->ledger, daemon->policy);
	return change;
}

void ks_daemon_sign(const struct ks_daemon *daemon)
{
	struct ks_holder holder = { .pid = getpid(), .since = daemon->started };

	snprintf(holder.policy, sizeof(holder.policy), "%s", ks_stand_in_name(daemon));
	if (ks_instance_sign(daemon->lock_fd, &holder)) /* only a second instance's message suffers */
		ks_report_error("cannot write %s", daemon->instance.lock);
}

/* A policy being loaded aside: a large one takes seconds. */
struct load_ctx {
	const char *path;
	struct ks_policy *policy;
	struct ks_load_outcome *outcome;
	int err;
};

static void load_policy(void *arg)
{
	struct load_ctx *ctx = arg;

	ctx->err = ks_daemon_load(ctx->path, &ctx->policy, ctx->outcome);
}

static int load_aside(struct ks_daemon *daemon, const char *path, struct ks_policy **policy,
		      struct ks_load_outcome *outcome)
{
	struct load_ctx ctx = { .path = path, .outcome = outcome };

	ks_aside_run_serving(daemon, load_policy, &ctx);
	if (ctx.err)
		return ctx.err;
	*policy = ctx.policy;
	if (daemon->quit)
		return fail_load(outcome, -ECANCELED, "the daemon ends");
	if (ks_own_addresses_fill(*policy) < 0) /* news of addresses that came meanwhile went to the old one */
		daemon->addresses_wait = true;
	return 0;
}

/* Notes the path of the policy that is installed now, and owns it. */
static void take_path(struct ks_daemon *daemon, char *path)
{
	free(daemon->policy_path);
	daemon->policy_path = path;
	ks_stand_in_fini(&daemon->stand_in);
	daemon->closed = false;
	daemon->reloads++;
	ks_daemon_sign(daemon);
}

void ks_daemon_tell_manager(const struct ks_daemon *daemon)
{
	char status[512];

	snprintf(status, sizeof(status), "%.300s in force on %zu interface%s, generation %u", ks_stand_in_name(daemon),
		 ks_interfaces_guarded(&daemon->interfaces), ks_plural(ks_interfaces_guarded(&daemon->interfaces)),
		 ks_kernel_config(daemon->kernel)->generation);
	ks_manager_ready(status);
}

/* The new policy is in force, whatever happens here. */
static void settle(struct ks_daemon *daemon, const struct ks_reload *reload, const struct ks_replaced *replaced,
		   json_t **change)
{
	ks_daemon_follow(daemon);
	ks_daemon_keep_policy(daemon);
	*change = find_change(daemon, &replaced->interfaces);
	ks_denied_settle(daemon, replaced, reload->end_denied, change);
	ks_login_add(daemon, daemon->policy, reload->login, change);
	if (daemon->trial.waits)
		ks_json_set(change, "unconfirmed", ks_trial_json(daemon));
}

static int replace_policy(struct ks_daemon *daemon, const struct ks_reload *reload, struct ks_load_outcome *outcome)
{
	ks_auto_free char *name = strdup(reload->path ? reload->path : daemon->policy_path);
	ks_auto_replaced struct ks_replaced replaced = { 0 };
	ks_auto_policy struct ks_policy *policy = NULL;
	const struct ks_table_size size = ks_handover_size(daemon);
	bool waited;
	int err;

	memset(outcome, 0, sizeof(*outcome));
	if (!name)
		return -ENOMEM;
	err = load_aside(daemon, name, &policy, outcome);
	waited = daemon->trial.waits; /* until then it may have been confirmed */
	if (!err)
		err = ks_handover_grow(daemon, policy, &outcome->message);
	if (!err && !waited)
		ks_sets_save_changes(daemon); /* the next policy may not have them */
	if (!err && reload->confirm)
		err = ks_trial_begin(daemon, reload->confirm, &outcome->message);
	if (err)
		return err;
	ks_trial_unkeep(daemon);
	err = ks_daemon_replace(daemon, policy, &replaced, &outcome->message);
	if (err) {
		if (waited)
			ks_trial_keep(daemon);
		else
			ks_trial_forget(daemon);
		return err;
	}
	policy = NULL; /* the daemon owns it */
	if (waited)
		ks_sets_trial_take_back(daemon);
	take_path(daemon, TAKE(name));
	settle(daemon, reload, &replaced, &outcome->change);
	ks_handover_add_size(&outcome->change, daemon, &size);
	return 0;
}

int ks_daemon_dry_run(struct ks_daemon *daemon, const struct ks_reload *reload, struct ks_load_outcome *outcome)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_ids struct ks_ids ids = { 0 };
	int err;

	memset(outcome, 0, sizeof(*outcome));
	err = load_aside(daemon, reload->path ? reload->path : daemon->policy_path, &policy, outcome);
	if (err)
		return err;
	err = ks_ids_adopt(&daemon->ledger.ids, policy, &ids);
	if (err)
		return adopt_refuse(err, &outcome->message);
	err = ks_denied_foresee(daemon, policy, &ids, &outcome->change);
	if (!err)
		ks_json_set(&outcome->change, "rules", json_integer((json_int_t)policy->info_count));
	if (!err)
		ks_login_add(daemon, policy, reload->login, &outcome->change);
	if (!err)
		ks_foresight_add(daemon, policy, &outcome->change);
	return err;
}

int ks_daemon_reload(struct ks_daemon *daemon, const struct ks_reload *reload, struct ks_load_outcome *outcome)
{
	int err;

	ks_manager_reloading();
	err = replace_policy(daemon, reload, outcome);
	daemon->reload_failed = err != 0;
	daemon->reloads_refused += err != 0;
	ks_daemon_tell_manager(daemon);
	return err;
}
