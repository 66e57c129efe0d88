/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries of the table that are no flows, as the control API finds them: mappings and expectations, by the ends that they have. */
#ifndef KS_DAEMON_API_RECORDS_H
#define KS_DAEMON_API_RECORDS_H

#include "daemon/api/filter.h"

/*
 * Returns true if a mapping, a permit of one, or an expectation fits the filter. The source of a mapping is its inner or its outer
 * endpoint, the destination of a permit is the peer; an expectation has the ends of the connection that is expected.
 */
bool ks_filter_match_record(const struct ks_filter *filter, const struct ks_flow_key *key, const struct ks_flow *entry);

#endif
