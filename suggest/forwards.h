/* SPDX-License-Identifier: BSD-2-Clause */
/* New destinations that connections got: what was asked for, and where it went; see forwards.c. */
#ifndef KS_SUGGEST_FORWARDS_H
#define KS_SUGGEST_FORWARDS_H

#include <stdio.h>

#include "suggest/atoms.h"

#define KS_FORWARDS_MAX 4096U

struct ks_forwarded {
	struct ks_prefix src; /* family 0: anybody */
	struct ks_tuple asked; /* its destination and protocol */
	struct ks_addr to;
	__be16 port;
	__u8 from;
	__u64 count;
};

struct ks_forwards {
	struct ks_forwarded *list;
	size_t count, room;
};

void ks_forwards_fini(struct ks_forwards *forwards);

/*
 * Adds a connection to request->tuple.dst that went to another address and port. Returns 1, 0 if no rule can be made of it: its
 * protocol has no ports, its zone is none, or there are too many already; or -ENOMEM.
 */
int ks_forwards_add(struct ks_forwards *forwards, const struct ks_suggest_wish *wish, const struct ks_request *request,
		    const struct ks_addr *to, __be16 port);

/* Writes a rule for each. */
void ks_forwards_write(const struct ks_forwards *forwards, const struct ks_policy *zones, FILE *out);

#endif
