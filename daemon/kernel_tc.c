/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hooks on interfaces: a clsact qdisc with one cls_bpf filter in direct
 * action mode for each direction (tc-bpf(8)). They persist without us; a filter
 * with the same priority and handle is replaced in one step by the kernel.
 * Priority 1: nobody's filter passes packets before the firewall has judged.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel_priv.h"
#include "netlink.h"

#define KS_TC_PRIORITY 1
#define KS_TC_HANDLE 0x4b53 /* "KS" */

static const struct {
	unsigned hook;
	enum bpf_tc_attach_point point;
	enum ks_kernel_program program;
} hooks_table[] = {
	{ KS_HOOK_INGRESS, BPF_TC_INGRESS, KS_PROGRAM_TC_INGRESS },
	{ KS_HOOK_EGRESS, BPF_TC_EGRESS, KS_PROGRAM_TC_EGRESS },
};

static int create_qdisc(unsigned ifindex, bool *created)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int err = bpf_tc_hook_create(&hook);

	if (err && err != -EEXIST) {
		ks_kernel_complain("cannot put a clsact qdisc on interface %u: %s", ifindex, strerror(-err));
		return err;
	}
	if (created)
		*created = !err;
	return 0;
}

static int attach_one(const struct ks_kernel *kernel, unsigned ifindex, unsigned i)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = hooks_table[i].point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = kernel->programs[hooks_table[i].program], .flags = BPF_TC_F_REPLACE,
		    .handle = KS_TC_HANDLE, .priority = KS_TC_PRIORITY);
	int err = bpf_tc_attach(&hook, &opts);

	if (err)
		ks_kernel_complain("cannot attach to interface %u: %s\n%s", ifindex, strerror(-err), ks_kernel_said());
	return err;
}

int ks_kernel_attach(struct ks_kernel *kernel, unsigned ifindex, unsigned hooks, bool *created)
{
	int err;

	ks_kernel_listen();
	err = create_qdisc(ifindex, created);
	for (unsigned i = 0; !err && i < KS_ARRAY_SIZE(hooks_table); i++) {
		if (hooks & hooks_table[i].hook)
			err = attach_one(kernel, ifindex, i);
	}
	return err;
}

/* Id of the program in our place, 0 without one. */
static __u32 query_one(unsigned ifindex, unsigned i)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = hooks_table[i].point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = KS_TC_HANDLE, .priority = KS_TC_PRIORITY);

	return bpf_tc_query(&hook, &opts) ? 0 : opts.prog_id;
}

static __u32 program_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &length) ? 0 : info.id;
}

unsigned ks_kernel_attached(const struct ks_kernel *kernel, unsigned ifindex)
{
	unsigned hooks = 0;

	ks_kernel_listen();
	for (unsigned i = 0; i < KS_ARRAY_SIZE(hooks_table); i++) {
		__u32 id = query_one(ifindex, i);

		if (id && id == program_id(kernel->programs[hooks_table[i].program]))
			hooks |= hooks_table[i].hook;
	}
	return hooks;
}

static void remove_qdisc_if_empty(unsigned ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);

	if (ks_netlink_count_filters(ifindex) == 0)
		bpf_tc_hook_destroy(&hook);
}

int ks_kernel_detach(unsigned ifindex, bool remove_qdisc)
{
	int err = 0;

	ks_kernel_listen();
	for (unsigned i = 0; i < KS_ARRAY_SIZE(hooks_table); i++) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = hooks_table[i].point);
		LIBBPF_OPTS(bpf_tc_opts, opts, .handle = KS_TC_HANDLE, .priority = KS_TC_PRIORITY);

		if (query_one(ifindex, i))
			err = bpf_tc_detach(&hook, &opts) ?: err;
	}
	if (remove_qdisc)
		remove_qdisc_if_empty(ifindex);
	return err;
}
