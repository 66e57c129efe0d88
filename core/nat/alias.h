/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address translation inside the state table: flows and their aliases.
 *
 * Overview: a flow is known by its two true endpoints: C, the originator's own
 * address, and S, the address of whoever answers. Where addresses are
 * translated, a side sees something else in place of its peer. That side's view
 * is an alias, a record under that other key (struct ks_alias), which names the
 * slot of its flow, as the flow names the slots of its aliases:
 *
 *   alias[KS_ORIGINAL]  C and V: the originator believes to speak with V (destination translation)
 *   alias[KS_REPLY]     N and S: the responder believes to speak with N (source translation)
 *
 * A packet finds its flow by the addresses that it bears, whoever sends it, and
 * an alias found tells which side sends. A port is reserved by inserting the
 * alias: what is in the table belongs to somebody.
 *
 * Life cycle: source.c reserves the aliases of a new flow, inserts the flow, and
 * commits its slot id to them; if the flow finds no room they are released. An
 * alias has no lifetime of its own: it lives as long as its flow, which takes its
 * aliases with it when it is freed (core/table/table.c). One that no flow names is
 * swept after `timeout nat.alias`, a moment of grace for flows about to be inserted.
 *
 * Writers: the flow's alias[] is set when the flow is inserted, and again
 * by reroute.c, which gives its source another alias. An alias is written twice, by
 * the CPU that reserved it: when it is inserted and when its flow is known.
 *
 * Races: a flow and its alias are two entries and are read one after the
 * other. Who follows an alias reads its version again at the end, so that both
 * were there at the same time; the flow must name the alias in return, because
 * slots are reused. An alias whose flow is about to be inserted counts as busy.
 *
 * Also in this folder: source.c chooses what a new flow is translated to,
 * mapping.c keeps one outer endpoint for all peers of an inner one, rewrite.c
 * changes the bytes of the packet.
 *
 * Source: RFC 3022 (terms), RFC 4787 and RFC 5382 (behaviour), RFC 5508 (ICMP).
 */
#ifndef KS_CORE_NAT_ALIAS_H
#define KS_CORE_NAT_ALIAS_H

#include "core/inspection.h"
#include "core/types.h"

struct ks_env;

/*
 * Finds the flow of the packet whose key is in insp->flow.key, by the key or by an alias: insp->flow, insp->by_alias
 * and insp->from_high. Sets insp->flow.busy if another CPU writes.
 */
void ks_nat_find(struct ks_env *env, struct ks_inspection *insp);

/* Returns true if a packet of the flow insp->flow.before bears the address by which its sender's side knows the flow. */
static inline bool ks_nat_is_addressed(const struct ks_inspection *insp)
{
	__u32 dir = insp->dir & 1;

	return insp->by_alias == (insp->flow.before.alias[dir] ? 1 + dir : 0);
}

/* Returns true if the flow has any alias: most have none. */
static inline bool ks_nat_is_translated(const struct ks_flow *flow)
{
	return flow->alias[KS_ORIGINAL] | flow->alias[KS_REPLY];
}

/* Gives insp->flow.after the name that was reserved for it as insp->sent's source, or none. */
static inline void ks_nat_name(struct ks_inspection *insp)
{
	struct ks_flow *after = &insp->flow.after;

	after->alias[KS_REPLY] = insp->opening.alias[KS_REPLY];
	if (!ks_flow_has_outer(&insp->flow.key))
		return;
	if (after->alias[KS_REPLY])
		ks_flow_note_outer(after, &insp->sent.src, insp->sent.sport);
	else
		after->outer.addr = 0;
}

/* Fills in insp->sent and insp->translate for a packet of the flow insp->flow.before. Returns 0 or a reason. */
__u32 ks_nat_translate(struct ks_env *env, struct ks_inspection *insp);

/*
 * The same for an ICMP error about the flow: insp->sent, insp->quote.sent and insp->translate. It travels against the
 * packet that it quotes, whose source is its destination. Its own sender may be any router; the side that gets it sees it
 * come from the flow's other end, as that side knows it. What the box says itself keeps its source.
 */
__u32 ks_nat_translate_error(struct ks_env *env, struct ks_inspection *insp);

#endif
