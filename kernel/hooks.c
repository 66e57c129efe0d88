/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks on interfaces, of either kind: tcx links where the kernel has them
 * (tcx.c), else filters of a clsact qdisc (tc.c). Programs that an earlier process
 * attached by the other kind are removed when ours are in place.
 */
#include <errno.h>

#include "kernel/bpf.h"
#include "kernel/internal.h"
#include "kernel/netlink.h"

int ks_hook_program(const struct ks_kernel *kernel, unsigned at, enum ks_hook_variant variant)
{
	static const enum ks_kernel_program table[KS_AT_MAX][KS_VARIANT_MAX] = {
		[KS_AT_INGRESS] = {
			[KS_VARIANT_OWN] = KS_PROGRAM_TC_INGRESS,
			[KS_VARIANT_FIRST] = KS_PROGRAM_FIRST_INGRESS,
			[KS_VARIANT_LATER] = KS_PROGRAM_LATER_INGRESS,
		},
		[KS_AT_EGRESS] = {
			[KS_VARIANT_OWN] = KS_PROGRAM_TC_EGRESS,
			[KS_VARIANT_FIRST] = KS_PROGRAM_FIRST_EGRESS,
			[KS_VARIANT_LATER] = KS_PROGRAM_LATER_EGRESS,
		},
	};

	return kernel->programs[table[at][variant]];
}

/* Links that are not pinned would end with this process. */
static bool by_tcx(const struct ks_kernel *kernel)
{
	return kernel->pin_dir && ks_bpf_has_tcx();
}

static const unsigned hook_bits[] = { [KS_AT_INGRESS] = KS_HOOK_INGRESS, [KS_AT_EGRESS] = KS_HOOK_EGRESS };

static int attach_clsact(const struct ks_kernel *kernel, unsigned ifindex, unsigned at)
{
	int err = ks_clsact_attach(kernel, ifindex, at);

	if (!err && kernel->pin_dir)
		ks_tcx_detach(kernel->pin_dir, ifindex, at);
	return err;
}

int ks_kernel_attach(struct ks_kernel *kernel, unsigned ifindex, unsigned hooks, bool *created)
{
	bool tcx = by_tcx(kernel);
	int err;

	ks_kernel_listen();
	if (created)
		*created = false;
	err = ks_kernel_begin_switch(kernel);
	if (!err && !tcx)
		err = ks_clsact_prepare(ifindex, created);
	for (unsigned at = 0; !err && at < KS_AT_MAX; at++) {
		if (hooks & hook_bits[at])
			err = tcx ? ks_tcx_attach(kernel, ifindex, at) : attach_clsact(kernel, ifindex, at);
	}
	return err;
}

int ks_kernel_hook_state(const struct ks_kernel *kernel, unsigned ifindex, struct ks_hook_state *state)
{
	ks_kernel_listen();
	state->tcx = by_tcx(kernel);
	for (unsigned at = 0; at < KS_AT_MAX; at++)
		(state->tcx ? ks_tcx_state : ks_clsact_state)(kernel, ifindex, at, &state->present[at],
							      &state->first[at]);
	state->shared = (state->tcx && ks_tcx_has_others(ifindex, KS_AT_INGRESS)) ||
			ks_netlink_has_ingress_filters(ifindex, !state->tcx && state->present[KS_AT_INGRESS]) > 0;
	return 0;
}

bool ks_kernel_has_other_filters(const struct ks_kernel *kernel, unsigned ifindex)
{
	bool tcx = by_tcx(kernel);

	for (unsigned at = 0; tcx && at < KS_AT_MAX; at++) {
		if (ks_tcx_has_others(ifindex, at))
			return true;
	}
	return ks_netlink_count_filters(ifindex) != (tcx ? 0 : KS_AT_MAX) ||
	       (tcx && ks_netlink_has_ingress_filters(ifindex, 0));
}

unsigned ks_hooks_present(const struct ks_hook_state *state)
{
	unsigned hooks = 0;

	for (unsigned at = 0; at < KS_AT_MAX; at++)
		hooks |= state->present[at] ? hook_bits[at] : 0;
	return hooks;
}

int ks_kernel_detach(const char *pin_dir, unsigned ifindex, bool remove_qdisc)
{
	int err = 0;

	ks_kernel_listen();
	if (pin_dir)
		err = ks_kernel_detach_front(pin_dir, ifindex);
	for (unsigned at = 0; at < KS_AT_MAX; at++) {
		if (pin_dir)
			err = ks_tcx_detach(pin_dir, ifindex, at) ?: err;
		err = ks_clsact_detach(ifindex, at) ?: err;
	}
	if (remove_qdisc)
		ks_clsact_remove_if_empty(ifindex);
	return err;
}
