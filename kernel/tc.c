/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hooks by a clsact qdisc, where the kernel has no tcx (before 6.6): one
 * cls_bpf filter in direct action mode for each direction (tc-bpf(8)). They
 * persist without us; a filter with the same priority and handle is replaced
 * in one step by the kernel. Priority 1, because there is none before it.
 *
 * Of several cls_bpf filters with one priority the last one added runs first.
 * So ours is put first again by adding it under a second handle.
 *
 * An interface has either an `ingress` qdisc or clsact. `ingress` has no egress:
 * a program for egress would be attached to ingress. Such an interface is refused.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>

#include "kernel/bpf.h"
#include "kernel/internal.h"
#include "kernel/netlink.h"

#define KS_TC_PRIORITY 1

static const __u32 handles[] = { 0x4b53, 0x4b54 }; /* "KS", and the next */

static const enum bpf_tc_attach_point points[] = {
	[KS_AT_INGRESS] = BPF_TC_INGRESS,
	[KS_AT_EGRESS] = BPF_TC_EGRESS,
};

static const char *const direction_names[] = { [KS_AT_INGRESS] = "ingress", [KS_AT_EGRESS] = "egress" };

static int refuse_ingress_qdisc(unsigned ifindex)
{
	char name[IF_NAMESIZE] = "?";

	if_indextoname(ifindex, name);
	ks_kernel_complain(
		"%s has an `ingress` qdisc (traffic shaping, libvirt), which takes the place of ours on kernels "
		"before 6.6: remove it (tc qdisc del dev %s ingress), or let its owner use clsact",
		name, name);
	return -EADDRINUSE;
}

int ks_clsact_prepare(unsigned ifindex, bool *created)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&hook);

	if (err == -EEXIST && ks_netlink_has_ingress_qdisc(ifindex) > 0)
		return refuse_ingress_qdisc(ifindex);
	if (err && err != -EEXIST) {
		ks_kernel_complain("cannot put a clsact qdisc on interface %u: %s", ifindex, strerror(-err));
		return err;
	}
	if (created)
		*created = !err;
	return 0;
}

static int put_filter(unsigned ifindex, unsigned at, __u32 handle, int program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = points[at]);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .flags = BPF_TC_F_REPLACE, .handle = handle,
		    .priority = KS_TC_PRIORITY);
	int err = bpf_tc_attach(&hook, &opts);

	if (err)
		ks_kernel_complain("cannot attach to the %s of interface %u: %s (priority %d must be free, or have "
				   "bpf filters for all protocols)\n%s",
				   direction_names[at], ifindex, strerror(-err), KS_TC_PRIORITY, ks_kernel_said());
	return err;
}

static int drop_filter(unsigned ifindex, unsigned at, __u32 handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = points[at]);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = KS_TC_PRIORITY);

	return bpf_tc_detach(&hook, &opts);
}

/* Returns the id of the program of our filter with a handle, 0 without one. */
static __u32 filter_program(unsigned ifindex, unsigned at, __u32 handle)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = points[at]);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = handle, .priority = KS_TC_PRIORITY);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

/* Returns the index in `handles` of the one that has a filter, -1 without one. */
static int find_own_filter(unsigned ifindex, unsigned at, __u32 *program)
{
	for (unsigned i = 0; i < KS_ARRAY_SIZE(handles); i++) {
		*program = filter_program(ifindex, at, handles[i]);
		if (*program)
			return (int)i;
	}
	return -1;
}

static bool filter_is_first(unsigned ifindex, unsigned at, __u32 handle)
{
	struct ks_first_filter first;

	return !ks_netlink_first_filter(ifindex, at == KS_AT_EGRESS, &first) && first.handle == handle &&
	       first.priority == KS_TC_PRIORITY && first.all_protocols;
}

void ks_clsact_state(const struct ks_kernel *kernel, unsigned ifindex, unsigned at, bool *present, bool *first)
{
	__u32 program;
	int n = find_own_filter(ifindex, at, &program);

	*present = n >= 0 && program == ks_bpf_program_id(ks_hook_program(kernel, at, KS_VARIANT_OWN));
	*first = *present && filter_is_first(ifindex, at, handles[n]);
}

/* Moves our filter in front of all others. bpf/hook.bpf.c explains the steps. */
static int move_filter(const struct ks_kernel *kernel, unsigned ifindex, unsigned at, __u32 from, __u32 to)
{
	int err = put_filter(ifindex, at, from, ks_hook_program(kernel, at, KS_VARIANT_LATER));

	if (!err)
		err = put_filter(ifindex, at, to, ks_hook_program(kernel, at, KS_VARIANT_FIRST));
	if (!err)
		err = drop_filter(ifindex, at, from);
	return err ?: put_filter(ifindex, at, to, ks_hook_program(kernel, at, KS_VARIANT_OWN));
}

int ks_clsact_attach(const struct ks_kernel *kernel, unsigned ifindex, unsigned at)
{
	__u32 program;
	int n = find_own_filter(ifindex, at, &program);

	if (n < 0 || filter_is_first(ifindex, at, handles[n]))
		return put_filter(ifindex, at, handles[n < 0 ? 0 : n], ks_hook_program(kernel, at, KS_VARIANT_OWN));
	return move_filter(kernel, ifindex, at, handles[n], handles[!n]);
}

int ks_clsact_step_back(const struct ks_kernel *kernel, unsigned ifindex, unsigned at)
{
	__u32 program;
	int n = find_own_filter(ifindex, at, &program);

	if (n < 0)
		return 0;
	return put_filter(ifindex, at, handles[n], ks_hook_program(kernel, at, KS_VARIANT_LATER)) ?: 1;
}

int ks_clsact_detach(unsigned ifindex, unsigned at)
{
	int err = 0;

	for (unsigned i = 0; i < KS_ARRAY_SIZE(handles); i++) {
		if (filter_program(ifindex, at, handles[i]))
			err = drop_filter(ifindex, at, handles[i]) ?: err;
	}
	return err;
}

void ks_clsact_remove_if_empty(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (ks_netlink_count_filters(ifindex) == 0)
		bpf_tc_hook_destroy(&hook);
}
