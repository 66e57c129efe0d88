/* SPDX-License-Identifier: BSD-2-Clause */
/* See witness.h. */
#include "proof/witness.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/neighbour.h"
#include "core/header/packet.h"
#include "core/track/track.h"
#include "policy/condition.h"
#include "policy/print.h"
#include "proof/condition.h"
#include "proof/host.h"
#include "text/names.h"

#define USUAL_PORT 40000U /* of who asks */

#define EXAMPLE_IPV4 0xc0000200U
#define EXAMPLE_IPV6 0x20010db800000000U

/* --- choosing --- */

/* The zone of a mask that is shown best: one of the policy's, then the box itself, then none. */
static __u8 zone_choose(__u64 zones, unsigned other)
{
	const __u64 named = zones & ~(1ULL << KS_ZONE_NONE | 1ULL << KS_ZONE_SELF);
	const __u64 apart = named & ~(1ULL << other);

	if (named)
		return (__u8)__builtin_ctzll(apart ? apart : named);
	if (zones & 1ULL << KS_ZONE_SELF && other != KS_ZONE_SELF)
		return KS_ZONE_SELF;
	return zones & 1ULL << KS_ZONE_NONE ? KS_ZONE_NONE : KS_ZONE_SELF;
}

static __u8 proto_choose(const struct ks_region *region)
{
	static const __u8 usual[] = { KS_PROTO_TCP,  KS_PROTO_UDP, KS_PROTO_ICMP, KS_PROTO_ICMPV6,
				      KS_PROTO_SCTP, KS_PROTO_GRE, KS_PROTO_ESP };

	for (size_t i = 0; i < KS_ARRAY_SIZE(usual); i++) {
		if (ks_region_has_proto(region, usual[i]))
			return usual[i];
	}
	for (unsigned proto = 255; proto > 0; proto--) { /* the highest ones are no extension headers */
		if (ks_region_has_proto(region, proto))
			return (__u8)proto;
	}
	return 0;
}

static bool number_is_in(const struct ks_spans *spans, unsigned number)
{
	const __u64 value[2] = { 0, number };

	return ks_spans_hold(spans, value);
}

/* The number `usual`, if the spans have it, else their first one; 0 only if there is no other. */
static __u16 number_choose(const struct ks_spans *spans, unsigned usual)
{
	if (number_is_in(spans, usual))
		return (__u16)usual;
	if (spans->list[0].lo[1])
		return (__u16)spans->list[0].lo[1];
	if (spans->list[0].hi[1])
		return 1;
	return (__u16)(spans->count > 1 ? spans->list[1].lo[1] : 0);
}

/* A query, if the spans have one: other messages open no flow. */
static __u16 type_choose(const struct ks_spans *spans, __u8 family)
{
	static const unsigned queries[2][4] = { { 8, 13, 15, 17 }, { 128, 128, 128, 128 } };

	for (unsigned i = 0; i < 4; i++) {
		unsigned type = queries[family == KS_IPV6][i] << KS_ICMP_TYPE_SHIFT;

		if (number_is_in(spans, type))
			return (__u16)type;
	}
	return (__u16)spans->list[0].lo[1];
}

bool ks_witness_is_of_router(const struct ks_witness *witness)
{
	return witness->tuple.proto == KS_PROTO_ICMPV6 && ks_neighbour_is_ruled(witness->icmp >> KS_ICMP_TYPE_SHIFT);
}

/* --- words --- */

#define FACTS_TEXT 128

static bool has_fact(const struct ks_witness *witness, unsigned n)
{
	return witness->chosen & KS_CONDITION_BIT(n);
}

static void flags_write(const struct ks_witness *witness, char more[FACTS_TEXT])
{
	static const char *const words[] = { " fin", " syn", " rst", " psh", " ack", " urg", " ece", " cwr" };
	const __u64 flags = has_fact(witness, KS_CONDITION_FLAGS) ? witness->facts[KS_CONDITION_FLAGS] : KS_TCP_SYN;

	strcpy(more, flags ? "" : " none");
	for (unsigned i = 0; i < KS_ARRAY_SIZE(words); i++)
		strcat(more, flags >> i & 1 ? words[i] : "");
}

/* The bytes of a packet without payload, 0 if it has no words for one. */
static unsigned length_of(const struct ks_tuple *tuple)
{
	const unsigned ip = tuple->family == KS_IPV4 ? 20 : 40;

	if (tuple->proto == KS_PROTO_TCP)
		return ip + 20;
	return tuple->proto == KS_PROTO_UDP || ks_proto_is_icmp(tuple->proto) ? ip + 8 : 0;
}

/* Writes how long the payload is; that of a first fragment ends its packet at a multiple of 8. */
static void length_write(const struct ks_witness *witness, char more[FACTS_TEXT])
{
	const bool is_fragment = has_fact(witness, KS_CONDITION_FRAGMENT) && witness->facts[KS_CONDITION_FRAGMENT];
	const unsigned least = length_of(&witness->tuple);
	const __u64 length = witness->facts[KS_CONDITION_LENGTH];
	const size_t at = strlen(more);

	if (least && has_fact(witness, KS_CONDITION_LENGTH) && length > least)
		snprintf(more + at, FACTS_TEXT - at, " len %llu", length - least);
	else if (is_fragment && witness->tuple.proto == KS_PROTO_TCP)
		strcat(more, " len 12");
	else if (is_fragment && least)
		strcat(more, " len 16");
	strcat(more, is_fragment ? " more" : "");
}

/* Writes what meets the conditions. Not all have words: ks_witness_is_met() tells. */
static void facts_write(const struct ks_witness *witness, char more[FACTS_TEXT])
{
	const __u64 *facts = witness->facts;
	char dscp[KS_DSCP_TEXT], mac[KS_MAC_TEXT];
	FILE *out;

	length_write(witness, more);
	out = fmemopen(more, FACTS_TEXT, "r+");
	if (!out)
		return;
	fseek(out, (long)strlen(more), SEEK_SET);
	if (has_fact(witness, KS_CONDITION_TTL))
		fprintf(out, " ttl %llu", facts[KS_CONDITION_TTL]);
	if (has_fact(witness, KS_CONDITION_DSCP))
		fprintf(out, " dscp %s", ks_dscp_text((unsigned)facts[KS_CONDITION_DSCP], dscp));
	if (has_fact(witness, KS_CONDITION_MARK))
		fprintf(out, " mark 0x%llx", facts[KS_CONDITION_MARK]);
	if (has_fact(witness, KS_CONDITION_MAC) && facts[KS_CONDITION_MAC])
		fprintf(out, " mac %s", ks_mac_text(facts[KS_CONDITION_MAC], mac));
	if (has_fact(witness, KS_CONDITION_USER))
		fprintf(out, " user %llu", facts[KS_CONDITION_USER]);
	if (has_fact(witness, KS_CONDITION_CGROUP)) {
		fputs(" cgroup ", out);
		ks_print_quoted(ks_fact_cgroup(facts[KS_CONDITION_CGROUP]), out);
	}
	fclose(out);
	more[FACTS_TEXT - 1] = '\0';
}

void ks_witness_write(const struct ks_policy *policy, struct ks_witness *witness)
{
	char src[KS_ENDPOINT_TEXT], dst[KS_ENDPOINT_TEXT], buf[8], more[FACTS_TEXT] = "";
	const struct ks_tuple *tuple = &witness->tuple;
	const char *proto = ks_proto_name(tuple->proto, buf, sizeof(buf));

	if (ks_proto_is_icmp(tuple->proto))
		snprintf(more, sizeof(more), " type %u code %u", witness->icmp >> KS_ICMP_TYPE_SHIFT,
			 witness->icmp & 0xffU);
	else if (tuple->proto == KS_PROTO_TCP)
		flags_write(witness, more);
	else if (tuple->proto == KS_PROTO_SCTP)
		strcpy(more, " init");
	else if (tuple->proto == KS_PROTO_DCCP)
		strcpy(more, " request");
	facts_write(witness, more);
	if (ks_witness_is_of_router(witness) && !has_fact(witness, KS_CONDITION_TTL))
		snprintf(more + strlen(more), sizeof(more) - strlen(more), " ttl %u", KS_ROUTER_TTL);
	snprintf(witness->text, sizeof(witness->text), "%s %s > %s %s %s%s%s",
		 ks_policy_zone_name(policy, witness->from),
		 ks_endpoint_text(&tuple->src, tuple->family, tuple->sport, src),
		 ks_policy_zone_name(policy, witness->to),
		 ks_endpoint_text(&tuple->dst, tuple->family, tuple->dport, dst),
		 proto[0] >= '0' && proto[0] <= '9' ? "proto " : "", proto, more);
}

void ks_witness_choose(const struct ks_space *space, const struct ks_region *region, struct ks_witness *witness)
{
	*witness = (struct ks_witness){ .in = region->in, .out = region->out };
	witness->chosen = ks_conditions_choose(&space->variables, region, witness->facts);
	witness->from = zone_choose(region->from, KS_ZONE_MAX - 1);
	witness->to = zone_choose(region->to, witness->from);
	if (witness->from == witness->to && witness->to == KS_ZONE_SELF)
		witness->from = zone_choose(region->from & ~(1ULL << KS_ZONE_SELF), witness->to);
	witness->tuple.family = region->family;
	witness->tuple.proto = proto_choose(region);
	if (ks_proto_has_ports(witness->tuple.proto)) {
		witness->tuple.sport = ks_be16(number_choose(&region->dim[KS_DIM_SPORT], USUAL_PORT));
		witness->tuple.dport = ks_be16(number_choose(&region->dim[KS_DIM_DPORT], 80));
	}
	if (ks_proto_is_icmp(witness->tuple.proto))
		witness->icmp = type_choose(&region->dim[KS_DIM_ICMP], region->family);
	ks_hosts_choose(space, region, witness);
	ks_witness_write(space->policy, witness);
}

/* An address for examples that a zone has where the policy says none: of 192.0.2.0/24 (RFC 5737) or 2001:db8::/64 (RFC 3849). */
static void example_own(unsigned zone, bool is_ipv6, struct ks_addr *addr)
{
	if (!is_ipv6) {
		ks_addr_set_ipv4(addr, ks_be32(EXAMPLE_IPV4 + zone));
		return;
	}
	addr->d[0] = ks_be64(EXAMPLE_IPV6);
	addr->d[1] = ks_be64(zone);
}

void ks_witness_invent_addresses(struct ks_policy *policy)
{
	for (size_t i = 0; i < policy->address_set_count; i++) {
		const struct ks_address_set *own = &policy->address_sets[i];
		const struct ks_set *set = &policy->sets[own->set];
		struct ks_own_address list[2] = { { .family = KS_IPV4 }, { .family = KS_IPV6 } };

		if (set->count4 || set->count6)
			continue;
		for (int j = 0; j < 2; j++)
			example_own(own->zone, j, &list[j].addr);
		ks_policy_set_addresses(policy, own->zone, list, 2);
	}
}

/* --- judging --- */

/* A translation to the address of a zone needs one. Which one the box has no text needs to say: whoever starts it knows. */
static void addresses_lend(struct ks_config *config)
{
	for (unsigned zone = KS_ZONE_FIRST; zone < KS_ZONE_MAX; zone++) {
		for (int i = 0; i < 2; i++) {
			struct ks_addr *own = &config->address[zone][i];

			if (!(own->d[0] | own->d[1]))
				example_own(zone, i, own);
		}
	}
}

bool ks_witness_is_lent(const struct ks_policy *policy, const struct ks_addr *addr, __u8 family)
{
	const bool is_ipv6 = family == KS_IPV6;

	for (unsigned zone = KS_ZONE_FIRST; zone < KS_ZONE_MAX; zone++) {
		const struct ks_addr *own = &policy->config.address[zone][is_ipv6];
		struct ks_addr lent;

		example_own(zone, is_ipv6, &lent);
		if (!(own->d[0] | own->d[1]) && ks_addr_equal(&lent, addr))
			return true;
	}
	return false;
}

int ks_court_init(struct ks_court *court, const struct ks_policy *policy)
{
	const struct ks_tables tables = ks_policy_tables(policy);
	int err;

	*court = (struct ks_court){ .policy = policy };
	ks_set_store_init(&court->sets, &ks_set_memory_native);
	err = ks_asked_init(&court->asked, &tables, NULL);
	if (err)
		return err;
	addresses_lend(&court->asked.config);
	ks_engine_challenge_nobody(court->asked.engine);
	ks_engine_set_time(court->asked.engine, KS_NSEC_PER_SEC);
	err = ks_set_store_adopt(&court->sets, policy, KS_NSEC_PER_SEC);
	if (err)
		return err;
	ks_engine_use_sets(court->asked.engine, &court->sets, policy);
	return ks_crafter_create(&court->crafter);
}

void ks_court_fini(struct ks_court *court)
{
	ks_crafter_destroy(court->crafter);
	ks_asked_fini(&court->asked);
	ks_set_store_fini(&court->sets);
	*court = (struct ks_court){ 0 };
}

/* Puts an address of the witness into a run-time set. */
static int member_put(struct ks_court *court, const struct ks_variable_set *variable, const struct ks_witness *witness)
{
	const struct ks_tuple *tuple = &witness->tuple;
	const struct ks_prefix prefix = { .addr = variable->dim == KS_DIM_SRC ? tuple->src : tuple->dst,
					  .family = tuple->family,
					  .length = tuple->family == KS_IPV4 ? 32 : 128 };
	const struct ks_set_info *info = ks_policy_dynamic(court->policy, variable->name);
	ks_auto_engine struct ks_engine *engine = NULL;
	struct ks_member_entry entry;
	int err;

	if (!info) /* the other one of two policies has it */
		return 0;
	err = ks_members_open(&court->sets.set[info->number].memory, KS_NSEC_PER_SEC,
			      &court->policy->config.dynamic[info->number], &engine);
	if (err)
		return err;
	ks_member_entry_make(&prefix, &entry);
	ks_set_complete(ks_engine_env(engine), &entry, 0);
	ks_member_add(ks_engine_env(engine), &entry);
	return 0;
}

static int members_put(struct ks_court *court, const struct ks_variables *variables, const struct ks_witness *witness)
{
	int err = court->is_dirty ? ks_set_store_reset(&court->sets, court->policy, KS_NSEC_PER_SEC) : 0;

	for (__u64 in = ks_witness_members(witness); !err && in; in &= in - 1) {
		const struct ks_variable_set *variable = &variables->set[__builtin_ctzll(in)];

		if (variable->is_dynamic)
			err = member_put(court, variable, witness);
	}
	court->is_dirty = ks_witness_members(witness) != 0;
	return err;
}

int ks_court_judge(struct ks_court *court, const struct ks_variables *variables, const struct ks_witness *witness,
		   struct ks_inspection *insp)
{
	ks_auto_arena struct ks_arena *arena = ks_arena_create();
	ks_auto_diags struct ks_diags diags = { 0 };
	struct ks_step step = { 0 };
	struct ks_frame frame;
	int err;

	memset(insp, 0, sizeof(*insp));
	court->facts = insp->facts;
	insp->verdict.rule_index = KS_DECISION_DEFAULT;
	if (!arena)
		return -ENOMEM;
	err = ks_step_parse_text(court->policy, witness->text, arena, &step, &diags);
	if (err)
		return err == -ENOMEM ? err : 0; /* no packet can be made of these words: the inspector has seen none */
	ks_crafter_reset(court->crafter);
	err = ks_crafter_craft(court->crafter, &step.packet, &frame);
	if (err)
		return err == -ENOMEM ? err : 0;
	ks_frame_find_cgroup(court->policy, &step.packet, &frame);
	err = members_put(court, variables, witness);
	if (err)
		return err;
	ks_engine_inspect(court->asked.engine, &frame, true, insp);
	err = ks_engine_error(court->asked.engine);
	court->facts = insp->facts;
	return err;
}

bool ks_witness_is_met(const struct ks_variables *variables, const struct ks_witness *witness,
		       const struct ks_inspection *insp)
{
	return !insp->facts.of || ks_conditions_are_met(variables, witness->in, witness->out, &insp->facts);
}

__u32 ks_court_ask(struct ks_court *court, enum ks_list list, const struct ks_witness *witness)
{
	struct ks_question question = { .facts = court->facts,
					.tuple = witness->tuple,
					.icmp = witness->icmp,
					.list = (__u8)list,
					.from = witness->from,
					.to = witness->to };
	struct ks_decision decision = { 0 };

	ks_rules_ask(ks_engine_env(court->asked.engine), &question, &decision);
	return decision.index;
}
