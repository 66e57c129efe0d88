/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Witnesses: a packet of a region, in the words of the test language, and the real inspector that judges it. What a proof claims
 * is shown to people by such a packet only after the inspector has done with it what is claimed.
 */
#ifndef KS_PROOF_WITNESS_H
#define KS_PROOF_WITNESS_H

#include "engine/review.h"
#include "engine/set_store.h"
#include "policy/arena.h"
#include "proof/space.h"
#include "scenario/craft.h"

#define KS_WITNESS_TEXT 352

struct ks_witness {
	struct ks_tuple tuple;
	__u16 icmp; /* type << 8 | code */
	__u8 from, to; /* zone ids */
	__u64 in, out; /* variables whose sets it may be in, and may be outside, as of its region */
	__u64 facts[KS_CONDITION_MAX]; /* that meet conditions: for the bits of ... */
	__u16 chosen;
	char text[KS_WITNESS_TEXT]; /* "wan 198.51.100.1:40000 > lan 10.0.0.1:22 tcp syn" */
};

/* Chooses a packet of a region that a host could send, if there is one. */
void ks_witness_choose(const struct ks_space *space, const struct ks_region *region, struct ks_witness *witness);

/* Writes its words anew, after its zones were changed to those of a policy. */
void ks_witness_write(const struct ks_policy *policy, struct ks_witness *witness);

/* Returns true for a router's advertisement or redirect, which comes by one TTL only. */
bool ks_witness_is_of_router(const struct ks_witness *witness);

/* Gives empty sets of own addresses one of each family, from those for examples, so that packets to them can be shown. */
void ks_witness_invent_addresses(struct ks_policy *policy);

/* A policy that judges. */
struct ks_court {
	const struct ks_policy *policy;
	struct ks_asked asked;
	struct ks_set_store sets;
	bool is_dirty; /* run-time sets have members of the witness before */
	struct ks_crafter *crafter;
	struct ks_facts facts; /* of the witness that was judged last */
};

/* Makes it; the policy must outlive it. Returns 0 or -ENOMEM. */
int ks_court_init(struct ks_court *court, const struct ks_policy *policy);
void ks_court_fini(struct ks_court *court);

KS_SCOPED_STRUCT(ks_auto_court, struct ks_court, ks_court_fini)
#define ks_auto_court ks_scoped(ks_auto_court)

/*
 * Lets the inspector judge a witness, which nothing remembers, with its addresses in the run-time sets where it must be. Zones of
 * which the policy says no address have one for examples. Returns 0 or -ENOMEM.
 */
int ks_court_judge(struct ks_court *court, const struct ks_variables *variables, const struct ks_witness *witness,
		   struct ks_inspection *insp);

/* Returns true if the address is one that a court has lent to a zone of the policy. */
bool ks_witness_is_lent(const struct ks_policy *policy, const struct ks_addr *addr, __u8 family);

/* Returns true if the packet that was judged meets the conditions of the witness's region, as far as the policy asks about any. */
bool ks_witness_is_met(const struct ks_variables *variables, const struct ks_witness *witness,
		       const struct ks_inspection *insp);

/* The variables whose sets it must be in. */
static inline __u64 ks_witness_members(const struct ks_witness *witness)
{
	return witness->in & ~witness->out;
}

/* Returns the entry of a list that decides about the witness that was judged last, KS_DECISION_DEFAULT if none does. */
__u32 ks_court_ask(struct ks_court *court, enum ks_list list, const struct ks_witness *witness);

#endif
