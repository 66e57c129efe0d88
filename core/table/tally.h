/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tallies: the counts of limits (struct ks_limit), as records of the state table.
 *
 * Overview. A limit that counts for each source has a tally for each source; one
 * that counts for its whole rule has a single one; one of flows has one a flow
 * (KS_KIND_PACE, under the flow's own key). A rate is one word: the time until
 * which what was let through so far lasts (GCRA, the generic cell rate algorithm of
 * ATM: ITU-T I.371). Connections are a count.
 *
 * Life cycle. A tally begins with the first that it counts. It is dead when its rate
 * would let a whole burst through again, and never while it counts a connection. When there are as many as there may be,
 * a new one takes the place of another one. It is written in place: a flow that ends must not have to wait.
 *
 * Two classes. A source's, or destination's, flows of protocols without a handshake have a tally of their own, because anybody
 * can make such flows in its name, also a rule's that allows both. These tallies make room first, even if they count connections,
 * which are forgotten then: nobody is refused for them. Those of protocols with a handshake stay as long as they count one.
 *
 * Room. `limit tallies` is their budget. When it is spent, a new one takes the place of one of its kind among the 16
 * buckets from its first one on, or in the next that has any, up to 128: of those that anybody can make, by flows without a
 * handshake, the one unused for longest that counts no connection, else one that does, else one of a handshake that counts none.
 * One of a handshake that counts connections is never taken. Lost is that its source, or its flow, has a whole burst again, or
 * as many connections without a handshake as the limit says.
 *
 * Giving back. A flow that was counted (KS_FLOW_LIMIT_COUNTED) is given back when it
 * closes or by whoever frees it: a packet, the sweeper, an insert that recycles it, the
 * administrator. The policy may have another rule by then. So the tally of the rule's
 * limits, which counts all of the rule's connections and lives as long as one of them,
 * says for whom they were counted; the ends in the flow's key say the rest.
 *
 * Writers. `count` grows under the slot's claim only, and sinks without it, by atomic
 * additions: as it is above 0 while a counted flow is in the table, nobody frees the
 * slot meanwhile. All other fields change under the claim; so does `count` of those
 * without a handshake, which may be gone, or be another with the same key: they sink
 * to 0 at the lowest.
 *
 * Races. Two CPUs that are first insert the same key; one of them fails, and finds the
 * other's. Who sees a count of 0 under the claim frees the slot: nobody can add to it.
 * So counts are exact, and no more is let through than the limit allows.
 */
#ifndef KS_CORE_TABLE_TALLY_H
#define KS_CORE_TABLE_TALLY_H

#include "core/protocol.h"
#include "core/table/table.h"

#define KS_TALLY_TRIES 64U /* a claim takes far less than one try */
#define KS_TALLY_IDLE_MS 10000U /* one without connections is kept for as long, for who looks */

enum ks_tally_mode {
	KS_TALLY_READ, /* would it admit? Nothing is changed */
	KS_TALLY_LOOK, /* the same; what it would not admit is counted as refused */
	KS_TALLY_TAKE, /* it is taken if it is admitted */
	KS_TALLY_FORCE, /* it is taken: it was there before the limit */
	KS_TALLY_UNDO, /* the same back, of one that was taken */
};

enum ks_tally_outcome {
	KS_TALLY_CONTENDED, /* other CPUs were always first */
	KS_TALLY_ADMITTED,
	KS_TALLY_REFUSED,
	KS_TALLY_FULL, /* the table has no room for it */
	KS_TALLY_SPENT, /* there are as many tallies as there may be, and none makes room */
};

/* In the key of a tally of a source or destination: it counts flows without a handshake. */
#define KS_TALLY_FORGEABLE 0x8000U

/* Returns true for the key of a tally that somebody can make without being there: it makes room for any other. */
static ks_inline bool ks_tally_is_forgeable(const struct ks_flow_key *key)
{
	if (key->kind == KS_KIND_PACE)
		return !ks_proto_has_handshake(key->proto);
	return (__u16)key->port[1] & KS_TALLY_FORGEABLE;
}

/* Makes the key of a limit's tally for a flow, whose originator is the key's second address if `high`. Hash it then. */
void ks_tally_key(const struct ks_limit *limit, const struct ks_flow_key *flow, __u32 high, struct ks_flow_key *key);

/* The same for a tally that the shape in the tally of the rule's limits tells of. */
void ks_tally_shape_key(const struct ks_tally_shape *shape, __u32 rule, const struct ks_flow_key *flow, __u32 high,
			struct ks_flow_key *key);

/* Makes the key of the tally of a rule's limits. */
void ks_tally_rule_key(__u32 rule, struct ks_flow_key *key);

/* Asks the tally of e->key, which is hashed, a question that takes nothing. Returns ask->outcome. */
__u32 ks_tally_look(struct ks_env *env, struct ks_entry *e, struct ks_tally_ask *ask);

/*
 * Asks the tally of e->key, which is hashed. A new one gets the shape in e->after, which is the caller's to fill in before.
 * Returns ask->outcome.
 */
__u32 ks_tally_ask_isolated(struct ks_env *env, struct ks_entry *e, struct ks_tally_ask *ask);

/* Gives back a connection to the tally of a key, if it counts one. */
__u32 ks_tally_sink_isolated(struct ks_env *env, const struct ks_flow_key *key);

/* Asks, in a function that is verified apart itself: `env` is its own. */
static inline __u32 ks_tally_ask_in(struct ks_env *env, struct ks_entry *e, struct ks_tally_ask *ask)
{
	__u32 outcome;

	if (ask->mode == KS_TALLY_UNDO && (ask->unit == KS_LIMIT_CONNECTIONS || ask->unit == KS_TALLY_OF_RULE)) {
		ks_tally_sink_isolated(env, &e->key);
		return KS_TALLY_ADMITTED;
	}
	e->gone_counted = 0;
	outcome = ks_tally_ask_isolated(env, e, ask);
	if (ks_unlikely(e->gone_counted))
		ks_tally_return_isolated(env, &e->gone, e->gone_rule, e->gone_high);
	return outcome;
}

/* Returns true if an entry is a flow that was counted. */
static inline bool ks_tally_counts(const struct ks_flow_key *key, const struct ks_flow *flow)
{
	return key->kind == KS_KIND_FLOW && flow->limits & KS_FLOW_LIMIT_COUNTED && flow->state != KS_STATE_ALIAS;
}

/* An entry ends or closes: if it is a flow that was counted, it is given back. */
static inline void ks_tally_return(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *flow)
{
	if (ks_unlikely(ks_tally_counts(key, flow)))
		ks_tally_return_isolated(env_isolated(env), key, flow->rule, ks_flow_orig_side(flow));
}

/* Returns true if a flow closes that is among its rule's connections: it is none any more. A closed one does not open again. */
static inline bool ks_tally_closes(const struct ks_entry *e)
{
	return e->before.state != e->after.state && ks_state_is_closed(e->after.state) &&
	       e->after.limits & KS_FLOW_LIMIT_COUNTED;
}

/* ks_table_commit() for a flow. If it was counted, and closes, it is given back. All others pay for one comparison. */
static inline bool ks_table_commit_flow(struct ks_env *env, struct ks_entry *e)
{
	if (ks_likely(!(e->before.limits & KS_FLOW_LIMIT_COUNTED)))
		return ks_table_commit(env, e);
	if (ks_tally_closes(e))
		e->after.limits &= ~KS_FLOW_LIMIT_COUNTED & KS_FLOW_LIMIT_MASK;
	if (!ks_table_commit(env, e))
		return false;
	if (e->before.limits & ~e->after.limits & KS_FLOW_LIMIT_COUNTED &&
	    e->before.rule == e->after.rule) /* to another rule it moves (reroute.c) */
		ks_tally_return(env, &e->key, &e->before);
	return true;
}

/* ks_table_free() for a flow, which ends for the reason `why` (enum ks_end), and is given back if it was counted. */
static inline bool ks_table_free_flow(struct ks_env *env, struct ks_entry *e, __u32 why)
{
	if (!ks_table_free_for(env, e, why))
		return false;
	ks_tally_return(env, &e->key, &e->before);
	return true;
}

#endif
