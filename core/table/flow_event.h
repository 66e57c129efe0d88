/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events of flows: one begins, is established, ends. The same bytes in a BPF ring buffer and in user space.
 *
 *   begin        a packet has opened it, and limits and translation have let it
 *   established  it leaves the states in which it began (ks_state_is_beginning()): the handshake is complete, or it was answered
 *   end          it is closed (ks_state_is_closed()), or the table forgets it before it is
 *
 * Each is told exactly once, however many CPUs work, because each is told by who makes it true, and only one can: a state moves
 * by one successful commit of one version (core/table/table.h), an entry is freed or overwritten under one claim. A closed flow
 * has been told as ended, so that nothing is told when its slot is freed; its state is all that must be remembered for that.
 * A flow that expires is noticed by the sweeper, or by who takes its slot first.
 *
 * It costs nobody anything but those who ask: established packets do not come here, and who opens or ends a flow reads one word
 * (env_asked()). An event for which the home has no room is lost, and counted.
 */
#ifndef KS_CORE_TABLE_FLOW_EVENT_H
#define KS_CORE_TABLE_FLOW_EVENT_H

#include "core/env.h"
#include "core/home.h"
#include "core/table/entry.h"
#include "core/table/flow.h"
#include "core/types.h"

/* X(identifier, name, what it means in a sentence). Names are part of the control API; new ones go to the end. */
#define KS_ENDS(X)                                                                                   \
	X(UNTOLD, "", "nobody is told: it was taken back before it carried anything")                \
	X(CLOSED, "closed", "both sides have closed it")                                             \
	X(RESET, "reset", "a side has reset or aborted it")                                          \
	X(EXPIRED, "expired", "nothing came for as long as its timeout")                             \
	X(RECYCLED, "recycled", "it has made room for another one")                                  \
	X(KILLED, "killed", "the administrator has ended it")                                        \
	X(DENIED, "denied", "a new policy does not allow it any more, or forwards it elsewhere")     \
	X(SET, "set", "one of its ends came into a run-time set with the wish to end its flows")     \
	X(OVERLOAD, "overload", "one of its ends has exceeded a limit that ends its flows")          \
	X(LIMIT, "limit", "a limit of its rule has refused it when its handshake was complete")      \
	X(REROUTED, "rerouted", "it leaves by another way than it was made for, and could not move") \
	X(ADDRESS_LOST, "address lost", "the firewall has lost the address by which a side knows it")

enum ks_end {
#define X(id, name, text) KS_END_##id,
	KS_ENDS(X)
#undef X
		KS_END_MAX
};

/* ks_flow_event.aliases: for each side (enum ks_dir) that knows the flow by an alias KS_ALIAS_PRESENT, shifted by the side; ... */
#define KS_ALIAS_PRESENT 0x1
#define KS_ALIAS_ORIG_IS_HIGH \
	0x4 /* ... and this, shifted likewise, if the originator is the second address of the alias' key */

struct ks_flow_event {
	__u64 time; /* ns on the home's clock: when it was told */
	struct ks_flow_key key;
	struct ks_flow flow; /* as it is after what is told; of an end, as it was */
	struct ks_flow_key alias[2]; /* the keys of its aliases, by the side that knows it by them */
	__u8 kind; /* enum ks_event_kind */
	__u8 why; /* enum ks_end */
	__u8 aliases; /* KS_ALIAS_* */
	__u8 zero[5];
};

_Static_assert(sizeof(struct ks_flow_event) == 224, "an event has no padding");

#define KS_TELL_WHY_SHIFT 8
#define KS_TELL_BYTE 0xffU

/* Tells an event of a flow to who asks for it. `what` is its kind, and above that why it ends. */
__u32 ks_flow_tell_isolated(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *flow, __u32 what);

/* Returns true if somebody asks for events of a kind. */
static ks_inline bool ks_flow_is_asked(struct ks_env *env, __u32 kind)
{
	return ks_unlikely(env_asked(env) >> kind & 1);
}

/* The end of a flow whose state was not closed. In a function that is verified apart, or with the environment of one. */
static ks_inline void ks_flow_tell_end(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *flow,
				       __u32 why)
{
	if (why != KS_END_UNTOLD && !ks_state_is_closed(flow->state) && ks_flow_is_asked(env, KS_EVENT_END))
		ks_flow_tell_isolated(env, key, flow, KS_EVENT_END | why << KS_TELL_WHY_SHIFT);
}

/* The end of a flow that nobody has ended: dead, or it makes room. */
static inline __u32 ks_end_of_slot(const struct ks_flow *flow, __u32 clock)
{
	return ks_flow_is_dead(flow, clock) ? KS_END_EXPIRED : KS_END_RECYCLED;
}

/* A packet has moved a flow to another state. In a function that is verified apart. */
void ks_flow_tell_moved(struct ks_env *env, const struct ks_entry *e);

/* A packet has opened a flow. */
static ks_inline void ks_flow_tell_begin(struct ks_env *env, const struct ks_entry *e)
{
	if (ks_flow_is_asked(env, KS_EVENT_BEGIN))
		ks_flow_tell_isolated(env_isolated(env), &e->key, &e->after, KS_EVENT_BEGIN);
}

#endif
