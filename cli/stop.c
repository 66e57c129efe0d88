/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate stop: takes the firewall away. A living daemon does it itself, asked by the
 * control API. What a dead one has left is removed here, by the daemon's own functions.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "daemon/beacon.h"
#include "daemon/instance.h"
#include "daemon/instances.h"
#include "daemon/keep.h"
#include "daemon/ledger.h"
#include "kernel/kernel.h"
#include "daemon/presence.h"

#define POLL_US 50000
#define DEATH_POLLS 20
#define START_POLLS 1200
#define STOP_POLLS 200 /* removing a large table takes a moment */
#define SAVE_POLLS (STOP_POLLS + 20 * KS_KEEP_SECONDS) /* and saving it another one */

static int stop_error(const char *what, int err)
{
	fprintf(stderr, "keepstate: %s: %s\n", what, strerror(-err));
	return KS_EXIT_SYSTEM;
}

/*
 * A daemon that starts has the lock some time before the socket: it loads its programs in between. One whose files were removed
 * makes them again within a second.
 */
static void wait_for_socket(const struct ks_instance *instance)
{
	pid_t pid = ks_beacon_see(KS_BEACON_DAEMON);

	for (int i = 0; i < START_POLLS && access(instance->socket, F_OK); i++) {
		if ((access(instance->lock, F_OK) && !pid) || (pid && ks_process_is_suspended(pid)))
			return;
		usleep(POLL_US);
		pid = ks_beacon_see(KS_BEACON_DAEMON);
	}
}

/* The firewall is gone. Says where the states are, if they were to be saved. */
static int tell_saved(const struct ks_instance *instance, bool save)
{
	char path[KS_INSTANCE_PATH];

	if (!save)
		return KS_EXIT_OK;
	if (!ks_keep_exists(instance, path)) {
		fprintf(stderr,
			"keepstate: stopped, but the states are lost: they could not be saved; the daemon's log has "
			"the reason\n");
		return KS_EXIT_SYSTEM;
	}
	printf("the states are saved in %s; `keepstate run` within %u minutes takes them back\n", path,
	       KS_KEEP_AGE_MAX_S / 60);
	return KS_EXIT_OK;
}

/* Returns true if the daemon is gone. *died: it has left its files, so it did not end by itself. */
static bool has_ended(const struct ks_instance *instance, bool *died)
{
	if (ks_beacon_see(KS_BEACON_DAEMON))
		return false;
	*died = !access(instance->lock, F_OK) || errno != ENOENT;
	return true;
}

/* The answer broke off, or was no. A process that is killed closes one descriptor after the other. */
static void await_death(const struct ks_instance *instance, bool *died)
{
	for (unsigned i = 0; i < DEATH_POLLS && !has_ended(instance, died); i++) {
		if (ks_process_is_suspended(ks_beacon_see(KS_BEACON_DAEMON)))
			return;
		usleep(POLL_US);
	}
}

/* Asks the daemon, and waits until it has removed its directory. *died: it was killed meanwhile. */
static int stop_living(const struct ks_instance *instance, bool save, bool *died)
{
	ks_auto_json json_t *body = json_pack("{s:b}", "save", save);
	const struct ks_call call = { .method = "POST", .path = "/v1/stop", .body = body };
	ks_auto_json json_t *answer = NULL;
	int code;

	wait_for_socket(instance);
	code = ks_client_call(&call, &answer);
	if (code == KS_EXIT_SYSTEM)
		await_death(instance, died);
	if (code != KS_EXIT_OK)
		return code;
	for (unsigned i = 0; i < (save ? SAVE_POLLS : STOP_POLLS); i++) {
		if (has_ended(instance, died)) {
			if (!*died)
				ks_instance_sweep();
			return *died ? KS_EXIT_SYSTEM : tell_saved(instance, save);
		}
		usleep(POLL_US);
	}
	fprintf(stderr, "keepstate: the daemon has not stopped within %u s\n",
		(save ? SAVE_POLLS : STOP_POLLS) * POLL_US / 1000000);
	return KS_EXIT_SYSTEM;
}

static int prepare_saving(const struct ks_instance *instance, struct ks_kernel **kernel)
{
	return ks_kernel_open_table(instance->pins, kernel) ?: ks_keep_prepare(instance, *kernel);
}

static int cannot_save(const struct ks_instance *instance, int err)
{
	fprintf(stderr, "keepstate: the states cannot be saved in %s: %s; nothing was stopped\n", instance->state_dir,
		strerror(-err));
	return KS_EXIT_SYSTEM;
}

/* We hold the lock, so no daemon is alive. */
static int stop_dead(const struct ks_instance *instance, bool save)
{
	ks_auto_ledger struct ks_ledger ledger = { 0 };
	ks_auto_kernel struct ks_kernel *kernel = NULL;
	__u64 flows;
	int saved = 0, err = ks_instance_prepare(instance);

	if (err < 0)
		return stop_error(instance->dir, err);
	err = save ? prepare_saving(instance, &kernel) : 0;
	if (err)
		return cannot_save(instance, err);
	ks_ledger_read(instance->ledger, &ledger); /* without a ledger, the qdiscs stay */
	err = ks_instance_detach(instance, ledger.qdiscs, ledger.qdisc_count);
	if (!err && save) /* nobody writes the table any more */
		saved = ks_keep_save(instance, kernel, &ledger.ids, true, &flows);
	if (!err)
		err = ks_instance_clear(instance);
	if (err)
		return stop_error("not everything could be removed", err);
	printf("the daemon was dead; what it left is removed\n");
	return saved ? stop_error("the states are lost: they cannot be saved", saved) : tell_saved(instance, save);
}

/* No daemon shows a beacon. */
static int stop_locked(const struct ks_instance *instance, bool save)
{
	struct ks_holder holder;
	ks_auto_fd int fd = ks_instance_lock(instance, &holder);
	bool died;

	if (fd == -ENOENT && ks_instance_prepare(instance) >= 0) /* only pins are left */
		fd = ks_instance_lock(instance, &holder);
	for (unsigned i = 0; fd == -EWOULDBLOCK && i < DEATH_POLLS && !ks_beacon_see(KS_BEACON_DAEMON); i++) {
		usleep(POLL_US); /* it is being killed, or starts */
		fd = ks_instance_lock(instance, &holder);
	}
	if (fd == -EWOULDBLOCK)
		return stop_living(instance, save, &died);
	if (fd < 0)
		return stop_error(geteuid() ? "this needs root" : instance->lock, fd);
	return stop_dead(instance, save);
}

static int stop(bool save)
{
	struct ks_instance instance;
	int code, err = ks_instance_find(&instance);
	bool died = false;

	if (err)
		return stop_error("cannot tell this network namespace", err);
	if (access(instance.dir, F_OK) && access(instance.pins, F_OK) && !ks_beacon_see(KS_BEACON_DAEMON)) {
		if (geteuid()) { /* not even the instance's name is certain: only root may look */
			fprintf(stderr, "keepstate: cannot see whether there is something to stop: this needs root\n");
			return KS_EXIT_SYSTEM;
		}
		fprintf(stderr, "keepstate: nothing to stop in this network namespace (%s)\n", instance.name);
		return KS_EXIT_NO;
	}
	code = ks_beacon_see(KS_BEACON_DAEMON) ? stop_living(&instance, save, &died) : stop_locked(&instance, save);
	return died ? stop_locked(&instance, save) : code;
}

struct gone_ctx {
	const char *name; /* only this one, which the user knows to be gone; NULL: all that surely are */
	bool found;
	unsigned removed;
	int err;
};

static void say_unknown(const struct ks_instance_entry *entry)
{
	fprintf(stderr,
		"keepstate: %s: nothing seems to lead to its network namespace, but %u process%s, such as %d, hide%s "
		"what "
		"leads where from this command: that takes CAP_SYS_PTRACE, which containers do not have. It stays; if "
		"you know that it "
		"is gone: `keepstate stop --gone %s`\n",
		entry->instance.name, entry->unseen, entry->unseen == 1 ? "" : "es", (int)entry->unseen_pid,
		entry->unseen == 1 ? "s" : "", entry->instance.name);
}

/* Returns true if it is to be removed. One that is named may be unknown, but nothing that we see may lead to it. */
static bool is_to_go(const struct gone_ctx *ctx, const struct ks_instance_entry *entry)
{
	if (entry->state == KS_INSTANCE_UNKNOWN && !ctx->name)
		say_unknown(entry);
	else if (ctx->name && (entry->state == KS_INSTANCE_RUNNING || entry->state == KS_INSTANCE_LEFT))
		fprintf(stderr, "keepstate: %s: its network namespace is there%s%s: it stays\n", entry->instance.name,
			*entry->netns ? ": " : "", entry->netns);
	return entry->state == KS_INSTANCE_GONE || (ctx->name && entry->state == KS_INSTANCE_UNKNOWN);
}

static void gone_remove(const struct ks_instance_entry *entry, void *arg)
{
	struct gone_ctx *ctx = arg;
	int err;

	if (ctx->name && strcmp(ctx->name, entry->instance.name))
		return;
	ctx->found = true;
	if (!is_to_go(ctx, entry))
		return;
	err = ks_instance_remove_gone(&entry->instance);
	if (err) {
		ctx->err = stop_error(entry->instance.name, err);
		return;
	}
	printf("%s: what a network namespace that is gone left is removed\n", entry->instance.name);
	ctx->removed++;
}

static int stop_gone(const char *name)
{
	struct gone_ctx ctx = { .name = name };
	int err = ks_instances_each(gone_remove, &ctx);

	if (err)
		return stop_error(geteuid() ? "this needs root" : KS_RUN_DIR, err);
	if (ctx.err)
		return ctx.err;
	if (name && !ctx.found)
		fprintf(stderr, "keepstate: %s: there is no such firewall; `keepstate status --all` lists them\n",
			name);
	else if (!name && !ctx.removed)
		fprintf(stderr, "keepstate: no network namespace that is surely gone has left anything\n");
	return ks_cli_finish(ctx.removed ? KS_EXIT_OK : KS_EXIT_NO);
}

int ks_cmd_stop(int argc, char **argv)
{
	bool save = false, gone = false;
	const struct ks_option options[] = {
		{ .name = "save",
		  .help = "keep the states in a file, for the next start to take back",
		  .take = ks_take_flag,
		  .target = &save },
		{ .name = "gone",
		  .help = "remove what firewalls of network namespaces that are gone have left",
		  .take = ks_take_flag,
		  .target = &gone },
	};
	const struct ks_usage usage = {
		"keepstate stop [--save | --gone [NAME]]",
		"Removes the firewall: filters, states, pins, and the daemon. Nothing is filtered\n"
		"afterwards. Works also when the daemon has died. Returns 1 if there was nothing.\n\n"
		"With --gone: what the firewalls of network namespaces have left that are surely gone, or the one\n"
		"that is named, as 'status --all' names it, if nothing that this command can see leads there.",
		options, KS_ARRAY_SIZE(options)
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first > (gone ? 1 : 0))
		return ks_usage_error(&usage, "stop takes no operands, or with --gone one");
	if (save && gone)
		return ks_usage_error(&usage, "give --save or --gone, not both");
	return gone ? stop_gone(argv[first]) : stop(save);
}
