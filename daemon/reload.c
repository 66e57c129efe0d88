/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting policies into force. A thread loads the policy while the daemon goes on to
 * guard interfaces that come; the rest is done by the daemon's own. The order keeps every promise at every moment:
 * load and test, give rules and zones their old ids, write the ledger, take
 * interfaces that change zones out of the zone map, switch, then bring zone
 * map and filters in line. Before the switch any failure leaves the old policy
 * as it was.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/coverage.h"
#include "daemon/daemon.h"
#include "daemon/interfaces/own_addresses.h"
#include "daemon/report.h"

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

/* The counters of a rule that is new begin at 0, whatever an earlier bearer of its id left. */
static void reset_new_counters(struct ks_daemon *daemon, const struct ks_ledger *new)
{
	for (size_t i = 0; i < new->ids.rule_count; i++) {
		if (new->ids.rules[i].is_new)
			ks_kernel_rule_reset(daemon->kernel, new->ids.rules[i].id);
	}
}

/* The ledger of a policy is on disk before the kernel judges by its ids. */
static int switch_policy(struct ks_daemon *daemon, struct ks_policy *policy, struct ks_ledger *ledger, bool fresh,
			 char **message)
{
	int err = ks_ledger_write(ledger, daemon->instance.ledger);

	if (err && asprintf(message, "cannot write %s: %s", daemon->instance.ledger, strerror(-err)) < 0)
		*message = NULL;
	if (err || fresh)
		return err;
	reset_new_counters(daemon, ledger);
	err = ks_interfaces_prepare(&daemon->interfaces, policy);
	if (!err)
		err = ks_kernel_set_policy(daemon->kernel, policy);
	if (err) {
		const char *why = *ks_kernel_complaint() ? ks_kernel_complaint() : strerror(-err);

		*message = strdup(why);
		ks_ledger_write(&daemon->ledger, daemon->instance.ledger);
		if (daemon->policy) /* whom prepare took out of the zone map */
			ks_interfaces_apply(&daemon->interfaces, daemon->policy);
	}
	return err;
}

int ks_daemon_install(struct ks_daemon *daemon, struct ks_policy *policy, bool fresh, char **message)
{
	struct ks_ledger ledger;
	int err = ks_ledger_adopt(&daemon->ledger, policy, &ledger);

	*message = NULL;
	if (err) {
		*message = strdup(err == -ENOSPC ? "no rule ids are left" : strerror(-err));
		return err;
	}
	err = switch_policy(daemon, policy, &ledger, fresh, message);
	if (err) {
		ks_ledger_fini(&ledger);
		return err;
	}
	ks_policy_destroy(daemon->policy);
	ks_ledger_fini(&daemon->ledger);
	daemon->policy = policy;
	daemon->ledger = ledger;
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
	err = ks_ledger_write(&daemon->ledger, daemon->instance.ledger);
	if (err)
		ks_report_error("cannot write %s: %s", daemon->instance.ledger, strerror(-err));
}

void ks_daemon_note_guard(struct ks_daemon *daemon)
{
	for (size_t i = 0; !daemon->ledger.since && i < daemon->interfaces.count; i++) {
		if (!ks_role_has_programs(daemon->interfaces.list[i].role) || daemon->interfaces.list[i].error)
			continue;
		daemon->ledger.since = time(NULL);
		ks_ledger_write(&daemon->ledger, daemon->instance.ledger);
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
		json_pack("{s:o, s:o, s:o, s:o}", "now_guarded", ks_coverage_difference(now, before),
			  "no_longer_guarded", ks_coverage_difference(before, now), "in_no_zone",
			  ks_coverage_outcast(before, now), "warnings", ks_coverage_warnings(now, daemon->policy));

	ks_coverage_add_cut(change, daemon->kernel, &daemon->ledger, daemon->policy);
	return change;
}

/* A copy of the list, as it is before anything changes. Without memory it is empty: then everything counts as new. */
static struct ks_interfaces list_copy(const struct ks_interfaces *interfaces)
{
	struct ks_interfaces copy = { .list = calloc(interfaces->count + 1, sizeof(*copy.list)) };

	copy.count = copy.list ? interfaces->count : 0;
	if (copy.count)
		memcpy(copy.list, interfaces->list, copy.count * sizeof(*copy.list));
	return copy;
}

void ks_daemon_sign(const struct ks_daemon *daemon)
{
	struct ks_holder holder = { .pid = getpid(), .since = daemon->started };

	snprintf(holder.policy, sizeof(holder.policy), "%s", daemon->policy_path);
	if (ks_instance_sign(daemon->lock_fd, &holder)) /* only a second instance's message suffers */
		ks_report_error("cannot write %s", daemon->instance.lock);
}

/* A policy being loaded by a thread of its own: a large one takes seconds. */
struct loading {
	const char *path;
	struct ks_policy *policy;
	struct ks_load_outcome *outcome;
	int done_fd; /* an eventfd that the thread writes to when it ends */
	int err;
};

static void *load_policy(void *arg)
{
	struct loading *loading = arg;
	const __u64 one = 1;

	loading->err = ks_daemon_load(loading->path, &loading->policy, loading->outcome);
	while (write(loading->done_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
	return NULL;
}

/* An interface that comes while the policy is loaded must not wait for it. The thread touches nothing of the daemon. */
static void take_news_until(struct ks_daemon *daemon, int done_fd)
{
	struct pollfd fds[] = { { .fd = done_fd, .events = POLLIN },
				{ .fd = daemon->news_fd, .events = POLLIN },
				{ .fd = daemon->routes_fd, .events = POLLIN } };

	while (!fds[0].revents) {
		if (poll(fds, KS_ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents || fds[2].revents)
			ks_daemon_take_news(daemon);
	}
}

static int load_aside(struct ks_daemon *daemon, const char *path, struct ks_policy **policy,
		      struct ks_load_outcome *outcome)
{
	struct loading loading = { .path = path, .outcome = outcome, .done_fd = eventfd(0, EFD_CLOEXEC) };
	pthread_t thread;

	if (loading.done_fd < 0 || pthread_create(&thread, NULL, load_policy, &loading)) {
		if (loading.done_fd >= 0)
			close(loading.done_fd);
		return ks_daemon_load(path, policy, outcome);
	}
	take_news_until(daemon, loading.done_fd);
	pthread_join(thread, NULL);
	close(loading.done_fd);
	if (loading.err)
		return loading.err;
	*policy = loading.policy;
	if (ks_own_addresses_fill(*policy) < 0) /* news of addresses that came meanwhile went to the old one */
		daemon->addresses_wait = true;
	return 0;
}

/* The path of the policy that is installed now. */
static void adopt_path(struct ks_daemon *daemon, char *path)
{
	free(daemon->policy_path);
	daemon->policy_path = path;
	daemon->reloads++;
	ks_daemon_sign(daemon);
}

int ks_daemon_reload(struct ks_daemon *daemon, const char *path, struct ks_load_outcome *outcome)
{
	struct ks_interfaces before;
	struct ks_policy *policy;
	char *name = strdup(path ? path : daemon->policy_path);
	int err;

	memset(outcome, 0, sizeof(*outcome));
	if (!name)
		return -ENOMEM;
	err = load_aside(daemon, name, &policy, outcome);
	if (err) {
		free(name);
		return err;
	}
	before = list_copy(&daemon->interfaces);
	err = ks_daemon_install(daemon, policy, false, &outcome->message);
	if (err) {
		ks_policy_destroy(policy);
		free(name);
	} else {
		adopt_path(daemon, name);
		follow_interfaces(daemon);
		outcome->change = find_change(daemon, &before);
	}
	free(before.list);
	return err;
}
