/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tells where addresses are at home for those who have no routes: policy tests,
 * replay, explain of a file, and the kernel's programs in test runs. The `network`
 * parts of the zones stand for the routes that the live firewall asks the kernel
 * for.
 *
 * - An address belongs to the zone that has the longest network around it. What no network holds is outside.
 * - Outside are the zones without a network of the family, the zone that addresses of no network belong to (`wan`),
 *   and those with a network of everything. All of them are one for the source check, as live those with a default route.
 * - The last address of an IPv4 network is its broadcast address, unless the network is too small to have one (RFC 3021).
 */
#ifndef KS_CORE_NETWORK_H
#define KS_CORE_NETWORK_H

#include "core/table/flow.h"
#include "core/rules.h"
#include "core/types.h"

/* Returns true if the network has the address. */
static inline bool ks_network_holds(const struct ks_network *network, const struct ks_addr *addr, __u8 family)
{
	return network->family == family && (addr->d[0] & network->mask.d[0]) == network->addr.d[0] &&
	       (addr->d[1] & network->mask.d[1]) == network->addr.d[1];
}

/* Returns the longest network of the policy around an address, or NULL. */
const struct ks_network *ks_network_find(const struct ks_config *config, const struct ks_addr *addr, __u8 family);

/* Returns true if the address is the broadcast address of the network, which holds it. */
bool ks_network_is_broadcast(const struct ks_network *network, const struct ks_addr *addr);

/* As env_broadcast(), by the networks of the policy. */
__u32 ks_network_broadcast(const struct ks_config *config, const struct ks_tuple *tuple, __u32 from);

/* As env_source_is_at_home(), by the networks and addresses of the policy. */
bool ks_network_is_home(const struct ks_config *config, const struct ks_tuple *tuple, __u32 from, bool by_route);

#endif
