/* SPDX-License-Identifier: BSD-2-Clause */
/* A packet in words that continues a flow of the state table; see explain.h. */
#include <errno.h>
#include <string.h>

#include "explain/explain.h"
#include "explain/json.h"

/* Adds a word with a number as on the wire, if the packet has none of its kind. */
static int add_number(struct ks_packet_spec *spec, enum ks_mod_kind kind, __u32 value, struct ks_arena *arena)
{
	struct ks_mod *mods;

	if (ks_spec_mod(spec, kind))
		return 0;
	mods = ks_arena_alloc(arena, (spec->mod_count + 1) * sizeof(*mods));
	if (!mods)
		return -ENOMEM;
	if (spec->mod_count)
		memcpy(mods, spec->mods, spec->mod_count * sizeof(*mods));
	mods[spec->mod_count] = (struct ks_mod){ .kind = (__u8)kind, .base = KS_SEQ_ABSOLUTE, .value = value };
	spec->mods = mods;
	spec->mod_count++;
	return 0;
}

int ks_explain_continue(struct ks_packet_spec *spec, const struct ks_flow_key *key, const struct ks_flow *flow,
			struct ks_arena *arena)
{
	struct ks_tuple tuple;
	bool original;
	int err;

	if (spec->kind != KS_SPEC_IP || spec->proto != KS_PROTO_TCP || spec->tcp_flags & KS_TCP_SYN)
		return 0;
	ks_flow_tuple(key, flow, &tuple);
	original = memcmp(&spec->src, &tuple.src, sizeof(spec->src)) == 0 && ks_be16(tuple.sport) == spec->sport;
	err = add_number(spec, KS_MOD_SEQ, flow->end[original ? KS_ORIGINAL : KS_REPLY], arena);
	if (err || !(spec->tcp_flags & KS_TCP_ACK))
		return err;
	return add_number(spec, KS_MOD_ACK, flow->end[original ? KS_REPLY : KS_ORIGINAL], arena);
}
