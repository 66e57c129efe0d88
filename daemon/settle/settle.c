/* SPDX-License-Identifier: BSD-2-Clause */
/* The time after a start; see settle.h. */
#include "daemon/settle/settle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/report.h"
#include "daemon/settle/takeup.h"
#include "daemon/world.h"
#include "text/plural.h"

static void tell_failure(const char *of, int err)
{
	if (err && err != -ENOENT)
		ks_report_error("connections under way are not taken up from %s (%s): their next packets decide", of,
				strerror(-err));
}

static void takeup_end(struct ks_takeup *takeup)
{
	if (!takeup)
		return;
	ks_seed_end(takeup->seed);
	free(takeup);
}

KS_SCOPED(auto_takeup, struct ks_takeup *, takeup_end)

/* NULL if it cannot be, which is told. */
static struct ks_takeup *takeup_begin(struct ks_daemon *daemon)
{
	ks_scoped(auto_takeup) struct ks_takeup *takeup = calloc(1, sizeof(*takeup));
	int err = takeup ? ks_seed_begin(daemon->kernel, daemon->policy, &takeup->seed) : -ENOMEM;

	if (err) {
		tell_failure("the kernel", err);
		return NULL;
	}
	takeup->daemon = daemon;
	ks_world_init(&takeup->world, daemon);
	return TAKE(takeup);
}

static __u64 time_to_settle(const struct ks_daemon *daemon)
{
	return (__u64)daemon->policy->config.settle * KS_NSEC_PER_MSEC;
}

static void begin(struct ks_daemon *daemon)
{
	struct ks_settled *settled = &daemon->ledger.settled;
	ks_scoped(auto_takeup) struct ks_takeup *takeup = NULL;

	if (!daemon->fresh || !time_to_settle(daemon))
		return;
	*settled = (struct ks_settled){ .since = ks_kernel_now(daemon->kernel) };
	daemon->ledger.changed = true;
	ks_kernel_control(daemon->kernel)->settling.since = settled->since;
	takeup = takeup_begin(daemon);
	if (!takeup)
		return;
	tell_failure("netfilter", ks_takeup_conntrack(takeup, &daemon->translated));
	settled->conntrack = takeup->taken;
	tell_failure("sockets", ks_takeup_sockets(takeup));
	settled->sockets = takeup->taken - settled->conntrack;
	settled->denied = takeup->denied;
	settled->full = takeup->full;
}

static void resume(struct ks_daemon *daemon)
{
	struct ks_control *control = ks_kernel_control(daemon->kernel);
	__u64 now = ks_kernel_now(daemon->kernel), since = daemon->ledger.settled.since;

	if (!control->settling.since && since && since <= now)
		control->settling.since = since;
}

static void fill_table(void *arg)
{
	struct ks_daemon *daemon = arg;

	if (daemon->took_over)
		resume(daemon);
	else
		begin(daemon);
}

void ks_settle_await(struct ks_daemon *daemon)
{
	daemon->interfaces.ready = fill_table;
	daemon->interfaces.ready_arg = daemon;
}

/* Makes netfilter forget what we translate. */
static void forget_translated(struct ks_daemon *daemon)
{
	int err = ks_conntrack_forget(daemon->translated.list, daemon->translated.count);

	if (err)
		ks_report_error("netfilter goes on translating connections that were taken up (%s): flush its NAT, "
				"and see conntrack(8)",
				strerror(-err));
	ks_conntrack_list_fini(&daemon->translated);
}

void ks_settle_complete(struct ks_daemon *daemon)
{
	struct ks_settled *settled = &daemon->ledger.settled;
	ks_scoped(auto_takeup) struct ks_takeup *takeup = NULL;

	if (!daemon->fresh || !settled->since)
		return;
	forget_translated(daemon);
	takeup = takeup_begin(daemon);
	if (!takeup)
		return;
	tell_failure("netfilter", ks_takeup_conntrack(takeup, &daemon->translated));
	forget_translated(daemon);
	settled->conntrack += takeup->taken;
	settled->full += takeup->full;
	daemon->ledger.changed = true;
}

static __u64 time_left(const struct ks_daemon *daemon)
{
	__u64 since = ks_kernel_control(daemon->kernel)->settling.since, now = ks_kernel_now(daemon->kernel);
	__u64 end = since ? since + time_to_settle(daemon) : 0;

	return end > now ? end - now : 0;
}

json_t *ks_settle_json(const struct ks_daemon *daemon)
{
	const struct ks_settled *settled = &daemon->ledger.settled;

	if (!settled->since)
		return json_null();
	return json_pack("{s:f, s:f, s:i, s:i, s:I, s:i, s:i}", "seconds", daemon->policy->config.settle / 1e3, "left",
			 (double)time_left(daemon) / (double)KS_NSEC_PER_SEC, "conntrack", (int)settled->conntrack,
			 "sockets", (int)settled->sockets, "middle",
			 (json_int_t)ks_kernel_control(daemon->kernel)->settling.taken, "denied", (int)settled->denied,
			 "full", (int)settled->full);
}

void ks_settle_tell(const struct ks_daemon *daemon)
{
	const struct ks_settled *settled = &daemon->ledger.settled;

	if (!daemon->fresh || !settled->since)
		return;
	ks_report(
		"taken up: %u connection%s that netfilter tracked, %u of the box's sockets; what else the rules allow "
		"is taken up in its middle for %u s (option settle)",
		settled->conntrack, ks_plural(settled->conntrack), settled->sockets,
		daemon->policy->config.settle / 1000);
	if (settled->denied)
		ks_report("not taken up: %u connection%s that the rules do not allow", settled->denied,
			  ks_plural(settled->denied));
	if (settled->full)
		ks_report_error("WARNING: %u connection%s under way found no room: see `limit states`", settled->full,
				ks_plural(settled->full));
}
