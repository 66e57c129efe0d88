// SPDX-License-Identifier: BSD-2-Clause
/* Questions to a group; see group.h. */
#include "core/group.h"

#include "core/env.h"
#include "core/link.h"
#include "core/stage.h"
#include "core/table/table.h"

#define DHCP_SERVER_PORT 67
#define DHCPV6_SERVER_PORT 547
#define IPV6_SCOPE_MASK 0x0f /* of a group's second byte (RFC 4291 2.7) */
#define IPV6_SCOPE_LINK 2
#define IPV4_LINK_GROUPS 0xe0000000U /* 224.0.0.0/24 stays on its link (RFC 5771 4) */
#define IPV4_LINK_GROUPS_MASK 0xffffff00U

static void question_key_make(struct ks_env *env, struct ks_inspection *insp, const struct ks_addr *asker, __be16 port,
			      __u32 asked_zone, __u32 asker_zone)
{
	ks_group_key(&insp->pkt, asker, port, ks_group_link(asked_zone, asker_zone), &insp->side.key);
	ks_table_hash(env, &insp->side);
}

/*
 * Returns true if only neighbours can have heard the question: its group is one that no router forwards to. DHCP servers may
 * be further away, behind relays (RFC 2131 4.1, RFC 8415 19).
 */
static bool is_for_neighbours(const struct ks_tuple *tuple)
{
	const __u8 *dst = tuple->dst.b;

	if (tuple->dport == ks_be16(DHCP_SERVER_PORT) || tuple->dport == ks_be16(DHCPV6_SERVER_PORT))
		return false;
	if (tuple->family == KS_IPV6)
		return (dst[1] & IPV6_SCOPE_MASK) <= IPV6_SCOPE_LINK;
	return !ks_addr_is_group(&tuple->dst, KS_IPV4) || tuple->dst.w[3] == IPV4_BROADCAST ||
	       (tuple->dst.w[3] & ks_be32(IPV4_LINK_GROUPS_MASK)) == ks_be32(IPV4_LINK_GROUPS);
}

static void question_fill(const struct ks_config *config, struct ks_inspection *insp)
{
	*ks_record_after(&insp->side) = (struct ks_record){
		.state = KS_STATE_ASKED,
		.zone = { insp->flow.after.zone[KS_ORIGINAL], insp->flow.after.zone[KS_REPLY] },
		.seen = insp->side.clock,
		.timeout = config->timeout[KS_STATE_ASKED],
		.question = { .rule = (__u16)insp->verdict.rule, .is_near = is_for_neighbours(&insp->pkt.tuple) },
	};
}

/* If a question finds no room, its answers are dropped: the asker will ask again. */
static void question_put(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const __u8 *zone = insp->flow.after.zone;

	question_key_make(env, insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport, zone[KS_REPLY], zone[KS_ORIGINAL]);
	ks_table_find(env, &insp->side);
	question_fill(config, insp);
	if (insp->side.found)
		ks_table_commit(env, &insp->side);
	else
		ks_table_insert(env, &insp->side);
}

void ks_stage_group(struct ks_env *env, struct ks_inspection *insp, const __u8 *head)
{
	const struct ks_config *config = env_config(env);

	insp->stage = KS_STAGE_DONE;
	if (!config)
		return;
	question_put(env, config, insp);
	if (ks_is_changed(insp, config))
		insp->stage = KS_STAGE_WRITE;
}

static bool answers_question_of(struct ks_env *env, struct ks_inspection *insp, const struct ks_addr *asker,
				__u32 asker_zone)
{
	const struct ks_group_question *question = &ks_record_before(&insp->side)->question;

	question_key_make(env, insp, asker, insp->pkt.tuple.dport, insp->home.from, asker_zone);
	ks_table_find(env, &insp->side);
	if (!insp->side.found)
		return false;
	if (question->is_near && !env_source_is_near(env, &insp->pkt.tuple, insp->home.from))
		return false;
	insp->verdict.rule = question->rule;
	insp->to = (__u8)asker_zone;
	return true;
}

/* An asker without an address is on this box, unless the packet is known to leave for elsewhere. */
static bool answers_nameless(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_addr nameless = {};

	return answers_question_of(env, insp, &nameless, insp->home.to < KS_ZONE_MAX ? insp->home.to : KS_ZONE_SELF);
}

/* Not inlined, because there is nearly never a question. */
static __attribute__((noinline)) bool answers_any(struct ks_env *env, struct ks_inspection *insp)
{
	__u32 to = insp->to;

	if (insp->pkt.tuple.proto != KS_PROTO_UDP && !(insp->pkt.flags & KS_PKT_ICMP_ANSWER))
		return false;
	if (answers_nameless(env, insp))
		return true;
	if (to == KS_ZONE_UNKNOWN)
		to = env_zone_to(env, &insp->pkt.tuple, KS_ZONE_UNKNOWN);
	return to < KS_ZONE_MAX && answers_question_of(env, insp, &insp->pkt.tuple.dst, to);
}

ks_inlined bool ks_group_answers(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);

	return counts && ks_load_relaxed(&counts->records[KS_KIND_QUESTION]) && answers_any(env, insp);
}
