/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of bpf(2) that libbpf 1.1 (Debian 12) and its headers lack: tcx links
 * (Linux 6.6) and netfilter links (6.4). The numbers are the kernel's ABI. And
 * probes for what the running kernel has.
 */
#ifndef KS_KERNEL_BPF_H
#define KS_KERNEL_BPF_H

#include <stdbool.h>

#include <linux/types.h>

#define KS_BPF_PROG_TYPE_NETFILTER 32
#define KS_BPF_NETFILTER 45 /* attach types */
#define KS_BPF_TCX_INGRESS 46
#define KS_BPF_TCX_EGRESS 47

#define KS_BPF_LINK_TYPE_TCX 11

/* The beginning of struct bpf_link_info. */
struct ks_bpf_link_info {
	__u32 type;
	__u32 id;
	__u32 prog_id;
	__u32 zero;
	union {
		struct {
			__u32 ifindex; /* 0: the interface is gone, or the link was detached */
			__u32 attach_type;
		} tcx;
		struct {
			__u32 pf;
			__u32 hook;
			__s32 priority;
			__u32 flags;
		} netfilter;
		struct {
			__u32 ifindex; /* the same */
		} xdp;
	};
};

/* Attaches a program as the first one of a tcx hook. Returns the link, or -errno. */
int ks_bpf_tcx_attach(int prog_fd, unsigned ifindex, unsigned attach_type);

/* Reads the ids of at most *count programs of a tcx hook, in the order in which they run. Sets *count. */
int ks_bpf_tcx_query(unsigned ifindex, unsigned attach_type, __u32 *ids, unsigned *count);

/* Attaches a program to a netfilter hook. Returns the link, or -errno; -EBUSY: another BPF program has this priority. */
int ks_bpf_netfilter_attach(int prog_fd, unsigned pf, unsigned hook, int priority);

/* Replaces the program of a tcx link, in one step. */
int ks_bpf_link_update(int link_fd, int prog_fd);

/* Detaches a link at once; closing or unpinning it would do so some time later. */
int ks_bpf_link_detach(int link_fd);

int ks_bpf_link_info(int link_fd, struct ks_bpf_link_info *info);

/* Id of a program, 0 if fd is none. */
__u32 ks_bpf_program_id(int prog_fd);

/* Return true if the running kernel has it. Each is tried once. */
bool ks_bpf_has_tcx(void);
bool ks_bpf_has_netfilter(void);
bool ks_bpf_has_fib_mark(void); /* BPF_FIB_LOOKUP_MARK of bpf_fib_lookup() */

#endif
