/* SPDX-License-Identifier: BSD-2-Clause */
/* See ask.h. */
#include "proof/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/adopt.h"
#include "proof/condition.h"
#include "proof/cover.h"
#include "proof/unasked.h"
#include "text/memory_file.h"

#define STEPS_MAX 100000000ULL
#define TRIED_MAX 16U /* packets that are judged to show a class */

/* --- the question --- */

/* Copies the zones and sets of a policy, which the question may name. */
static int names_copy(const struct ks_policy *policy, FILE *out)
{
	ks_auto_memory_file struct ks_memory_file all = { 0 };
	ks_auto_free char *text = NULL;
	bool copies = false;

	if (ks_memory_file_open(&all))
		return -ENOMEM;
	ks_policy_print(policy, all.out);
	text = ks_memory_file_take(&all);
	if (!text)
		return -ENOMEM;
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		if (*line != '\t') /* else a statement goes on */
			copies = !strncmp(line, "zone ", 5) || !strncmp(line, "set ", 4);
		if (copies)
			fprintf(out, "%.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	return 0;
}

/* The length of zones as rules name them: "lan", "not wan", "{ lan, dmz }". */
static size_t zones_length(const char *words)
{
	size_t length = strncmp(words, "not ", 4) == 0 ? 4 : 0;

	length += strspn(words + length, " ");
	if (words[length] == '{')
		return length + strcspn(words + length, "}") + 1;
	return length + strcspn(words + length, " ?>");
}

/* The parts of a question. */
struct question {
	const char *from, *to, *rest;
	int from_length, to_length, rest_length;
};

/* Returns false if the words are no question. */
static bool question_read(const char *words, struct question *question)
{
	const char *at = words + strspn(words, " ");
	size_t length;

	if (strchr(words, '\n'))
		return false;
	at += strncmp(at, "can ", 4) == 0 ? 4 : 0;
	question->from = at;
	question->from_length = (int)(length = KS_MIN(zones_length(at), strlen(at)));
	at += length + strspn(at + length, " ");
	if (*at != '>' && strncmp(at, "reach ", 6) != 0)
		return false;
	at += *at == '>' ? 1 : 6;
	question->to = at += strspn(at, " ");
	question->to_length = (int)(length = KS_MIN(zones_length(at), strlen(at)));
	question->rest = at += length;
	length = strlen(at);
	while (length && (at[length - 1] == '?' || at[length - 1] == ' '))
		length--;
	question->rest_length = (int)length;
	return question->from_length && question->to_length;
}

#define NO_QUESTION                                                                                           \
	"expected two zones and clauses of rules, such as \"can wan reach lan tcp port 22?\" or \"wan > lan " \
	"tcp port 22\""
#define NO_CONDITION                                                                                                 \
	"a question says which packets it is about: expected conditions only, and nothing that becomes of packets, " \
	"such as limit, log, add or timeout"

static int question_refuse(const char *words, const char *message, struct ks_diags *diags)
{
	struct ks_diag diag = { .place = { .file = "question", .line = 1, .column = 1 } };

	diags->errors++;
	diag.excerpt = strdup(words);
	diag.message = strdup(message);
	if (!diag.message || !diag.excerpt) {
		free(diag.message);
		free(diag.excerpt);
		return -ENOMEM;
	}
	return ks_diags_add(diags, &diag) ? -ENOMEM : -EINVAL;
}

/* Returns true if the words say more than which packets they are about. */
static bool has_effects(const struct ks_policy *asked)
{
	bool has = false;

	for (__u32 i = 0; i < asked->config.rules; i++)
		has |= asked->rules[i].effects || asked->rules[i].flags & (KS_RULE_LOG | KS_RULE_LIMITED);
	return has;
}

/* Numbers the zones of a question as the policy does, which may have taken numbers over from the one before it. */
static int zones_adopt(const struct ks_policy *policy, struct ks_policy **asked)
{
	ks_auto_ids struct ks_ids ids = { 0 }, both = { 0 };
	int err = ks_ids_of(policy, &ids);

	if (!err)
		err = ks_ids_adopt(&ids, *asked, &both);
	if (err)
		ks_policy_destroy(TAKE(*asked));
	return err;
}

int ks_question_load(const struct ks_policy *policy, const char *words, struct ks_policy **asked,
		     struct ks_diags *diags)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;
	struct question question;
	int err;

	*diags = (struct ks_diags){ 0 };
	if (!question_read(words, &question))
		return question_refuse(words, NO_QUESTION, diags);
	if (ks_memory_file_open(&file))
		return -ENOMEM;
	fprintf(file.out, "allow from %.*s to %.*s %.*s\n", question.from_length, question.from, question.to_length,
		question.to, question.rest_length, question.rest);
	err = names_copy(policy, file.out);
	text = ks_memory_file_take(&file);
	if (!text || err)
		return -ENOMEM;
	err = ks_policy_load_text(text, strlen(text), "question", NULL, asked, diags);
	if (!err && has_effects(*asked)) {
		ks_policy_destroy(TAKE(*asked));
		ks_diags_fini(diags); /* warnings */
		return question_refuse(words, NO_CONDITION, diags);
	}
	return err ? err : zones_adopt(policy, asked);
}

/* --- the answer --- */

struct asking {
	const struct ks_policy *policy;
	struct ks_space space; /* the claims of the policy, then those of the question */
	size_t question; /* the first of the latter */
	struct ks_near near;
	struct ks_cover cover;
	struct ks_court court;
	ks_answer_fn *fn;
	void *arg;
	bool lets, refuses; /* some packet gets there, or does not */
};

static void asking_fini(struct asking *asking)
{
	ks_court_fini(&asking->court);
	ks_cover_fini(&asking->cover);
	ks_near_fini(&asking->near);
	ks_space_fini(&asking->space);
}

KS_SCOPED_STRUCT(auto_asking, struct asking, asking_fini)

/* The claims `first` to `end` - 1 of one rule; none if no rule decides. */
struct line {
	size_t first, end;
};

struct class_ctx {
	struct asking *asking;
	struct ks_answer_class class;
	bool is_forward;
	bool exists; /* some packet of the region in hand comes to the rules */
	bool is_free; /* a region of the class is bounded by no conditions but times: its packets do exist */
	unsigned tried;
	int err;
};

/* Lets the inspector judge a packet of the region. */
static int region_show(struct class_ctx *ctx, const struct ks_region *region)
{
	struct asking *asking = ctx->asking;
	struct ks_answer_class *class = &ctx->class;
	struct ks_inspection insp;
	const __u32 entry = class->deed.entry;
	__u32 decided;
	int err;

	ks_witness_choose(&asking->space, region, &class->witness);
	err = ks_court_judge(&asking->court, &asking->space.variables, &class->witness, &insp);
	decided = insp.verdict.rule_index;
	class->is_shown =
		decided == KS_DECISION_DEFAULT || entry == KS_DECISION_DEFAULT
			? decided == entry && insp.verdict.reason ==
						      (class->deed.passes ? KS_REASON_OK_NEIGHBOUR : KS_REASON_NO_RULE)
			: asking->policy->rule_info[decided] == asking->policy->rule_info[entry];
	class->is_shown = class->is_shown && ks_witness_is_met(&asking->space.variables, &class->witness, &insp);
	return err;
}

/* A region of packets that come to the rules: there is one, and it may be shown. */
static int region_try(const struct ks_region *region, void *arg)
{
	struct class_ctx *ctx = arg;

	ctx->exists = true;
	if (ctx->class.is_shown || ctx->class.vague || ctx->tried++ == TRIED_MAX)
		return 1;
	ctx->err = region_show(ctx, region);
	return ctx->err;
}

/* Returns true if the region is bounded by no conditions but times: there are packets at every time. */
static bool is_free(const struct ks_variables *variables, const struct ks_region *region)
{
	for (__u64 some = ks_region_conditions(variables, region); some; some &= some - 1) {
		if (variables->set[__builtin_ctzll(some)].condition != KS_CONDITION_DURING)
			return false;
	}
	return true;
}

static int region_note(const struct ks_region *region, void *arg)
{
	struct class_ctx *ctx = arg;

	ctx->is_free |= is_free(&ctx->asking->space.variables, region);
	ctx->class.region[ctx->class.regions++] = *region;
	return ctx->class.regions == KS_ANSWER_REGIONS_MAX;
}

/* Leaves claims of nobody out, so that regions are told in fewer words. */
static void near_filter(struct asking *asking)
{
	struct ks_cover *cover = &asking->cover;
	size_t count = 0;

	for (size_t i = 0; i < cover->near_count; i++) {
		if (asking->space.claims[cover->near[i]].entry != KS_CLAIM_NOBODY)
			cover->near[count++] = cover->near[i];
	}
	cover->near_count = count;
}

/* Finds the packets of a region about which the claims before `before` do not decide. */
static int region_left(struct class_ctx *ctx, const struct ks_region *region, size_t before)
{
	struct asking *asking = ctx->asking;
	struct ks_cover *cover = &asking->cover;
	int err;

	if (ctx->class.regions == KS_ANSWER_REGIONS_MAX)
		return 0;
	ctx->exists = false;
	cover->near_count = ks_near_find(&asking->near, region, before, &cover->steps, cover->near);
	err = ks_cover_left(cover, region, region_try, ctx);
	if (ctx->err || err < 0 || !ctx->exists)
		return ctx->err ? ctx->err : KS_MIN(err, 0);
	near_filter(asking);
	return KS_MIN(ks_cover_left(cover, region, region_note, ctx), 0);
}

/* The packets of a question that a rule sends to where it asks: sets the region of them. Returns false if there are none. */
static bool forward_bound(const struct asking *asking, const struct ks_rule *rule, const struct ks_claim *question,
			  struct ks_range *port, struct ks_region *region)
{
	const struct ks_target *target = &asking->policy->targets[rule->target];
	const struct ks_range to = { .lo = { target->lo[0], target->lo[1] }, .hi = { target->hi[0], target->hi[1] } };
	const struct ks_spans there = { &to, 1 };
	const bool has_port = target->flags & KS_TARGET_PORTS && !(target->flags & KS_TARGET_PORT_OFFSET);
	__u64 steps = 0;

	if (target->zone < KS_ZONE_MAX && !(question->region.to >> target->zone & 1))
		return false;
	if (target->kind == KS_TARGET_RANGE && (target->family != question->region.family ||
						!ks_spans_overlap(&there, &question->region.dim[KS_DIM_DST], &steps)))
		return false;
	*region = question->region;
	region->to = asking->space.zones;
	region->dim[KS_DIM_DST] = *ks_spans_all(KS_DIM_DST, region->family);
	if (target->flags & KS_TARGET_PORTS) {
		*port = (struct ks_range){ .lo = { 0, target->port_lo }, .hi = { 0, target->port_hi } };
		if (!has_port)
			port->hi[1] = KS_PORT_MAX; /* each of its own: perhaps */
		if (!ks_spans_overlap(&(struct ks_spans){ port, 1 }, &region->dim[KS_DIM_DPORT], &steps))
			return false;
		region->dim[KS_DIM_DPORT] = ks_spans_ports;
	}
	return true;
}

/* The packets of the question that one claim decides about, as forwarded ones if the rule forwards. */
static int claim_answer(struct class_ctx *ctx, size_t claim, size_t question)
{
	struct asking *asking = ctx->asking;
	const struct ks_claim *one = &asking->space.claims[claim], *asked = &asking->space.claims[question];
	struct ks_region region = asked->region, both;
	struct ks_range port;

	if (ctx->is_forward && !forward_bound(asking, &asking->policy->rules[one->entry], asked, &port, &region))
		return 0;
	if (!ks_regions_overlap(&one->region, &region, &asking->cover.steps))
		return 0;
	if (ks_region_intersect(&asking->cover.pool, &one->region, &region, &asking->cover.steps, &both))
		return -ENOMEM;
	ctx->class.vague |= one->vague;
	return region_left(ctx, &both, claim);
}

static int class_tell(struct class_ctx *ctx)
{
	struct asking *asking = ctx->asking;

	if (!ctx->class.regions)
		return 0;
	ctx->class.is_unsure = !ctx->class.is_shown && !ctx->is_free;
	asking->lets |= ctx->class.lets;
	asking->refuses |= !ctx->class.lets || ctx->class.vague;
	return asking->fn(&ctx->class, asking->arg);
}

static struct ks_deed deed_of(const struct asking *asking, const struct line *line)
{
	struct ks_deed deed = { asking->policy, KS_LIST_FILTER, KS_DECISION_DEFAULT, false };

	if (line->first == line->end)
		return deed;
	deed.passes = asking->space.claims[line->first].entry == KS_CLAIM_PASSING;
	if (!deed.passes)
		deed.entry = asking->space.claims[line->first].entry;
	return deed;
}

static bool lets_packets(const struct ks_deed *deed, bool is_forward)
{
	const struct ks_rule *rule = ks_deed_rule(deed);
	const unsigned action = ks_deed_action(deed);

	return action == KS_BYPASS || (action == KS_ALLOW && (!rule || !rule->targets || is_forward));
}

/* The packets of the question about which a rule decides; without claims: about which none does. */
static int line_answer(struct asking *asking, const struct line *line, bool is_forward)
{
	ks_auto_free struct class_ctx *ctx = calloc(1, sizeof(*ctx));
	int err = 0;

	if (!ctx)
		return -ENOMEM;
	ctx->asking = asking;
	ctx->is_forward = is_forward;
	ctx->class.space = &asking->space;
	ctx->class.deed = deed_of(asking, line);
	ctx->class.lets = lets_packets(&ctx->class.deed, is_forward);
	ks_pool_reset(&asking->cover.pool);
	for (size_t i = asking->question; !err && i < asking->space.count; i++) {
		const struct ks_claim *asked = &asking->space.claims[i];

		if (!ks_claim_is_rule(asked))
			continue;
		ctx->class.vague |= asked->vague;
		if (line->first == line->end)
			err = region_left(ctx, &asked->region, asking->question);
		for (size_t j = line->first; !err && j < line->end; j++)
			err = claim_answer(ctx, j, i);
	}
	return err ? err : class_tell(ctx);
}

static bool lets_line(const struct asking *asking, const struct line *line, bool *is_forward)
{
	const struct ks_deed deed = deed_of(asking, line);
	const struct ks_rule *rule = ks_deed_rule(&deed);
	const unsigned action = ks_deed_action(&deed);

	*is_forward = rule && rule->targets && action == KS_ALLOW;
	return action == KS_BYPASS || action == KS_ALLOW;
}

/* Returns true if two claims of the policy are of one line. */
static bool is_one_line(const struct asking *asking, const struct ks_claim *a, const struct ks_claim *b)
{
	if (!ks_claim_is_rule(a) || !ks_claim_is_rule(b))
		return a->entry == b->entry;
	return asking->policy->rule_info[a->entry] == asking->policy->rule_info[b->entry];
}

/* Calls line_answer() with each rule: those that let packets pass, or the others. */
static int lines_answer(struct asking *asking, bool lets)
{
	struct line line = { 0 };
	int err = 0;

	for (size_t at = 0; !err && at < asking->question; at = line.end) {
		const struct ks_claim *claims = asking->space.claims;
		bool is_forward;

		line.first = line.end = at;
		if (claims[at].entry == KS_CLAIM_NOBODY) {
			line.end++;
			continue;
		}
		while (line.end < asking->question && is_one_line(asking, &claims[line.end], &claims[at]))
			line.end++;
		if (lets_line(asking, &line, &is_forward) == lets)
			err = line_answer(asking, &line, is_forward);
		if (!err && is_forward && !lets) /* the packets that it takes elsewhere */
			err = line_answer(asking, &line, false);
	}
	return err;
}

/* Returns true if rules let packets pass that begin no connection. Else flags of TCP tell nothing about who reaches whom. */
static bool asks_in_the_middle(const struct ks_policy *policy)
{
	return policy->config.options &
	       (KS_OPT_PICKUP | KS_OPT_ASYMMETRIC | KS_OPT_ASYMMETRIC_RULES | KS_OPT_BYPASS_RULES);
}

/* Leaves what passes without a rule out, as if nobody sent it, if the question does not name it: whoever asks means rules then. */
static void passing_hide(struct asking *asking)
{
	bool is_named = false;

	for (size_t i = asking->question; i < asking->space.count; i++) {
		const struct ks_claim *claim = &asking->space.claims[i];

		is_named |= ks_claim_is_rule(claim) && ks_region_names_passing(&claim->region);
	}
	for (size_t i = 0; !is_named && i < asking->question; i++) {
		if (asking->space.claims[i].entry == KS_CLAIM_PASSING)
			asking->space.claims[i].entry = KS_CLAIM_NOBODY;
	}
}

int ks_policy_ask_only(const struct ks_policy *policy, struct ks_policy *asked, ks_answer_fn *fn, void *arg,
		       enum ks_reach *reach)
{
	ks_scoped(auto_asking) struct asking asking = { .policy = policy, .fn = fn, .arg = arg };
	const struct line none = { 0 };
	int err = ks_space_init_with(&asking.space, policy, KS_LIST_FILTER, NULL);

	asking.question = asking.space.count;
	if (!err)
		err = ks_space_join(&asking.space, asked, KS_LIST_FILTER, 1);
	asking.space.policy = policy;
	passing_hide(&asking);
	if (!err)
		err = ks_near_init(&asking.near, &asking.space);
	if (!err)
		err = ks_cover_init(&asking.cover, &asking.space);
	if (!err)
		err = ks_court_init(&asking.court, policy);
	asking.space.variables.opens_only = !asks_in_the_middle(policy);
	asking.cover.steps_max = STEPS_MAX;
	if (!err)
		err = lines_answer(&asking, true);
	if (!err)
		err = lines_answer(&asking, false);
	if (!err)
		err = line_answer(&asking, &none, false);
	if (!err)
		*reach = !asking.lets ? KS_REACH_NEVER : asking.refuses ? KS_REACH_ONLY : KS_REACH_YES;
	return err;
}

int ks_policy_ask(struct ks_policy *policy, struct ks_policy *asked, ks_answer_fn *fn, void *arg, enum ks_reach *reach)
{
	ks_witness_invent_addresses(policy);
	return ks_policy_ask_only(policy, asked, fn, arg, reach);
}
