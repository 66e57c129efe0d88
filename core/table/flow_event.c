// SPDX-License-Identifier: BSD-2-Clause
/* Events of flows; see flow_event.h. */
#include "core/table/flow_event.h"

#include "core/table/internal.h"

/*
 * Copies the key of a flow's alias. The slot may be another's by now: who reads the event sees that it has not the flow's
 * true end (engine/translation.h).
 */
static ks_inline void alias_note(struct ks_env *env, struct ks_flow_event *event, __u32 id, __u32 side)
{
	struct ks_flow_ref ref = ks_slot_at(id);
	struct ks_bucket *bucket = id ? env_bucket(env, ref.bucket) : NULL;
	const struct ks_slot *slot;
	struct ks_flow head;
	__u32 version;

	if (!bucket)
		return;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	version = ks_load_acquire(&slot->flow.version);
	ks_flow_peek(&slot->flow, &head);
	ks_words_load(&event->alias[side], &slot->key, sizeof(event->alias[side]));
	ks_fence_acquire();
	if (version & 1 || version != ks_load_relaxed(&slot->flow.version) || head.state != KS_STATE_ALIAS)
		return;
	event->aliases |= (__u8)((KS_ALIAS_PRESENT | (ks_flow_orig_side(&head) ? KS_ALIAS_ORIG_IS_HIGH : 0)) << side);
}

ks_isolated __u32 ks_flow_tell_isolated(struct ks_env *env, const struct ks_flow_key *key, const struct ks_flow *flow,
					__u32 what)
{
	struct ks_flow_event *event;

	ks_hide_bound(env); /* else the compiler sees that the tables need none, and passes none */
	if (ks_missing(key) || ks_missing(flow))
		return 0;
	ks_hide_bound(key);
	ks_hide_bound(flow);
	event = env_flow_event(env);
	if (!event)
		return 0;
	/* In the table others look at the version, and try to claim it. */
	ks_words_load(&event->key, key, sizeof(event->key));
	ks_words_load(&event->flow, flow, sizeof(event->flow));
	event->kind = what & KS_TELL_BYTE;
	event->why = what >> KS_TELL_WHY_SHIFT & KS_TELL_BYTE;
	event->aliases = 0;
	event->zero[0] = event->zero[1] = event->zero[2] = event->zero[3] = event->zero[4] = 0;
	event->alias[KS_ORIGINAL] = event->alias[KS_REPLY] = (struct ks_flow_key){};
	alias_note(env, event, flow->alias[KS_ORIGINAL], KS_ORIGINAL);
	alias_note(env, event, flow->alias[KS_REPLY], KS_REPLY);
	env_flow_event_send(env, event);
	return 1;
}

/* SCTP and DCCP end in one state, whichever way: one that was not being closed has been aborted. */
static inline __u32 end_of_states(__u32 before, __u32 after)
{
	switch (after) {
	case KS_STATE_TCP_CLOSE:
		return KS_END_RESET;
	case KS_STATE_SCTP_CLOSED:
		return before == KS_STATE_SCTP_SHUTDOWN_ACK_SENT ? KS_END_CLOSED : KS_END_RESET;
	case KS_STATE_DCCP_TIMEWAIT:
		return before == KS_STATE_DCCP_CLOSING ? KS_END_CLOSED : KS_END_RESET;
	default:
		return KS_END_CLOSED;
	}
}

void ks_flow_tell_moved(struct ks_env *env, const struct ks_entry *e)
{
	__u32 before = e->before.state, after = e->after.state, what;

	if (ks_state_is_closed(before) || !env_asked(env))
		return;
	if (ks_state_is_closed(after))
		what = KS_EVENT_END | end_of_states(before, after) << KS_TELL_WHY_SHIFT;
	else if (ks_state_is_beginning(before) && !ks_state_is_beginning(after))
		what = KS_EVENT_ESTABLISHED;
	else
		return;
	if (ks_flow_is_asked(env, what & KS_TELL_BYTE))
		ks_flow_tell_isolated(env, &e->key, &e->after, what);
}
