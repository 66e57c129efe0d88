/* SPDX-License-Identifier: BSD-2-Clause */
/* The sockets of this network namespace, by sock_diag(7): those of processes, and the kernel's own (NFS, iSCSI). */
#ifndef KS_KERNEL_SOCKETS_H
#define KS_KERNEL_SOCKETS_H

#include "core/address.h"

/* A socket. An IPv6 socket that speaks IPv4 is told as IPv4. */
struct ks_socket {
	struct ks_tuple tuple; /* as packets leave: src is the box; of one that listens dst is empty, and src may be */
	__u8 state; /* TCP_* of netinet/tcp.h; a UDP socket is TCP_ESTABLISHED if it is connected, else TCP_CLOSE */
	bool takes_both; /* listens for IPv6, and for IPv4 as well */
	unsigned ifindex; /* that it is bound to, 0: none */
};

/* `states` has a bit for each state that is wanted. fn is called until it returns nonzero. Returns 0 or -errno. */
int ks_sockets_each(__u8 proto, __u32 states, int (*fn)(const struct ks_socket *socket, void *arg), void *arg);

#endif
