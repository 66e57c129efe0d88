/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Translations and tables of pf.conf(5) as FreeBSD has them. "nat on em0 from 10.0.0.0/8 to any -> (em0)" is "match out on ... nat-to
 * (em0)" of OpenBSD, and "rdr on" is "match in on ... rdr-to", but the first one decides, and rules see what it has made. A line
 * "binat on" of one address is one of each.
 */
#include <errno.h>
#include <string.h>

#include "import/pf.h"
#include "policy/value.h"

#define NAME_SIZE 64

/* --- translations --- */

static char word_match[] = "match", word_in[] = "in", word_out[] = "out", word_from[] = "from", word_to[] = "to",
	    word_nat[] = "nat-to", word_rdr[] = "rdr-to";

/* A line in its parts. */
struct line {
	const struct ks_words_line *words;
	unsigned begin; /* behind "rdr pass" */
	unsigned arrow; /* 0 without */
	bool exempts, passes;
};

bool ks_pf_is_translation(const struct ks_words_line *words)
{
	static const char *const names[] = { "nat", "rdr", "binat" };
	const unsigned at = !strcmp(words->word[0], "no") && words->count > 1;

	for (size_t i = 0; i < KS_ARRAY_SIZE(names); i++) {
		if (!strcmp(words->word[at], names[i]))
			return true;
	}
	return false;
}

static void line_part(const struct ks_words_line *words, struct line *line)
{
	*line = (struct line){ .words = words, .exempts = !strcmp(words->word[0], "no") };
	line->begin = 1U + line->exempts;
	if (line->begin < words->count && !strcmp(words->word[line->begin], "pass")) {
		line->passes = true;
		line->begin++;
	}
	for (unsigned i = line->begin; i + 1 < words->count; i++) {
		if (!strcmp(words->word[i], "-") && !strcmp(words->word[i + 1], ">"))
			line->arrow = i;
	}
}

/* Appends a word. Returns 0 or -EINVAL. */
static int word_add(struct ks_pf *pf, struct ks_words_line *words, char *word)
{
	if (words->count == KS_LINE_WORDS)
		return ks_import_fail(pf->import, "line %u has too many words", pf->import->line);
	words->word[words->count++] = word;
	return 0;
}

static int words_add(struct ks_pf *pf, struct ks_words_line *words, const struct ks_words_line *from, unsigned begin,
		     unsigned end)
{
	int err = 0;

	for (unsigned i = begin; !err && i < end; i++)
		err = word_add(pf, words, from->word[i]);
	return err;
}

static int one_add(struct ks_pf *pf, const struct line *line, bool rdr)
{
	const struct ks_words_line *words = line->words;
	struct ks_words_line made = { .word = { word_match, rdr ? word_in : word_out }, .count = 2 };
	const unsigned end = line->arrow ? line->arrow : words->count;
	struct ks_pf_rule *rule;
	int err = words_add(pf, &made, words, line->begin, end);

	if (line->arrow) {
		err = err ? err : word_add(pf, &made, rdr ? word_rdr : word_nat);
		err = err ? err : words_add(pf, &made, words, end + 2, words->count);
	}
	err = err ? err : ks_pf_rule_add(pf, &made, &rule);
	if (err)
		return err;
	rule->kind = rdr ? KS_PF_DESTINATIONS : KS_PF_SOURCES;
	rule->exempts = line->exempts;
	pf->rdr |= rdr;
	pf->rdr_asked |= rdr && !line->exempts && !line->passes;
	return 0;
}

/* The place of a word in front of the arrow; the arrow's without. */
static unsigned word_find(const struct line *line, const char *word)
{
	unsigned at = line->begin;

	while (at < line->arrow && strcmp(line->words->word[at], word) != 0)
		at++;
	return at;
}

/* A half of "binat on em0 from 10.0.0.5 to any -> 203.0.113.5": the sources, or the destinations. */
static int half_add(struct ks_pf *pf, const struct line *line, bool rdr)
{
	const struct ks_words_line *words = line->words;
	const unsigned from = word_find(line, "from"), to = word_find(line, "to");
	struct ks_words_line made = { .word = { word_match, rdr ? word_in : word_out }, .count = 2 };
	struct ks_pf_rule *rule;
	int err = words_add(pf, &made, words, line->begin, from);

	err = err ? err : word_add(pf, &made, word_from);
	err = err ? err : words_add(pf, &made, words, rdr ? to + 1 : from + 1, rdr ? line->arrow : to);
	err = err ? err : word_add(pf, &made, word_to);
	err = err ? err : words_add(pf, &made, words, rdr ? line->arrow + 2 : to + 1, rdr ? words->count : line->arrow);
	err = err ? err : word_add(pf, &made, rdr ? word_rdr : word_nat);
	err = err ? err : words_add(pf, &made, words, rdr ? from + 1 : line->arrow + 2, rdr ? to : words->count);
	err = err ? err : ks_pf_rule_add(pf, &made, &rule);
	if (!err)
		rule->kind = KS_PF_BOTH;
	return err;
}

static int both_add(struct ks_pf *pf, const struct line *line)
{
	const unsigned from = word_find(line, "from"), to = word_find(line, "to");
	int err;

	if (!line->arrow || from + 2 != to || to + 1 >= line->arrow)
		return ks_import_fail(pf->import, "line %u: expected 'binat on ... from ADDRESS to ... -> ADDRESS'",
				      pf->import->line);
	pf->rdr = true;
	pf->rdr_asked |= !line->passes;
	err = half_add(pf, line, false);
	return err ? err : half_add(pf, line, true);
}

int ks_pf_translation(struct ks_pf *pf, const struct ks_words_line *words)
{
	const char *name = words->word[!strcmp(words->word[0], "no")];
	struct line line;

	line_part(words, &line);
	if (!strcmp(name, "binat"))
		return line.exempts ? ks_import_note(pf->import, "exemptions from binat are not read")
				    : both_add(pf, &line);
	if (!line.arrow == !line.exempts)
		return ks_import_fail(pf->import,
				      "line %u: expected '%.8s on ... -> ...', or 'no %.8s on ...' without '->'",
				      pf->import->line, name, name);
	return one_add(pf, &line, name[0] == 'r');
}

/* --- match ... rdr-to --- */

/* Returns true if a rule names destinations or their ports: what it says of a packet is another thing when that has a new one. */
static bool asks_destination(const struct ks_words_line *words)
{
	for (unsigned i = 0; i + 1 < words->count; i++) {
		const bool any = !strcmp(words->word[i + 1], "any");

		if (!strcmp(words->word[i], "to") &&
		    (!any || (i + 2 < words->count && !strcmp(words->word[i + 2], "port"))))
			return true;
	}
	return false;
}

static bool has_word(const struct ks_words_line *words, const char *word)
{
	for (unsigned i = 0; i < words->count; i++) {
		if (!strcmp(words->word[i], word))
			return true;
	}
	return false;
}

/* Returns true if a rule translates as a line of rdr does. Of several, none gets the packets of another one. */
static bool is_as_rdr(const struct ks_pf_rule *rule)
{
	static const char *const others[] = { "tag",	   "tagged",	    "binat-to", "af-to",
					      "divert-to", "divert-packet", "nat-to" };
	const struct ks_words_line *words = &rule->words;
	bool is = words->count > 2 && !strcmp(words->word[0], "match") && !strcmp(words->word[1], "in") &&
		  has_word(words, "rdr-to") && asks_destination(words) && has_word(words, "to");

	for (size_t i = 0; i < KS_ARRAY_SIZE(others); i++)
		is = is && !has_word(words, others[i]);
	for (unsigned i = 0; is && i + 1 < words->count; i++)
		is = strcmp(words->word[i], "to") != 0 || strcmp(words->word[i + 1], "any") != 0;
	return is;
}

/*
 * "match in ... rdr-to" gives a new destination to the packets that rules behind it see. Where none before it asks for destinations,
 * all of them may see the new one, and it is a line of rdr.
 */
void ks_pf_matches_end(struct ks_pf *pf)
{
	struct ks_pf_rule *rule;
	bool asked = pf->redirects || pf->rdr;

	for (rule = pf->rules; rule && !asked; rule = rule->next) {
		if (rule->kind != KS_PF_FILTER)
			continue;
		if (rule->diverts && !is_as_rdr(rule))
			asked = true;
		else if (rule->diverts)
			continue;
		for (const struct ks_pf_rule *behind = rule->next; behind && asks_destination(&rule->words);
		     behind = behind->next)
			asked |= behind->diverts && behind->kind == KS_PF_FILTER;
	}
	for (rule = pf->rules; rule && !asked; rule = rule->next) {
		if (!rule->diverts)
			continue;
		rule->kind = KS_PF_DESTINATIONS;
		rule->diverts = false;
		pf->rdr = pf->rdr_asked = true;
	}
}

/* --- tables --- */

int ks_pf_address(struct ks_ranges *ranges, const char *word)
{
	const char *slash = strchr(word, '/');
	const size_t length = slash ? (size_t)(slash - word) : 0;
	unsigned dots = 0;
	char whole[NAME_SIZE];

	if (!slash || strspn(word, "0123456789.") < length || length + strlen(slash) + sizeof(".0.0.0") > NAME_SIZE)
		return ks_ranges_address(ranges, word);
	for (size_t i = 0; i < length; i++)
		dots += word[i] == '.';
	snprintf(whole, sizeof(whole), "%.*s%s%s", (int)length, word, ".0.0.0" + 2 * KS_MIN(dots, 3U), slash);
	return ks_ranges_address(ranges, whole);
}

/* A table that is read: entries, and those behind '!'. */
struct table {
	struct ks_ranges ranges, others;
	bool has_list, persists, constant, elsewhere, odd;
	const char *file, *why; /* the last one that was read; why one was not */
};

static int entry_add(struct table *table, const struct ks_words_line *words, unsigned *at)
{
	const bool negated = !strcmp(words->word[*at], "!");
	int err;

	*at += negated;
	if (*at >= words->count)
		return 0;
	err = ks_pf_address(negated ? &table->others : &table->ranges, words->word[*at]);
	table->odd |= err == -EINVAL;
	return err == -EINVAL ? 0 : err;
}

/* The entries of a file, one after the other. */
static int file_add(struct ks_pf *pf, struct table *table, const char *path)
{
	char *rest = NULL, *words = NULL, *word;
	int err = ks_import_file(pf->import, path, &words, &table->why);

	if (err) {
		table->elsewhere = true;
		return err == -ENOMEM ? err : 0;
	}
	table->file = path;
	for (word = strtok_r(words, " ", &rest); !err && word; word = strtok_r(NULL, " ", &rest)) {
		const bool negated = word[0] == '!';

		if (negated && !word[1]) /* it stands by itself */
			word = strtok_r(NULL, " ", &rest);
		else
			word += negated;
		err = word ? ks_pf_address(negated ? &table->others : &table->ranges, word) : -EINVAL;
		table->odd |= err == -EINVAL;
		err = err == -EINVAL ? 0 : err;
		if (!word)
			break;
	}
	return err;
}

static int table_words(struct ks_pf *pf, struct table *table, const struct ks_words_line *words)
{
	bool inside = false;
	int err = 0;

	for (unsigned i = 4; !err && i < words->count; i++) {
		const char *word = words->word[i];

		if (!strcmp(word, "{") || !strcmp(word, "}")) {
			inside = *word == '{';
			table->has_list = true;
		} else if (inside) {
			err = entry_add(table, words, &i);
		} else {
			table->persists |= !strcmp(word, "persist");
			table->constant |= !strcmp(word, "const");
			if (!strcmp(word, "file") && i + 1 < words->count)
				err = file_add(pf, table, words->word[++i]);
		}
	}
	return err;
}

/* Returns true if an entry lies within one behind '!': the longer one counts, which no set of ours says. */
static bool is_within_others(const struct table *table, unsigned at)
{
	for (size_t i = 0; i < table->ranges.count[at]; i++) {
		for (size_t j = 0; j < table->others.count[at]; j++) {
			const struct ks_range *one = &table->ranges.list[at][i], *other = &table->others.list[at][j];

			if (ks_value_compare(one->lo, other->lo) >= 0 && ks_value_compare(one->hi, other->hi) <= 0)
				return true;
		}
	}
	return false;
}

/* The set of the entries. Those behind '!' are taken away from it, if none of the others is a part of them. */
static int table_spans(struct ks_pf *pf, struct table *table, struct ks_spans spans[2])
{
	struct ks_spans others[2], left[2];
	int err;

	table->odd |= is_within_others(table, 0) || is_within_others(table, 1);
	err = ks_ranges_take(pf->import, &table->ranges, spans);
	err = err ? err : ks_ranges_take(pf->import, &table->others, others);
	for (unsigned at = 0; !err && at < 2; at++) {
		left[at] = spans[at];
		if (others[at].count && spans[at].count)
			err = ks_spans_subtract(&pf->import->pool, &spans[at], &others[at], &pf->import->steps,
						&left[at]);
	}
	memcpy(spans, left, sizeof(left));
	return err;
}

static int table_make(struct ks_pf *pf, const char *name, bool changes, const struct ks_spans spans[2])
{
	struct ks_named_spans *set;
	int err = 0;

	if (strlen(name) >= KS_IMPORT_NAME - 2)
		return ks_import_fail(pf->import, "line %u: the name of a table is too long", pf->import->line);
	if (changes) {
		err = ks_import_dynamic(pf->import, name, &set);
	} else {
		set = ks_pool_alloc(&pf->import->pool, sizeof(*set));
		if (!set)
			return -ENOMEM;
		*set = (struct ks_named_spans){ .next = pf->import->sets, .name = name };
		pf->import->sets = set;
	}
	if (!err)
		memcpy(set->spans, spans, sizeof(set->spans));
	return err;
}

/* Says where the entries of a table are. */
static int file_note(struct ks_pf *pf, const struct table *table)
{
	const char *why = table->elsewhere ? ks_import_format(pf->import,
							      "its entries are not known (%.160s); 'set NAME file' "
							      "reads such a file",
							      table->why)
					   : ks_import_format(pf->import, "its entries are those that %.100s has now",
							      table->file);

	return why ? ks_import_note(pf->import, why) : -ENOMEM;
}

/* "table <name> [persist] [const] [file "path"] { entries }". One that persists may be changed by pfctl(8): it is a run-time set. */
int ks_pf_table(struct ks_pf *pf, const struct ks_words_line *words)
{
	struct table table = { 0 };
	struct ks_spans spans[2];
	int err;

	if (words->count < 4)
		return ks_import_fail(pf->import, "line %u: expected 'table <name> ...'", pf->import->line);
	err = table_words(pf, &table, words);
	err = err ? err : table_spans(pf, &table, spans);
	if (!err && table.elsewhere)
		err = file_note(pf, &table);
	else if (!err && !table.has_list && !table.persists && !table.file)
		err = ks_import_note(pf->import, "the entries of this table are not in the text");
	else if (!err && table.odd)
		err = ks_import_note(pf->import, "an entry of this table is no address that is known here");
	else if (!err && table.file)
		err = file_note(pf, &table);
	if (!err && !table.elsewhere && !table.odd && (table.has_list || table.persists || table.file))
		err = table_make(pf, words->word[2], !table.constant && (table.persists || pf->overloads), spans);
	ks_ranges_fini(&table.ranges);
	ks_ranges_fini(&table.others);
	return err;
}
