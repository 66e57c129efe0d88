/* SPDX-License-Identifier: BSD-2-Clause */
/* What netlink.c and netlink_route.c share: requests and the reading of messages. */
#ifndef KS_KERNEL_NETLINK_INTERNAL_H
#define KS_KERNEL_NETLINK_INTERNAL_H

#include <stddef.h>

#include <linux/netlink.h>

/* Handles one message. Returns 0, or not 0 if it needs no more of the reply; 0 of news, which go on. */
typedef int ks_message_fn(const struct nlmsghdr *message, void *arg);

/* Opens a socket that hears of the groups (RTNLGRP_*, 0 ends the list; NULL: none) and then does not block. */
int ks_netlink_socket(const unsigned *groups);

/* Sends a request on a socket of its own and calls fn for each message of the reply. */
int ks_netlink_dump(const void *request, size_t size, ks_message_fn *fn, void *arg);

/* Calls fn for each message that waits on a socket. */
int ks_netlink_read(int fd, ks_message_fn *fn, void *arg);

#endif
