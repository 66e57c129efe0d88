/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of the journal, which keeps what the log says of them and none of their bytes: the headers are made anew of that, so that tools for
 * captures can show and filter what was dropped an hour ago. What is behind the headers is missing, as in a capture that was cut off.
 * Where a SYN is longer than its header that is taken for options, which stand there as no-operations: it hardly ever has data.
 */
#ifndef KS_CLI_LOG_REBUILD_H
#define KS_CLI_LOG_REBUILD_H

#include <jansson.h>
#include <linux/types.h>

#define KS_REBUILT_MAX 100 /* bytes: IPv6, and TCP with as many options as there can be */

struct ks_rebuilt {
	__u8 bytes[KS_REBUILT_MAX]; /* from the IP header on */
	__u32 captured, length; /* of the headers, and of the whole packet */
};

/* Makes the headers of an entry. Returns 0, or -EINVAL if its addresses were never read. */
int ks_log_rebuild(const json_t *event, struct ks_rebuilt *rebuilt);

#endif
