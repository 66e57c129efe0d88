/* SPDX-License-Identifier: BSD-2-Clause */
/* See fallback.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/fallback.h"
#include "daemon/interfaces/own_addresses.h"
#include "daemon/last_good.h"
#include "daemon/report.h"

static int say_last_good(struct ks_daemon *daemon, time_t when)
{
	char date[64] = "?";
	struct tm tm;

	if (localtime_r(&when, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	return asprintf(&daemon->fallback, "%s does not load: the last good policy, of %s, is in force instead",
			daemon->policy_path, date);
}

static const char *absence_text(int err)
{
	return err == -EINVAL ? "its file is damaged" : strerror(-err);
}

static int say_closed(struct ks_daemon *daemon, int err)
{
	return asprintf(
		&daemon->fallback,
		"%s does not load, and there is no last good policy (%s): everything is denied but what the box "
		"itself asks for",
		daemon->policy_path, absence_text(err));
}

/* A policy that was good is in force already. */
static int leave_in_force(const struct ks_daemon *daemon, int err)
{
	ks_report_error("%s does not load, and there is no last good policy (%s): what an earlier daemon left in force "
			"stays in force",
			daemon->policy_path, absence_text(err));
	return 1;
}

int ks_fallback_choose(struct ks_daemon *daemon, struct ks_policy **policy)
{
	time_t when = 0;
	int err = ks_last_good_load(&daemon->kept, policy, &when), length;

	if (err && daemon->before.guards)
		return leave_in_force(daemon, err);
	daemon->closed = err != 0;
	length = err ? say_closed(daemon, err) : say_last_good(daemon, when);
	if (err)
		err = ks_last_good_close(policy);
	if (length < 0)
		daemon->fallback = NULL;
	if (err || length < 0)
		return err ?: -ENOMEM;
	err = ks_own_addresses_fill(*policy);
	ks_report_error("WARNING: %s. Mend it, then `keepstate reload`", daemon->fallback);
	return err < 0 ? err : 0;
}
