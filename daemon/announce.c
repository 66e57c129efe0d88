/* SPDX-License-Identifier: BSD-2-Clause */
/* Tells the administrator, after a start, what is in force. */
#include <unistd.h>

#include "daemon/coverage.h"
#include "daemon/daemon.h"
#include "daemon/login.h"
#include "daemon/report.h"
#include "daemon/settle/settle.h"
#include "explain/change.h"
#include "text/json.h"
#include "text/scoped.h"
#include "text/plural.h"

void ks_daemon_announce(struct ks_daemon *daemon, const char *login)
{
	ks_auto_json json_t *change =
		json_pack("{s:o}", "warnings", ks_coverage_warnings(&daemon->interfaces, daemon->policy));
	size_t guarded = ks_interfaces_guarded(&daemon->interfaces);

	ks_report("%s is in force on %zu interface%s%s (process %d)", ks_stand_in_name(daemon), guarded,
		  ks_plural(guarded), daemon->took_over ? "; states and counters were taken over" : "", (int)getpid());
	for (size_t i = 0; i < daemon->interfaces.count; i++) {
		const struct ks_guarded *one = &daemon->interfaces.list[i];

		if (ks_role_has_programs(one->role) && one->guard.zone != KS_ZONE_NONE)
			ks_report("  %s: zone %s", one->name, ks_policy_zone_name(daemon->policy, one->guard.zone));
	}
	ks_settle_tell(daemon);
	ks_coverage_tell_zones(&daemon->interfaces, ks_daemon_say);
	ks_coverage_add_cut(&change, daemon->kernel, &daemon->ledger, daemon->policy);
	ks_login_add(daemon, daemon->policy, login, &change);
	if (daemon->trial.waits)
		ks_json_set(&change, "unconfirmed", ks_trial_json(daemon));
	ks_change_tell(change, ks_daemon_say);
	ks_daemon_tell_manager(daemon);
}
