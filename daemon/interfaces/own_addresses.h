/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sets of a policy that follow the interfaces of a zone (`address of`, `network of`, `suffix`), filled with what these
 * have now. Used by the daemon's thread.
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
