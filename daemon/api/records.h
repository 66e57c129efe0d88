/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of the table that are no flows, as the control API finds them: mappings and expectations, by the ends that they have. */
#ifndef KS_DAEMON_API_RECORDS_H
#define KS_DAEMON_API_RECORDS_H

#include "core/table/table.h"
#include "daemon/api/filter.h"

/*
 * Returns true if a mapping, a permit of one, or an expectation fits the filter. The source of a mapping is its inner or its outer
 * endpoint, the destination of a permit is the peer; an expectation has the ends of the connection that is expected.
 */
bool ks_filter_match_record(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_flow *entry);

/* Ends of translated flows that were killed. */
struct ks_killed_end {
	struct ks_addr addr;
	__be16 port;
	__u8 proto, family;
	__u8 zero[4];
};

struct ks_killed_ends {
	struct ks_killed_end *list;
	size_t count, room;
};

/* Notes both ends of a flow. Returns 0 or -ENOMEM. */
int ks_killed_ends_add(struct ks_killed_ends *ends, const struct ks_flow_key *key);

/* Once they are all there, and before they are searched. */
void ks_killed_ends_sort(struct ks_killed_ends *ends);

/*
 * Returns true for a mapping of one of these ends by which anybody may open: whom a killed flow was with could come back by it,
 * though the filter does not name its ends. Where filtering goes by addresses, the permit of the peer ends instead.
 */
bool ks_killed_ends_open(const struct ks_killed_ends *ends, const struct ks_flow_key *key, const struct ks_flow *entry);

#endif
