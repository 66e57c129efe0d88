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
#include "daemon/stand_in.h"
#include "text/scoped.h"

static const char *absence_text(int err)
{
	return err == -EINVAL ? "its file is damaged" : strerror(-err);
}

/* A sentence and a name for the last good policy; `failure` completes "PATH ". */
static int say_last_good(struct ks_daemon *daemon, const char *failure, time_t when)
{
	char date[64] = "?", *why = NULL, *name = NULL;
	struct tm tm;

	if (localtime_r(&when, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	if (asprintf(&why, "%s %s: the last good policy, of %s, is in force instead", daemon->policy_path, failure,
		     date) < 0)
		why = NULL;
	if (asprintf(&name, "the last good one, of %s", date) < 0)
		name = NULL;
	return ks_stand_in_set(&daemon->stand_in, why, name, strdup(daemon->policy_path));
}

static int say_closed(struct ks_daemon *daemon, const char *failure, int err)
{
	char *why;

	if (asprintf(&why,
		     "%s %s, and there is no last good policy (%s): everything is denied but what the box itself asks "
		     "for",
		     daemon->policy_path, failure, absence_text(err)) < 0)
		why = NULL;
	return ks_stand_in_set(&daemon->stand_in, why, strdup(KS_CLOSED_NAME), strdup(daemon->policy_path));
}

/* A policy that was good is in force already. */
static int leave_in_force(const struct ks_daemon *daemon, int err)
{
	ks_report_error("%s does not load, and there is no last good policy (%s): what an earlier daemon left in force "
			"stays in force",
			daemon->policy_path, absence_text(err));
	return 1;
}

/* Takes the last good policy, or, if loading it has failed with `absent`, the one that denies. */
static int take_other(struct ks_daemon *daemon, const char *failure, int absent, time_t when, struct ks_policy **policy)
{
	int err = 0;

	daemon->closed = absent != 0;
	if (absent)
		err = ks_last_good_close(policy) ?: say_closed(daemon, failure, absent);
	else
		err = say_last_good(daemon, failure, when);
	if (err)
		return err;
	err = ks_own_addresses_fill(*policy);
	return err < 0 ? err : 0;
}

int ks_fallback_choose(struct ks_daemon *daemon, struct ks_policy **policy)
{
	time_t when = 0;
	int err = ks_last_good_load(&daemon->kept, policy, &when);

	if (err && daemon->before.guards)
		return leave_in_force(daemon, err);
	err = take_other(daemon, "does not load", err, when, policy);
	if (!err)
		ks_report_error("WARNING: %s. Mend it, then `keepstate reload`", daemon->stand_in.why);
	return err;
}

int ks_fallback_replace(struct ks_daemon *daemon, const char *why, struct ks_policy **policy)
{
	ks_auto_free char *failure = NULL;
	ks_auto_policy struct ks_policy *other = NULL;
	time_t when = 0;
	int err = ks_last_good_load(&daemon->kept, &other, &when);

	if (asprintf(&failure, "is not put in force: %s", why) < 0)
		failure = NULL;
	err = failure ? take_other(daemon, failure, err, when, &other) : -ENOMEM;
	if (err)
		return err;
	ks_policy_destroy(*policy);
	*policy = TAKE(other);
	ks_report_error("WARNING: %s. `keepstate reload %s` puts it in force, `keepstate stop` takes the firewall away",
			daemon->stand_in.why, daemon->policy_path);
	return 0;
}
