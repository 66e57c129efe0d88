/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's life: start or take over, the poll loop, the end. See daemon.h.
 *
 * Start. The policy is loaded and tested, the lock taken, descriptors opened,
 * programs and maps loaded or taken over, every interface guarded, the control
 * API opened. A start that fails leaves what an earlier daemon put in force, or
 * nothing.
 *
 * Loop. One thread waits for signals, news of interfaces and routes, the second,
 * the control API and events. SIGHUP reloads.
 *
 * End. SIGTERM and SIGINT end the daemon and leave the firewall in the kernel, as
 * a crash would: so nothing passes unfiltered while an init system restarts the
 * service. Only `keepstate stop` takes the firewall away.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/api/api.h"
#include "daemon/background.h"
#include "daemon/beacon.h"
#include "daemon/between.h"
#include "daemon/coverage.h"
#include "daemon/daemon.h"
#include "daemon/events.h"
#include "daemon/handover.h"
#include "daemon/interfaces/own_addresses.h"
#include "daemon/fallback.h"
#include "daemon/farewell.h"
#include "daemon/last_good.h"
#include "daemon/left_over.h"
#include "daemon/ledger_lost.h"
#include "daemon/login.h"
#include "daemon/manager.h"
#include "daemon/mend.h"
#include "daemon/privileges.h"
#include "daemon/report.h"
#include "daemon/sets_keep.h"
#include "daemon/sample.h"
#include "daemon/settle/settle.h"
#include "explain/change.h"
#include "text/json.h"
#include "text/scoped.h"

#define KS_EXIT_OK 0
#define KS_EXIT_NO 1
#define KS_EXIT_POLICY 2
#define KS_EXIT_SYSTEM 3

#define KS_BEAT_SECONDS 5 /* how often followers get an empty line */

/* Says what failed; returns the exit code. */
static int give_up(const char *what, int err)
{
	const char *why = *ks_kernel_complaint() ? ks_kernel_complaint() : strerror(-err);

	ks_report_error("%s: %s", what, why);
	if (err == -EPERM || err == -EACCES)
		ks_report_error("the daemon needs root, or the capabilities CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, "
				"and CAP_SYS_ADMIN to "
				"mount the bpf file system where it is not mounted yet");
	return KS_EXIT_SYSTEM;
}

static int refuse_second(const struct ks_instance *instance, const struct ks_holder *holder)
{
	char since[64] = "";
	time_t when = (time_t)holder->since;
	struct tm tm;

	if (holder->since && localtime_r(&when, &tm))
		strftime(since, sizeof(since), " since %Y-%m-%d %H:%M:%S", &tm);
	if (!holder->pid)
		ks_report_error("another Keepstate is starting in this network namespace (%s)", instance->name);
	else
		ks_report_error("Keepstate runs already in this network namespace (%s): process %d%s%s%s",
				instance->name, (int)holder->pid, *holder->policy ? ", policy " : "", holder->policy,
				since);
	return KS_EXIT_NO;
}

/*
 * The lock file may have been removed under a living daemon, which its beacon outlasts; that daemon makes it again within a
 * second (mend.h).
 */
static int light_beacon(struct ks_daemon *daemon)
{
	struct ks_holder other = { 0 };
	pid_t pid = 0;

	daemon->beacon_fd = ks_beacon_light(KS_BEACON_DAEMON, &pid);
	if (daemon->beacon_fd == -EADDRINUSE) {
		ks_instance_read_holder(&daemon->instance, &other);
		other.pid = pid;
		return refuse_second(&daemon->instance, &other);
	}
	if (daemon->beacon_fd == -EPERM)
		ks_report_error(
			"process %d, which is not root's, holds the name by which a living daemon is known; only the "
			"lock file keeps a second one away",
			(int)pid);
	return KS_EXIT_OK;
}

/* Until the policy is in force the one of an earlier daemon is. A failure is told when the lock is signed again. */
static void sign_start(const struct ks_daemon *daemon)
{
	struct ks_holder holder = { .pid = getpid(), .since = daemon->started };
	const char *in_force = daemon->before.guards ? daemon->before.last.policy : "";

	snprintf(holder.policy, sizeof(holder.policy), "%s", *in_force ? in_force : daemon->policy_path);
	ks_instance_sign(daemon->lock_fd, &holder);
}

static int take_lock(struct ks_daemon *daemon, bool is_watcher)
{
	struct ks_holder other;

	ks_presence_find(&daemon->instance, &daemon->before);
	daemon->lock_fd = ks_instance_lock(&daemon->instance, &other);
	daemon->quit = daemon->lock_fd == -EWOULDBLOCK && is_watcher; /* its holder knows of the trial */
	if (daemon->quit)
		return KS_EXIT_OK;
	if (daemon->lock_fd == -EWOULDBLOCK)
		return refuse_second(&daemon->instance, &other);
	if (daemon->lock_fd < 0)
		return give_up(daemon->instance.lock, daemon->lock_fd);
	sign_start(daemon);
	return light_beacon(daemon);
}

static int open_descriptors(struct ks_daemon *daemon)
{
	const struct itimerspec second = { .it_interval.tv_sec = 1, .it_value.tv_sec = 1 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	daemon->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	daemon->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (daemon->signal_fd < 0 || daemon->timer_fd < 0 || timerfd_settime(daemon->timer_fd, 0, &second, NULL))
		return -errno;
	daemon->news_fd = ks_netlink_open(true);
	if (daemon->news_fd < 0)
		return daemon->news_fd;
	daemon->routes_fd = ks_netlink_open_routes();
	return daemon->routes_fd < 0 ? daemon->routes_fd : 0;
}

/* Loads programs and makes maps. Pins that an incomplete start left are removed. */
static int load_fresh(struct ks_daemon *daemon, struct ks_policy *policy)
{
	const struct ks_kernel_opts opts = { .tc_only = true, .pin_dir = daemon->instance.pins };

	daemon->fresh = true;
	ks_kernel_unpin(daemon->instance.pins);
	ks_ledger_fini(&daemon->ledger);
	daemon->ledger.cookie = daemon->instance.cookie;
	return ks_kernel_load(policy, &opts, &daemon->kernel);
}

/* Without the ledger the states stay, and no zone or rule gets an id that one of them has. */
static int read_ledger(struct ks_daemon *daemon, const struct ks_policy *policy)
{
	int err = ks_ledger_read(daemon->instance.ledger, &daemon->ledger);

	if (err == -ENOMEM)
		return err;
	daemon->ledger.cookie = daemon->instance.cookie;
	if (!err)
		return 0;
	ks_report_error(
		"WARNING: %s cannot be read (%s): zones are known by their interfaces only, states of other zones end, "
		"and rules get new numbers, so that states are shown without theirs",
		daemon->instance.ledger, strerror(-err));
	return ks_ledger_recover(daemon->kernel, policy, &daemon->ledger.ids);
}

/* Returns true if the pins belong to a network namespace that is gone and whose inode number is in use again. */
static bool is_left_over(const struct ks_daemon *daemon)
{
	struct ks_ledger ledger;
	bool other;

	if (ks_ledger_read(daemon->instance.ledger, &ledger))
		return false;
	other = ledger.cookie && daemon->instance.cookie && ledger.cookie != daemon->instance.cookie;
	ks_ledger_fini(&ledger);
	return other;
}

static int open_kernel(struct ks_daemon *daemon, struct ks_policy *policy)
{
	int err = is_left_over(daemon) ? -ENOENT : ks_kernel_reopen(daemon->instance.pins, policy, &daemon->kernel);

	if (!err) {
		daemon->took_over = true;
		err = read_ledger(daemon, policy);
	} else if (err == -ENOENT) {
		err = load_fresh(daemon, policy);
	}
	daemon->interfaces.kernel = daemon->kernel;
	daemon->interfaces.ledger = &daemon->ledger;
	return err;
}

/*
 * At a fresh start every interface of a zone must be guarded, or the firewall does not start. For one that no zone names there
 * is only a warning, because no rule is about it.
 */
static int guard_interfaces(struct ks_daemon *daemon)
{
	int err;

	ks_settle_await(daemon);
	err = ks_interfaces_apply(&daemon->interfaces, daemon->policy);
	if (!err || daemon->took_over) { /* every hook is ours that can be */
		ks_handover_raise_backstop(daemon);
		ks_handover_end_old(daemon);
		ks_settle_complete(daemon);
	}
	ks_daemon_note_guard(daemon);
	ks_daemon_write_ledger(daemon);
	return daemon->took_over ? 0 : err;
}

/* Loads or takes over, and puts the policy in force in the kernel, which owns it then: *policy becomes NULL. */
static int bring_up_kernel(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, struct ks_policy **policy)
{
	ks_auto_free char *message = NULL;
	int err = open_kernel(daemon, *policy);

	if (err)
		return give_up("cannot start", err);
	if (daemon->took_over && daemon->closed && !daemon->trial.is_over) /* a policy that was good is in force */
		return KS_EXIT_POLICY;
	if (opts->confirm && !daemon->stand_in.why)
		err = ks_trial_begin(daemon, opts->confirm, &message);
	if (!err)
		err = ks_daemon_install(daemon, *policy, daemon->fresh, &message);
	if (err) {
		ks_report_error("%s: %s", daemon->policy_path, message ? message : strerror(-err));
		return KS_EXIT_SYSTEM;
	}
	*policy = NULL;
	ks_daemon_sign(daemon);
	if (daemon->fresh)
		ks_between_take_back(daemon);
	else if (daemon->trial.is_over || daemon->trial.inherited)
		ks_sets_trial_take_back(daemon);
	return KS_EXIT_OK;
}

/* Everything between a good policy and a firewall in force. A firewall that was in force before stays so on failure. */
static int bring_up(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, struct ks_policy **policy)
{
	int err, code = bring_up_kernel(daemon, opts, policy);

	if (code) {
		ks_trial_forget(daemon);
		if (daemon->fresh)
			ks_instance_discard(&daemon->instance);
		else
			ks_report_error("what an earlier daemon left in force stays in force");
		return code;
	}
	ks_events_expect(daemon->kernel, daemon->policy);
	err = guard_interfaces(daemon);
	if (!err)
		err = ks_events_create(daemon->kernel, &daemon->policy, &daemon->events);
	if (!err)
		err = ks_api_create(daemon, &daemon->api);
	if (err && daemon->fresh)
		ks_instance_remove(&daemon->instance, daemon->ledger.qdiscs, daemon->ledger.qdisc_count);
	if (!err) /* they are in the table, or it has newer ones */
		ks_keep_forget(&daemon->instance);
	return err ? give_up("cannot start", err) : KS_EXIT_OK;
}

static void reload_by_signal(struct ks_daemon *daemon)
{
	const struct ks_reload reload = { 0 };
	struct ks_load_outcome outcome;
	int err;

	err = ks_daemon_reload(daemon, &reload, &outcome);
	if (err) {
		ks_load_outcome_report(&outcome, daemon->policy_path);
		ks_report_error("reload refused, the old policy stays");
	} else {
		ks_report("%s is in force: generation %u", daemon->policy_path,
			  ks_kernel_config(daemon->kernel)->generation);
		ks_change_tell(outcome.change, ks_daemon_say);
	}
	ks_load_outcome_fini(&outcome);
}

static void take_signals(struct ks_daemon *daemon)
{
	struct signalfd_siginfo info;

	while (read(daemon->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload_by_signal(daemon);
		else
			daemon->quit = true;
	}
}

static void take_interface_news(const struct ks_interface *interface, void *arg)
{
	struct ks_daemon *daemon = arg;

	ks_interfaces_take_news(&daemon->interfaces, daemon->policy, interface);
}

/* Fills the policy's sets of own addresses from the interfaces. What fails is tried again every second. */
static void follow_addresses(struct ks_daemon *daemon)
{
	int err = ks_own_addresses_fill(daemon->policy);

	daemon->addresses_wait |= err != 0;
	if (err >= 0 && daemon->addresses_wait) {
		err = ks_kernel_set_policy(daemon->kernel, daemon->policy);
		daemon->addresses_wait = err != 0;
	}
	if (err < 0)
		ks_report_error("the policy does not know the interfaces' new addresses yet: %s", strerror(-err));
}

static void apply_interfaces(struct ks_daemon *daemon)
{
	int err = ks_interfaces_apply(&daemon->interfaces, daemon->policy);

	if (err)
		ks_report_error("interfaces: %s", strerror(-err));
}

void ks_daemon_take_news(struct ks_daemon *daemon)
{
	int err = ks_netlink_read_news(daemon->news_fd, take_interface_news, daemon);

	ks_interfaces_end_news(&daemon->interfaces);
	if (err == -ENOBUFS) /* some were lost: look at everything */
		apply_interfaces(daemon);
	else if (err)
		ks_report_error("interfaces: %s", strerror(-err));
	ks_interfaces_take_routes(&daemon->interfaces, daemon->routes_fd);
	follow_addresses(daemon);
	ks_daemon_note_guard(daemon);
	if (daemon->ledger.changed)
		ks_daemon_write_ledger(daemon);
}

static void take_second(struct ks_daemon *daemon)
{
	static unsigned seconds;
	__u64 expirations;

	if (read(daemon->timer_fd, &expirations, sizeof(expirations)) != sizeof(expirations))
		return;
	ks_sample_take(daemon);
	ks_events_second(daemon->events);
	ks_trial_tick(daemon);
	if (daemon->interfaces.incomplete)
		apply_interfaces(daemon);
	ks_daemon_mend(daemon);
	ks_interfaces_watch(&daemon->interfaces);
	ks_outers_follow(&daemon->outers, &daemon->interfaces);
	if (daemon->backstop_error)
		ks_handover_raise_backstop(daemon);
	if (daemon->old_stays)
		ks_handover_end_old(daemon);
	if (daemon->addresses_wait)
		follow_addresses(daemon);
	ks_daemon_note_guard(daemon);
	if (daemon->ledger.changed)
		ks_daemon_write_ledger(daemon);
	ks_hosts_second(daemon);
	ks_sets_keep(daemon);
	ks_schedules_follow(daemon);
	ks_cgroups_follow(daemon);
	ks_rates_tick(&daemon->rates, ks_kernel_now(daemon->kernel));
	if (++seconds % KS_BEAT_SECONDS == 0)
		ks_events_beat(daemon->events);
}

/* The ms that serve() may wait, or -1. */
static int patience(const struct ks_daemon *daemon)
{
	const int api = ks_api_timeout(daemon->api), events = ks_events_timeout(daemon->events);

	return api < 0 || events < 0 ? KS_MAX(api, events) : KS_MIN(api, events);
}

static void serve(struct ks_daemon *daemon)
{
	while (!daemon->quit) {
		struct pollfd fds[] = {
			{ .fd = daemon->signal_fd, .events = POLLIN },
			{ .fd = daemon->news_fd, .events = POLLIN },
			{ .fd = daemon->timer_fd, .events = POLLIN },
			{ .fd = daemon->routes_fd, .events = POLLIN },
			{ .fd = ks_api_fd(daemon->api), .events = POLLIN },
			{ .fd = ks_events_are_awaited(daemon->events) ? ks_events_fd(daemon->events) : -1,
			  .events = POLLIN },
			{ .fd = ks_cgroups_fd(daemon), .events = POLLIN },
		};

		if (poll(fds, KS_ARRAY_SIZE(fds), patience(daemon)) < 0 && errno != EINTR)
			break;
		if (fds[0].revents)
			take_signals(daemon);
		if (fds[1].revents)
			ks_daemon_take_news(daemon);
		if (fds[2].revents)
			take_second(daemon);
		if (fds[3].revents)
			ks_interfaces_take_routes(&daemon->interfaces, daemon->routes_fd);
		if (fds[5].revents || !ks_events_timeout(daemon->events))
			ks_events_take(daemon->events);
		if (fds[6].revents)
			ks_cgroups_follow(daemon);
		ks_api_turn(daemon->api);
	}
}

static int end_daemon(struct ks_daemon *daemon)
{
	int err = 0;

	ks_manager_stopping(daemon->remove
				    ? "taking the firewall away"
				    : "the firewall stays in force without a daemon; `keepstate stop` removes it");
	ks_farewell_say(daemon);
	ks_sets_save(daemon);
	if (daemon->trial.waits && !daemon->remove)
		ks_trial_take_back(daemon, "because the daemon ends");
	if (daemon->remove)
		err = ks_between_take_away(daemon);
	else
		ks_between_leave(daemon);
	if (err)
		return KS_EXIT_SYSTEM;
	return daemon->unconfirmed ? KS_EXIT_NO : KS_EXIT_OK;
}

static void daemon_fini(struct ks_daemon *daemon)
{
	const int fds[] = { daemon->signal_fd, daemon->timer_fd, daemon->news_fd,
			    daemon->routes_fd, daemon->lock_fd,	 daemon->beacon_fd };

	ks_hosts_fini(&daemon->hosts);
	ks_cgroups_fini(&daemon->cgroups);
	ks_interfaces_fini(&daemon->interfaces);
	ks_kernel_close(daemon->kernel);
	ks_policy_destroy(daemon->policy);
	ks_ledger_fini(&daemon->ledger);
	free(daemon->policy_path);
	free(daemon->rule_peaks);
	ks_stand_in_fini(&daemon->stand_in);
	ks_trial_fini(&daemon->trial);
	for (size_t i = 0; i < KS_ARRAY_SIZE(fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* Finds out which policy is to be put in force: the one that was named, or one in its place. Sets daemon->quit if there is none. */
static int choose_policy(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, struct ks_policy **policy)
{
	int err;

	ks_last_good_find(&daemon->instance, &daemon->kept);
	err = ks_trial_inherit(daemon, opts, policy);
	daemon->quit = err > 0;
	if (err || *policy)
		return err < 0 ? give_up("cannot put another policy in force", err) : KS_EXIT_OK;
	err = ks_fallback_choose(daemon, policy);
	if (err > 0)
		return KS_EXIT_POLICY;
	return err ? give_up("cannot put another policy in force", err) : KS_EXIT_OK;
}

/* Puts the name of the daemon back that has left a firewall in force: commands say whose policy that is. */
static void sign_back(const struct ks_daemon *daemon)
{
	if (daemon->lock_fd >= 0 && daemon->before.guards && !daemon->fresh)
		ks_instance_sign(daemon->lock_fd, &daemon->before.last); /* only a message suffers */
}

static int open_and_bring_up(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, struct ks_policy **policy)
{
	int err = open_descriptors(daemon);

	return err ? give_up("cannot open what the daemon listens to", err) : bring_up(daemon, opts, policy);
}

static int start(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, struct ks_policy **policy)
{
	int err = ks_instance_find(&daemon->instance) ?: ks_instance_prepare(&daemon->instance);
	int code = err < 0 ? give_up("cannot prepare /run/keepstate", err) : take_lock(daemon, opts->is_watcher);

	if (code == KS_EXIT_SYSTEM) /* there may be no room for the lock: then nobody has it */
		ks_instance_discard_empty(&daemon->instance);
	if (err > 0 && !code)
		ks_report_error(
			"WARNING: this process has a mount namespace of its own, and the bpf file system could not "
			"be mounted outside of it: the firewall and its states end with this process");

	if (!code && !daemon->quit)
		code = choose_policy(daemon, opts, policy);
	if (!code && !daemon->quit)
		code = open_and_bring_up(daemon, opts, policy);
	if (code)
		sign_back(daemon);
	return code;
}

/* Loads the policy that was named. */
static int load_named(const struct ks_daemon_opts *opts, struct ks_policy **policy)
{
	struct ks_load_outcome outcome;
	int err;

	if (opts->is_watcher)
		return KS_EXIT_OK;
	err = ks_daemon_load(opts->policy_path, policy, &outcome);
	ks_load_outcome_report(&outcome, opts->policy_path);
	ks_load_outcome_fini(&outcome);
	return err && !opts->or_last_good ? KS_EXIT_POLICY : KS_EXIT_OK;
}

/* The watcher has no terminal and nobody who waits for it. */
static int leave_foreground(const struct ks_daemon_opts *opts, int *ready_fd)
{
	int err = 0;

	if (opts->detach && opts->is_watcher)
		ks_background_leave_terminal();
	else if (opts->detach)
		err = ks_background_go(ready_fd);
	return err ? give_up("cannot go to the background", err) : KS_EXIT_OK;
}

/* The firewall is in force. Returns when the daemon is to end. */
static int live(struct ks_daemon *daemon, const struct ks_daemon_opts *opts, int ready_fd)
{
	ks_trial_started(daemon);
	ks_daemon_keep_policy(daemon);
	ks_left_over_remove();
	ks_privileges_drop();
	ks_hosts_second(daemon);
	ks_daemon_announce(daemon, opts->login);
	ks_background_tell(ready_fd, KS_EXIT_OK);
	serve(daemon);
	return end_daemon(daemon);
}

int ks_daemon_run(const struct ks_daemon_opts *opts)
{
	struct ks_daemon daemon = {
		.lock_fd = -1, .beacon_fd = -1, .signal_fd = -1, .news_fd = -1, .routes_fd = -1, .timer_fd = -1
	};
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_fd int ready_fd = -1;
	int code = load_named(opts, &policy);

	if (!code)
		code = leave_foreground(opts, &ready_fd);
	if (code)
		return code;
	daemon.started = time(NULL);
	daemon.policy_path = strdup(opts->policy_path ? opts->policy_path : "the policy on trial");
	code = daemon.policy_path ? start(&daemon, opts, &policy) : give_up("cannot start", -ENOMEM);
	if (!code && !daemon.quit) {
		code = live(&daemon, opts, TAKE_FD(ready_fd));
	} else {
		ks_background_tell(TAKE_FD(ready_fd), code);
		ks_farewell_say(&daemon);
	}
	daemon_fini(&daemon);
	return code;
}
