/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of the netlink files: requests and the reading of messages. */
#ifndef KS_KERNEL_NETLINK_INTERNAL_H
#define KS_KERNEL_NETLINK_INTERNAL_H

#include <stddef.h>
#include <stdlib.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/types.h>

#include "text/scoped.h"

/* Handles one message. Returns 0 to get the next one, another number if it needs no more; for news it returns 0. */
typedef int ks_message_fn(const struct nlmsghdr *message, void *arg);

/* Opens a socket subscribed to the groups (RTNLGRP_*, 0 ends the list; NULL: none); non-blocking if there is any. */
int ks_netlink_socket(const unsigned *groups);

/* Opens a blocking socket of another protocol: NETLINK_NETFILTER, NETLINK_SOCK_DIAG. */
int ks_netlink_socket_of(int protocol);

/* Sends a request on a socket of its own and calls fn for each message of the reply. */
int ks_netlink_dump(const void *request, size_t size, ks_message_fn *fn, void *arg);

/* The same of another protocol. */
int ks_netlink_ask(int protocol, const void *request, size_t size, ks_message_fn *fn, void *arg);

/* Copies of the entries of a reply, which is read again until it is whole. */
struct ks_gathered {
	char *list;
	size_t entry_size;
	size_t count;
	int err;
};

/* Adds a copy of an entry. Without memory it sets gathered->err. */
void ks_netlink_gather(struct ks_gathered *gathered, const void *entry);

static inline void ks_gathered_end(struct ks_gathered *gathered)
{
	free(gathered->list);
}

/*
 * Sends a request until the reply is whole; fn gathers its entries. -EAGAIN: they
 * change faster than they can be read. The caller frees `gathered` (ks_gathered_end()).
 */
int ks_netlink_dump_whole(const void *request, size_t size, ks_message_fn *fn, void *arg, struct ks_gathered *gathered);

/* Returns the number in an attribute of four bytes, 0 if it has another size. */
__u32 ks_netlink_u32(const struct rtattr *attr);

/* Calls fn for each message that waits on a socket. */
int ks_netlink_read(int fd, ks_message_fn *fn, void *arg);

#endif
