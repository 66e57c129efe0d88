// SPDX-License-Identifier: BSD-2-Clause
/* Endpoint-independent mappings; see mapping.h. */
#include "core/nat/mapping.h"

#include "core/env.h"
#include "core/nat/port.h"
#include "core/table/table.h"

#define REFRESH_PARTS \
	8 /* of its time, after one of which a record is written again: every packet asks, few must write */

/* Returns true if the other endpoint of the record found is this one. */
static inline bool names_endpoint(const struct ks_inspection *insp, const struct ks_addr *addr, __be16 port)
{
	const struct ks_mapping *m = &ks_record_before(&insp->side)->mapping;

	return ks_addr_equal(&m->addr, addr) && m->port == port;
}

/* Makes insp->side.key: an endpoint, and for a permit a peer's address. */
static void mapping_key_make(struct ks_env *env, struct ks_inspection *insp, __u32 kind, const struct ks_addr *addr,
			     __be16 port, const struct ks_addr *peer)
{
	struct ks_flow_key *key = &insp->side.key;

	key->addr[0] = *addr;
	if (peer)
		key->addr[1] = *peer;
	else
		key->addr[1] = (struct ks_addr){};
	key->port[0] = port;
	key->port[1] = 0;
	key->proto = insp->sent.proto;
	key->family = insp->sent.family & KS_FAMILY_MASK;
	key->kind = kind & (KS_KIND_MAX - 1);
	key->link = 0;
	ks_table_hash(env, &insp->side);
}

/*
 * How long a mapping lives beyond a packet that leaves by it. Questions to the DNS, and what else asks a well-known port by
 * UDP, need it no longer than their flows (RFC 4787 REQ-5 a).
 */
static __u32 mapping_time(const struct ks_config *config, const struct ks_inspection *insp)
{
	__u32 time = config->timeout[KS_STATE_MAPPING], port = ks_be16(insp->sent.dport), flow;

	if (insp->sent.proto != KS_PROTO_UDP || port >= KS_PORT_UNPRIVILEGED)
		return time;
	flow = config->timeout[KS_STATE_UDP_STREAM];
	if (port == KS_PORT_DNS)
		flow = config->class_timeout[KS_UDP_DNS][0] ? config->class_timeout[KS_UDP_DNS][0]
							    : config->timeout[KS_STATE_UDP_SINGLE];
	return KS_MIN(time, flow);
}

/* Makes insp->side.after a record that names this endpoint. */
static void mapping_fill(const struct ks_config *config, struct ks_inspection *insp, const struct ks_addr *addr,
			 __be16 port)
{
	struct ks_record *record = ks_record_after(&insp->side);

	insp->side.after = (struct ks_flow){};
	record->state = KS_STATE_MAPPING;
	record->flags = insp->opening.mapped;
	record->zone[0] = insp->home.from;
	record->zone[1] = insp->to;
	record->seen = insp->side.clock;
	record->timeout = mapping_time(config, insp);
	record->mapping.addr = *addr;
	record->mapping.port = port;
	record->mapping.peer = insp->sent.dst;
	record->mapping.peer_port = insp->sent.dport;
	record->mapping.rule = (__u16)insp->verdict.rule;
}

/* The time that the mapping has when a packet leaves by it now: what is left of it, if that is longer than the packet's. */
static inline __u32 time_left(const struct ks_config *config, const struct ks_inspection *insp)
{
	const struct ks_flow *before = &insp->side.before;
	__u32 left = before->seen + before->timeout - insp->side.clock;

	return KS_MAX(left, mapping_time(config, insp));
}

bool ks_mapping_renew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_record *record = ks_record_after(&insp->side);

	if (insp->home.dry)
		return true;
	insp->side.after = insp->side.before;
	record->seen = insp->side.clock;
	record->timeout = time_left(config, insp);
	record->mapping.peer = insp->sent.dst;
	record->mapping.peer_port = insp->sent.dport;
	return ks_table_commit(env, &insp->side);
}

static bool is_permitted(struct ks_env *env, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_PERMIT, &insp->pkt.tuple.dst, insp->pkt.tuple.dport, &insp->pkt.tuple.src);
	ks_table_find(env, &insp->side);
	/* One that names another endpoint is left of an earlier mapping. */
	return insp->side.found && names_endpoint(insp, &insp->sent.dst, insp->sent.dport);
}

/*
 * The same for media that a helper mapped: permits of the control connection's outer endpoint count. A neighbour of the inner
 * endpoint was named by the outer address, behind which both are.
 */
static ks_inline bool is_named(struct ks_env *env, struct ks_inspection *insp, __be16 control)
{
	mapping_key_make(env, insp, KS_KIND_PERMIT, &insp->pkt.tuple.dst, control,
			 insp->helping.named ? &insp->pkt.tuple.dst : &insp->pkt.tuple.src);
	ks_table_find(env, &insp->side);
	return insp->side.found && ks_addr_equal(&ks_record_before(&insp->side)->mapping.addr, &insp->sent.dst);
}

/* Makes the question if the inner endpoint of the mapping found might speak to whom it has spoken by it, once more. */
static void maker_ask(struct ks_inspection *insp)
{
	const struct ks_record *found = ks_record_before(&insp->side);
	struct ks_question *q = &insp->opening.question;

	ks_question_make(insp, &insp->sent, KS_LIST_FILTER, q);
	q->tuple.src = found->mapping.addr;
	q->tuple.sport = found->mapping.port;
	q->tuple.dst = found->mapping.peer;
	q->tuple.dport = found->mapping.peer_port;
	q->from = found->zone[0];
	q->to = found->zone[1];
	q->facts = (struct ks_facts){}; /* its packet is gone */
}

/*
 * Returns true if the present policy lets the inner endpoint speak to whom it has spoken, and translates that by a mapping
 * with this filtering. `flags` is the record's; a record of a build that did not note the peer is believed.
 */
static ks_inline bool maker_is_allowed(struct ks_env *env, struct ks_inspection *insp, __u32 flags)
{
	const __u32 filtering = KS_TARGET_EIF | KS_TARGET_ADF;
	struct ks_question *q = &insp->opening.question;
	struct ks_decision decision = {};
	const struct ks_target *target;

	if (!(q->tuple.dst.d[0] | q->tuple.dst.d[1]))
		return true;
	if (ks_rules_ask(env, q, &decision) != KS_ALLOW)
		return false;
	q->list = KS_LIST_SOURCE;
	ks_rules_ask(env, q, &decision);
	target = decision.targets ? env_target(env, decision.target) : NULL;
	return target && target->flags & KS_TARGET_EIM && (target->flags & filtering) == (flags & filtering);
}

/* Returns true if a rule forwards the packet as it came. The port was a mapping's before that rule was. */
static ks_inline bool is_forwarded(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_decision decision = {};

	if (!(config->options & KS_OPT_FORWARD))
		return false;
	ks_question_make(insp, &insp->pkt.tuple, KS_LIST_FILTER, &insp->opening.question);
	insp->opening.question.to = KS_ZONE_SELF;
	ks_rules_ask(env, &insp->opening.question, &decision);
	return decision.targets != 0;
}

/* Returns true if a rule decides about the packet as it goes to the inner endpoint. */
static ks_inline bool is_ruled(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_decision decision = {};

	ks_question_make(insp, &insp->sent, KS_LIST_FILTER, &insp->opening.question);
	ks_rules_ask(env, &insp->opening.question, &decision);
	/* Neighbours keep the names by which they know each other, also where a rule allows them. */
	return decision.index != KS_DECISION_DEFAULT && !(insp->helping.named && decision.action == KS_ALLOW);
}

/*
 * Makes the inner endpoint insp->sent's destination, and insp->to its zone, if the mapping found admits the packet by its
 * filtering and may still.
 */
static ks_inline bool mapping_admits(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_record *found = ks_record_before(&insp->side);
	struct ks_tuple *sent = &insp->sent;
	__u32 flags = found->flags;
	__be16 control = found->mapping.control;

	insp->verdict.rule = found->mapping.rule;
	insp->to = found->zone[0];
	sent->dst = found->mapping.addr;
	sent->dport = found->mapping.port;
	/* The mapping of a helper was announced where the policy lets the inner endpoint signal. */
	if (control)
		return is_permitted(env, insp) || is_named(env, insp, control);
	maker_ask(insp);
	if (flags & KS_TARGET_EIF)
		return maker_is_allowed(env, insp, flags);
	if (!(flags & KS_TARGET_ADF) || !is_permitted(env, insp))
		return false;
	/* The permit is of the peer itself. */
	insp->opening.question.tuple.dst = found->mapping.peer;
	insp->opening.question.tuple.dport = found->mapping.peer_port;
	return maker_is_allowed(env, insp, flags);
}

/*
 * Returns true if the packet comes from the side that the mapping found faces. What a helper has mapped is reached by the
 * neighbours of its inner endpoint too: they go back with the outer address, by which that knows them (RFC 4787 REQ-9).
 */
static ks_inline bool faces_sender(struct ks_inspection *insp)
{
	const struct ks_record *found = ks_record_before(&insp->side);

	if (found->zone[1] == insp->home.from)
		return true;
	insp->helping.name = insp->pkt.tuple.dst;
	insp->helping.named = found->mapping.control && found->zone[0] == insp->home.from;
	return insp->helping.named;
}

bool ks_mapping_arrive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	__u8 to = insp->to;

	if (!counts || !ks_load_relaxed(&counts->records[KS_KIND_MAPPING_IN]))
		return false;
	mapping_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->pkt.tuple.dst, insp->pkt.tuple.dport, NULL);
	ks_table_find(env, &insp->side);
	if (!insp->side.found || !faces_sender(insp))
		return false;
	if (mapping_admits(env, insp) && !is_forwarded(env, config, insp)) {
		insp->opening.expected = !is_ruled(env, insp);
		return true;
	}
	insp->sent.dst = insp->pkt.tuple.dst;
	insp->sent.dport = insp->pkt.tuple.dport;
	insp->verdict.rule = KS_RULE_DEFAULT;
	insp->to = to;
	return false;
}

/*
 * Returns true if the record found would live longer by a part of its time if it were renewed: every packet asks, few must
 * write. One that a question to the DNS has made is due with the first packet of another kind.
 */
static bool is_due(const struct ks_config *config, const struct ks_inspection *insp)
{
	const struct ks_flow *before = &insp->side.before;
	__u32 time = mapping_time(config, insp), age = insp->side.clock - before->seen;
	__u32 left = before->timeout > age ? before->timeout - age : 0;

	return time - time / REFRESH_PARTS > left;
}

/* Finds the record of the packet's source; insp->sent.sport becomes what it names. */
static bool out_find(struct ks_env *env, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_MAPPING_OUT, &insp->pkt.tuple.src, insp->pkt.tuple.sport, &insp->sent.src);
	ks_table_find(env, &insp->side);
	if (!insp->side.found)
		return false;
	insp->sent.sport = ks_record_before(&insp->side)->mapping.port;
	return true;
}

bool ks_mapping_is_own(const struct ks_inspection *insp)
{
	return names_endpoint(insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport);
}

/*
 * Finds the record that claims insp->sent's source. Returns true if it does so for the packet's own, also while another CPU
 * writes it: who renews a claim leaves its owner as he is, and a packet that took it for gone would claim a second port.
 */
static bool in_find(struct ks_env *env, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, insp->sent.sport, NULL);
	ks_table_find(env, &insp->side);
	return (insp->side.found || insp->side.busy) && ks_mapping_is_own(insp);
}

/* Renews both records of the mapping whose claim was found in use, if that is `due`. Returns false if it is not to be relied on. */
static ks_inline bool both_renew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
				 bool due)
{
	__be16 port = insp->sent.sport;

	/*
	 * Another CPU may take for dead what is about to die, and claim another port. So the claim is renewed first, and then
	 * the record that names it, if that still does: who names another one after that finds the claim alive.
	 */
	if (!ks_mapping_renew(env, config, insp))
		return !due;
	if (!due)
		return true;
	return out_find(env, insp) && insp->sent.sport == port && ks_mapping_renew(env, config, insp);
}

bool ks_mapping_use(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	const struct ks_record *found = ks_record_before(&insp->side);
	__u8 mapped = insp->search.flags & (KS_TARGET_EIM | KS_TARGET_EIF | KS_TARGET_ADF), flags;
	bool due;

	insp->opening.mapped = mapped;
	/* Without endpoint-independent translation only helpers make mappings. */
	if (!mapped && (!counts || !ks_load_relaxed(&counts->records[KS_KIND_MAPPING_OUT])))
		return false;
	if (!out_find(env, insp) || !(mapped || found->mapping.control))
		return false;
	due = is_due(config, insp);
	flags = found->flags;
	if (!in_find(env, insp))
		return false;
	if (!insp->side.busy && !both_renew(env, config, insp, due || is_due(config, insp)))
		return false;
	insp->opening.mapped = mapped ? mapped : flags;
	return true;
}

void ks_mapping_claim(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_MAPPING_IN, &insp->sent.src, insp->sent.sport, NULL);
	mapping_fill(config, insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport);
}

/* Returns true if the record of the packet's source names its port, or another CPU writes that record. */
static bool is_named_already(struct ks_env *env, struct ks_inspection *insp)
{
	__be16 claimed = insp->sent.sport, named;
	bool found = out_find(env, insp);

	named = insp->sent.sport;
	insp->sent.sport = claimed;
	return insp->side.busy || (found && named == claimed);
}

/* Gives the claim back. Inlined where another CPU was first to name a port, because frames are few (V2). */
static ks_inline void claim_release(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_flow_key *key = &insp->side.key;

	if (!insp->search.claim)
		return;
	insp->side.ref = ks_slot_at(insp->search.claim);
	insp->search.claim = 0;
	ks_table_read(env, &insp->side);
	if (insp->side.found && key->kind == KS_KIND_MAPPING_IN && ks_mapping_is_own(insp) &&
	    key->port[0] == insp->sent.sport && ks_addr_equal(&key->addr[0], &insp->sent.src))
		ks_table_free(env, &insp->side);
}

void ks_mapping_release(struct ks_env *env, struct ks_inspection *insp)
{
	/* Another packet of the endpoint may have found the claim meanwhile and named it: then flows rely on it. */
	if (is_named_already(env, insp))
		insp->search.claim = 0;
	claim_release(env, insp);
}

/* Another CPU has named another port meanwhile, which is claimed: the packet takes that. */
static void port_take_over(struct ks_env *env, struct ks_inspection *insp, __be16 port)
{
	claim_release(env, insp);
	insp->sent.sport = port;
	insp->search.step = KS_PORT_ALIAS;
}

bool ks_mapping_name(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__be16 claimed = insp->sent.sport, named;
	__u32 version;
	bool is_claimed;

	if (!out_find(env, insp)) {
		mapping_fill(config, insp, &insp->sent.src, claimed);
		return !insp->side.busy;
	}
	named = insp->sent.sport;
	version = insp->side.before.version;
	is_claimed = in_find(env, insp);
	insp->sent.sport = claimed;
	if (named != claimed && is_claimed) {
		port_take_over(env, insp, named);
		return false;
	}
	/* It is written over if it is still what was compared: nobody else has named a port. */
	out_find(env, insp);
	insp->sent.sport = claimed;
	if (!insp->side.found || insp->side.before.version != version)
		return false;
	mapping_fill(config, insp, &insp->sent.src, claimed);
	if (insp->home.dry || ks_table_commit(env, &insp->side))
		insp->search.step = KS_PORT_ALIAS;
	return false;
}

bool ks_mapping_permit(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	mapping_key_make(env, insp, KS_KIND_PERMIT, &insp->sent.src, insp->sent.sport, &insp->sent.dst);
	mapping_fill(config, insp, &insp->pkt.tuple.src, insp->pkt.tuple.sport);
	ks_table_find(env, &insp->side);
	if (insp->side.found && !insp->home.dry)
		ks_table_commit(env, &insp->side);
	return !insp->side.found;
}

/* Renews the record of insp->side.key if that is due and it is this mapping's. */
static void mapping_keep_alive(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp,
			       const struct ks_addr *addr, __be16 port)
{
	ks_table_find(env, &insp->side);
	if (insp->side.found && is_due(config, insp) && names_endpoint(insp, addr, port))
		ks_mapping_renew(env, config, insp);
}

void ks_mapping_refresh(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	const struct ks_tuple *own = &insp->pkt.tuple, *sent = &insp->sent;

	mapping_key_make(env, insp, KS_KIND_MAPPING_IN, &sent->src, sent->sport, NULL);
	mapping_keep_alive(env, config, insp, &own->src, own->sport);
	mapping_key_make(env, insp, KS_KIND_MAPPING_OUT, &own->src, own->sport, &sent->src);
	mapping_keep_alive(env, config, insp, &sent->src, sent->sport);
	mapping_key_make(env, insp, KS_KIND_PERMIT, &sent->src, sent->sport, &sent->dst);
	mapping_keep_alive(env, config, insp, &own->src, own->sport);
}
