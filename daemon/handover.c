/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See handover.h.
 *
 * Growing. The daemon takes over from itself: programs are loaded beside those that run, on a larger table; they get the
 * policy that is in force, so that the reload behind it switches policies in one step as always; then guards, hooks and
 * backstop follow as after a start. Until the first hook is switched a failure puts the pins back. Behind that point nothing
 * is taken back: what fails is tried again every second, as after a start.
 *
 * Threads. Loading takes the verifier seconds, so a second thread does it, on pins and maps of its own; the daemon's thread goes
 * on to guard interfaces that come, by the old programs, and guards them again by the new ones afterwards.
 *
 * Memory. Both tables are in memory until all hooks are switched.
 */
#include "daemon/handover.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/aside.h"
#include "daemon/events.h"
#include "daemon/report.h"
#include "kernel/seed.h"
#include "text/json.h"

void ks_handover_raise_backstop(struct ks_daemon *daemon)
{
	int err = ks_kernel_raise_backstop(daemon->kernel);

	if (err == -EOPNOTSUPP)
		err = 0;
	if (err && !daemon->backstop_error)
		ks_report_error("%s; trying again every second", ks_kernel_complaint());
	else if (!err && daemon->backstop_error)
		ks_report("the backstop is in force now");
	daemon->backstop_error = err;
}

void ks_handover_end_old(struct ks_daemon *daemon)
{
	int err;

	daemon->old_stays = !ks_interfaces_are_attached(&daemon->interfaces);
	if (daemon->old_stays)
		return;
	if (ks_kernel_forget_old(daemon->kernel))
		ks_report_error("%s", ks_kernel_complaint());
	err = ks_kernel_seat_all(daemon->kernel, daemon->policy);
	if (err)
		ks_report_error("half-open states of the old table are bounded by their timeouts only: %s",
				strerror(-err));
}

__attribute__((format(printf, 3, 4))) static int refuse(char **message, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(message, format, args) < 0)
		*message = NULL;
	va_end(args);
	return err;
}

/* A larger kernel being made. */
struct grow_ctx {
	const struct ks_kernel *old;
	const struct ks_policy *wanted;
	struct ks_kernel *larger;
	int err;
	char why[1024]; /* of the thread that failed */
};

static int grow_failed(struct grow_ctx *ctx, int err)
{
	ctx->err = err;
	snprintf(ctx->why, sizeof(ctx->why), "%s", *ks_kernel_complaint() ? ks_kernel_complaint() : strerror(-err));
	return err;
}

static void load_larger(void *arg)
{
	struct grow_ctx *ctx = arg;
	int err = ks_kernel_grow(ctx->old, ctx->wanted, &ctx->larger);

	if (err)
		grow_failed(ctx, err);
}

static int refuse_growth(char **message, const struct ks_policy *wanted, const struct grow_ctx *ctx)
{
	return refuse(
		message, ctx->err, "`limit states %u`%s needs a larger table, of %llu MiB, which cannot be made: %s",
		wanted->config.limit_states, wanted->config.options & KS_OPT_NAT ? " with address translation" : "",
		(unsigned long long)ks_kernel_table_bytes(wanted) >> 20, ctx->why);
}

/* Hooks and maps follow the kernel that the daemon has now: what is known of interfaces is read and stored again. */
static void follow_kernel(struct ks_daemon *daemon)
{
	int err;

	ks_interfaces_fini(&daemon->interfaces);
	daemon->interfaces.kernel = daemon->kernel;
	daemon->interfaces.ledger = &daemon->ledger;
	err = ks_interfaces_apply(&daemon->interfaces, daemon->policy);
	if (err)
		ks_report_error("not every interface is guarded: %s", strerror(-err));
	ks_handover_raise_backstop(daemon);
	ks_handover_end_old(daemon);
}

/* Makes the larger kernel ready for its first hook: ctx->larger. Without it everything is as it was. */
static int prepare_larger(struct ks_daemon *daemon, struct grow_ctx *ctx)
{
	int err;

	ks_aside_run(daemon, load_larger, ctx);
	if (!ctx->err) {
		err = ks_kernel_set_policy(ctx->larger, daemon->policy) ?: ks_events_move(daemon->events, ctx->larger);
		if (err)
			grow_failed(ctx, err);
	}
	if (!ctx->err)
		return 0;
	ks_kernel_close(ctx->larger);
	ks_kernel_put_back(daemon->kernel);
	return ctx->err;
}

int ks_handover_grow(struct ks_daemon *daemon, const struct ks_policy *wanted, char **message)
{
	struct ks_kernel *old = daemon->kernel;
	struct grow_ctx ctx = { .old = old, .wanted = wanted };

	if (!ks_kernel_is_too_small(old, wanted))
		return 0;
	if (daemon->old_stays)
		return refuse(message, -EBUSY,
			      "it needs a larger table, but some interface still has the programs of another table: "
			      "`keepstate status` says which is not guarded, and why");
	if (prepare_larger(daemon, &ctx))
		return refuse_growth(message, wanted, &ctx);
	daemon->kernel = ctx.larger;
	follow_kernel(daemon);
	ks_events_forget_former(daemon->events);
	ks_kernel_close(old);
	return 0;
}

struct ks_table_size ks_handover_size(const struct ks_daemon *daemon)
{
	return (struct ks_table_size){ .capacity = ks_kernel_capacity(daemon->kernel),
				       .limit = daemon->policy->config.limit_states };
}

void ks_handover_add_size(json_t **change, const struct ks_daemon *daemon, const struct ks_table_size *before)
{
	const struct ks_table_size now = ks_handover_size(daemon);

	if (now.capacity > before->capacity)
		ks_json_set(change, "table_grown", json_integer(now.capacity));
	else if (now.limit < before->limit)
		ks_json_set(change, "table_kept", json_integer(now.capacity));
}
