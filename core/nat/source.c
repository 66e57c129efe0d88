// SPDX-License-Identifier: BSD-2-Clause
/* Chooses what a new flow is translated to, and reserves it; see source.h. */
#include "core/nat/source.h"

#include "core/env.h"
#include "core/home.h"
#include "core/nat/clash.h"
#include "core/nat/mapping.h"
#include "core/nat/port.h"
#include "core/table/table.h"

#define MAY_CHANGE_PORT (KS_TARGET_EIM | KS_TARGET_PORTS | KS_TARGET_RANDOM) /* flags of a target */
#define NPT_WORD_MASK 0xffffU
#define IPV4_BITS 32U
#define WORD_BITS 64U
#define SPREAD_MULTIPLIER 0x9e3779b97f4a7c15ULL /* 2^64 divided by the golden ratio: Knuth, TAOCP 6.4 */
#define SPREAD_SHIFT 32

/* Always the same number for an address, spread over 32 bits: chooses one of several targets. */
static __u32 addr_spread(const struct ks_addr *addr)
{
	__u64 x = (addr->d[0] * SPREAD_MULTIPLIER) ^ addr->d[1];

	x *= SPREAD_MULTIPLIER;
	x ^= x >> SPREAD_SHIFT;
	return (__u32)((x * SPREAD_MULTIPLIER) >> SPREAD_SHIFT);
}

/* Addresses of either family as the policy counts them: two words in host order. */
static void addr_from_words(__u8 family, __u64 high, __u64 low, struct ks_addr *addr)
{
	if (family == KS_IPV4) {
		ks_addr_set_ipv4(addr, ks_be32((__u32)low));
		return;
	}
	addr->d[0] = ks_be64(high);
	addr->d[1] = ks_be64(low);
}

/* One address of lo..hi, chosen by another one. Only the low words differ, as the policy's compiler ensures. */
static void addr_in_range(const struct ks_target *t, __u8 family, const struct ks_addr *by, struct ks_addr *addr)
{
	__u64 span = t->hi[1] - t->lo[1] + 1;
	__u64 at = span ? addr_spread(by) % span : addr_spread(by);

	addr_from_words(family, t->lo[0], t->lo[1] + at, addr);
}

static inline __u64 prefix_mask(__u32 bits)
{
	return bits == 0 ? 0 : bits >= WORD_BITS ? ~0ULL : ~0ULL << (WORD_BITS - bits);
}

/* The prefix of the target, and behind it the address's own bits. */
static void addr_behind_prefix(const struct ks_target *t, __u8 family, const struct ks_addr *own, struct ks_addr *addr)
{
	__u64 high = ks_be64(own->d[0]), low = ks_be64(own->d[1]), mask;

	if (family == KS_IPV4) {
		mask = prefix_mask(WORD_BITS - IPV4_BITS + t->prefix);
		low = ks_be32(own->w[3]);
		addr_from_words(family, 0, (t->lo[1] & mask) | (low & ~mask), addr);
		return;
	}
	mask = prefix_mask(t->prefix);
	high = (t->lo[0] & mask) | (high & ~mask);
	mask = prefix_mask(t->prefix > WORD_BITS ? t->prefix - WORD_BITS : 0);
	low = (t->lo[1] & mask) | (low & ~mask);
	addr_from_words(family, high, low, addr);
}

/*
 * Adds the target's adjustment to the word that RFC 6296 3.4 and 3.5 choose. Returns false for an address that has no
 * translation: 0xffff would become what 0 becomes.
 */
static bool npt_adjust(const struct ks_target *t, struct ks_addr *addr)
{
	__u32 word = t->prefix <= 48 ? 3 : 4, sum;
	__u8 *at;

	for (__u32 i = 4; t->prefix > 48 && i < 8; i++) {
		word = i;
		if (ks_load16(addr->b + 2 * i) != NPT_WORD_MASK)
			break;
	}
	at = addr->b + 2 * (word & 7);
	if (ks_load16(at) == NPT_WORD_MASK)
		return false;
	sum = ks_be16(ks_load16(at)) + (__u32)(t->adjust & NPT_WORD_MASK);
	sum = (sum & NPT_WORD_MASK) + (sum >> 16);
	ks_store16(at, ks_be16(sum == NPT_WORD_MASK ? 0 : sum));
	return true;
}

/* The address that a target gives in place of `own`. `by` chooses among several. Returns 0 or a reason. */
static __u32 target_addr(struct ks_env *env, const struct ks_inspection *insp, const struct ks_target *t,
			 const struct ks_addr *own, struct ks_addr *addr)
{
	__u8 family = insp->pkt.tuple.family;

	switch (t->kind) {
	case KS_TARGET_MASQUERADE:
		return env_address_of(env, KS_REPLY, insp->to, family, addr) ? 0 : KS_REASON_NO_ADDRESS;
	case KS_TARGET_SELF:
		return env_address_of(env, KS_ORIGINAL, insp->home.from, family, addr) ? 0 : KS_REASON_NO_ADDRESS;
	case KS_TARGET_RANGE:
		addr_in_range(t, family, &insp->pkt.tuple.src, addr);
		return 0;
	case KS_TARGET_PREFIX:
		addr_behind_prefix(t, family, own, addr);
		return 0;
	case KS_TARGET_NPT:
		addr_behind_prefix(t, family, own, addr);
		return npt_adjust(t, addr) ? 0 : KS_REASON_NO_ADDRESS;
	default:
		return KS_REASON_INTERNAL;
	}
}

/* Translates insp->sent's destination by a target. The home is asked for the zone again. */
static __u32 forward_by(struct ks_env *env, struct ks_inspection *insp, const struct ks_target *t)
{
	struct ks_addr addr;
	__u32 port, reason;

	reason = target_addr(env, insp, t, &insp->sent.dst, &addr);
	if (reason)
		return reason;
	insp->sent.dst = addr;
	if (t->flags & KS_TARGET_PORTS && ks_port_is_number(insp->sent.proto)) {
		port = t->port_lo;
		if (t->flags & KS_TARGET_PORT_OFFSET)
			port += ks_be16(insp->sent.dport) - t->port_from;
		insp->sent.dport = ks_be16(port);
	}
	insp->to = t->kind == KS_TARGET_SELF ? KS_ZONE_SELF : (__u8)env_zone_to(env, &insp->sent, t->zone);
	return 0;
}

__u32 ks_nat_forward(struct ks_env *env, struct ks_inspection *insp, const struct ks_decision *decision)
{
	__u32 n = decision->targets > 1 ? addr_spread(&insp->pkt.tuple.src) % decision->targets : 0;
	const struct ks_target *t = env_target(env, decision->target + n);

	if (!t)
		return KS_REASON_INTERNAL;
	/* A packet that is only seen as it leaves has been routed already. */
	if (!(insp->home.halves & KS_TRANSLATE_DST))
		return KS_REASON_UNTRANSLATED;
	return forward_by(env, insp, t);
}

/* Gives the packet the destination that a rule about what comes in has for it. Not inlined: see ks_nat_arrive(). */
static __attribute__((noinline)) void inbound_translate(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_decision decision = {};
	const struct ks_target *t;

	ks_question_make(insp, &insp->sent, KS_LIST_INBOUND, &insp->opening.question);
	ks_rules_ask(env, &insp->opening.question, &decision);
	if (decision.index == KS_DECISION_DEFAULT)
		return;
	t = env_target(env, decision.target);
	if (t && t->kind != KS_TARGET_EXEMPT)
		forward_by(env, insp, t);
}

/* Inlined, because the frames of whoever asks the rules are deep (V2). */
ks_inlined void ks_nat_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	if (!(insp->home.halves & KS_TRANSLATE_DST) || ks_mapping_arrive(env, config, insp))
		return;
	if (config->list[KS_LIST_INBOUND].count)
		inbound_translate(env, insp);
}

/* The opener of an expected connection keeps the address by which its peer knows it from the control connection. */
static inline bool is_known_by_name(const struct ks_inspection *insp)
{
	return insp->opening.expected && insp->helping.named;
}

/*
 * A port that is forwarded to a host is that host's own: what it sends from there leaves from the forwarded port, and from the
 * address if the rule names one. Returns true if insp->sent.sport is to be that port.
 */
static bool own_port_take(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_decision decision = {};
	const struct ks_target *t;

	if (!config->list[KS_LIST_OWN].count || !ks_port_is_number(insp->sent.proto))
		return false;
	ks_question_make(insp, &insp->sent, KS_LIST_OWN, &insp->opening.question);
	insp->opening.question.tuple.src = insp->pkt.tuple.src;
	ks_rules_ask(env, &insp->opening.question, &decision);
	t = decision.targets ? env_target(env, decision.target) : NULL;
	if (!t)
		return false;
	if (t->kind == KS_TARGET_RANGE)
		addr_from_words(insp->sent.family, t->lo[0], t->lo[1], &insp->sent.src);
	if (t->flags & KS_TARGET_PORTS)
		insp->sent.sport = ks_be16((__u16)(t->port_lo + ks_be16(insp->pkt.tuple.sport) - t->port_from));
	return true;
}

static ks_inline __u32 source_reserve(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				      const struct ks_target *t)
{
	struct ks_addr addr;
	__u32 reason;

	addr = insp->helping.name;
	if (!is_known_by_name(insp)) {
		reason = target_addr(env, insp, t, &insp->pkt.tuple.src, &addr);
		if (reason)
			return reason;
	}
	insp->sent.src = addr;
	/* A source that stays as it is needs no alias, which would have the key of the flow itself. */
	if (ks_addr_equal(&addr, &insp->pkt.tuple.src) && !(t->flags & MAY_CHANGE_PORT) && !ks_clash_is_own(insp))
		return 0;
	insp->translate |= KS_TRANSLATE_SRC;
	/* The target may lie in one of three places, and is not looked at behind here (V15). */
	insp->search.flags = t->flags;
	insp->search.port_lo = t->port_lo;
	insp->search.port_hi = t->port_hi;
	insp->search.only = !ks_port_may_change(insp->sent.proto);
	insp->search.fixed = insp->search.only;
	if (!is_known_by_name(insp) && own_port_take(env, config, insp))
		insp->search.fixed = 1;
	else if (ks_port_is_number(insp->sent.proto))
		insp->search.fixed = ks_mapping_use(env, config, insp);
	return ks_port_find(env, config, insp);
}

/* The policy's target for the source, or NULL. */
static const struct ks_target *source_target(struct ks_env *env, const struct ks_config *config,
					     struct ks_inspection *insp)
{
	struct ks_decision decision = { .index = KS_DECISION_DEFAULT };
	__u32 n = 0;

	if (config->list[KS_LIST_SOURCE].count) {
		ks_question_make(insp, &insp->sent, KS_LIST_SOURCE, &insp->opening.question);
		ks_rules_ask(env, &insp->opening.question, &decision);
	}
	if (decision.index == KS_DECISION_DEFAULT || !decision.targets)
		return NULL;
	insp->opening.source_rule = (__u16)decision.id;
	if (decision.targets > 1)
		n = addr_spread(&insp->pkt.tuple.src) % decision.targets;
	return env_target(env, decision.target + n);
}

bool ks_nat_has_source(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_target *t = insp->to == KS_ZONE_SELF ? NULL : source_target(env, config, insp);

	return t && t->kind != KS_TARGET_EXEMPT;
}

__u32 ks_nat_reserve(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	static const struct ks_target masquerade = { .kind = KS_TARGET_MASQUERADE, .zone = KS_ZONE_UNKNOWN };
	static const struct ks_target same = { .kind = KS_TARGET_PREFIX }; /* of no bits: the address stays */
	bool forwarded = insp->translate & KS_TRANSLATE_DST;
	const struct ks_target *t = NULL;
	__u32 reason = 0;

	if (insp->to != KS_ZONE_SELF)
		t = source_target(env, config, insp);
	/*
	 * A client that reaches its neighbour by the outside address is sent back where it came from: it is masqueraded,
	 * or the answer would not come through here.
	 */
	if ((!t && forwarded && insp->to == insp->home.from) || is_known_by_name(insp))
		t = t && t->kind != KS_TARGET_EXEMPT ? t : &masquerade;
	if (ks_clash_is_own(insp) && (!t || t->kind == KS_TARGET_EXEMPT))
		t = &same;
	insp->opening.masqueraded = t && t->kind == KS_TARGET_MASQUERADE && !is_known_by_name(insp);
	if (t && t->kind != KS_TARGET_EXEMPT)
		reason = source_reserve(env, config, insp, t);
	if (!reason &&
	    insp->translate & KS_TRANSLATE_DST) /* read again: else known, and verified once for each value (V15) */
		reason = ks_port_alias(env, config, insp, &insp->pkt.tuple, KS_ORIGINAL);
	if (reason)
		ks_nat_release(env, insp);
	return reason;
}

/* Reads the alias of this side that was reserved. Returns false if there is none. */
static bool reserved_alias_read(struct ks_env *env, struct ks_inspection *insp, __u32 dir)
{
	const struct ks_record *alias = ks_record_before(&insp->side);

	if (!insp->opening.alias[dir & 1])
		return false;
	insp->side.ref = ks_slot_at(insp->opening.alias[dir & 1]);
	ks_table_read(env, &insp->side);
	return !insp->side.busy && alias->state == KS_STATE_ALIAS && !alias->alias.flow[0];
}

void ks_nat_commit(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_record *alias = ks_record_after(&insp->side);

	for (__u32 dir = 0; dir < 2; dir++) {
		if (!reserved_alias_read(env, insp, dir))
			continue;
		insp->side.after = insp->side.before;
		alias->alias.flow[0] = ks_slot_id(&insp->flow.ref);
		alias->alias.flow[1] = alias->alias.flow[0];
		ks_table_commit(env, &insp->side);
	}
}

void ks_nat_release(struct ks_env *env, struct ks_inspection *insp)
{
	for (__u32 dir = 0; dir < 2; dir++) {
		if (reserved_alias_read(env, insp, dir))
			ks_table_free(env, &insp->side);
		insp->opening.alias[dir] = 0;
	}
}
