// SPDX-License-Identifier: BSD-2-Clause
/* The networks of the policy's zones; see network.h. */
#include "core/network.h"

#include "core/link.h"

#define IPV4_SUBNET_BITS_MAX 30U /* longer networks have no broadcast address (RFC 3021) */
#define IPV4_ALL_ONES 0xffffffffU

const struct ks_network *ks_network_find(const struct ks_config *config, const struct ks_addr *addr, __u8 family)
{
	for (__u32 i = 0; i < KS_NETWORKS_MAX && i < config->networks; i++) {
		if (ks_network_holds(&config->network[i], addr, family))
			return &config->network[i];
	}
	return NULL;
}

bool ks_network_is_broadcast(const struct ks_network *network, const struct ks_addr *addr)
{
	return network->family == KS_IPV4 && network->bits <= IPV4_SUBNET_BITS_MAX &&
	       (addr->w[3] | network->mask.w[3]) == IPV4_ALL_ONES;
}

__u32 ks_network_broadcast(const struct ks_config *config, const struct ks_tuple *tuple, __u32 from)
{
	const struct ks_network *network;

	if (tuple->family != KS_IPV4 || ks_addr_is_group(&tuple->dst, KS_IPV4))
		return KS_ZONE_UNKNOWN;
	network = ks_network_find(config, &tuple->dst, KS_IPV4);
	if (!network || !ks_network_is_broadcast(network, &tuple->dst))
		return KS_ZONE_UNKNOWN;
	return network->zone == from ? KS_ZONE_SELF : KS_ZONE_ASTRAY;
}

bool ks_network_is_home(const struct ks_config *config, const struct ks_tuple *tuple, __u32 from, bool by_route)
{
	const struct ks_network *network;
	__u64 outside = config->outside[tuple->family == KS_IPV6], homes;

	if (ks_config_has_address(config, &tuple->src, tuple->family))
		return false;
	network = ks_network_find(config, &tuple->src, tuple->family);
	if (network && ks_network_is_broadcast(network, &tuple->src))
		return false;
	if (!network && ks_addr_is_group(&tuple->dst, tuple->family))
		return true; /* anybody on the link may speak to a group, unless the address is another zone's */
	homes = network ? 1ULL << (network->zone & (KS_ZONE_MAX - 1)) : outside;
	if (homes & outside)
		homes |= outside;
	return !by_route || homes >> (from & (KS_ZONE_MAX - 1)) & 1;
}
