/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The narrow seam between the inspector and its home. bpf/env.bpf.c answers
 * with maps and helpers, host/engine.c with memory of its own and a clock that
 * the caller turns. Nothing else of the outside world reaches the core.
 *
 * Pointers returned here are good until the inspection ends; NULL means that
 * there is no such entry, and the core then refuses the packet.
 */
#ifndef KS_CORE_ENV_H
#define KS_CORE_ENV_H

#include "event.h"
#include "inspect.h"
#include "policy.h"
#include "table.h"
#include "types.h"

struct ks_env;

/* What every home counts. */
struct ks_count {
	__u64 packets;
	__u64 bytes;
};

struct ks_rule_count {
	__u64 matches; /* packets that the rule decided: openings, and what it denied */
	__u64 packets; /* of its flows that ended, both directions */
	__u64 bytes;
};

/* Policy: one generation per inspection, whatever is loaded meanwhile. */
const struct ks_config *env_config(struct ks_env *env);
const struct ks_rule *env_rule(struct ks_env *env, __u32 index);
const struct ks_set *env_set(struct ks_env *env, __u32 index);
const struct ks_range *env_range(struct ks_env *env, __u32 index);

/* State. */
const struct ks_table_shape *env_table_shape(struct ks_env *env);
struct ks_table_counts *env_table_counts(struct ks_env *env);
struct ks_bucket *env_bucket(struct ks_env *env, __u32 index);

/* The zone that the packet will leave by: KS_ZONE_SELF if the box is its destination. Asked for new flows only. */
__u32 env_zone_to(struct ks_env *env, const struct ks_packet *pkt);

/* Whether the checksum of TCP, UDP or ICMP is right, or the home cannot tell. Asked with KS_OPT_CHECKSUM only. */
bool env_checksum_ok(struct ks_env *env, const struct ks_packet *pkt);

/* Counting: one packet of a reason; one match of a rule; what a flow of a rule carried, when it ends. */
void env_count_reason(struct ks_env *env, __u32 reason, __u32 bytes);
void env_count_match(struct ks_env *env, __u32 rule);
void env_count_flow(struct ks_env *env, const struct ks_flow *flow);

/* Tells whoever listens. May be lost under load; the home counts what is lost. */
void env_event(struct ks_env *env, const struct ks_inspection *in);

#endif
