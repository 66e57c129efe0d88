/* SPDX-License-Identifier: BSD-2-Clause */
/* Fills the networks of the zones into the tables; see core/network.h. */
#include <errno.h>
#include <string.h>

#include "core/types.h"
#include "policy/policy.h"

#define IPV4_BITS_BEFORE 96U /* of struct ks_addr, whose last word is the IPv4 address */

__u32 ks_policy_outside(const struct ks_policy *policy)
{
	int zone = ks_policy_zone_id(policy, "wan");

	if (zone < 0)
		zone = ks_policy_zone_id(policy, "outside");
	return zone < 0 ? KS_ZONE_NONE : (__u32)zone;
}

void ks_network_make(const struct ks_prefix *prefix, unsigned zone, struct ks_network *network)
{
	unsigned first = prefix->family == KS_IPV4 ? IPV4_BITS_BEFORE : 0;

	*network = (struct ks_network){ .family = prefix->family, .bits = prefix->length, .zone = (__u8)zone };
	for (unsigned bit = first; bit < first + prefix->length; bit++)
		network->mask.b[bit / 8] |= (__u8)(0x80 >> bit % 8);
	for (unsigned i = 0; i < KS_ARRAY_SIZE(network->addr.d); i++)
		network->addr.d[i] = prefix->addr.d[i] & network->mask.d[i];
}

int ks_config_add_network(struct ks_config *config, const struct ks_network *network)
{
	struct ks_network *list = config->network;
	__u32 at = 0;

	if (config->networks == KS_NETWORKS_MAX)
		return -ENOSPC;
	while (at < config->networks && list[at].bits > network->bits)
		at++;
	memmove(&list[at + 1], &list[at], (config->networks - at) * sizeof(*list));
	list[at] = *network;
	config->networks++;
	return 0;
}

void ks_config_set_outside(struct ks_config *config, unsigned outside)
{
	__u64 inside[2] = { 0, 0 }, everything[2] = { 0, 0 };

	for (__u32 i = 0; i < config->networks; i++) {
		const struct ks_network *network = &config->network[i];

		inside[network->family == KS_IPV6] |= 1ULL << network->zone;
		everything[network->family == KS_IPV6] |= (__u64)!network->bits << network->zone;
	}
	for (unsigned i = 0; i < 2; i++)
		config->outside[i] = ~inside[i] | everything[i] | 1ULL << outside;
}
