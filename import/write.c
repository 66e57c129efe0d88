/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A plan as a policy. A rule that can be said exactly is said so. Of the others
 *
 *	a rule that allows	is left out, and stands there as a comment
 *	a rule that denies	is said without what cannot be said, so it denies more
 *
 * So the policy never lets pass what the original refuses. If one of its rules lets a packet pass, that rule matches exactly; no
 * rule above it that denies matches, and those deny more than the original's; and if one above it was left out that would have
 * matched, then the original had let the packet pass there.
 */
#include "import/write.h"

#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "import/clauses.h"
#include "import/effects.h"
#include "import/match.h"
#include "text/memory_file.h"
#include "text/plural.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define LINE_SHOWN 160
#define LABEL_MAX 127
#define SAID_MAX 256U
#define MERGE_AHEAD 64U /* how far the rule of the other family may be */

struct writer {
	struct ks_import *import;
	struct ks_clauses clauses;
	struct ks_import_outcome *outcome;
	FILE *out;
	bool counts; /* a first run, which counts who shares a limit */
	unsigned last_line; /* whose text stands above as a comment */
	const char *last_trouble;
	struct said {
		unsigned line;
		const char *trouble;
	} said[SAID_MAX]; /* of rules that were left out lately: one such rule may stand for many */
	unsigned said_count;
};

/* A part of the text in a comment: nothing in it ends the line or writes on a terminal. */
static void comment_text(FILE *out, const char *text)
{
	size_t i;

	for (i = 0; text[i] && i < LINE_SHOWN; i++)
		fputc(text[i] == '\t' ? ' ' : text[i] < ' ' || text[i] > '~' ? '?' : text[i], out);
	fputs(text[i] ? " ..." : "", out);
}

/* The line as it was, with the reason why it is not said as it was. */
static void comment_write(struct writer *writer, const struct ks_flat_entry *entry, const char *what,
			  const char *trouble)
{
	if (entry->line == writer->last_line && trouble == writer->last_trouble)
		return;
	writer->last_line = entry->line;
	writer->last_trouble = trouble;
	fprintf(writer->out, "# %s %u: ", writer->import->numbered, entry->line);
	comment_text(writer->out, entry->text ? entry->text : "");
	fprintf(writer->out, "\n#   %s: ", what);
	comment_text(writer->out, trouble);
	fputc('\n', writer->out);
}

/* --- what stands behind the clauses --- */

static void label_write(FILE *out, const char *label)
{
	size_t count = 0, length = label ? strlen(label) : 0;

	while (length && label[length - 1] == ' ')
		length--;
	fputs(" log", out);
	if (!length)
		return;
	fputs(" \"", out);
	for (size_t i = 0; i < length && count < LABEL_MAX; i++, count++) {
		if (label[i] == '"' || label[i] == '\\')
			fputc('\\', out);
		fputc(label[i] < ' ' || label[i] > '~' ? '?' : label[i], out);
	}
	fputc('"', out);
}

static void limit_write(FILE *out, const struct ks_import_limit *limit)
{
	const __u32 uses = KS_MAX(limit->uses, 1U);
	const __u64 burst = limit->burst / uses ? limit->burst / uses : 1;

	if (!limit->unit) {
		fprintf(out, " limit %llu connections%s", (unsigned long long)(limit->amount / uses), limit->per);
		return;
	}
	fprintf(out, " limit %llu/%s", (unsigned long long)(limit->amount / uses), limit->unit);
	if (limit->burst)
		fprintf(out, " burst %llu", (unsigned long long)burst);
	fputs(limit->per, out);
}

static void target_port_write(FILE *out, const struct ks_import_target *target)
{
	if (target->port)
		fprintf(out, " port %u", target->port);
	if (target->port && target->port_last > target->port)
		fprintf(out, "-%u", target->port_last);
}

/* The zone where a new destination is, if the rule depends on it. */
static void target_zone_write(struct writer *writer, const struct ks_flat_entry *entry)
{
	const __u64 zones = entry->target_zones & ~(1ULL << KS_ZONE_NONE);

	if (zones && !(zones & (zones - 1)))
		fprintf(writer->out, " %s", ks_clauses_zone(writer->import, (unsigned)__builtin_ctzll(zones)));
}

static void inbound_write(struct writer *writer, const struct ks_flat_entry *entry)
{
	const struct ks_import_target *target = &entry->translation->target;

	fputs(" to", writer->out);
	if (entry->verdict == KS_IMPORT_REDIRECT) {
		fputs(target->port ? "" : " self", writer->out);
	} else {
		target_zone_write(writer, entry);
		fprintf(writer->out, " %s", target->address);
	}
	target_port_write(writer->out, target);
}

static void source_write(struct writer *writer, const struct ks_flat_entry *entry)
{
	const struct ks_import_target *target = entry->rule ? &entry->rule->target : NULL;

	if (entry->verdict == KS_IMPORT_ACCEPT || !target) {
		fputs(" exempt", writer->out);
		return;
	}
	if (entry->verdict == KS_IMPORT_MASQUERADE)
		fputs(" masquerade", writer->out);
	else
		fprintf(writer->out, " to %s", target->address);
	target_port_write(writer->out, target);
	fputs(target->random ? " random-port" : "", writer->out);
}

/* --- one rule --- */

static const char *verb(const struct ks_clause_rule *rule)
{
	if (rule->translates)
		return "nat";
	switch (rule->verdict) {
	case KS_IMPORT_DROP:
		return "deny";
	case KS_IMPORT_REJECT:
		return "reject";
	case KS_IMPORT_UNTRACK:
		return "bypass";
	case KS_IMPORT_FORWARD:
		return "forward";
	case KS_IMPORT_REDIRECT:
		return "redirect";
	case KS_IMPORT_HELPER:
		return "helper";
	default:
		return "allow";
	}
}

static bool denies(enum ks_verdict_kind verdict)
{
	return verdict == KS_IMPORT_DROP || verdict == KS_IMPORT_REJECT;
}

/* Why a limit cannot be said; NULL if it can, or there is none. */
static const char *limit_trouble(const struct ks_flat_entry *entry)
{
	const struct ks_piece *piece = &entry->piece;

	if (denies(entry->verdict))
		return NULL;
	if (piece->crowded)
		return "too many limits count these packets";
	if (piece->limits && entry->verdict == KS_IMPORT_UNTRACK)
		return "what is not tracked has no limits here";
	for (unsigned i = 0; i < piece->limits; i++) {
		if (piece->limit[i]->uses && piece->limit[i]->amount < piece->limit[i]->uses)
			return "so many rules share the limit that nothing is left for one";
	}
	return NULL;
}

static const char *source_trouble(const struct writer *writer, const struct ks_flat_entry *entry)
{
	if (!entry->rule)
		return NULL;
	if (entry->rule->trouble)
		return entry->rule->trouble;
	return entry->verdict == KS_IMPORT_SOURCE && entry->rule->target.family != entry->piece.region.family
		       ? "its new source is of the other family"
		       : NULL;
}

/* The lines that the rule comes from. */
static void origin_write(FILE *out, const struct ks_flat_entry *entry)
{
	const unsigned first = entry->translation ? entry->translation->line : 0;

	if (first && first != entry->line)
		fprintf(out, entry->line ? "  # %u, %u" : "  # %u", first, entry->line);
	else if (entry->line)
		fprintf(out, "  # %u", entry->line);
}

/* Returns true if flows of the rule have packets that others may have changed. */
static bool has_effects(const struct ks_clause_rule *rule)
{
	return !rule->translates && !denies(rule->verdict) && rule->verdict != KS_IMPORT_UNTRACK &&
	       rule->verdict != KS_IMPORT_HELPER;
}

static void rule_end(struct writer *writer, const struct ks_clause_rule *rule, const struct ks_flat_entry *entry)
{
	if (has_effects(rule))
		ks_effects_write(writer->out, entry);
	if (rule->translates)
		source_write(writer, entry);
	if (!rule->translates && (rule->verdict == KS_IMPORT_FORWARD || rule->verdict == KS_IMPORT_REDIRECT))
		inbound_write(writer, entry);
	for (unsigned i = 0; i < entry->piece.limits && !denies(rule->verdict) && !rule->translates; i++)
		limit_write(writer->out, entry->piece.limit[i]);
	if (entry->piece.logged && !rule->translates)
		label_write(writer->out, entry->piece.label);
	origin_write(writer->out, entry);
	fputc('\n', writer->out);
}

static void rule_print(struct writer *writer, const struct ks_clause_rule *rule, const struct ks_flat_entry *entry)
{
	const bool hidden = rule->translates && rule->verdict == KS_IMPORT_MASQUERADE && rule->of[1] &&
			    !writer->import->families[0];

	fputs(verb(rule), writer->out);
	if (rule->verdict == KS_IMPORT_HELPER)
		fprintf(writer->out, " %s", entry->rule->label);
	ks_clauses_write(&writer->clauses, rule);
	if (hidden) /* masquerade is for IPv4 unless a rule says otherwise */
		fputs(" family ipv6", writer->out);
	rule_end(writer, rule, entry);
}

static bool was_said(struct writer *writer, unsigned line, const char *trouble)
{
	const unsigned count = KS_MIN(writer->said_count, SAID_MAX);

	for (unsigned i = 0; i < count; i++) {
		if (writer->said[i].line == line && !strcmp(writer->said[i].trouble, trouble))
			return true;
	}
	writer->said[writer->said_count++ % SAID_MAX] = (struct said){ line, trouble };
	return false;
}

/* A change of packets that the rule does not have, in the words of the rule that makes it. */
static void effects_comment(struct writer *writer, const struct ks_flat_entry *entry)
{
	struct ks_flat_entry shown = { 0 };
	struct ks_import_rule *unsaid = entry->piece.unsaid;

	if (unsaid)
		unsaid->told = true;
	if (!unsaid || was_said(writer, unsaid->line, entry->piece.unsaid_why))
		return;
	shown.line = unsaid->line;
	shown.text = unsaid->text;
	comment_write(writer, &shown, "left out, here and further on", entry->piece.unsaid_why);
}

/* A rule that cannot be said, and whose packets would pass by others: it denies. */
static void rule_close(struct writer *writer, const struct ks_clause_rule *rule, const struct ks_flat_entry *entry,
		       const char *trouble)
{
	struct ks_clause_rule closed = *rule;
	struct ks_flat_entry shown = *entry;

	if (entry->translation) {
		shown.line = entry->translation->line;
		shown.text = entry->translation->text;
	}
	closed.verdict = shown.verdict = KS_IMPORT_DROP;
	comment_write(writer, &shown, "denied", trouble);
	writer->outcome->broader++;
	rule_print(writer, &closed, &shown);
}

static void rule_write(struct writer *writer, const struct ks_clause_rule *rule, const struct ks_flat_entry *entry)
{
	const char *trouble = ks_clauses_trouble(&writer->clauses, rule);

	if (!trouble && !rule->translates)
		trouble = limit_trouble(entry);
	if (!trouble && rule->translates)
		trouble = source_trouble(writer, entry);
	if (trouble && entry->closes) {
		rule_close(writer, rule, entry, trouble);
		return;
	}
	if (trouble && (rule->translates || !denies(rule->verdict))) {
		if (was_said(writer, entry->line, trouble))
			return;
		writer->outcome->left_out++;
		comment_write(writer, entry, "left out", trouble);
		return;
	}
	for (unsigned i = 0; i < entry->piece.limits && writer->counts && !denies(rule->verdict); i++)
		entry->piece.limit[i]->uses++;
	if (!trouble)
		trouble = entry->trouble;
	if (trouble)
		comment_write(writer, entry, entry->trouble ? "denied" : "denies more than it did", trouble);
	*(trouble ? &writer->outcome->broader : &writer->outcome->exact) += 1;
	if (has_effects(rule))
		effects_comment(writer, entry);
	rule_print(writer, rule, entry);
}

/* --- lists --- */

static bool protos_are_same(const struct ks_region *v4, const struct ks_region *v6)
{
	const __u64 icmp4 = 1ULL << KS_PROTO_ICMP, icmp6 = 1ULL << KS_PROTO_ICMPV6;

	for (unsigned i = 0; i < KS_PROTO_WORDS; i++) {
		if ((v4->proto[i] ^ v6->proto[i]) & ~(i ? 0 : icmp4 | icmp6))
			return false;
	}
	return !(v4->proto[0] & icmp4) == !(v6->proto[0] & icmp6) &&
	       ks_spans_equal(&v4->dim[KS_DIM_ICMP], &ks_spans_ports) &&
	       ks_spans_equal(&v6->dim[KS_DIM_ICMP], &ks_spans_ports);
}

static bool is_whole(const struct ks_region *region, enum ks_dim dim)
{
	return ks_spans_equal(&region->dim[dim], ks_spans_all(dim, region->family));
}

/* Returns true if the two say the same of IPv4 and of IPv6. */
static bool entries_are_same(const struct ks_flat_entry *v4, const struct ks_flat_entry *v6)
{
	const struct ks_region *a = &v4->piece.region, *b = &v6->piece.region;

	return v4->verdict == v6->verdict && v4->line == v6->line && v4->text == v6->text &&
	       v4->translation == v6->translation && ks_pieces_are_alike(&v4->piece, &v6->piece) &&
	       v4->piece.logged == v6->piece.logged && v4->piece.label == v6->piece.label &&
	       v4->trouble == v6->trouble && v4->closes == v6->closes && a->from == b->from && a->to == b->to &&
	       a->in == b->in && a->out == b->out && protos_are_same(a, b) &&
	       ks_spans_equal(&a->dim[KS_DIM_SPORT], &b->dim[KS_DIM_SPORT]) &&
	       ks_spans_equal(&a->dim[KS_DIM_DPORT], &b->dim[KS_DIM_DPORT]) &&
	       is_whole(a, KS_DIM_SRC) == is_whole(b, KS_DIM_SRC) && is_whole(a, KS_DIM_DST) == is_whole(b, KS_DIM_DST);
}

static void entry_write(struct writer *writer, const struct ks_flat_entry *v4, const struct ks_flat_entry *v6,
			bool translates)
{
	const struct ks_flat_entry *any = v4 ? v4 : v6;
	struct ks_clause_rule rule = {
		.of = { v4 ? &v4->piece.region : NULL, v6 ? &v6->piece.region : NULL },
		.translates = translates,
	};

	if (!any)
		return;
	rule.verdict = any->verdict;
	rule.line = any->line;
	rule_write(writer, &rule, any);
}

/* Writes the lists of both families as one; where they say the same it is one rule. */
static void lists_write(struct writer *writer, const struct ks_flat flats[2], bool translates)
{
	size_t done = 0;

	for (size_t i = 0; i < flats[0].count; i++) {
		const struct ks_flat_entry *v4 = &flats[0].list[i];
		size_t at = done;

		while (at < flats[1].count && at < done + MERGE_AHEAD && !entries_are_same(v4, &flats[1].list[at]))
			at++;
		if (at == flats[1].count || at == done + MERGE_AHEAD ||
		    (translates && v4->verdict != KS_IMPORT_ACCEPT)) {
			entry_write(writer, v4, NULL, translates);
			continue;
		}
		while (done < at)
			entry_write(writer, NULL, &flats[1].list[done++], translates);
		entry_write(writer, v4, &flats[1].list[done++], translates);
	}
	while (done < flats[1].count)
		entry_write(writer, NULL, &flats[1].list[done++], translates);
}

/* Sources that stay as they are by the last entries of the list would stay so without. */
static void sources_trim(struct ks_flat *flat)
{
	while (flat->count && flat->list[flat->count - 1].verdict == KS_IMPORT_ACCEPT)
		flat->count--;
}

static void rules_write(struct writer *writer, const struct ks_plan *plan)
{
	struct ks_flat sources[2] = { plan->sources[0], plan->sources[1] };

	writer->last_line = writer->said_count = 0;
	writer->last_trouble = NULL;
	*writer->outcome = (struct ks_import_outcome){ 0 };
	lists_write(writer, plan->filter, false);
	sources_trim(&sources[0]);
	sources_trim(&sources[1]);
	if (sources[0].count + sources[1].count)
		fputc('\n', writer->out);
	lists_write(writer, sources, true);
	if (plan->helpers[0].count + plan->helpers[1].count)
		fputc('\n', writer->out);
	lists_write(writer, plan->helpers, false);
}

/* --- the whole --- */

static void zone_write(FILE *out, const char *name, const char *interface, unsigned mss)
{
	fprintf(out, "zone %s { %s", name, interface);
	if (mss == KS_IMPORT_MSS_MTU)
		fputs(", mss mtu", out);
	else if (mss)
		fprintf(out, ", mss %u", mss);
	fputs(" }\n", out);
}

static void zones_write(const struct ks_import *import, FILE *out)
{
	for (unsigned i = 0; i < import->zones; i++)
		zone_write(out, import->zone[i].name, import->zone[i].interface, import->zone[i].mss);
	zone_write(out, "rest", "*", import->rest_mss);
	fputc('\n', out);
}

static void families_write(const struct ks_import *import, FILE *out)
{
	if (import->families[0] && import->families[1])
		return;
	fprintf(out, "# The text is about %s alone.\ndeny family %s\n\n", import->families[0] ? "IPv4" : "IPv6",
		import->families[0] ? "ipv6" : "ipv4");
}

/* Notes the changes of rules that the policy does not make, and of which no rule before says why. */
static int changes_note(struct ks_import *import)
{
	int err = 0;

	for (struct ks_import_chain *chain = import->chains; chain; chain = chain->next) {
		bool told = false;

		for (const struct ks_import_rule *rule = chain->first; !err && rule; rule = rule->next) {
			const bool same = rule->next && rule->next->line == rule->line;

			told |= rule->told || !rule->changes || rule->change[0].field == KS_FIELD_TAG;
			import->line = rule->line;
			import->text = rule->text;
			if (!same && !told)
				err = ks_import_note(import, "no rule here changes the packets of a flow so");
			told = same && told;
		}
	}
	return err;
}

static void notes_write(struct writer *writer)
{
	if (writer->import->notes)
		fputs("\n# Without a rule of their own:\n", writer->out);
	for (const struct ks_import_note *note = writer->import->notes; note; note = note->next) {
		fprintf(writer->out, "# %s %u: ", writer->import->numbered, note->line);
		comment_text(writer->out, note->text ? note->text : "");
		fputs("\n#   ", writer->out);
		comment_text(writer->out, note->why);
		fputc('\n', writer->out);
		writer->outcome->notes++;
	}
}

static void dynamic_write(const struct ks_named_spans *set, FILE *out)
{
	const __u32 passing = set->passing[0].count + set->passing[1].count;

	fprintf(out, "# Run-time set %s of the original: fill it by 'keepstate set%s'.\n", set->called,
		set->ends_flows ? " add --end-flows" : "");
	if (passing)
		fprintf(out, "# Without %u entr%s that end%s by %s: only rules that let less pass by them have them.\n",
			passing, passing == 1 ? "y" : "ies", passing == 1 ? "s" : "",
			passing == 1 ? "itself" : "themselves");
	fprintf(out, "set %s ", set->name);
	ks_prefixes_write(out, set->spans);
	fprintf(out, set->timeout ? " dynamic, timeout %s\n" : " dynamic\n", set->timeout);
}

static void head_write(const struct writer *writer, const char *origin, FILE *out)
{
	fputs("# Imported by keepstate from ", out);
	comment_text(out, origin);
	fprintf(out, ".\n# %u rule%s as %s, %u that den%s more, %u left out; see the comments above them.\n\n",
		writer->outcome->exact, ks_plural(writer->outcome->exact),
		writer->outcome->exact == 1 ? "it was" : "they were", writer->outcome->broader,
		writer->outcome->broader == 1 ? "ies" : "y", writer->outcome->left_out);
	zones_write(writer->import, out);
	for (const struct ks_clause_protos *list = writer->clauses.protos; list; list = list->next) {
		fprintf(out, "$%s = ", list->name);
		ks_protos_write(out, list->protos);
		fputs(list->next ? "\n" : "\n\n", out);
	}
	for (const struct ks_clause_set *set = writer->clauses.sets; set; set = set->next) {
		fprintf(out, "set %s%s ", set->name, set->ports ? " port" : "");
		if (set->spans[0].count + set->spans[1].count == 1)
			fputs("{ ", out);
		ks_spans_write(out, set->spans, set->ports);
		fputs(set->spans[0].count + set->spans[1].count == 1 ? " }\n" : "\n", out);
	}
	for (const struct ks_named_spans *set = writer->import->dynamic; set; set = set->next)
		dynamic_write(set, out);
	fputs(writer->clauses.sets || writer->import->dynamic ? "\n" : "", out);
	families_write(writer->import, out);
}

/* Entries that end by themselves stay in their sets where they let nothing pass: somebody may take them out there. */
static int passing_settle(struct ks_import *import)
{
	int err = 0;

	for (struct ks_named_spans *set = import->dynamic; !err && set; set = set->next) {
		ks_auto_ranges struct ks_ranges ranges = { 0 };

		for (unsigned at = 0; !err && at < 2 && !set->lets_pass; at++) {
			err = ks_ranges_spans(&ranges, at, &set->spans[at]);
			err = err ? err : ks_ranges_spans(&ranges, at, &set->passing[at]);
			set->passing[at] = (struct ks_spans){ NULL, 0 };
		}
		if (!err && !set->lets_pass)
			err = ks_ranges_take(import, &ranges, set->spans);
	}
	return err;
}

/* Writes the rules into memory. `counts`: nobody reads them. */
static int body_write(struct writer *writer, const struct ks_plan *plan, bool counts, char **text)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	if (ks_memory_file_open(&file))
		return -ENOMEM;
	writer->out = writer->clauses.out = file.out;
	writer->counts = counts;
	rules_write(writer, plan);
	if (counts)
		writer->clauses.failed |= passing_settle(writer->import) != 0;
	if (!counts) {
		writer->clauses.failed |= changes_note(writer->import) != 0;
		if (writer->import->mss)
			fprintf(file.out, "\noption mss %u\n", writer->import->mss);
		notes_write(writer);
	}
	*text = ks_memory_file_take(&file);
	return *text && !writer->clauses.failed ? 0 : -ENOMEM;
}

int ks_plan_write(struct ks_import *import, const struct ks_plan *plan, const char *origin, FILE *out,
		  struct ks_import_outcome *outcome)
{
	struct writer writer = { .import = import, .clauses = { .import = import }, .outcome = outcome };
	ks_auto_free char *draft = NULL, *text = NULL;
	int err;

	writer.clauses.last_set = &writer.clauses.sets;
	err = body_write(&writer, plan, true, &draft);
	err = err ? err : body_write(&writer, plan, false, &text);
	if (err)
		return err;
	head_write(&writer, origin, out);
	fputs(text, out);
	return 0;
}
