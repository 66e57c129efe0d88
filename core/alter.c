// SPDX-License-Identifier: BSD-2-Clause
/* Changes that zones and rules ask for in passing packets of flows; see alter.h. */
#include "core/alter.h"

#include "core/effect.h"
#include "core/env.h"
#include "core/header/checksum.h"
#include "core/header/wire.h"
#include "core/inspection.h"
#include "core/scrub.h"
#include "core/table/ruled.h"

#define DSCP_SHIFT 2 /* in the type of service or traffic class (RFC 2474) */
#define DSCP_MASK 0xfcU
#define IPV4_TOS_MASK DSCP_MASK /* in the first word */
#define IPV6_DSCP_SHIFT 4U /* in the first word, of the traffic class */
#define IPV4_HEADERS 40U /* octets of IPv4 and TCP without options, as an MSS counts (RFC 6691) */
#define IPV6_HEADERS 60U
#define IPV4_WORDS 6 /* up to the checksum, which is the last of them */

/* The effects of the flow's rule that change packets; NULL: none. */
static const struct ks_effects *effects_of(struct ks_env *env, const struct ks_inspection *insp)
{
	const struct ks_effects *effects = ks_flow_effects(env, &insp->flow.after);

	return effects && effects->flags & KS_EFFECTS_ALTER ? effects : NULL;
}

static ks_inline bool write_dscp(struct ks_env *env, const struct ks_inspection *insp, __u32 dscp)
{
	__u32 ip = insp->pkt.l3_off, diff;
	__u16 word[IPV4_WORDS], old;

	if (insp->pkt.tuple.family != KS_IPV4) {
		if (!env_packet_read(env, ip, word, sizeof(word[0])))
			return false;
		old = ks_be16(word[0]) & (__u16) ~(DSCP_MASK << IPV6_DSCP_SHIFT);
		word[0] = ks_be16((__u16)(old | dscp << (DSCP_SHIFT + IPV6_DSCP_SHIFT)));
		return env_packet_write(env, ip, word, sizeof(word[0]));
	}
	/* Read again, because a translation has changed the checksum. */
	if (!env_packet_read(env, ip, word, sizeof(word)))
		return false;
	old = word[0];
	word[0] = ks_be16((__u16)((ks_be16(old) & ~IPV4_TOS_MASK) | dscp << DSCP_SHIFT));
	diff = ks_checksum_diff16(old, word[0]);
	word[IPV4_WORDS - 1] = ks_checksum_apply(word[IPV4_WORDS - 1], diff);
	return env_packet_write(env, ip, word, sizeof(word));
}

static ks_inline bool alter_dscp(struct ks_env *env, const struct ks_inspection *insp, const struct ks_effects *effects)
{
	__u32 dscp = effects ? effects->dscp[insp->dir & 1] : 0;

	if (!dscp || insp->pkt.traffic_class >> DSCP_SHIFT == dscp - 1)
		return true;
	return write_dscp(env, insp, (dscp - 1) & (KS_DSCP_MAX - 1));
}

static ks_inline void put_mark(struct ks_env *env, struct ks_inspection *insp, const struct ks_effects *effects)
{
	__u32 dir = insp->dir & 1;

	if (!effects || !effects->mark_mask[dir])
		return;
	insp->mark = effects->mark[dir];
	insp->mark_mask = effects->mark_mask[dir];
	env_mark(env, insp);
}

void ks_alter_mark(struct ks_env *env, struct ks_inspection *insp)
{
	put_mark(env, insp, effects_of(env, insp));
}

/* The least MSS that the flow's zones and its rule name, those that stand for an MTU included. */
static ks_inline __u32 mss_of(struct ks_env *env, const struct ks_config *config, const struct ks_inspection *insp,
			      const struct ks_effects *effects)
{
	const __u8 *zone = insp->flow.after.zone;
	const __u32 named[] = { config->mss[zone[0] & (KS_ZONE_MAX - 1)], config->mss[zone[1] & (KS_ZONE_MAX - 1)],
				effects ? effects->mss : 0U };
	const __u32 headers = insp->pkt.tuple.family == KS_IPV4 ? IPV4_HEADERS : IPV6_HEADERS;
	__u32 least = KS_MSS_OF_MTU, mtu = 0;

	for (__u32 i = 0; i < 3; i++) {
		if (named[i] == KS_MSS_OF_MTU)
			mtu = 1;
		else if (named[i])
			least = KS_MIN(least, named[i]);
	}
	if (mtu)
		mtu = env_mtu(env, insp);
	if (mtu >= KS_MTU_MIN)
		least = KS_MIN(least, mtu - headers);
	return least;
}

static ks_inline bool alter_mss(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				const __u8 *head, const struct ks_effects *effects)
{
	__u32 mss;

	if (insp->pkt.tuple.proto != KS_PROTO_TCP || !(insp->pkt.tcp_flags & KS_TCP_SYN))
		return true;
	mss = mss_of(env, config, insp, effects);
	if (config->scrub & KS_SCRUB_MSS)
		mss = KS_MIN(mss, config->max_mss);
	return mss == KS_MSS_OF_MTU || ks_mss_lower(env, insp, head, mss);
}

__u32 ks_alter(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_effects *effects = effects_of(env, insp);

	put_mark(env, insp, effects);
	if (alter_dscp(env, insp, effects) && alter_mss(env, config, insp, head, effects))
		return 0;
	return KS_REASON_TRANSLATE;
}
