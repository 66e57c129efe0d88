/* SPDX-License-Identifier: BSD-2-Clause */
/* See between.h. */
#include "daemon/between.h"

#include <string.h>

#include "daemon/report.h"
#include "daemon/sets_keep.h"
#include "text/plural.h"

static int save_states(const struct ks_daemon *daemon, bool quiet)
{
	__u64 flows;
	int err = ks_keep_save(&daemon->instance, daemon->kernel, &daemon->ledger.ids, quiet, &flows);

	if (err)
		ks_report_error("the states cannot be saved in %s: %s", daemon->instance.state_dir, strerror(-err));
	else
		ks_report("%llu state%s saved in %s; a start within %u minutes takes back what is saved", flows,
			  flows == 1 ? " is" : "s are", daemon->instance.state_dir, KS_KEEP_AGE_MAX_S / 60);
	return err;
}

/* The hooks are off before the states are saved, and the states are saved before the table goes. */
int ks_between_take_away(const struct ks_daemon *daemon)
{
	int err = ks_instance_detach(&daemon->instance, daemon->ledger.qdiscs, daemon->ledger.qdisc_count), saved = 0;

	if (!err && daemon->save)
		saved = save_states(daemon, true);
	else
		ks_keep_forget(&daemon->instance);
	if (!err)
		err = ks_instance_clear(&daemon->instance);
	if (err)
		ks_report_error("not everything could be removed: %s", strerror(-err));
	else
		ks_report("stopped: filters, states and pins are removed; nothing is filtered any more");
	return err ?: saved;
}

void ks_between_leave(const struct ks_daemon *daemon)
{
	save_states(daemon, false);
	ks_report("the daemon ends, the firewall stays in force in the kernel; `keepstate stop` removes it");
}

void ks_between_take_back(struct ks_daemon *daemon)
{
	ks_sets_take_back(daemon);
	ks_keep_restore(&daemon->instance, daemon->kernel, daemon->policy, &daemon->saved);
	if (daemon->saved.outcome.flows[KS_SAVED_TAKEN])
		ks_outers_note(&daemon->outers, daemon->kernel);
}
