/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells the administrator that the box runs out of something: entries of the
 * table, datagrams in fragments, ports or addresses for translation; and of
 * packets that another program translated or that came by an unguarded interface. Each kind is told at once when it begins, and then once a
 * minute at most, with the number of packets: a flood writes a line a minute,
 * not a line a packet. Every packet is counted (core/verdict.h). Used by the
 * daemon's thread.
 */
#ifndef KS_DAEMON_REFUSALS_H
#define KS_DAEMON_REFUSALS_H

#include "core/env.h"

#define KS_REFUSALS_KINDS 8U

struct ks_refusals {
	struct {
		__u64 told; /* packets of this reason that were told of, or came before us */
		__u64 when; /* of the last line, ns; 0: none yet */
	} kind[KS_REFUSALS_KINDS];
};

/* Takes what was counted so far as told. */
void ks_refusals_init(struct ks_refusals *refusals, const struct ks_count counts[KS_REASON_MAX]);

/* Says in a line each what was counted since, if it is time. `now` in ns, not 0; `config` is of the policy in force. */
void ks_refusals_tell(struct ks_refusals *refusals, const struct ks_count counts[KS_REASON_MAX],
		      const struct ks_config *config, __u64 now, void (*say)(const char *line));

#endif
