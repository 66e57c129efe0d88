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

/*
 * Gives zones whose address the text does not say the first one that their interfaces have now, as if it stood there: for proofs
 * about a policy that is put in force nowhere. Returns 0 or -errno.
 */
int ks_own_addresses_tell(struct ks_policy *policy);

#endif
