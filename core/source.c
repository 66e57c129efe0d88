// SPDX-License-Identifier: BSD-2-Clause
/* Sources are believed by zone; see source.h. */
#include "source.h"

#include "env.h"
#include "link.h"

#define IPV4_LOOPBACK 127U /* 127.0.0.0/8 (RFC 1122 3.2.1.3) */
#define IPV4_RESERVED 0xf0U /* 240.0.0.0/4 */
#define IPV6_LOOPBACK 1ULL /* ::1 */

/* Addresses that no packet on a wire comes from. */
static bool is_reserved(const struct ks_addr *addr, __u8 family)
{
	__u8 first = addr->b[IPV4_FIRST_OCTET];

	if (family == KS_IPV4)
		return first == IPV4_LOOPBACK || first >= IPV4_RESERVED;
	return addr->d[0] == 0 && addr->d[1] == ks_be64(IPV6_LOOPBACK);
}

bool ks_source_is_believed(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *in)
{
	const struct ks_tuple *tuple = &in->pkt.tuple;

	if (in->from == KS_ZONE_SELF)
		return true;
	if (is_reserved(&tuple->src, tuple->family))
		return false;
	if (ks_addr_is_local_to_link(&tuple->src, tuple->family))
		return true;
	return env_source_is_at_home(env, tuple, in->from, config->antispoof >> (in->from & (KS_ZONE_MAX - 1)) & 1);
}
