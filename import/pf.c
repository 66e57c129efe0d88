/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads pf.conf(5). The last rule that matches decides, or the first one that is quick: so the quick ones in their order, and behind
 * them the others from the last to the first, are a list of which the first that matches decides. What comes in is asked of rules
 * without `out`, what leaves of those without `in`, and what is forwarded of both.
 */
#include "import/pf.h"

#include <errno.h>
#include <string.h>

#include "policy/value.h"

#define MSS_MIN 536
#define MSS_MAX 65495

/* --- words --- */

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

static bool is_macro(const char *text)
{
	text += strspn(text, " \t");
	text += strspn(text, NAME_CHARS);
	return text[strspn(text, " \t")] == '=';
}

/*
 * Takes care that marks stand alone, as words of their own. What quotes hold is one word, and no mark of it counts, but in the
 * value of a macro, which is read where the macro stands.
 */
static char *marks_part(struct ks_import *import, const char *text, size_t length)
{
	char *made = ks_pool_alloc(&import->pool, 3 * length + 1), *out = made;
	const bool opens = is_macro(text);
	bool quoted = false;

	for (size_t i = 0; made && i < length; i++) {
		quoted ^= !opens && text[i] == '"';
		if (quoted || (!opens && text[i] == '"')) {
			*out++ = text[i];
		} else if (strchr("{}<>!=,()", text[i])) {
			*out++ = ' ';
			*out++ = text[i] == ',' ? ' ' : text[i];
			*out++ = ' ';
		} else {
			*out++ = text[i] == '"' ? ' ' : text[i];
		}
	}
	if (made)
		*out = '\0';
	return made;
}

const struct ks_pf_macro *ks_pf_macro(const struct ks_pf *pf, const char *name, size_t length)
{
	for (const struct ks_pf_macro *macro = pf->macros; macro; macro = macro->next) {
		if (strlen(macro->name) == length && !memcmp(macro->name, name, length))
			return macro;
	}
	return NULL;
}

/* The macro of a word such as "$ext_if" or "$ext_if:network". */
static const struct ks_pf_macro *macro_find(const struct ks_pf *pf, const char *word)
{
	return ks_pf_macro(pf, word + 1, strspn(word + 1, NAME_CHARS));
}

/* Puts what stands directly behind the name of a macro behind its value. */
static int rest_append(struct ks_pf *pf, const char *word, struct ks_words_line *to)
{
	const char *rest = word + 1 + strspn(word + 1, NAME_CHARS);

	if (*rest && to->count)
		to->word[to->count - 1] = ks_import_format(pf->import, "%s%s", to->word[to->count - 1], rest);
	return to->count && !to->word[to->count - 1] ? -ENOMEM : 0;
}

/* A label may have macros of its own, such as "$dstaddr". */
static bool is_macro_use(const struct ks_words_line *words, unsigned at)
{
	return words->word[at][0] == '$' && (!at || strcmp(words->word[at - 1], "label") != 0);
}

/* Appends words, with the values of macros in their place. */
static int words_expand(struct ks_pf *pf, const struct ks_words_line *from, struct ks_words_line *to)
{
	for (unsigned i = 0; i < from->count; i++) {
		const bool is_use = is_macro_use(from, i);
		const struct ks_pf_macro *macro = is_use ? macro_find(pf, from->word[i]) : NULL;
		const unsigned more = macro ? macro->value.count : 1;

		if (is_use && !macro)
			return ks_import_fail(pf->import, "line %u: there is no macro '%.40s'", pf->import->line,
					      from->word[i]);
		if (to->count + more > KS_LINE_WORDS)
			return ks_import_fail(pf->import, "line %u has too many words", pf->import->line);
		if (macro)
			memcpy(to->word + to->count, macro->value.word, more * sizeof(to->word[0]));
		else
			to->word[to->count] = from->word[i];
		to->count += more;
		if (macro && rest_append(pf, from->word[i], to))
			return -ENOMEM;
	}
	return 0;
}

/* --- statements --- */

static int macro_add(struct ks_pf *pf, const struct ks_words_line *words)
{
	struct ks_pf_macro *made = ks_pool_alloc(&pf->import->pool, sizeof(*made));

	if (!made)
		return -ENOMEM;
	*made = (struct ks_pf_macro){ .next = pf->macros, .name = words->word[0], .value = *words };
	made->value.count -= 2;
	memmove(made->value.word, made->value.word + 2, made->value.count * sizeof(made->value.word[0]));
	pf->macros = made;
	return 0;
}

static bool diverts(const char *word)
{
	static const char *const words[] = { "rdr-to", "binat-to", "af-to", "divert-to", "divert-packet" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (!strcmp(words[i], word))
			return true;
	}
	return false;
}

/* The words of anchors that are open count for each rule in them. */
static int anchors_append(struct ks_pf *pf, struct ks_words_line *words)
{
	for (unsigned i = 0; i < pf->anchors; i++) {
		const struct ks_words_line *anchor = pf->anchor[i];

		if (words->count + anchor->count > KS_LINE_WORDS)
			return ks_import_fail(pf->import, "line %u has too many words", pf->import->line);
		memcpy(words->word + words->count, anchor->word, anchor->count * sizeof(words->word[0]));
		words->count += anchor->count;
	}
	return 0;
}

int ks_pf_rule_add(struct ks_pf *pf, const struct ks_words_line *words, struct ks_pf_rule **rule)
{
	struct ks_pf_rule *made = ks_pool_alloc(&pf->import->pool, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	*made = (struct ks_pf_rule){ .words = *words, .line = pf->import->line, .text = pf->import->text };
	for (unsigned i = 0; i < words->count; i++) {
		const bool matches = !strcmp(words->word[0], "match");

		made->quick |= !strcmp(words->word[i], "quick") && (!i || strcmp(words->word[i - 1], "label") != 0);
		pf->rewrites |= !strcmp(words->word[i], "nat-to") && matches;
		pf->redirects |= !strcmp(words->word[i], "rdr-to") && !matches;
		made->diverts |= diverts(words->word[i]) && matches;
	}
	made->order = ++pf->rule_count;
	*pf->last = made;
	pf->last = &made->next;
	if (rule)
		*rule = made;
	err = anchors_append(pf, &made->words);
	return err ? err : ks_pf_tag_find(pf, made);
}

bool ks_pf_mss(struct ks_import *import, const struct ks_words_line *words, unsigned end)
{
	__u64 mss;

	for (unsigned i = 0; i + 1 < end; i++) {
		if (strcmp(words->word[i], "max-mss") != 0 ||
		    ks_value_number(words->word[i + 1], MSS_MIN, MSS_MAX, &mss))
			continue;
		if (!import->mss || mss < import->mss)
			import->mss = (unsigned)mss;
		return true;
	}
	return false;
}

static int skip_add(struct ks_pf *pf, const struct ks_words_line *words)
{
	struct ks_draft in, out;
	int err = 0;

	for (unsigned i = 3; !err && i < words->count; i++) {
		struct ks_pf_reader reader = { .pf = pf };
		__u64 zones = 0;

		if (!strcmp(words->word[i], "{") || !strcmp(words->word[i], "}"))
			continue;
		err = ks_pf_interface(&reader, words->word[i], &zones);
		if (err == -ERANGE)
			err = ks_import_note(pf->import, "this is a group of interfaces, which are not in the text");
		if (err || !zones)
			continue;
		ks_draft_begin(&in, pf->import);
		out = in;
		ks_draft_zones(&in, false, zones);
		ks_draft_zones(&out, true, zones);
		in.rule.kind = out.rule.kind = KS_IMPORT_ACCEPT;
		in.quiet = out.quiet = true;
		err = ks_draft_end(&in, pf->destinations);
		err = err ? err : ks_draft_end(&in, pf->in);
		err = err ? err : ks_draft_end(&out, pf->out);
	}
	return err;
}

static int setting_read(struct ks_pf *pf, const struct ks_words_line *words)
{
	const char *name = words->count > 1 ? words->word[1] : "";

	if (!strcmp(name, "skip"))
		return skip_add(pf, words);
	if (!strcmp(name, "block-policy"))
		pf->returns = words->count > 2 && !strcmp(words->word[2], "return");
	return 0;
}

/* --- anchors --- */

/* Takes a number of words from the begin of a copy. */
static struct ks_words_line *words_copy(struct ks_pf *pf, const struct ks_words_line *words, unsigned begin,
					unsigned end)
{
	struct ks_words_line *made = ks_pool_alloc(&pf->import->pool, sizeof(*made));

	if (!made)
		return NULL;
	made->at = 0;
	made->count = end - begin;
	memcpy(made->word, words->word + begin, made->count * sizeof(made->word[0]));
	return made;
}

/* 'anchor "name" in on em0 {': what stands between the name and the brace counts for each rule up to the brace that closes it. */
static int anchor_open(struct ks_pf *pf, const struct ks_words_line *words)
{
	static const char *const conditions[] = {
		"in", "out", "on", "inet", "inet6", "proto", "from", "to", "all", "{"
	};
	unsigned begin = 1;
	bool named = words->count > 1;

	for (size_t i = 0; i < KS_ARRAY_SIZE(conditions); i++)
		named = named && strcmp(words->word[1], conditions[i]) != 0;
	begin += named;
	for (unsigned i = begin; i < words->count; i++) {
		if (!strcmp(words->word[i], "quick"))
			return ks_import_fail(pf->import, "line %u: anchors with 'quick' are not read",
					      pf->import->line);
	}
	if (pf->anchors == KS_PF_ANCHORS)
		return ks_import_fail(pf->import, "line %u: so many anchors in anchors are not read", pf->import->line);
	pf->anchor[pf->anchors] = words_copy(pf, words, begin, words->count - 1);
	return pf->anchor[pf->anchors++] ? 0 : -ENOMEM;
}

static int anchor_close(struct ks_pf *pf)
{
	if (!pf->anchors)
		return ks_import_fail(pf->import, "line %u: no brace is open", pf->import->line);
	pf->anchors--;
	return 0;
}

/* --- statements of a word --- */

static bool is_anchor(const char *word)
{
	return !strcmp(word, "anchor") || !strcmp(word, "nat-anchor") || !strcmp(word, "rdr-anchor") ||
	       !strcmp(word, "binat-anchor") || !strcmp(word, "scrub-anchor");
}

static bool is_idle(const char *word)
{
	return !strcmp(word, "scrub") || !strcmp(word, "load") || !strcmp(word, "queue") || !strcmp(word, "altq");
}

static int statement_read(struct ks_pf *pf, const struct ks_words_line *words)
{
	const char *first = words->word[0];

	if (words->count > 2 && !strcmp(words->word[1], "=") && strcmp(first, "set") != 0)
		return macro_add(pf, words);
	if (!strcmp(first, "table"))
		return ks_pf_table(pf, words);
	if (!strcmp(first, "set"))
		return setting_read(pf, words);
	if (!strcmp(first, "block") || !strcmp(first, "pass") || !strcmp(first, "match"))
		return ks_pf_rule_add(pf, words, NULL);
	if (!strcmp(first, "antispoof"))
		return ks_import_note(pf->import, "sources are believed by zone here");
	if (!strcmp(first, "anchor") && !strcmp(words->word[words->count - 1], "{"))
		return anchor_open(pf, words);
	if (is_anchor(first))
		return ks_import_note(
			pf->import,
			"the rules of this anchor are not in the text, neither what it passes nor what it blocks");
	if (!strcmp(first, "}") && words->count == 1)
		return anchor_close(pf);
	if (ks_pf_is_translation(words))
		return ks_pf_translation(pf, words);
	if (!strcmp(first, "scrub") && ks_pf_mss(pf->import, words, words->count))
		return 0;
	if (is_idle(first))
		return ks_import_note(pf->import, "nothing here does this");
	return ks_import_fail(pf->import, "line %u: statements that begin with '%.40s' are not read", pf->import->line,
			      first);
}

/* Returns true if a brace is open, so that the statement goes on in the next line. */
static bool is_open(const struct ks_words_line *words)
{
	int depth = 0;

	for (unsigned i = 0; i < words->count; i++) {
		depth += !strcmp(words->word[i], "{");
		depth -= !strcmp(words->word[i], "}");
	}
	return depth > 0 && (strcmp(words->word[0], "anchor") != 0 || strcmp(words->word[words->count - 1], "{") != 0);
}

/* Lines, and those that belong to an open brace. */
static int statements_read(struct ks_pf *pf, const char *text, size_t length)
{
	struct ks_words_line line, words = { 0 };
	struct ks_lines lines;
	int more, err = 0;

	ks_lines_begin(&lines, text, length);
	while (!err && (more = ks_lines_next(&lines, pf->import, &line)) != 0) {
		char *parted = more > 0 ? marks_part(pf->import, pf->import->text, strlen(pf->import->text)) : NULL;

		if (more < 0 || !parted)
			return more < 0 ? more : -ENOMEM;
		err = ks_words_split(pf->import, parted, strlen(parted), &line);
		err = err ? err : words_expand(pf, &line, &words);
		if (err || !words.count || is_open(&words))
			continue;
		err = statement_read(pf, &words);
		words.count = 0;
	}
	if (!err && (words.count || pf->anchors))
		return ks_import_fail(pf->import, "a brace is not closed at the end");
	return err;
}

/* --- the order --- */

/* The end of an entry of a list: "(em0)" and "<table>" are three words. */
static unsigned entry_end(const struct ks_words_line *words, unsigned at)
{
	const bool grouped = !strcmp(words->word[at], "(") || !strcmp(words->word[at], "<");

	return KS_MIN(at + (grouped ? 3U : 1U), words->count);
}

/* Returns true if an entry is an address, or any, and not one that changes or whose address is not in the text. */
static bool is_address(const char *word)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };

	return !strcmp(word, "any") || !ks_pf_address(&ranges, word);
}

/* The list behind "from" or "to" that holds others than addresses. Returns false without one, or if '!' stands in it. */
static bool list_find(const struct ks_words_line *words, unsigned *begin, unsigned *end)
{
	for (unsigned i = 1; i + 1 < words->count; i++) {
		const bool ends = !strcmp(words->word[i - 1], "from") || !strcmp(words->word[i - 1], "to");
		bool plain = true, negated = false;
		unsigned at = i + 1;

		if (!ends || strcmp(words->word[i], "{") != 0)
			continue;
		for (; at < words->count && strcmp(words->word[at], "}") != 0; at = entry_end(words, at)) {
			plain = plain && is_address(words->word[at]);
			negated |= !strcmp(words->word[at], "!");
		}
		if (plain || negated || at >= words->count || entry_end(words, i + 1) == at)
			continue;
		*begin = i;
		*end = at;
		return true;
	}
	return false;
}

/* A rule with the entry of a list in the list's place. */
static struct ks_pf_rule *rule_part(struct ks_pf *pf, const struct ks_pf_rule *rule, unsigned begin, unsigned end,
				    unsigned at)
{
	const struct ks_words_line *words = &rule->words;
	struct ks_pf_rule *made = ks_pool_alloc(&pf->import->pool, sizeof(*made));
	const unsigned length = entry_end(words, at) - at;

	if (!made)
		return NULL;
	*made = *rule;
	memcpy(made->words.word + begin, words->word + at, length * sizeof(words->word[0]));
	memcpy(made->words.word + begin + length, words->word + end + 1,
	       (words->count - end - 1) * sizeof(words->word[0]));
	made->words.count = begin + length + words->count - end - 1;
	return made;
}

/* Lists are a rule for each entry, as pfctl(8) makes them; here only those that a rule of ours does not hold together. */
static int rule_read(struct ks_pf *pf, struct ks_pf_rule *rule)
{
	const struct ks_words_line *words = &rule->words;
	unsigned begin, end;
	int err = 0;

	pf->import->line = rule->line;
	pf->import->text = rule->text;
	if (!list_find(words, &begin, &end))
		return ks_pf_rule(pf, rule);
	for (unsigned at = begin + 1; !err && at < end; at = entry_end(words, at)) {
		struct ks_pf_rule *part = rule_part(pf, rule, begin, end, at);

		err = part ? rule_read(pf, part) : -ENOMEM;
	}
	return err;
}

/* Lines that translate, of which the first decides; binat comes before the others. */
static int translations_read(struct ks_pf *pf)
{
	int err = 0;

	for (struct ks_pf_rule *rule = pf->rules; !err && rule; rule = rule->next)
		err = rule->kind == KS_PF_BOTH ? rule_read(pf, rule) : 0;
	for (struct ks_pf_rule *rule = pf->rules; !err && rule; rule = rule->next)
		err = rule->kind == KS_PF_SOURCES || rule->kind == KS_PF_DESTINATIONS ? rule_read(pf, rule) : 0;
	return err;
}

static int rules_read(struct ks_pf *pf)
{
	struct ks_pf_rule *back = NULL, *next;
	int err = 0;

	for (struct ks_pf_rule *rule = pf->rules; !err && rule; rule = rule->next)
		err = rule->diverts && rule->kind == KS_PF_FILTER ? rule_read(pf, rule) : 0;
	err = err ? err : translations_read(pf);
	for (struct ks_pf_rule *rule = pf->rules; !err && rule; rule = next) {
		next = rule->next;
		if (rule->diverts || rule->kind != KS_PF_FILTER)
			continue;
		if (rule->quick) {
			err = rule_read(pf, rule);
		} else {
			rule->next = back;
			back = rule;
		}
	}
	for (; !err && back; back = back->next)
		err = rule_read(pf, back);
	return err;
}

/* --- the whole --- */

static void base_add(struct ks_pf *pf, struct ks_import_chain *chain, enum ks_hook hook, bool translates)
{
	struct ks_import_base *base = &pf->import->base[pf->import->bases++];

	*base = (struct ks_import_base){ .chain = chain,
					 .hook = hook,
					 .translates = translates,
					 .families = { true, true },
					 .policy = KS_IMPORT_ACCEPT };
}

/* Rules about what comes in are asked behind new destinations, also of what goes on: so they stand at both hooks. */
static int bases_add(struct ks_pf *pf)
{
	int err = ks_import_chain(pf->import, "in", &pf->in);

	err = err ? err : ks_import_chain(pf->import, "out", &pf->out);
	err = err ? err : ks_import_chain(pf->import, "sources", &pf->sources);
	err = err ? err : ks_import_chain(pf->import, "destinations", &pf->destinations);
	if (err)
		return err;
	base_add(pf, pf->destinations, KS_HOOK_PRE, true);
	base_add(pf, pf->in, KS_HOOK_INPUT, false);
	base_add(pf, pf->in, KS_HOOK_FORWARD, false);
	base_add(pf, pf->out, KS_HOOK_POST, false);
	base_add(pf, pf->sources, KS_HOOK_POST, true);
	return 0;
}

/* Every rule that passes keeps state, so later packets pass. */
static int states_add(struct ks_pf *pf, struct ks_import_chain *chain, unsigned states)
{
	struct ks_draft draft;
	int err;

	ks_draft_begin(&draft, pf->import);
	err = ks_draft_states(&draft, states, false);
	draft.rule.kind = KS_IMPORT_ACCEPT;
	return err ? err : ks_draft_end(&draft, chain);
}

/* Without allow-opts no rule lets packets with IP options pass. */
static int options_add(struct ks_pf *pf, struct ks_import_chain *chain)
{
	struct ks_draft draft;
	int err;

	ks_draft_begin(&draft, pf->import);
	err = ks_draft_condition(&draft, KS_WORD_IP_OPTION, "any", false);
	draft.rule.kind = KS_IMPORT_DROP;
	pf->import->text = "packets with IP options";
	pf->import->line = 0;
	return err ? err : ks_draft_end(&draft, chain);
}

/* Adds rules that stand before all others. A rule that gives a new destination, and nothing behind it, lets the packet pass. */
static int begin(struct ks_pf *pf)
{
	int err = options_add(pf, pf->destinations);

	err = err ? err : options_add(pf, pf->out);
	if (!err && (pf->rdr ? !pf->rdr_asked : pf->redirects))
		err = states_add(pf, pf->in, KS_CT_FORWARDED);
	return err ? err : ks_pf_tags_end(pf);
}

int ks_pf_read(struct ks_import *import, const char *text, size_t length)
{
	struct ks_pf pf = { .import = import };
	int err;

	pf.last = &pf.rules;
	pf.overloads = memmem(text, length, "overload", strlen("overload")) != NULL;
	import->families[0] = import->families[1] = import->same_is_forwarded = true;
	err = bases_add(&pf);
	err = err ? err : states_add(&pf, pf.in, KS_CT_ESTABLISHED);
	err = err ? err : states_add(&pf, pf.out, KS_CT_ESTABLISHED);
	err = err ? err : statements_read(&pf, text, length);
	if (!err && !pf.rules)
		err = ks_import_fail(import, "there is no rule in it: expected pf.conf");
	ks_pf_matches_end(&pf);
	err = err ? err : begin(&pf);
	return err ? err : rules_read(&pf);
}
