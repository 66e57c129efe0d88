/* SPDX-License-Identifier: BSD-2-Clause */
/* See presence.h. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/beacon.h"
#include "daemon/ledger.h"
#include "daemon/presence.h"
#include "daemon/trial_left.h"
#include "text/json.h"
#include "text/scoped.h"

bool ks_process_is_suspended(pid_t pid)
{
	char path[64], stat[512];
	ks_auto_file FILE *file = NULL;
	const char *behind;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file || !fgets(stat, sizeof(stat), file))
		return false;
	behind = strrchr(stat, ')'); /* the name of the program may have anything in it */
	return behind && behind[1] == ' ' && (behind[2] == 'T' || behind[2] == 't');
}

/* Pins without a ledger are taken for a firewall in force: somebody may have removed the file. */
static void find_guard(const struct ks_instance *instance, struct ks_presence *presence)
{
	ks_auto_ledger struct ks_ledger ledger = { 0 };

	if (access(instance->pins, F_OK))
		return;
	presence->guards = ks_ledger_read(instance->ledger, &ledger) || ledger.since;
	presence->guarded_since = ledger.since;
}

static enum ks_presence_kind presence_kind(const struct ks_instance *instance, const struct ks_presence *presence)
{
	if (geteuid())
		return KS_PRESENCE_HIDDEN;
	if (presence->pid && ks_process_is_suspended(presence->pid))
		return KS_PRESENCE_SUSPENDED;
	if (presence->pid)
		return access(instance->socket, F_OK) ? KS_PRESENCE_STARTING : KS_PRESENCE_RUNNING;
	return presence->guards ? KS_PRESENCE_LEFT : KS_PRESENCE_NONE;
}

void ks_presence_find(const struct ks_instance *instance, struct ks_presence *presence)
{
	memset(presence, 0, sizeof(*presence));
	presence->pid = ks_beacon_see(KS_BEACON_DAEMON);
	ks_instance_read_holder(instance, &presence->last);
	find_guard(instance, presence);
	presence->kind = presence_kind(instance, presence);
}

/* Writes that the policy of a daemon that has ended is on trial, if it is. */
static void describe_trial(const struct ks_instance *instance, FILE *out)
{
	ks_auto_json json_t *trial = ks_trial_left_json(instance);

	if (!trial)
		return;
	fputs(". ", out);
	ks_trial_left_describe(trial, out);
}

void ks_presence_describe(const struct ks_presence *presence, const struct ks_instance *instance, FILE *out)
{
	int pid = (int)presence->pid;

	switch (presence->kind) {
	case KS_PRESENCE_STARTING:
		fprintf(out, "the daemon of this network namespace (%s, process %d) is still starting", instance->name,
			pid);
		break;
	case KS_PRESENCE_RUNNING:
		fprintf(out, "the daemon of this network namespace (%s, process %d) does not answer", instance->name,
			pid);
		break;
	case KS_PRESENCE_SUSPENDED:
		fprintf(out,
			"the daemon of this network namespace (%s, process %d) is suspended (SIGSTOP); the firewall is "
			"in force in the kernel; `kill -CONT %d` lets the daemon go on",
			instance->name, pid, pid);
		break;
	case KS_PRESENCE_LEFT:
		fprintf(out,
			"in force, no daemon: the one of this network namespace (%s) has ended, and its firewall is "
			"still in force in the kernel; `keepstate run FILE` takes it over, `keepstate stop` removes it",
			instance->name);
		describe_trial(instance, out);
		break;
	case KS_PRESENCE_HIDDEN:
		fputs("cannot connect to the daemon: this needs root", out);
		break;
	case KS_PRESENCE_NONE:
		fprintf(out,
			"no daemon runs in this network namespace (%s); `keepstate run FILE` starts one, --netns NAME "
			"looks into another",
			instance->name);
		break;
	}
}
