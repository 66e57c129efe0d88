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
#include "core/types.h"
#include "daemon/beacon.h"
#include "daemon/instance.h"
#include "daemon/ledger.h"
#include "daemon/presence.h"

#define POLL_US 50000
#define START_POLLS 1200
#define STOP_POLLS 200 /* removing a large table takes a moment */

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
	pid_t pid = ks_beacon_see();

	for (int i = 0; i < START_POLLS && access(instance->socket, F_OK); i++) {
		if ((access(instance->lock, F_OK) && !pid) || (pid && ks_process_is_suspended(pid)))
			return;
		usleep(POLL_US);
		pid = ks_beacon_see();
	}
}

/* Asks the daemon, and waits until it has removed its directory. */
static int stop_living(const struct ks_instance *instance)
{
	const struct ks_call call = { .method = "POST", .path = "/v1/stop" };
	ks_auto_json json_t *answer = NULL;
	int code;

	wait_for_socket(instance);
	code = ks_client_call(&call, &answer);
	if (code != KS_EXIT_OK)
		return code;
	for (int i = 0; i < STOP_POLLS; i++) {
		if (access(instance->lock, F_OK) && errno == ENOENT && !ks_beacon_see()) {
			ks_instance_sweep();
			return KS_EXIT_OK;
		}
		usleep(POLL_US);
	}
	fprintf(stderr, "keepstate: the daemon has not stopped within 10 s\n");
	return KS_EXIT_SYSTEM;
}

/* We hold the lock, so no daemon is alive. */
static int stop_dead(const struct ks_instance *instance)
{
	ks_auto_ledger struct ks_ledger ledger = { 0 };
	int err = ks_instance_prepare(instance);

	if (err < 0)
		return stop_error(instance->dir, err);
	ks_ledger_read(instance->ledger, &ledger); /* without a ledger, the qdiscs stay */
	err = ks_instance_remove(instance, ledger.qdiscs, ledger.qdisc_count);
	if (err)
		return stop_error("not everything could be removed", err);
	printf("the daemon was dead; what it left is removed\n");
	return KS_EXIT_OK;
}

static int stop(void)
{
	struct ks_instance instance;
	struct ks_holder holder;
	int err = ks_instance_find(&instance);
	ks_auto_fd int fd = -1;

	if (err)
		return stop_error("cannot tell this network namespace", err);
	if (access(instance.dir, F_OK) && access(instance.pins, F_OK) && !ks_beacon_see()) {
		if (geteuid()) { /* not even the instance's name is certain: only root may look */
			fprintf(stderr, "keepstate: cannot see whether there is something to stop: this needs root\n");
			return KS_EXIT_SYSTEM;
		}
		fprintf(stderr, "keepstate: nothing to stop in this network namespace (%s)\n", instance.name);
		return KS_EXIT_NO;
	}
	if (ks_beacon_see())
		return stop_living(&instance);
	fd = ks_instance_lock(&instance, &holder);
	if (fd == -ENOENT && ks_instance_prepare(&instance) >= 0) /* only pins are left */
		fd = ks_instance_lock(&instance, &holder);
	if (fd == -EWOULDBLOCK)
		return stop_living(&instance);
	if (fd < 0)
		return stop_error(geteuid() ? "this needs root" : instance.lock, fd);
	return stop_dead(&instance);
}

int ks_cmd_stop(int argc, char **argv)
{
	const struct ks_usage usage = {
		"keepstate stop",
		"Removes the firewall: filters, states, pins, and the daemon. Nothing is filtered\n"
		"afterwards. Works also when the daemon has died. Returns 1 if there was nothing.",
		NULL, 0
	};
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "stop takes no operands");
	return stop();
}
