/* SPDX-License-Identifier: BSD-2-Clause */
/* A translated flow as people see it. */
#ifndef KS_ENGINE_TRANSLATION_H
#define KS_ENGINE_TRANSLATION_H

#include "core/address.h"
#include "core/table/flow_event.h"
#include "core/table/table.h"
#include "core/types.h"

/* The addresses by which the sides of a flow know each other, where these are translated (core/nat/alias.h). */
struct ks_translation {
	bool present[2];
	/* [KS_ORIGINAL]: where the originator sends to; [KS_REPLY]: whom the responder answers */
	struct ks_addr addr[2];
	__be16 port[2];
	bool moved; /* the responder knows the originator by another port: the originator's own is ... */
	__be16 own_port; /* ... this, and not the key's (core/nat/clash.h) */
};

/* Copies the entry of a slot of a table. Returns false if nothing is there, or somebody keeps writing it. */
bool ks_slot_read(const struct ks_bucket *table, __u32 buckets, __u32 id, struct ks_slot *copy);

/* Returns true if an entry is the alias by which that side of some flow knows it. */
bool ks_slot_is_alias(const struct ks_slot *slot, enum ks_dir side);

/* Gets the translation of a flow in a table. Returns false if there is none; one side may be translated and the other not. */
bool ks_translation_read(const struct ks_bucket *table, __u32 buckets, const struct ks_flow_key *key,
			 const struct ks_flow *flow, struct ks_translation *translation);

/* The same of a flow that an event tells of. */
bool ks_flow_event_translation(const struct ks_flow_event *event, struct ks_translation *translation);

/* Notes in an event of a flow in a table, whose key and flow are set, the keys of its aliases. */
void ks_flow_event_note(const struct ks_bucket *table, __u32 buckets, struct ks_flow_event *event);

#endif
