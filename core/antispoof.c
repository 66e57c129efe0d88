// SPDX-License-Identifier: BSD-2-Clause
/* Antispoofing; see antispoof.h. */
#include "core/antispoof.h"

#include "core/env.h"
#include "core/link.h"

#define IPV4_LOOPBACK 127U /* 127.0.0.0/8 (RFC 1122 3.2.1.3) */
#define IPV4_RESERVED 0xf0U /* 240.0.0.0/4 */
#define IPV6_LOOPBACK 1ULL /* ::1 */

static bool is_loopback(const struct ks_addr *addr, __u8 family)
{
	if (family == KS_IPV4)
		return addr->b[IPV4_FIRST_BYTE] == IPV4_LOOPBACK;
	return addr->d[0] == 0 && addr->d[1] == ks_be64(IPV6_LOOPBACK);
}

/* A packet from loopback to loopback is in a capture of that. Live it does not pass: these are the box's own addresses. */
bool ks_source_is_nowhere(const struct ks_tuple *tuple)
{
	if (tuple->family == KS_IPV4 && tuple->src.b[IPV4_FIRST_BYTE] >= IPV4_RESERVED)
		return true;
	return is_loopback(&tuple->src, tuple->family) && !is_loopback(&tuple->dst, tuple->family);
}

bool ks_source_is_believed(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp,
			   bool by_route)
{
	const struct ks_tuple *tuple = &insp->pkt.tuple;

	if (insp->home.from == KS_ZONE_SELF)
		return true;
	if (ks_source_is_nowhere(tuple))
		return false;
	if (ks_addr_is_local_to_link(&tuple->src, tuple->family))
		return true;
	return env_source_is_at_home(env, tuple, insp->home.from,
				     by_route && config->antispoof >> (insp->home.from & (KS_ZONE_MAX - 1)) & 1);
}
