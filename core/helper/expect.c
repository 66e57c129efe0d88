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

static inline struct ks_expectation *before(struct ks_inspection *in)
{
	return (struct ks_expectation *)&in->side.before;
}

static inline struct ks_expectation *after(struct ks_inspection *in)
{
	return (struct ks_expectation *)&in->side.after;
}

/* in->side's key: of in->helping.want. A source of zeros is anybody's, and says nothing of a link. */
static void key_make(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_tuple *want = &in->helping.want;

	ks_flow_key_make(want, &in->side.key);
	if (ks_unlikely(ks_addr_is_on_link(&want->dst, want->family)))
		in->side.key.link = ks_link_find(env, in, want);
	in->side.key.kind = KS_KIND_EXPECT;
	ks_table_hash(env, &in->side);
}

/* The hash of the control connection's key; in->flow.hash may be that of an alias. */
static __u64 control_hash(struct ks_env *env, const struct ks_flow_key *key)
{
	const struct ks_table_shape *shape = env_table_shape(env);

	return shape ? ks_flow_key_hash(key, shape->key) : 0;
}

/* Whether the control connection of the expectation found is still there, and not closed. */
static bool control_lives(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_flow_ref ref = ks_slot_at(before(in)->place);
	struct ks_bucket *bucket = env_bucket(env, ref.bucket);
	const struct ks_slot *slot;

	if (!bucket)
		return false;
	slot = &bucket->slot[ref.slot & KS_BUCKET_SLOT_MASK];
	return slot->flow.state != KS_STATE_NONE && slot->flow.state != KS_STATE_ALIAS &&
	       !ks_state_is_closed(slot->flow.state) && slot->flow.created == before(in)->created &&
	       !ks_flow_is_dead(&slot->flow, in->side.clock) && control_hash(env, &slot->key) == before(in)->control;
}

/* Looks for the expectation of in->helping.want; one from elsewhere than it names is none. */
static bool look(struct ks_env *env, struct ks_inspection *in)
{
	key_make(env, in);
	ks_table_find(env, &in->side);
	return in->side.found && before(in)->state == KS_STATE_EXPECTED &&
	       ks_zone_equal(before(in)->zone[0], in->from) && control_lives(env, in);
}

bool ks_expect_find(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_table_counts *counts = env_table_counts(env);

	in->helping.named = 0;
	if (!counts || !counts->records[KS_KIND_EXPECT])
		return false;
	/* Of GRE only calls of PPTP are expected: a tunnel with a key has that for a port on either side. */
	if (in->pkt.tuple.proto == KS_PROTO_GRE && in->pkt.tuple.sport)
		return false;
	in->helping.want = in->pkt.tuple;
	in->helping.want.sport = 0;
	if (!look(env, in)) {
		in->helping.want.src = (struct ks_addr){};
		if (!look(env, in))
			return false;
	}
	/* Whoever frees it has used it: nobody else can. */
	if (!in->dry && !ks_table_free(env, &in->side))
		return false;
	in->helping.name = before(in)->name;
	in->helping.named = before(in)->name.d[0] || before(in)->name.d[1];
	in->out.dst = before(in)->to;
	in->out.dport = before(in)->port;
	in->rule = before(in)->rule;
	in->to = before(in)->zone[1];
	return true;
}

/* The expectation of in->helping.want, for where it truly goes. */
static void fill(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	__u32 dir = in->dir & 1;

	in->side.after = (struct ks_flow){};
	after(in)->state = KS_STATE_EXPECTED;
	after(in)->zone[0] = in->flow.after.zone[!dir];
	after(in)->zone[1] = in->flow.after.zone[dir];
	after(in)->seen = in->side.clock;
	after(in)->timeout = config->timeout[KS_STATE_EXPECTED];
	after(in)->to = in->pkt.tuple.src;
	after(in)->port = ks_be16(in->helping.port);
	after(in)->rule = in->flow.after.rule;
	after(in)->place = ks_slot_id(&in->flow.ref);
	after(in)->created = in->flow.after.created;
	after(in)->control = control_hash(env, &in->flow.key);
	if (in->translate & KS_TRANSLATE_DST && (in->helping.want.src.d[0] || in->helping.want.src.d[1]))
		after(in)->name = in->pkt.tuple.dst;
}

/* Whether an entry of another kind has the port: a mapping, by its outer endpoint alone, or a flow, also one that is over. */
static bool is_in_table(struct ks_env *env, struct ks_inspection *in)
{
	ks_table_hash(env, &in->side);
	ks_table_find(env, &in->side);
	return in->side.found || in->side.busy;
}

static bool is_mapped(struct ks_env *env, struct ks_inspection *in)
{
	const struct ks_table_counts *counts = env_table_counts(env);
	const struct ks_tuple *want = &in->helping.want;

	if (!counts || !counts->records[KS_KIND_MAPPING_IN])
		return false;
	in->side.key = (struct ks_flow_key){
		.addr = { want->dst },
		.port = { want->dport },
		.proto = want->proto,
		.family = want->family,
		.kind = KS_KIND_MAPPING_IN,
	};
	return is_in_table(env, in);
}

/* Whether the rules forward the port, or a socket of the box has it. */
static bool is_reserved(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct ks_decision decision = {};

	if (env_port_is_used(env, &in->helping.want))
		return true;
	if (!(config->options & KS_OPT_FORWARD))
		return false;
	ks_question_make(in, &in->helping.want, KS_LIST_FILTER, &in->question);
	in->question.from = in->flow.after.zone[!(in->dir & 1)];
	in->question.to = KS_ZONE_SELF;
	ks_rules_ask(env, &in->question, &decision);
	return decision.targets != 0;
}

/*
 * Whether the opener has spoken with that port from where FTP servers open data connections (RFC 959 5.2): then its
 * packets would find that flow, perhaps of another client, and not the expectation.
 */
static bool is_spoken_to(struct ks_env *env, struct ks_inspection *in)
{
	struct ks_tuple *want = &in->helping.want;
	__be16 control = in->translate & KS_TRANSLATE_DST ? in->out.dport : in->pkt.tuple.dport;

	want->sport = ks_be16((__u16)(ks_be16(control) - 1));
	ks_packet_key(env, in, want, &in->side.key);
	want->sport = 0;
	return is_in_table(env, in);
}

/* Whether the port is somebody's who is not found by inserting the expectation. */
static bool port_is_taken(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	return is_reserved(env, config, in) || is_mapped(env, in) || is_spoken_to(env, in);
}

/* Announced again, or by another connection of the same two: it lives on, for whoever announced it last. */
static bool renew(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	ks_table_find(env, &in->side);
	if (!in->side.found)
		return false;
	fill(env, config, in);
	return before(in)->to.d[0] == after(in)->to.d[0] && before(in)->to.d[1] == after(in)->to.d[1] &&
	       before(in)->port == after(in)->port && ks_table_commit(env, &in->side);
}

/* A search for a port at which it can be expected. */
struct search {
	struct ks_env *env;
	struct ks_inspection *in;
	const struct ks_config *config;
	__u32 start;
	__u32 place;
};

static long search_try(__u32 n, void *arg)
{
	struct search *s = arg;
	struct ks_inspection *in = s->in;
	__u32 reason;

	if (n)
		in->helping.want.dport = ks_be16(PORT_FIRST + (s->start + n) % (PORT_LAST - PORT_FIRST + 1));
	if (in->helping.choose && port_is_taken(s->env, s->config, in))
		return 0;
	key_make(s->env, in);
	fill(s->env, s->config, in);
	reason = ks_table_insert(s->env, &in->side);
	if (reason == KS_REASON_OK_NEW || (reason == KS_REASON_CONTENDED && renew(s->env, s->config, in))) {
		s->place = ks_slot_id(&in->side.ref);
		return 1;
	}
	return reason != KS_REASON_CONTENDED;
}

__u32 ks_expect_make(struct ks_env *env, const struct ks_config *config, struct ks_inspection *in)
{
	struct search s = { .env = env, .in = in, .config = config };

	if (in->helping.choose)
		s.start = env_random(env) % (PORT_LAST - PORT_FIRST + 1);
	ks_loop(in->helping.choose ? PORT_TRIES : 1, search_try, &s);
	return s.place;
}

void ks_expect_drop(struct ks_env *env, struct ks_inspection *in, __u32 place)
{
	if (!place)
		return;
	in->side.ref = ks_slot_at(place);
	ks_table_read(env, &in->side);
	if (in->side.found && in->side.key.kind == KS_KIND_EXPECT &&
	    before(in)->control == control_hash(env, &in->flow.key) && before(in)->created == in->flow.after.created)
		ks_table_free(env, &in->side);
}
