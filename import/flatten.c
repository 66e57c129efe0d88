/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chains become one list. Packets come to a chain as pieces; each rule is asked about each piece:
 *
 *	a verdict	an entry for what both have in common; a piece that is in the rule with all of its packets ends here
 *	return		what is left of the piece goes on, in up to as many pieces as regions have dimensions
 *	jump		the chain gets what both have in common; the piece goes on as it is, because whatever the chain
 *			decided stands above it in the list
 *
 * Nothing is copied behind a jump, so the list grows by jumps and returns alone.
 */
#include "import/flatten.h"

#include <errno.h>
#include <string.h>

#include "policy/value.h"

#define DEPTH_MAX 32U
#define PIECES_MAX 4096U
#define LOGS_MAX 16U

struct pieces {
	struct ks_piece *list;
	size_t count, room;
};

/* A rule that logs, until the verdict that follows it. */
struct logs {
	const struct ks_import_rule *rule[LOGS_MAX];
	unsigned count;
};

/* A rule that is asked, with its packets for the piece that it is asked about. */
struct rule_call {
	struct ks_import_rule *rule;
	const struct logs *logs;
	struct ks_region region;
};

struct walk {
	struct ks_import *import;
	struct ks_flat *flat;
	enum ks_flat_mode mode;
	bool translates;
	unsigned depth;
	enum ks_hook hook;
	unsigned changed; /* how often a rule has given a limit to what goes on, or changed it */
	struct pieces *returned; /* by the chain that runs */
};

/* Makes room for one more in a list in the pool. */
static void *list_grow(struct ks_pool *pool, void *list, size_t count, size_t *room, size_t size)
{
	const size_t wanted = *room ? 2 * *room : 8;
	void *grown;

	if (count < *room)
		return list;
	grown = ks_pool_alloc(pool, wanted * size);
	if (!grown)
		return NULL;
	if (count)
		memcpy(grown, list, count * size);
	*room = wanted;
	return grown;
}

int ks_flat_add(struct ks_import *import, struct ks_flat *flat, const struct ks_flat_entry *entry)
{
	struct ks_flat_entry *list;

	if (flat->count == KS_FLAT_MAX || import->steps > KS_FLAT_STEPS)
		return -E2BIG;
	list = list_grow(&import->pool, flat->list, flat->count, &flat->room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	flat->list = list;
	list[flat->count++] = *entry;
	return 0;
}

static int pieces_add(struct walk *walk, struct pieces *pieces, const struct ks_piece *piece)
{
	struct ks_piece *list;

	if (pieces->count == PIECES_MAX || walk->import->steps > KS_FLAT_STEPS)
		return -E2BIG;
	list = list_grow(&walk->import->pool, pieces->list, pieces->count, &pieces->room, sizeof(*list));
	if (!list)
		return -ENOMEM;
	pieces->list = list;
	list[pieces->count++] = *piece;
	return 0;
}

/* Appends what is left of a piece without the packets of a region, which overlaps it. */
static int pieces_add_rest(struct walk *walk, struct pieces *pieces, const struct ks_piece *piece,
			   const struct ks_region *without)
{
	struct ks_region rest[KS_REGION_PIECES_MAX];
	const int count = ks_region_subtract(&walk->import->pool, &piece->region, without, &walk->import->steps, rest);
	struct ks_piece left = *piece;
	int err = count < 0 ? count : 0;

	for (int i = 0; !err && i < count; i++) {
		left.region = rest[i];
		err = pieces_add(walk, pieces, &left);
	}
	return err;
}

static bool spans_are_within(const struct ks_spans *spans, const struct ks_spans *around, __u64 *steps)
{
	__u32 at = 0;

	if (spans->list == around->list && spans->count == around->count)
		return true;
	for (__u32 i = 0; i < spans->count; i++, ++*steps) {
		while (at < around->count && ks_value_compare(around->list[at].hi, spans->list[i].hi) < 0)
			at++;
		if (at == around->count || ks_value_compare(around->list[at].lo, spans->list[i].lo) > 0)
			return false;
	}
	return true;
}

bool ks_region_is_within(const struct ks_region *region, const struct ks_region *around, __u64 *steps)
{
	++*steps;
	if (region->family != around->family || region->from & ~around->from || region->to & ~around->to ||
	    region->in & ~around->in || region->out & ~around->out)
		return false;
	for (unsigned i = 0; i < KS_PROTO_WORDS; i++) {
		if (region->proto[i] & ~around->proto[i])
			return false;
	}
	for (unsigned dim = 0; dim < KS_DIMS; dim++) {
		if (!spans_are_within(&region->dim[dim], &around->dim[dim], steps))
			return false;
	}
	return true;
}

void ks_flat_prune(struct ks_import *import, struct ks_flat *flat)
{
	size_t kept = 0;

	for (size_t i = 0; i < flat->count; i++) {
		const struct ks_region *region = &flat->list[i].piece.region;
		bool hidden = ks_region_is_empty(region);

		for (size_t j = 0; !hidden && j < kept; j++)
			hidden = ks_region_is_within(region, &flat->list[j].piece.region, &import->steps);
		if (!hidden)
			flat->list[kept++] = flat->list[i];
	}
	flat->count = kept;
}

static bool same_is_done(const struct ks_flat_entry *a, const struct ks_flat_entry *b)
{
	return (!a->rule || a->rule->is_policy || a->rule == b->rule) && a->verdict == b->verdict &&
	       a->piece.logged == b->piece.logged && a->piece.label == b->piece.label && !a->trouble && !b->trouble;
}

/* Returns true if the packets of an entry come to one below that does the same, and to no other before. */
static bool is_repeated(struct ks_import *import, const struct ks_flat *flat, size_t at)
{
	const struct ks_flat_entry *entry = &flat->list[at];

	for (size_t i = at + 1; i < flat->count; i++) {
		const struct ks_flat_entry *below = &flat->list[i];

		if (!ks_regions_overlap(&entry->piece.region, &below->piece.region, &import->steps))
			continue;
		if (!same_is_done(entry, below))
			return false;
		if (ks_region_is_within(&entry->piece.region, &below->piece.region, &import->steps))
			return true;
	}
	return false;
}

void ks_flat_trim(struct ks_import *import, struct ks_flat *flat)
{
	size_t kept = 0;

	for (size_t i = 0; i < flat->count; i++) {
		const struct ks_flat_entry *entry = &flat->list[i];

		if ((entry->verdict != KS_IMPORT_DROP && entry->verdict != KS_IMPORT_REJECT) ||
		    !is_repeated(import, flat, i))
			flat->list[kept++] = *entry;
	}
	flat->count = kept;
}

/* --- verdicts --- */

/* Marks a piece as logged if a rule before has logged all of it. */
static void piece_log(struct walk *walk, const struct logs *logs, struct ks_piece *piece)
{
	for (unsigned i = logs->count; i-- > 0 && !piece->logged;) {
		const struct ks_region *region = &logs->rule[i]->match.of[piece->region.family == KS_IPV6];

		if (ks_region_is_within(&piece->region, region, &walk->import->steps)) {
			piece->logged = true;
			piece->label = logs->rule[i]->label;
		}
	}
}

static bool piece_has(const struct ks_piece *piece, const struct ks_import_limit *limit)
{
	for (unsigned i = 0; i < piece->limits; i++) {
		if (piece->limit[i] == limit)
			return true;
	}
	return false;
}

/* Bounds a piece by a limit, and by those that its rule has besides. */
static void piece_bound(struct ks_piece *piece, struct ks_import_limit *limit)
{
	for (; limit; limit = limit->also) {
		if (piece_has(piece, limit))
			continue;
		if (piece->limits == KS_PIECE_LIMITS)
			piece->crowded = true;
		else
			piece->limit[piece->limits++] = limit;
	}
}

void ks_piece_bound_as(struct ks_piece *piece, const struct ks_piece *other)
{
	for (unsigned i = 0; i < other->limits; i++)
		piece_bound(piece, other->limit[i]);
	piece->crowded |= other->crowded;
}

static int verdict_add(struct walk *walk, const struct ks_import_rule *rule, const struct logs *logs,
		       const struct ks_piece *piece)
{
	struct ks_flat_entry entry = {
		.piece = *piece, .verdict = rule->kind, .rule = rule, .line = rule->line, .text = rule->text
	};

	entry.trouble = rule->kind == KS_IMPORT_DROP ? rule->trouble : NULL;
	piece_log(walk, logs, &entry.piece);
	piece_bound(&entry.piece, rule->limit);
	return ks_flat_add(walk->import, walk->flat, &entry);
}

static bool is_verdict(const struct walk *walk, enum ks_verdict_kind kind)
{
	switch (kind) {
	case KS_IMPORT_ACCEPT:
	case KS_IMPORT_DROP:
	case KS_IMPORT_REJECT:
		return true;
	case KS_IMPORT_UNTRACK:
		return walk->mode == KS_FLAT_UNTRACKING;
	case KS_IMPORT_HELPER:
		return walk->mode == KS_FLAT_HELPING;
	case KS_IMPORT_FORWARD:
	case KS_IMPORT_REDIRECT:
	case KS_IMPORT_SOURCE:
	case KS_IMPORT_MASQUERADE:
		return walk->translates;
	default:
		return false;
	}
}

/* --- chains --- */

static int chain_run(struct walk *walk, struct ks_import_chain *chain, struct pieces *pieces);

static int pieces_join(struct walk *walk, struct pieces *pieces, const struct pieces *more)
{
	int err = 0;

	for (size_t i = 0; !err && i < more->count; i++)
		err = pieces_add(walk, pieces, &more->list[i]);
	return err;
}

/* Runs a chain; *left is what comes back from it. */
static int chain_enter(struct walk *walk, const struct ks_import_rule *rule, const struct ks_piece *piece,
		       struct pieces *left)
{
	struct pieces *outer = walk->returned, returned = { 0 };
	int err;

	if (walk->depth == DEPTH_MAX || rule->chain->running)
		return ks_import_fail(walk->import, "line %u: its chains call each other without an end", rule->line);
	err = pieces_add(walk, left, piece);
	walk->depth++;
	walk->returned = &returned;
	rule->chain->running = true;
	err = err ? err : chain_run(walk, rule->chain, left);
	err = err ? err : pieces_join(walk, left, &returned);
	rule->chain->running = false;
	walk->returned = outer;
	walk->depth--;
	return err;
}

static bool any_parts(const struct ks_import *import)
{
	bool parts = false;

	for (unsigned field = 0; field < KS_FIELDS; field++)
		parts |= import->parts[field];
	return parts;
}

/* Returns true if packets that a chain has changed and the others must be apart, whatever comes first. */
static bool is_parted(const struct walk *walk, const struct ks_piece *piece)
{
	return any_parts(walk->import) || !(piece->alters || walk->import->asks[KS_FIELD_TAG]);
}

/* The packets that a chain has changed; behind them all, so that the words about the former stand above. */
static int changed_join(struct walk *walk, struct pieces *next, const struct pieces *left, const struct ks_piece *piece)
{
	int err = 0;

	for (size_t i = 0; !err && i < left->count; i++) {
		if (!ks_pieces_are_alike(&left->list[i], piece))
			err = pieces_add(walk, next, &left->list[i]);
	}
	return err ? err : pieces_add(walk, next, piece);
}

/* A jump or goto. Limits and changes that the chain made go on with what came back; else the piece goes on as it was. */
static int chain_call(struct walk *walk, const struct ks_import_rule *rule, const struct ks_piece *piece,
		      const struct ks_region *region, const struct ks_piece *both, struct pieces *next)
{
	const unsigned changed = walk->changed;
	struct pieces left = { 0 };
	int err = chain_enter(walk, rule, both, &left);

	if (err)
		return err;
	if (rule->kind == KS_IMPORT_GOTO)
		err = pieces_join(walk, walk->returned, &left);
	else if (changed == walk->changed && !rule->changes)
		return pieces_add(walk, next, piece);
	else if (is_parted(walk, piece))
		err = pieces_join(walk, next, &left);
	else
		return changed_join(walk, next, &left, piece);
	return err ? err : pieces_add_rest(walk, next, piece, region);
}

/* A rule that drops what exceeds a limit: what it matches goes on with that limit. */
static int over_ask(struct walk *walk, const struct ks_import_rule *rule, const struct ks_piece *piece,
		    struct ks_piece *both, struct pieces *next)
{
	int err;

	if (walk->mode == KS_FLAT_LATER)
		return pieces_add(walk, next, piece);
	piece_bound(both, rule->limit);
	walk->changed++;
	err = pieces_add(walk, next, both); /* first: of each rule behind, this entry stands above the other */
	return err ? err : pieces_add(walk, next, piece);
}

/* Makes a change of a rule, if it matters for what is asked. */
static void change_make(struct walk *walk, struct ks_import_rule *rule, const struct ks_field_change *change,
			struct ks_piece *piece)
{
	if (!piece->alters && !walk->import->asks[change->field])
		return;
	ks_field_change(piece->fields[piece->side], change);
	piece->changed[piece->side][change->field] = rule;
	piece->routed |= change->field == KS_FIELD_MARK && walk->hook != KS_HOOK_PRE;
	walk->changed++;
}

static void changes_make(struct walk *walk, struct ks_import_rule *rule, struct ks_piece *piece)
{
	for (unsigned i = 0; i < rule->changes; i++)
		change_make(walk, rule, &rule->change[i], piece);
}

/* Returns true if it depends on a condition of the text which packets of a piece the rule changes. */
static bool is_conditional(const struct ks_piece *piece, const struct ks_piece *both)
{
	const __u64 known = (1ULL << KS_VAR_FIRST) - 1;

	return ((piece->region.in ^ both->region.in) | (piece->region.out ^ both->region.out)) & ~known;
}

static bool parts_changes(const struct ks_import *import, const struct ks_import_rule *rule)
{
	bool parts = false;

	for (unsigned i = 0; i < rule->changes; i++)
		parts |= import->parts[rule->change[i].field];
	return parts;
}

/* A rule that changes what it matches, and lets all go on. If nobody here knows what or to which value, nobody knows it of all. */
static int alter_apply(struct walk *walk, const struct rule_call *call, const struct ks_piece *piece,
		       struct ks_piece *both, struct pieces *next)
{
	const unsigned changed = walk->changed;
	struct ks_piece whole = *piece;
	bool lost = is_conditional(piece, both);
	int err;

	for (unsigned i = 0; i < call->rule->changes; i++) {
		struct ks_field_change change = call->rule->change[i];

		lost |= change.lost;
		change.lost = true;
		change_make(walk, call->rule, &change, &whole);
	}
	if (lost || changed == walk->changed)
		return pieces_add(walk, next, &whole);
	changes_make(walk, call->rule, both);
	err = pieces_add(walk, next, both); /* first: what others say of it stands above what they say of the rest */
	if (err || parts_changes(walk->import, call->rule))
		return err ? err : pieces_add_rest(walk, next, piece, &call->region);
	return pieces_add(walk, next, piece);
}

/* Limits count what opens flows. Of later packets nobody knows which ones they let pass, so what they allow does not count. */
static bool is_unsure(const struct walk *walk, const struct ks_import_rule *rule)
{
	return walk->mode == KS_FLAT_LATER && rule->limit && rule->kind == KS_IMPORT_ACCEPT;
}

/* Asks a rule of a region about a piece that it has packets of: `both`. What goes on is appended to `next`. */
static int rule_apply(struct walk *walk, const struct rule_call *call, const struct ks_piece *piece,
		      struct ks_piece *both, struct pieces *next)
{
	struct ks_import_rule *rule = call->rule;
	const struct ks_region *region = &call->region;
	int err;

	if (rule->over)
		return over_ask(walk, rule, piece, both, next);
	if (rule->kind == KS_IMPORT_ALTER)
		return alter_apply(walk, call, piece, both, next);
	changes_make(walk, rule, both);
	if (rule->kind == KS_IMPORT_JUMP || rule->kind == KS_IMPORT_GOTO)
		return chain_call(walk, rule, piece, region, both, next);

	if (rule->kind == KS_IMPORT_RETURN) {
		err = pieces_add(walk, walk->returned, both);
		return err ? err : pieces_add_rest(walk, next, piece, region);
	}
	if (!is_verdict(walk, rule->kind) || is_unsure(walk, rule))
		return pieces_add(walk, next, piece);
	err = verdict_add(walk, rule, call->logs, both);
	if (err || ks_region_is_within(&piece->region, region, &walk->import->steps))
		return err;
	return pieces_add(walk, next, piece);
}

/* The packets of a rule, for a piece of which the rules before may have changed something. Returns false if it matches none. */
static bool region_find(const struct ks_import_rule *rule, const struct ks_piece *piece, struct ks_region *region)
{
	const struct ks_field_test *test = &rule->test;
	const unsigned at = piece->region.family == KS_IPV6;

	*region = rule->match.of[at];
	if (!rule->match.has[at] || !test->asks)
		return rule->match.has[at];
	switch (ks_field_ask(piece->fields[piece->side], test)) {
	case KS_FIELD_NO:
		return false;
	case KS_FIELD_YES:
		ks_region_free(region, test->came);
		return true;
	case KS_FIELD_UNKNOWN:
		ks_region_free(region, test->came);
		ks_region_fix(region, test->unknown, !test->negated);
		return true;
	default:
		return true;
	}
}

static int rule_run(struct walk *walk, struct ks_import_rule *rule, const struct logs *logs,
		    const struct pieces *pieces, struct pieces *next)
{
	struct rule_call call = { .rule = rule, .logs = logs };
	int err = 0;

	for (size_t i = 0; !err && i < pieces->count; i++) {
		const struct ks_piece *piece = &pieces->list[i];
		struct ks_piece both = *piece;

		if (!region_find(rule, piece, &call.region) ||
		    !ks_regions_overlap(&call.region, &piece->region, &walk->import->steps)) {
			err = pieces_add(walk, next, piece);
			continue;
		}
		err = ks_region_intersect(&walk->import->pool, &piece->region, &call.region, &walk->import->steps,
					  &both.region);
		err = err ? err : rule_apply(walk, &call, piece, &both, next);
	}
	return err;
}

/* Runs a chain. What it leaves undecided needs no list: the caller has it. */
static int chain_run(struct walk *walk, struct ks_import_chain *chain, struct pieces *pieces)
{
	struct logs logs = { 0 };
	int err = 0;

	for (struct ks_import_rule *rule = chain->first; !err && rule && pieces->count; rule = rule->next) {
		struct pieces next = { 0 };

		if (rule->kind == KS_IMPORT_LOG && logs.count < LOGS_MAX)
			logs.rule[logs.count++] = rule;
		if (rule->kind == KS_IMPORT_LOG || rule->kind == KS_IMPORT_CONTINUE || rule->kind == KS_IMPORT_SKIPPED)
			continue;
		err = rule_run(walk, rule, &logs, pieces, &next);
		*pieces = next;
	}
	for (size_t i = 0; !err && walk->depth == 0 && i < pieces->count; i++)
		piece_log(walk, &logs, &pieces->list[i]);
	return err;
}

/* Returns true if all that comes to the policy of a base was logged, in the same words. */
static bool is_logged(const struct pieces *left, const struct pieces *returned)
{
	for (size_t i = 0; i < left->count; i++) {
		if (!left->list[i].logged || left->list[i].label != left->list[0].label)
			return false;
	}
	return left->count && !returned->count;
}

/* Those that a base has left undecided with a limit of their own, and then all. */
static int policy_add(struct walk *walk, const struct ks_import_base *base, const struct ks_piece *piece,
		      struct pieces *left)
{
	struct ks_flat_entry entry = { .verdict = base->policy, .line = base->line, .text = "policy" };
	const bool logged = is_logged(left, walk->returned);
	const char *label = logged ? left->list[0].label : NULL;
	int err = pieces_join(walk, left, walk->returned);

	if (!left->count)
		return err;
	for (size_t i = 0; !err && i < left->count; i++) {
		if (ks_pieces_are_alike(&left->list[i], piece))
			continue;
		entry.piece = left->list[i];
		err = ks_flat_add(walk->import, walk->flat, &entry);
	}
	entry.piece = *piece;
	entry.piece.logged |= logged;
	entry.piece.label = logged ? label : piece->label;
	return err ? err : ks_flat_add(walk->import, walk->flat, &entry);
}

int ks_flatten(struct ks_import *import, const struct ks_import_base *base, const struct ks_piece *piece,
	       enum ks_flat_mode mode, struct ks_flat *flat)
{
	struct pieces pieces = { 0 }, returned = { 0 };
	struct walk walk = { .import = import,
			     .flat = flat,
			     .mode = mode,
			     .translates = base->translates,
			     .hook = base->hook,
			     .returned = &returned };
	int err;

	if (!base->families[piece->region.family == KS_IPV6]) /* it does not see these */
		return ks_flat_add(import, flat,
				   &(struct ks_flat_entry){ .piece = *piece, .verdict = KS_IMPORT_ACCEPT });
	err = pieces_add(&walk, &pieces, piece);
	err = err ? err : chain_run(&walk, base->chain, &pieces);
	return err ? err : policy_add(&walk, base, piece, &pieces);
}
