/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IPFIX (RFC 7011) over UDP: flows that have ended, with what they have carried, and how they were translated (RFC 8158). A translated flow
 * is also told when it begins, as a collector needs that is asked who had an address and port at a time. Queries of ICMP have their type
 * and, instead of a port, their identifier.
 */
#ifndef KS_JOURNAL_IPFIX_H
#define KS_JOURNAL_IPFIX_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define KS_IPFIX_MESSAGE 1400 /* bytes, so that it fits a datagram on any link */

struct ks_ipfix {
	int fd; /* connected; -1: none */
	unsigned char message[KS_IPFIX_MESSAGE];
	size_t used;
	unsigned records; /* in the message */
	uint32_t sequence; /* records that were sent */
	int64_t templates; /* ms of the epoch at which they were sent; 0: never */
};

void ks_ipfix_init(struct ks_ipfix *ipfix, int fd);

/* Takes an event of a flow; others are left alone. `now` in ms of the epoch. */
void ks_ipfix_take(struct ks_ipfix *ipfix, const json_t *event, int64_t now);

/* Sends what is gathered. */
void ks_ipfix_flush(struct ks_ipfix *ipfix, int64_t now);

#endif
