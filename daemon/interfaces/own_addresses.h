/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sets `address of ZONE` of a policy, filled with what the zones' interfaces have
 * now. Used by the daemon's thread.
 */
#ifndef KS_DAEMON_OWN_ADDRESSES_H
#define KS_DAEMON_OWN_ADDRESSES_H

#include "policy/policy.h"

/*
 * Returns 1 if a set changed, so that the kernel needs the tables again; 0 if not, or
 * -errno. Does nothing for a policy without such sets.
 */
int ks_own_addresses_fill(struct ks_policy *policy);

#endif
