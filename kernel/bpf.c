/* SPDX-License-Identifier: BSD-2-Clause */
/* See bpf.h. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "bpf/maps.h"
#include "core/types.h"
#include "kernel/bpf.h"
#include "text/scoped.h"

#define KS_TCX_BEFORE (1U << 3) /* BPF_F_BEFORE; without another program to be before, it means before all */

/* The members of union bpf_attr that its header does not have yet. */
union call_attr {
	struct {
		__u32 prog_fd;
		__u32 target; /* ifindex of a tcx link */
		__u32 attach_type;
		__u32 flags;
		union {
			struct {
				__u32 relative;
				__u32 zero;
				__u64 revision;
			} tcx;
			struct {
				__u32 pf;
				__u32 hook;
				__s32 priority;
				__u32 flags;
			} netfilter;
		};
	} create;
	struct {
		__u32 ifindex;
		__u32 attach_type;
		__u32 flags;
		__u32 attach_flags;
		__u64 prog_ids;
		__u32 count;
		__u32 zero;
		__u64 prog_attach_flags;
		__u64 link_ids;
		__u64 link_attach_flags;
		__u64 revision;
	} query;
	struct {
		__u32 fd;
		__u32 size;
		__u64 info;
	} info;
};

static int bpf_call(enum bpf_cmd command, union call_attr *attr, size_t size)
{
	long result = syscall(__NR_bpf, command, attr, size);

	return result < 0 ? -errno : (int)result;
}

int ks_bpf_tcx_attach(int prog_fd, unsigned ifindex, unsigned attach_type)
{
	union call_attr attr = {
		.create = {
			.prog_fd = (__u32)prog_fd,
			.target = ifindex,
			.attach_type = attach_type,
			.flags = KS_TCX_BEFORE,
		},
	};

	return bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr.create));
}

int ks_bpf_tcx_query(unsigned ifindex, unsigned attach_type, __u32 *ids, unsigned *count)
{
	union call_attr attr = {
		.query = {
			.ifindex = ifindex,
			.attach_type = attach_type,
			.prog_ids = (uintptr_t)ids,
			.count = *count,
		},
	};
	int err = bpf_call(BPF_PROG_QUERY, &attr, sizeof(attr.query));

	if (err && err != -ENOSPC) /* more than there is room for: the first ones were copied */
		return err;
	*count = KS_MIN(attr.query.count, *count);
	return 0;
}

int ks_bpf_netfilter_attach(int prog_fd, unsigned pf, unsigned hook, int priority)
{
	union call_attr attr = {
		.create = {
			.prog_fd = (__u32)prog_fd,
			.attach_type = KS_BPF_NETFILTER,
			.netfilter = { .pf = pf, .hook = hook, .priority = priority },
		},
	};

	return bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr.create));
}

int ks_bpf_link_update(int link_fd, int prog_fd)
{
	return bpf_link_update(link_fd, prog_fd, NULL) ? -errno : 0;
}

int ks_bpf_link_detach(int link_fd)
{
	return bpf_link_detach(link_fd) ? -errno : 0;
}

int ks_bpf_link_info(int link_fd, struct ks_bpf_link_info *info)
{
	union call_attr attr = {
		.info = { .fd = (__u32)link_fd, .size = sizeof(*info), .info = (uintptr_t)info },
	};

	memset(info, 0, sizeof(*info));
	return bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr.info));
}

__u32 ks_bpf_program_id(int prog_fd)
{
	struct bpf_prog_info info = { 0 };
	__u32 length = sizeof(info);

	return bpf_obj_get_info_by_fd(prog_fd, &info, &length) ? 0 : info.id;
}

/* KEEPSTATE_NO_TCX is for tests: clsact on a kernel that has tcx. */
bool ks_bpf_has_tcx(void)
{
	static int has = -1;
	__u32 ids[1];
	unsigned count = 1;

	if (has < 0)
		has = !getenv("KEEPSTATE_NO_TCX") &&
		      !ks_bpf_tcx_query(KS_LOOPBACK_IFINDEX, KS_BPF_TCX_INGRESS, ids, &count);
	return has;
}

/* Loads a program that tries something out. Returns its descriptor, or -errno. */
static int load_probe(unsigned type, unsigned attach_type, const struct bpf_insn *insns, size_t count)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach_type);
	int fd = bpf_prog_load(type, "ks_probe", "Dual BSD/GPL", insns, count, &opts);

	return fd < 0 ? -errno : fd;
}

bool ks_bpf_has_netfilter(void)
{
	static const struct bpf_insn accept[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	static int has = -1;

	if (has < 0) {
		ks_auto_fd int fd =
			load_probe(KS_BPF_PROG_TYPE_NETFILTER, KS_BPF_NETFILTER, accept, KS_ARRAY_SIZE(accept));

		has = fd >= 0;
	}
	return has;
}

/* Runs a program once. Returns its return value, or -1. */
static int run_probe(int fd)
{
	static const __u8 frame[64];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

	return bpf_prog_test_run_opts(fd, &opts) ? -1 : (int)opts.retval;
}

#define FIB_OFF (-(int)sizeof(struct bpf_fib_lookup)) /* on the stack */
#define FIB_WORD(at) { .code = BPF_ST | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .off = FIB_OFF + (at) }

/*
 * Found out by a lookup, not by the version, because distributions port such
 * things back. The kernel checks flags before the device: a lookup from interface
 * 0 returns -EINVAL if the flag is unknown, for which the program returns 1, and
 * -ENODEV if it is known.
 */
bool ks_bpf_has_fib_mark(void)
{
	static const struct bpf_insn lookup[] = {
		FIB_WORD(0),
		FIB_WORD(8),
		FIB_WORD(16),
		FIB_WORD(24),
		FIB_WORD(32),
		FIB_WORD(40),
		FIB_WORD(48),
		FIB_WORD(56),
		{ .code = BPF_ST | BPF_MEM | BPF_B, .dst_reg = BPF_REG_10, .off = FIB_OFF, .imm = 2 }, /* AF_INET */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10 },
		/* NOLINTNEXTLINE(misc-redundant-expression): BPF_ADD and BPF_K are both 0, and say what is meant */
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = FIB_OFF },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = -FIB_OFF },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = KS_FIB_LOOKUP_MARK },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_fib_lookup },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_1, .off = 1, .imm = -EINVAL },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	static int has = -1;

	_Static_assert(sizeof(struct bpf_fib_lookup) == 64, "eight words are cleared");
	if (has < 0) {
		ks_auto_fd int fd = load_probe(BPF_PROG_TYPE_SCHED_CLS, 0, lookup, KS_ARRAY_SIZE(lookup));

		has = fd >= 0 && run_probe(fd) == 0;
	}
	return has;
}
