/* SPDX-License-Identifier: BSD-2-Clause */
/* The answer of a name server about a host name. A pure function of the message: nothing in it is believed before it was looked at. */
#ifndef KS_DAEMON_HOST_ANSWER_H
#define KS_DAEMON_HOST_ANSWER_H

#include <stddef.h>

#include "policy/policy.h"

#define KS_HOST_ADDRESSES_MAX 128U /* of each family: the first of more are taken */

/* Addresses of one family. */
struct ks_host_addresses {
	__u32 ttl; /* seconds: the least of the records that led to them; 0 without addresses */
	__u32 count;
	struct ks_prefix list[KS_HOST_ADDRESSES_MAX]; /* whole addresses */
};

/*
 * Reads the addresses of a name from a message, along its aliases. Addresses that no other host has (0.0.0.0, ::, loopback,
 * multicast, broadcast) are left out. Returns 0, with or without addresses; -ENOENT: there is no such name; -EAGAIN: the server failed or
 * refused; -ELOOP: too many aliases; -EBADMSG: it is no answer to this question, or damaged.
 */
int ks_host_answer_read(const unsigned char *message, size_t size, const char *name, __u8 family,
			struct ks_host_addresses *addresses);

#endif
