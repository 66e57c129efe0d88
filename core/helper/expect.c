// SPDX-License-Identifier: BSD-2-Clause
/* Expectations; see expect.h. The port of one is taken by inserting it: what is in the table belongs to somebody. */
#include "core/helper/expect.h"

#include "core/env.h"
#include "core/table/hash.h"
#include "core/home.h"
#include "core/link.h"
#include "core/table/table.h"

#define PORT_FIRST 1024U
#define PORT_LAST 65535U
#define PORT_TRIES 16U

_Static_assert(__builtin_offsetof(struct ks_expectation, seen) == __builtin_offsetof(struct ks_flow, seen) &&
		       __builtin_offsetof(struct ks_expectation, state) == __builtin_offsetof(struct ks_flow, state) &&
		       __builtin_offsetof(struct ks_expectation, zone) == __builtin_offsetof(struct ks_flow, zone),
	       "all entries begin alike");

static inline struct ks_expectation *before(struct ks_inspection *insp)
{
	return (struct ks_expectation *)&insp->side.before;
}

static inline struct ks_expectation *after(struct ks_inspection *insp)
{
	return (struct ks_expectation *)&insp->side.after;
}

/* insp->side's key: of insp->helping.want. A source of zeros is anybody's, and says nothing of a link. */
static void key_make(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_tuple *want = &insp->helping.want;

	ks_flow_key_make(want, &insp->side.key);
	if (ks_unlikely(ks_addr_is_on_link(&want->dst, want->family)))
		insp->side.key.link = ks_link_find(env, insp, want);
	insp->side.key.kind = KS_KIND_EXPECT;
	ks_table_hash(env, &insp->side);
}

/* The hash of the control connection's key; insp->flow.hash may be that of an alias. */
static __u64 control_hash(struct ks_env *env, const struct ks_flow_key *key)
{
	const struct ks_table_shape *shape = env_table_shape(env);

	return shape ? ks_flow_key_hash(key, shape->key) : 0;
}

/* Whether the control connection of the expectation found is still there, and not closed. */
static bool control_lives(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_flow_ref ref = ks_slot_at(before(insp)->place);
	struct ks_bucket *bucket = env_bucket(env, ref.bucket);
	const struct ks_slot *slot;

	if (!bucket)
		return false;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	return slot->flow.state != KS_STATE_NONE && slot->flow.state != KS_STATE_ALIAS &&
	       !ks_state_is_closed(slot->flow.state) && slot->flow.created == before(insp)->created &&
	       !ks_flow_is_dead(&slot->flow, insp->side.clock) &&
	       control_hash(env, &slot->key) == before(insp)->control;
}

/* Looks for the expectation of insp->helping.want; one from elsewhere than it names is none. */
static bool look(struct ks_env *env, struct ks_inspection *insp)
{
	key_make(env, insp);
	ks_table_find(env, &insp->side);
	return insp->side.found && before(insp)->state == KS_STATE_EXPECTED &&
	       ks_zone_equal(before(insp)->zone[0], insp->home.from) && control_lives(env, insp);
}

bool ks_expect_find(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);

	insp->helping.named = 0;
	if (!counts || !counts->records[KS_KIND_EXPECT])
		return false;
	/* Of GRE only calls of PPTP are expected: a tunnel with a key has that for a port on either side. */
	if (insp->pkt.tuple.proto == KS_PROTO_GRE && insp->pkt.tuple.sport)
		return false;
	insp->helping.want = insp->pkt.tuple;
	insp->helping.want.sport = 0;
	if (!look(env, insp)) {
		insp->helping.want.src = (struct ks_addr){};
		if (!look(env, insp))
			return false;
	}
	/* Whoever frees it has used it: nobody else can. */
	if (!insp->home.dry && !ks_table_free(env, &insp->side))
		return false;
	insp->helping.name = before(insp)->name;
	insp->helping.named = before(insp)->name.d[0] || before(insp)->name.d[1];
	insp->sent.dst = before(insp)->to;
	insp->sent.dport = before(insp)->port;
	insp->verdict.rule = before(insp)->rule;
	insp->to = before(insp)->zone[1];
	return true;
}

/* The expectation of insp->helping.want, for where it truly goes. */
static void fill(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	__u32 dir = insp->dir & 1;

	insp->side.after = (struct ks_flow){};
	after(insp)->state = KS_STATE_EXPECTED;
	after(insp)->zone[0] = insp->flow.after.zone[!dir];
	after(insp)->zone[1] = insp->flow.after.zone[dir];
	after(insp)->seen = insp->side.clock;
	after(insp)->timeout = config->timeout[KS_STATE_EXPECTED];
	after(insp)->to = insp->pkt.tuple.src;
	after(insp)->port = ks_be16(insp->helping.port);
	after(insp)->rule = insp->flow.after.rule;
	after(insp)->place = ks_slot_id(&insp->flow.ref);
	after(insp)->created = insp->flow.after.created;
	after(insp)->control = control_hash(env, &insp->flow.key);
	if (insp->translate & KS_TRANSLATE_DST && (insp->helping.want.src.d[0] || insp->helping.want.src.d[1]))
		after(insp)->name = insp->pkt.tuple.dst;
}

/* Whether an entry of another kind has the port: a mapping, by its outer endpoint alone, or a flow, also one that is over. */
static bool is_in_table(struct ks_env *env, struct ks_inspection *insp)
{
	ks_table_hash(env, &insp->side);
	ks_table_find(env, &insp->side);
	return insp->side.found || insp->side.busy;
}

static bool is_mapped(struct ks_env *env, struct ks_inspection *insp)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	const struct ks_tuple *want = &insp->helping.want;

	if (!counts || !counts->records[KS_KIND_MAPPING_IN])
		return false;
	insp->side.key = (struct ks_flow_key){
		.addr = { want->dst },
		.port = { want->dport },
		.proto = want->proto,
		.family = want->family,
		.kind = KS_KIND_MAPPING_IN,
	};
	return is_in_table(env, insp);
}

/* Whether the rules forward the port, or a socket of the box has it. */
static bool is_reserved(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct ks_decision decision = {};

	if (env_port_is_used(env, &insp->helping.want))
		return true;
	if (!(config->options & KS_OPT_FORWARD))
		return false;
	ks_question_make(insp, &insp->helping.want, KS_LIST_FILTER, &insp->opening.question);
	insp->opening.question.from = insp->flow.after.zone[!(insp->dir & 1)];
	insp->opening.question.to = KS_ZONE_SELF;
	ks_rules_ask(env, &insp->opening.question, &decision);
	return decision.targets != 0;
}

/*
 * Whether the opener has spoken with that port from where FTP servers open data connections (RFC 959 5.2): then its
 * packets would find that flow, perhaps of another client, and not the expectation.
 */
static bool is_spoken_to(struct ks_env *env, struct ks_inspection *insp)
{
	struct ks_tuple *want = &insp->helping.want;
	__be16 control = insp->translate & KS_TRANSLATE_DST ? insp->sent.dport : insp->pkt.tuple.dport;

	want->sport = ks_be16((__u16)(ks_be16(control) - 1));
	ks_packet_key(env, insp, want, &insp->side.key);
	want->sport = 0;
	return is_in_table(env, insp);
}

/* Whether the port is somebody's who is not found by inserting the expectation. */
static bool port_is_taken(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	return is_reserved(env, config, insp) || is_mapped(env, insp) || is_spoken_to(env, insp);
}

/* Announced again, or by another connection of the same two: it lives on, for whoever announced it last. */
static bool renew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	ks_table_find(env, &insp->side);
	if (!insp->side.found)
		return false;
	fill(env, config, insp);
	return before(insp)->to.d[0] == after(insp)->to.d[0] && before(insp)->to.d[1] == after(insp)->to.d[1] &&
	       before(insp)->port == after(insp)->port && ks_table_commit(env, &insp->side);
}

/* A search for a port at which it can be expected. */
struct search {
	struct ks_env *env;
	struct ks_inspection *insp;
	const struct ks_config *config;
	__u32 start;
	__u32 place;
};

static long search_try(__u32 n, void *arg)
{
	struct search *s = arg;
	struct ks_inspection *insp = s->insp;
	__u32 reason;

	if (n)
		insp->helping.want.dport = ks_be16(PORT_FIRST + (s->start + n) % (PORT_LAST - PORT_FIRST + 1));
	if (insp->helping.choose && port_is_taken(s->env, s->config, insp))
		return 0;
	key_make(s->env, insp);
	fill(s->env, s->config, insp);
	reason = ks_table_insert(s->env, &insp->side);
	if (reason == KS_REASON_OK_NEW || (reason == KS_REASON_CONTENDED && renew(s->env, s->config, insp))) {
		s->place = ks_slot_id(&insp->side.ref);
		return 1;
	}
	return reason != KS_REASON_CONTENDED;
}

__u32 ks_expect_make(struct ks_env *env, const struct ks_config *config, struct ks_inspection *insp)
{
	struct search s = { .env = env, .insp = insp, .config = config };

	if (insp->helping.choose)
		s.start = env_random(env) % (PORT_LAST - PORT_FIRST + 1);
	ks_loop(insp->helping.choose ? PORT_TRIES : 1, search_try, &s);
	return s.place;
}

void ks_expect_drop(struct ks_env *env, struct ks_inspection *insp, __u32 place)
{
	if (!place)
		return;
	insp->side.ref = ks_slot_at(place);
	ks_table_read(env, &insp->side);
	if (insp->side.found && insp->side.key.kind == KS_KIND_EXPECT &&
	    before(insp)->control == control_hash(env, &insp->flow.key) &&
	    before(insp)->created == insp->flow.after.created)
		ks_table_free(env, &insp->side);
}
