/* SPDX-License-Identifier: BSD-2-Clause */
/* The messages about shadowed rules: where, what, a packet that shows it, and what would be right. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/diag.h"
#include "proof/condition.h"
#include "proof/shadow_internal.h"
#include "text/memory_file.h"
#include "text/plural.h"

#define COVERS_SHOWN 5U
#define TOLD_MAX 200U /* warnings, and as many notes */

/* Says something about a rule; its normal form stands for the line of the text, which is gone. */
static int tell(struct ks_shadow *shadow, size_t info, bool is_note, bool is_bounded, const char *text)
{
	const struct ks_rule_info *rule = &shadow->policy->infos[info];
	unsigned *told = is_note ? &shadow->noted : &shadow->warned;
	struct ks_diag diag = { .place = rule->place, .warning = true, .note = is_note };

	++*told;
	if (is_bounded && *told > TOLD_MAX)
		return 0;
	diag.message = strdup(text);
	if (!diag.message || asprintf(&diag.excerpt, "%*s%s", (int)rule->place.column - 1, "", rule->text) < 0) {
		free(diag.message);
		return -ENOMEM;
	}
	return ks_diags_add(shadow->diags, &diag);
}

/* Names the part of the rule that is in this list: a 1:1 translation has entries in two. */
static const char *part_of(const struct ks_shadow *shadow, const struct ks_shadowed *rule)
{
	const struct ks_rule_info *info = &shadow->policy->infos[rule->info];

	if (info->statement != KS_STATEMENT_BINAT && info->statement != KS_STATEMENT_NPTV6)
		return "this rule";
	return shadow->space.list == KS_LIST_INBOUND ? "the inbound direction of this rule"
						     : "the outbound direction of this rule";
}

/* "the rule at a.conf:3 takes", "the rules at a.conf:3 and a.conf:5 take". */
static void put_covers(const struct ks_shadow *shadow, const struct ks_covers *covers, FILE *out)
{
	unsigned shown = KS_MIN(covers->count, COVERS_SHOWN), more = covers->count - shown + covers->more;

	fprintf(out, "the rule%s at", covers->count > 1 ? "s" : "");
	for (unsigned i = 0; i < shown; i++) {
		const struct ks_place *place = &shadow->policy->infos[covers->info[i]].place;

		fprintf(out, "%s%s:%u", !i ? " " : i + 1 == shown && !more ? " and " : ", ", place->file, place->line);
	}
	if (more)
		fprintf(out, " and %u more", more);
	fprintf(out, " take%s", covers->count > 1 ? "" : "s");
}

static void put_witness(const struct ks_taken *taken, FILE *out)
{
	if (taken->is_shown)
		fprintf(out, " (such as '%s')", taken->witness.text);
}

/* Tells what becomes of the packets, and what would be right. */
static void put_taken(const struct ks_covers *covers, const struct ks_taken *taken, FILE *out)
{
	const struct ks_place *place = &ks_deed_info(&taken->cover)->place;
	const char *verb = ks_deed_verb(&taken->rule), *verbs = ks_deed_verbs(&taken->cover);
	char words[KS_DIFFERS_TEXT];

	if (!taken->differs) {
		fprintf(out, " and do%s the same with them", covers->count > 1 ? "" : "es");
		put_witness(taken, out);
		fputs(": this one can go", out);
		return;
	}
	fputs(", and ", out);
	if (covers->count > 1)
		fprintf(out, "the one at %s:%u ", place->file, place->line);
	if (strcmp(verb, ks_deed_verb(&taken->cover)) != 0)
		fprintf(out, "%s what this one would %s", verbs, verb);
	else
		fprintf(out, "differs in %s", ks_differs_text(taken->differs, words));
	put_witness(taken, out);
	fprintf(out, ": expected this one above %s, or not at all", covers->count > 1 ? "them" : "it");
}

/* Ends a text and says it. */
static int finish(struct ks_shadow *shadow, size_t info, bool is_note, struct ks_memory_file *file)
{
	ks_auto_free char *text = ks_memory_file_take(file);

	return text ? tell(shadow, info, is_note, true, text) : -ENOMEM;
}

/* Returns true if a packet can meet the rule's conditions. */
static bool meets_conditions(const struct ks_shadow *shadow, const struct ks_shadowed *rule)
{
	const struct ks_region *region = &shadow->space.claims[rule->first].region;

	return ks_conditions_are_possible(&shadow->space.variables, region, region);
}

int ks_shadow_tell_never(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct ks_covers *covers,
			 const struct ks_taken *taken)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	FILE *out;

	if (ks_memory_file_open(&file))
		return -ENOMEM;
	out = file.out;
	fprintf(out, "%s is never reached: ", part_of(shadow, rule));
	if (covers->count) {
		put_covers(shadow, covers, out);
		fprintf(out, " all of its packets%s", covers->count > 1 ? " between them" : "");
		put_taken(covers, taken, out);
	} else if (!meets_conditions(shadow, rule)) {
		fputs("no packet meets all of its conditions", out);
	} else {
		fputs("no such packet comes to the rules: what the firewall sends to itself passes by no guarded "
		      "interface, and a source that is multicast or, from others, its own, or a port 0 is dropped "
		      "before",
		      out);
	}
	return finish(shadow, rule->info, false, &file);
}

int ks_shadow_tell_lost(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct ks_lost *lost,
			const struct ks_covers *covers, const struct ks_taken *taken)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	FILE *out;

	if (ks_memory_file_open(&file))
		return -ENOMEM;
	out = file.out;
	fprintf(out, "%s never decides about packets %s %s: ", part_of(shadow, rule), lost->word, lost->name);
	put_covers(shadow, covers, out);
	fputs(covers->count > 1 ? " all of them between them" : " all of them", out);
	put_taken(covers, taken, out);
	return finish(shadow, rule->info, false, &file);
}

int ks_shadow_tell_part(struct ks_shadow *shadow, const struct ks_shadowed *rule, const struct ks_covers *covers,
			const struct ks_taken *taken, const struct ks_region *left, unsigned count)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	FILE *out;

	if (ks_memory_file_open(&file))
		return -ENOMEM;
	out = file.out;
	fprintf(out, "%s decides less than it says: ", part_of(shadow, rule));
	put_covers(shadow, covers, out);
	fputs(" a part of its packets", out);
	if (taken->is_shown)
		fprintf(out, " (%s:%u %s '%s')", ks_deed_info(&taken->cover)->place.file,
			ks_deed_info(&taken->cover)->place.line, ks_deed_verbs(&taken->cover), taken->witness.text);
	fputs(count > KS_LEFT_MAX ? "; what is left is all but that" : "; what is left: ", out);
	if (count <= KS_LEFT_MAX)
		ks_regions_print(&shadow->space, left, count, out);
	return finish(shadow, rule->info, true, &file);
}

int ks_shadow_tell_given_up(struct ks_shadow *shadow, const struct ks_shadowed *first)
{
	char text[240];

	snprintf(text, sizeof(text),
		 "whether this rule%s ever decides was not found out in %llu steps, because so many rules before it "
		 "overlap: expected fewer of them, or sets instead of single rules",
		 shadow->stats->given_up > 1 ? " and others behind it" : "", shadow->stats->steps);
	return tell(shadow, first->info, false, false, text);
}

int ks_shadow_tell_rest(const struct ks_shadow *shadow)
{
	const struct ks_place place = { .file = shadow->policy->path };
	const unsigned counts[] = { shadow->warned, shadow->noted };

	for (unsigned i = 0; i < KS_ARRAY_SIZE(counts); i++) {
		struct ks_diag diag = { .place = place, .warning = true, .note = i == 1 };

		if (counts[i] <= TOLD_MAX)
			continue;
		if (asprintf(&diag.message, "%u more rule%s like these %s not shown", counts[i] - TOLD_MAX,
			     ks_plural(counts[i] - TOLD_MAX), counts[i] - TOLD_MAX == 1 ? "is" : "are") < 0 ||
		    ks_diags_add(shadow->diags, &diag))
			return -ENOMEM;
	}
	return 0;
}
