/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How each interface of the namespace is to be guarded: a pure function of the
 * policy and of what the kernel tells about the interfaces.
 *
 * An interface that belongs to a bridge, a bond or the like (its master) is
 * guarded through the uppermost master, as one interface. When a zone names one
 * of the ports, the ports are guarded instead, and the master is a carrier: its
 * programs go on with packets that the programs at the ports have seen. A pattern
 * "*" alone names nothing for this purpose.
 * Example, of "zone lan { eth1 } zone wan { eth2 }" and a bridge with eth1, eth2, eth3:
 *
 *     eth1  PORT, zone lan     eth2  PORT, zone wan     eth3  PORT, zone none     br0  CARRIER
 *
 * A VRF is a master of another kind: its members are ordinary interfaces, in
 * its zone if no zone names them.
 */
#ifndef KS_DAEMON_ROLES_H
#define KS_DAEMON_ROLES_H

#include "daemon/interfaces/links.h"
#include "policy/policy.h"

/* X(identifier, name) */
#define KS_ROLES(X)                                                             \
	X(MEMBER, "member") /* guarded through its master: no programs */       \
	X(GUARDED, "guarded") /* programs judge at it */                        \
	X(PORT, "port") /* programs at a port of a carrier */                   \
	X(CARRIER, "carrier") /* programs take over what the ports have seen */ \
	X(VRF, "vrf") /* no programs: its members have them */                  \
	X(IGNORED, "ignored") /* no programs: the policy leaves it alone */

enum ks_role_kind {
#define X(id, name) KS_ROLE_##id,
	KS_ROLES(X)
#undef X
};

struct ks_role {
	enum ks_role_kind kind;
	bool named; /* by a zone, with more than "*" */
	bool unheeded; /* the policy ignores it, but its bridge is guarded at the ports, so this one is too: a PORT in no zone */
	__u32 zone;
	unsigned bearer; /* ifindex of the one that has its addresses: of a port its carrier, else itself */
};

/* Sets roles[i] for each of the links, of which none is gone. */
void ks_roles_decide(const struct ks_policy *policy, const struct ks_links *links, struct ks_role *roles);

/* "guarded" */
const char *ks_role_name(enum ks_role_kind kind);

/* Returns true if programs are on interfaces of this role. */
bool ks_role_has_programs(enum ks_role_kind kind);

/* The flags of struct ks_guard for a role. */
__u8 ks_role_flags(enum ks_role_kind kind);

#endif
