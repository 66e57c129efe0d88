/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our programs on the interfaces: put there, taken off, put back when somebody
 * else took them off, and moved to the front again when somebody else's program
 * sees packets before ours. Failures are tried again every second, and said once.
 *
 * An interface has its guard in the map before it gets programs: a program
 * without a guard lets everything pass.
 */
#include <errno.h>
#include <string.h>

#include "daemon/interfaces/internal.h"
#include "daemon/report.h"

#define FIGHT_PAUSE_NS (3 * KS_NSEC_PER_SEC) /* if it happens again sooner, it is the same fight */
#define TELL_AGAIN_NS (60 * KS_NSEC_PER_SEC)

void ks_programs_take_off(struct ks_interfaces *interfaces, unsigned ifindex, const char *name)
{
	int err = ks_kernel_detach(ks_kernel_pin_dir(interfaces->kernel), ifindex,
				   ks_ledger_has_qdisc(interfaces->ledger, ifindex));

	if (err && err != -ENODEV)
		ks_report_error("%s: cannot take the filters off: %s", name, strerror(-err));
	ks_ledger_drop_qdisc(interfaces->ledger, ifindex);
}

/* Notes why an interface has no programs, and says it once. -ENODEV: the interface has just gone, and its news will come. */
static void note_error(struct ks_guarded *guarded, int err)
{
	if (err && err != -ENODEV && err != guarded->error)
		ks_report_error("%s%s: not guarded: %s", guarded->guard.zone == KS_ZONE_NONE ? "WARNING: " : "",
				guarded->name, ks_kernel_complaint());
	guarded->error = err;
}

/* Tells the backstop if others' filters may clear our seals on an interface. */
static void note_shared(struct ks_interfaces *interfaces, struct ks_guarded *guarded, const struct ks_hook_state *state)
{
	if (state->shared == !!(guarded->guard.flags & KS_GUARD_SHARED))
		return;
	guarded->guard.flags ^= KS_GUARD_SHARED;
	ks_guarded_store(interfaces, guarded);
	ks_short_way_mark(interfaces);
}

/* Puts those of `hooks` that are missing on an interface. */
static void attach_programs(struct ks_interfaces *interfaces, struct ks_guarded *guarded, unsigned hooks)
{
	struct ks_hook_state state;
	bool created = false;
	int err = guarded->store_error ? ks_guarded_store(interfaces, guarded) : 0;

	guarded->programs = true;
	ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state);
	if (!err && (ks_hooks_present(&state) & hooks) != hooks)
		err = ks_kernel_attach(interfaces->kernel, guarded->ifindex, hooks, &created)
			      ?: ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state);
	if (created && ks_ledger_add_qdisc(interfaces->ledger, guarded->ifindex))
		ks_report_error("%s: out of memory: its clsact qdisc will stay when Keepstate stops", guarded->name);
	guarded->checked = !err && hooks == KS_HOOK_BOTH;
	note_error(guarded, err);
	if (!err)
		note_shared(interfaces, guarded, &state);
}

void ks_programs_attach_missing(struct ks_interfaces *interfaces)
{
	static const unsigned order[] = { KS_HOOK_INGRESS, KS_HOOK_BOTH };

	for (size_t round = 0; round < KS_ARRAY_SIZE(order); round++) {
		for (size_t i = 0; i < interfaces->count; i++) {
			struct ks_guarded *guarded = &interfaces->list[i];

			if (ks_role_has_programs(guarded->role) && !guarded->checked)
				attach_programs(interfaces, guarded, order[round]);
		}
	}
}

/*
 * Returns true if something that goes on may be said now. Two programs that put
 * themselves before each other do so every second: that is said once a minute.
 */
static bool may_tell(const struct ks_interfaces *interfaces, struct ks_told *told)
{
	__u64 now = ks_kernel_now(interfaces->kernel);
	bool goes_on = told->noticed && now - told->noticed < FIGHT_PAUSE_NS;

	told->noticed = now;
	if (goes_on && now - told->said < TELL_AGAIN_NS)
		return false;
	told->said = now;
	return true;
}

/* Puts our programs back. Said once, however often it must be tried. */
static void put_back_programs(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	if (!guarded->lost && may_tell(interfaces, &guarded->told_lost))
		ks_report_error("%s: somebody took our filters off; putting them back", guarded->name);
	guarded->lost = true;
	attach_programs(interfaces, guarded, KS_HOOK_BOTH);
}

void ks_programs_check(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	struct ks_hook_state state;

	if (!ks_role_has_programs(guarded->role) || guarded->error)
		return;
	ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state);
	if (ks_hooks_present(&state) != KS_HOOK_BOTH)
		put_back_programs(interfaces, guarded);
	else
		note_shared(interfaces, guarded, &state);
}

/* Goes before a program that is before ours. Returns true if ours are the first then. Said when it begins and when it fails. */
static bool go_first(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	bool tells = may_tell(interfaces, &guarded->told_overtaken), first;
	struct ks_hook_state state;

	if (tells)
		ks_report_error("%s: somebody else's program sees packets before ours; going before it", guarded->name);
	ks_kernel_attach(interfaces->kernel, guarded->ifindex, KS_HOOK_BOTH, NULL);
	first = !ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state) && state.first[0] && state.first[1];
	if (!first && tells)
		ks_report_error("WARNING: %s: it stays before ours, and may let pass what the rules deny",
				guarded->name);
	return first;
}

void ks_programs_watch(struct ks_interfaces *interfaces, struct ks_guarded *guarded)
{
	struct ks_hook_state state;

	if (guarded->error) {
		attach_programs(interfaces, guarded, KS_HOOK_BOTH);
		return;
	}
	if (ks_kernel_hook_state(interfaces->kernel, guarded->ifindex, &state))
		return;
	if (!state.present[0] || !state.present[1]) {
		put_back_programs(interfaces, guarded);
		return;
	}
	guarded->lost = false;
	note_shared(interfaces, guarded, &state);
	guarded->overtaken = !(state.first[0] && state.first[1]) && !go_first(interfaces, guarded);
}
