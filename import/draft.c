/* SPDX-License-Identifier: BSD-2-Clause */
/* See draft.h. */
#include "import/draft.h"

#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "core/header/tcp.h"

#define FLAG_NAMES "FSRPAUEW" /* as the language has them, from the lowest bit */
#define FLAGS_ALL 0xffU
#define FLAG_ECE 0x40U
#define FLAG_CWR 0x80U

void ks_draft_begin(struct ks_draft *draft, struct ks_import *import)
{
	*draft = (struct ks_draft){ .import = import, .matches = 1 };
	ks_import_match_fill(&draft->match[0]);
	for (unsigned i = 0; i < 2; i++)
		draft->match[0].has[i] = import->families[i];
}

int ks_draft_end(struct ks_draft *draft, struct ks_import_chain *chain)
{
	int err = ks_draft_times(draft);
	bool any = false;

	draft->times = (struct ks_times){ 0 };
	for (unsigned i = 0; !err && i < draft->matches; i++) {
		draft->rule.match = draft->match[i];
		if (ks_import_match_is_empty(&draft->match[i]))
			continue;
		any = true;
		err = ks_import_rule(draft->import, chain, &draft->rule);
	}
	if (!err && !any && !draft->quiet && draft->rule.kind != KS_IMPORT_LOG)
		err = ks_import_note(draft->import, "no packet that opens a flow or belongs to one matches this: "
						    "loopback is not guarded, and what is invalid never passes");
	return err;
}

/* --- conditions of all matches --- */

int ks_draft_addresses(struct ks_draft *draft, enum ks_dim dim, const struct ks_spans spans[2], bool negated)
{
	int err = 0;

	for (unsigned i = 0; !err && i < draft->matches; i++)
		err = ks_import_match_addresses(draft->import, &draft->match[i], dim, spans, negated);
	return err;
}

int ks_draft_numbers(struct ks_draft *draft, enum ks_dim dim, const struct ks_spans *spans, bool negated)
{
	int err = 0;

	for (unsigned i = 0; !err && i < draft->matches; i++)
		err = ks_import_match_numbers(draft->import, &draft->match[i], dim, spans, negated);
	return err;
}

int ks_draft_written(struct ks_draft *draft, const struct ks_spans spans[2])
{
	if (!spans[0].count == !spans[1].count)
		return 0;
	return ks_draft_family(draft, spans[0].count ? KS_IPV4 : KS_IPV6);
}

int ks_draft_condition(struct ks_draft *draft, enum ks_import_word word, const char *text, bool negated)
{
	int err = 0;

	for (unsigned i = 0; !err && i < draft->matches; i++)
		err = ks_import_match_condition(draft->import, &draft->match[i], word, text, negated);
	return err;
}

int ks_draft_unsaid(struct ks_draft *draft, const char *text, bool negated)
{
	return ks_draft_condition(draft, KS_WORD_NONE, text, negated);
}

int ks_draft_field(struct ks_draft *draft, const struct ks_field_test *test, enum ks_import_word word, const char *text)
{
	const int came = ks_import_condition(draft->import, word, text);
	const int unknown = ks_import_condition(draft->import, KS_WORD_NONE, text);

	if (!draft->import->alters[test->field])
		return ks_draft_condition(draft, word, text, test->negated);
	if (draft->rule.test.asks || draft->import->plain)
		return ks_draft_unsaid(draft, text, test->negated);
	if (came < 0 || unknown < 0)
		return KS_MIN(came, unknown);
	draft->import->asks[test->field] = true;
	draft->import->parts[test->field] |=
		test->negated || test->field != KS_FIELD_TAG; /* no tag is asked for alone */
	draft->rule.test = *test;
	draft->rule.test.asks = true;
	draft->rule.test.came = (unsigned)came;
	draft->rule.test.unknown = (unsigned)unknown;
	return ks_draft_condition(draft, word, text, test->negated);
}

int ks_draft_zones(struct ks_draft *draft, bool to, __u64 zones)
{
	for (unsigned i = 0; i < draft->matches; i++) {
		if (to)
			ks_import_match_to(&draft->match[i], zones);
		else
			ks_import_match_from(&draft->match[i], zones);
	}
	return 0;
}

int ks_draft_proto(struct ks_draft *draft, unsigned proto, bool negated)
{
	for (unsigned i = 0; i < draft->matches; i++) {
		if (negated)
			ks_import_match_not_proto(&draft->match[i], proto);
		else
			ks_import_match_proto(&draft->match[i], proto);
	}
	return 0;
}

int ks_draft_ported(struct ks_draft *draft)
{
	for (unsigned i = 0; i < draft->matches; i++)
		ks_import_match_ported(&draft->match[i]);
	return 0;
}

int ks_draft_family(struct ks_draft *draft, __u8 family)
{
	for (unsigned i = 0; i < draft->matches; i++)
		ks_import_match_family(&draft->match[i], family);
	return 0;
}

/* --- conditions that are no product --- */

/* Doubles the matches; the second half begins at what is returned. -E2BIG if there is no room. */
static int draft_double(struct ks_draft *draft)
{
	const unsigned count = draft->matches;

	if (2 * count > KS_DRAFT_MATCHES)
		return -E2BIG;
	memcpy(&draft->match[count], draft->match, count * sizeof(draft->match[0]));
	draft->matches = 2 * count;
	return (int)count;
}

int ks_draft_either(struct ks_draft *draft, enum ks_dim one, enum ks_dim other, const struct ks_spans *spans,
		    bool negated)
{
	int err, half = negated ? (int)draft->matches : draft_double(draft);

	if (half < 0)
		return half;
	err = 0;
	for (unsigned i = 0; !err && i < draft->matches; i++) {
		err = ks_import_match_numbers(draft->import, &draft->match[i], i < (unsigned)half ? one : other, spans,
					      negated);
		if (negated && !err)
			err = ks_import_match_numbers(draft->import, &draft->match[i], other, spans, true);
	}
	return err;
}

/* Keeps of some matches the packets in a state: opening, later, untracked. */
static void states_keep(struct ks_import_match *match, unsigned state)
{
	ks_import_match_variable(match, KS_VAR_TRACKED, state != KS_CT_UNTRACKED);
	if (state != KS_CT_UNTRACKED)
		ks_import_match_variable(match, KS_VAR_OPENS, state == KS_CT_NEW);
}

/* Replaces each match by one for each of the states. */
static int draft_states(struct ks_draft *draft, unsigned states)
{
	static const unsigned all[] = { KS_CT_NEW, KS_CT_ESTABLISHED, KS_CT_UNTRACKED };
	const struct ks_draft had = *draft;

	draft->matches = 0;
	for (unsigned i = 0; i < had.matches; i++) {
		for (size_t state = 0; state < KS_ARRAY_SIZE(all); state++) {
			if (!(states & all[state]))
				continue;
			if (draft->matches == KS_DRAFT_MATCHES)
				return -E2BIG;
			draft->match[draft->matches] = had.match[i];
			states_keep(&draft->match[draft->matches++], all[state]);
		}
	}
	return 0;
}

int ks_draft_states(struct ks_draft *draft, unsigned states, bool negated)
{
	const unsigned all = KS_CT_NEW | KS_CT_ESTABLISHED | KS_CT_UNTRACKED;
	const unsigned kept = negated ? all & ~states : all & states;
	int half;

	draft->import->asks_forwarded |= states & KS_CT_FORWARDED;
	if (!(states & KS_CT_FORWARDED))
		return kept == all ? 0 : draft_states(draft, kept);
	if (negated) {
		for (unsigned i = 0; i < draft->matches; i++)
			ks_import_match_variable(&draft->match[i], KS_VAR_FORWARDED, false);
		return draft_states(draft, kept);
	}
	if (!kept) {
		for (unsigned i = 0; i < draft->matches; i++)
			ks_import_match_variable(&draft->match[i], KS_VAR_FORWARDED, true);
		return 0;
	}
	half = draft_double(draft);
	for (unsigned i = 0; half > 0 && i < (unsigned)half; i++)
		ks_import_match_variable(&draft->match[i], KS_VAR_FORWARDED, true);
	if (half < 0)
		return half;
	for (unsigned i = (unsigned)half; kept == KS_CT_ESTABLISHED && i < draft->matches; i++)
		states_keep(&draft->match[i], KS_CT_ESTABLISHED);
	for (unsigned i = (unsigned)half; kept == KS_CT_NEW && i < draft->matches; i++)
		states_keep(&draft->match[i], KS_CT_NEW);
	for (unsigned i = (unsigned)half; kept == (KS_CT_NEW | KS_CT_ESTABLISHED) && i < draft->matches; i++)
		ks_import_match_variable(&draft->match[i], KS_VAR_TRACKED, true);
	return kept & KS_CT_UNTRACKED ? -E2BIG : 0;
}

/* --- TCP flags --- */

/* Flags that a packet of a connection may have: those that are always set, and those that may be. */
struct flag_form {
	__u8 set, free;
};

static const struct flag_form opening[] = { { KS_TCP_SYN, FLAG_ECE | FLAG_CWR | KS_TCP_PSH | KS_TCP_URG } };
static const struct flag_form later[] = {
	{ KS_TCP_SYN | KS_TCP_ACK, FLAG_ECE | FLAG_CWR },
	{ KS_TCP_ACK, KS_TCP_FIN | KS_TCP_PSH | KS_TCP_URG | FLAG_ECE | FLAG_CWR },
	{ KS_TCP_RST, KS_TCP_ACK | KS_TCP_PSH | KS_TCP_URG },
};

enum answer { ANSWER_NONE, ANSWER_SOME, ANSWER_ALL };

/* How many of the packets have exactly these flags. */
static enum answer flags_ask(const struct flag_form *forms, size_t count, unsigned set, unsigned mask)
{
	bool some = false, all = true;

	for (size_t i = 0; i < count; i++) {
		for (unsigned flags = 0; flags <= FLAGS_ALL; flags++) {
			if (flags & ~(forms[i].set | forms[i].free) || (flags & forms[i].set) != forms[i].set)
				continue;
			if ((flags & mask) == set)
				some = true;
			else
				all = false;
		}
	}
	return all ? ANSWER_ALL : some ? ANSWER_SOME : ANSWER_NONE;
}

static void flags_text(unsigned set, unsigned mask, char buf[32])
{
	size_t length = 0;

	for (unsigned i = 0; i < 8; i++) {
		if (set >> i & 1)
			buf[length++] = FLAG_NAMES[i];
	}
	buf[length++] = '/';
	for (unsigned i = 0; i < 8; i++) {
		if (mask >> i & 1)
			buf[length++] = FLAG_NAMES[i];
	}
	buf[length] = '\0';
}

/* Flags that a condition asks for. */
struct flag_wish {
	unsigned set, mask;
	bool negated;
};

static enum answer state_ask(unsigned state, unsigned set, unsigned mask)
{
	if (state == KS_CT_NEW)
		return flags_ask(opening, KS_ARRAY_SIZE(opening), set, mask);
	return state == KS_CT_ESTABLISHED ? flags_ask(later, KS_ARRAY_SIZE(later), set, mask) : ANSWER_SOME;
}

/* Appends a match for the packets in a state that have exactly these flags; all of them if `sure`. */
static int flags_match(struct ks_draft *draft, const struct ks_import_match *match, unsigned state, bool sure,
		       const struct flag_wish *wish)
{
	struct ks_import_match *made = &draft->match[draft->matches];
	char text[32];

	if (draft->matches == KS_DRAFT_MATCHES)
		return -E2BIG;
	*made = *match;
	draft->matches++;
	states_keep(made, state);
	flags_text(wish->set, wish->mask, text);
	if (sure)
		return 0;
	if (state == KS_CT_ESTABLISHED) /* of later packets our rules know nothing */
		return ks_import_match_condition(draft->import, made, KS_WORD_NONE, text, wish->negated);
	return ks_import_match_condition(draft->import, made, KS_WORD_FLAGS, text, false);
}

/* Appends what matches in a state. Flags are not negated in our language: each of them that may differ is a match. */
static int flags_add(struct ks_draft *draft, const struct ks_import_match *match, unsigned state,
		     const struct flag_wish *wish)
{
	const enum answer answer = state_ask(state, wish->set, wish->mask);
	int err = 0;

	if (answer == (wish->negated ? ANSWER_ALL : ANSWER_NONE))
		return 0;
	if (answer != ANSWER_SOME || !wish->negated || state == KS_CT_ESTABLISHED)
		return flags_match(draft, match, state, answer != ANSWER_SOME, wish);
	for (unsigned bit = 1; !err && bit <= FLAGS_ALL; bit <<= 1) {
		const struct flag_wish other = { .set = ~wish->set & bit, .mask = bit };

		if (wish->mask & bit && state_ask(state, other.set, bit) != ANSWER_NONE)
			err = flags_match(draft, match, state, false, &other);
	}
	return err;
}

int ks_draft_flags(struct ks_draft *draft, unsigned set, unsigned mask, bool negated)
{
	static const unsigned states[] = { KS_CT_NEW, KS_CT_ESTABLISHED, KS_CT_UNTRACKED };
	const struct flag_wish wish = { .set = set, .mask = mask, .negated = negated };
	const struct ks_draft had = *draft;
	char text[32];
	int err = 0;

	if (!mask && !negated)
		return 0;
	draft->matches = 0;
	for (unsigned i = 0; !err && i < had.matches; i++) {
		for (size_t state = 0; !err && state < KS_ARRAY_SIZE(states); state++)
			err = flags_add(draft, &had.match[i], states[state], &wish);
	}
	if (err != -E2BIG)
		return err;
	*draft = had;
	flags_text(set, mask, text);
	return ks_draft_unsaid(draft, text, negated);
}

/* --- kinds of destinations --- */

static const struct ks_range groups4[] = { { .lo = { 0, 0xe0000000U }, .hi = { 0, 0xefffffffU } } };
static const struct ks_range groups6[] = { { .lo = { 0xff00000000000000ULL, 0 }, .hi = { ~0ULL, ~0ULL } } };
static const struct ks_spans groups[2] = { { groups4, 1 }, { groups6, 1 } };

int ks_draft_multicast(struct ks_draft *draft, enum ks_dim dim, bool negated)
{
	return ks_draft_addresses(draft, dim, groups, negated);
}

/* To the box, not to a group, and to an own address or to a broadcast one. */
static int draft_kind(struct ks_draft *draft, bool own)
{
	for (unsigned i = 0; i < draft->matches; i++) {
		ks_import_match_to(&draft->match[i], 1ULL << KS_ZONE_SELF);
		ks_import_match_variable(&draft->match[i], KS_VAR_OWN, own);
	}
	return ks_draft_multicast(draft, KS_DIM_DST, true);
}

/* All that is not so: what goes elsewhere, what goes to a group, and the other kind. */
static int draft_not_kind(struct ks_draft *draft, bool own)
{
	const struct ks_draft had = *draft;
	const unsigned count = had.matches;
	int err = 0;

	if (3 * count > KS_DRAFT_MATCHES)
		return -E2BIG;
	for (unsigned i = 0; !err && i < count; i++) {
		struct ks_import_match *made = &draft->match[3 * i];

		made[0] = made[1] = made[2] = had.match[i];
		ks_import_match_to(&made[0], ~(1ULL << KS_ZONE_SELF));
		ks_import_match_to(&made[1], 1ULL << KS_ZONE_SELF);
		ks_import_match_to(&made[2], 1ULL << KS_ZONE_SELF);
		ks_import_match_variable(&made[2], KS_VAR_OWN, !own);
		err = ks_import_match_addresses(draft->import, &made[1], KS_DIM_DST, groups, false);
		err = err ? err : ks_import_match_addresses(draft->import, &made[2], KS_DIM_DST, groups, true);
	}
	draft->matches = 3 * count;
	return err;
}

int ks_draft_own(struct ks_draft *draft, bool negated)
{
	return negated ? draft_not_kind(draft, true) : draft_kind(draft, true);
}

int ks_draft_broadcast(struct ks_draft *draft, bool negated)
{
	return negated ? draft_not_kind(draft, false) : draft_kind(draft, false);
}
