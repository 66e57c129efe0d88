// SPDX-License-Identifier: BSD-2-Clause
/* Antispoofing; see antispoof.h. */
#include "core/antispoof.h"

#include "core/env.h"
#include "core/link.h"

#define IPV4_LOOPBACK 127U /* 127.0.0.0/8 (RFC 1122 3.2.1.3) */
#define IPV4_RESERVED 0xf0U /* 240.0.0.0/4 */
#define IPV6_LOOPBACK 1ULL /* ::1 */
#define IPV6_MAPPED 0xffffU /* the third word of ::ffff:0:0/96 */

static bool is_loopback(const struct ks_addr *addr, __u8 family)
{
	if (family == KS_IPV4)
		return addr->b[IPV4_FIRST_BYTE] == IPV4_LOOPBACK;
	return addr->d[0] == 0 && addr->d[1] == ks_be64(IPV6_LOOPBACK);
}

/* ::ffff:0:0/96 stands for IPv4 within a program (RFC 4291 2.5.5.2), and Linux takes no packet from there. */
static bool is_mapped(const struct ks_addr *addr, __u8 family)
{
	return family == KS_IPV6 && addr->d[0] == 0 && addr->w[2] == ks_be32(IPV6_MAPPED);
}

static bool is_unspecified(const struct ks_addr *addr)
{
	return !(addr->d[0] | addr->d[1]);
}

/*
 * A packet from loopback to loopback is in a capture of that. Live it does not pass: these are the box's own addresses. Who has no
 * address yet may ask a group for one.
 */
bool ks_source_is_nowhere(const struct ks_packet *pkt)
{
	const struct ks_tuple *tuple = &pkt->tuple;

	if (tuple->family == KS_IPV4 && tuple->src.b[IPV4_FIRST_BYTE] >= IPV4_RESERVED)
		return true;
	if (is_unspecified(&tuple->src))
		return !(pkt->flags & KS_PKT_GROUP);
	return is_mapped(&tuple->src, tuple->family) ||
	       (is_loopback(&tuple->src, tuple->family) && !is_loopback(&tuple->dst, tuple->family));
}

bool ks_source_is_of_link(const struct ks_inspection *insp)
{
	const struct ks_tuple *tuple = &insp->pkt.tuple;

	if (!ks_addr_is_local_to_link(&tuple->src, tuple->family))
		return false;
	return tuple->family == KS_IPV6 || insp->to == KS_ZONE_SELF || insp->pkt.flags & KS_PKT_GROUP ||
	       ks_addr_is_on_link(&tuple->dst, KS_IPV4);
}

bool ks_source_is_believed(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp,
			   bool by_route)
{
	const struct ks_tuple *tuple = &insp->pkt.tuple;

	if (insp->home.from == KS_ZONE_SELF)
		return true;
	if (ks_source_is_nowhere(&insp->pkt))
		return false;
	if (ks_source_is_of_link(insp))
		return true;
	return env_source_is_at_home(env, tuple, insp->home.from,
				     by_route && config->antispoof >> (insp->home.from & (KS_ZONE_MAX - 1)) & 1);
}
