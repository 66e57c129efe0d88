/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the administrator that the box runs out of something: a full table,
 * the budget of half-open connections, of datagrams in fragments, ports or
 * addresses for translation; and of packets that another program translated
 * or that an unguarded interface brought. Each kind is told at once when it begins and
 * then once a minute at most, with how many packets it was; so a flood
 * writes a line a minute, not a line a packet. Counted they all are.
 */
#ifndef KS_DAEMON_REFUSALS_H
#define KS_DAEMON_REFUSALS_H

#include "core/env.h"

#define KS_REFUSALS_KINDS 7U

struct ks_refusals {
	struct {
		__u64 told; /* packets of this reason that were told of, or came before us */
		__u64 when; /* of the last line, ns; 0: none yet */
	} kind[KS_REFUSALS_KINDS];
};

/* What was counted until now is not news. */
void ks_refusals_init(struct ks_refusals *refusals, const struct ks_count counts[KS_REASON_MAX]);

/* Says in lines what is news, if it is time. `now` in ns, not 0; `config` is of the policy in force. */
void ks_refusals_tell(struct ks_refusals *refusals, const struct ks_count counts[KS_REASON_MAX],
		      const struct ks_config *config, __u64 now, void (*say)(const char *line));

#endif
