/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads pf.conf(5). The last rule that matches decides, or the first one that is quick: so the quick ones in their order, and behind
 * them the others from the last to the first, are a list of which the first that matches decides. What comes in is asked of rules
 * without `out`, what leaves of those without `in`, and what is forwarded of both.
 */
#include "import/pf.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "policy/value.h"

#define NAME_SIZE 64
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

/* The macro of a word such as "$ext_if" or "$ext_if:network". */
static const struct ks_pf_macro *macro_find(const struct ks_pf *pf, const char *word)
{
	const size_t length = strspn(word + 1, NAME_CHARS);

	for (const struct ks_pf_macro *macro = pf->macros; macro; macro = macro->next) {
		if (strlen(macro->name) == length && !memcmp(macro->name, word + 1, length))
			return macro;
	}
	return NULL;
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

/* "table <name> [persist] [const] { entries }". One that is filled from elsewhere is not known. */
static int table_add(struct ks_pf *pf, const struct ks_words_line *words)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	const bool lists = words->count > 4 && !strcmp(words->word[words->count - 1], "}");
	const bool persists = words->count > 4 && !strcmp(words->word[4], "persist");
	struct ks_named_spans *set;
	bool inside = false;
	int err = 0;

	if ((!lists && (!persists || words->count > 5)) || (persists && pf->overloads))
		return ks_import_note(pf->import, "the entries of this table are not in the text");
	for (unsigned i = 4; i < words->count; i++) {
		if (!strcmp(words->word[i], "file") && !inside)
			return ks_import_note(pf->import, "the entries of this table are not in the text");
		if (!strcmp(words->word[i], "{") || !strcmp(words->word[i], "}")) {
			inside = true;
		} else if (inside) {
			err = ks_pf_address(&ranges, words->word[i]);
			if (err)
				return err == -EINVAL
					       ? ks_import_note(pf->import, "an entry of this table is no address")
					       : err;
		}
	}
	if (persists) { /* pfctl(8) changes it */
		err = strlen(words->word[2]) < KS_IMPORT_NAME - 2
			      ? ks_import_dynamic(pf->import, words->word[2], &set)
			      : ks_import_fail(pf->import, "line %u: the name of a table is too long",
					       pf->import->line);
		return err ? err : ks_ranges_take(pf->import, &ranges, set->spans);
	}
	set = ks_pool_alloc(&pf->import->pool, sizeof(*set));
	if (!set)
		return -ENOMEM;
	*set = (struct ks_named_spans){ .next = pf->import->sets, .name = words->word[2] };
	err = ks_ranges_take(pf->import, &ranges, set->spans);
	pf->import->sets = err ? pf->import->sets : set;
	return err;
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

static int rule_add(struct ks_pf *pf, const struct ks_words_line *words)
{
	struct ks_pf_rule *made = ks_pool_alloc(&pf->import->pool, sizeof(*made));

	if (!made)
		return -ENOMEM;
	*made = (struct ks_pf_rule){ .words = *words, .line = pf->import->line, .text = pf->import->text };
	for (unsigned i = 0; i < words->count; i++) {
		made->quick |= !strcmp(words->word[i], "quick") && (!i || strcmp(words->word[i - 1], "label") != 0);
		pf->rewrites |= !strcmp(words->word[i], "nat-to") && !strcmp(words->word[0], "match");
		made->diverts |= diverts(words->word[i]) && !strcmp(words->word[0], "match");
	}
	*pf->last = made;
	pf->last = &made->next;
	return 0;
}

/* Copies a word behind the others. Returns 0 or -EINVAL. */
static int word_add(struct ks_pf *pf, struct ks_words_line *words, char *word)
{
	if (words->count == KS_LINE_WORDS)
		return ks_import_fail(pf->import, "line %u has too many words", pf->import->line);
	words->word[words->count++] = word;
	return 0;
}

/*
 * "nat on em0 from 10.0.0.0/8 to any -> (em0)" of FreeBSD is "match out on ... nat-to (em0)", of which the first decides. The `pass`
 * of "nat pass on" is not read: rules are asked all the same.
 */
static int nat_add(struct ks_pf *pf, const struct ks_words_line *words)
{
	static char match[] = "match", out[] = "out", to[] = "nat-to";
	const bool exempts = !strcmp(words->word[0], "no");
	struct ks_words_line made = { .word = { match, out }, .count = 2 };
	bool arrow = false;
	int err = 0;

	for (unsigned i = 1 + exempts; !err && i < words->count; i++) {
		const bool here =
			i + 1 < words->count && !strcmp(words->word[i], "-") && !strcmp(words->word[i + 1], ">");

		if (strcmp(words->word[i], "pass") != 0 || i != 1U + exempts)
			err = word_add(pf, &made, here ? to : words->word[i]);
		i += here;
		arrow |= here;
	}
	if (!err && arrow == exempts)
		return ks_import_fail(pf->import,
				      "line %u: expected 'nat on ... -> ...', or 'no nat on ...' without '->'",
				      pf->import->line);
	err = err ? err : rule_add(pf, &made);
	if (!err) {
		struct ks_pf_rule *rule = (struct ks_pf_rule *)((char *)pf->last - offsetof(struct ks_pf_rule, next));

		rule->quick = true;
		rule->exempts = exempts;
	}
	return err;
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
		__u64 zones;

		if (!strcmp(words->word[i], "{") || !strcmp(words->word[i], "}") || !strcmp(words->word[i], "lo0"))
			continue;
		err = ks_import_interface(pf->import, words->word[i], &zones);
		ks_draft_begin(&in, pf->import);
		out = in;
		ks_draft_zones(&in, false, zones);
		ks_draft_zones(&out, true, zones);
		in.rule.kind = out.rule.kind = KS_IMPORT_ACCEPT;
		in.quiet = out.quiet = true;
		err = err ? err : ks_draft_end(&in, pf->in);
		err = err ? err : ks_draft_end(&out, pf->out);
	}
	return err == -EINVAL ? ks_import_fail(pf->import, "line %u: this is no interface", pf->import->line) : err;
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

static int statement_read(struct ks_pf *pf, const struct ks_words_line *words)
{
	const char *first = words->word[0];

	if (words->count > 2 && !strcmp(words->word[1], "=") && strcmp(first, "set") != 0)
		return macro_add(pf, words);
	if (!strcmp(first, "table"))
		return table_add(pf, words);
	if (!strcmp(first, "set"))
		return setting_read(pf, words);
	if (!strcmp(first, "block") || !strcmp(first, "pass") || !strcmp(first, "match"))
		return rule_add(pf, words);
	if (!strcmp(first, "antispoof"))
		return ks_import_note(pf->import, "sources are believed by zone here");
	if (!strcmp(first, "anchor") && strcmp(words->word[words->count - 1], "{") != 0)
		return ks_import_note(pf->import, "the rules of this anchor are not in the text");
	if (!strcmp(first, "nat") || (!strcmp(first, "no") && words->count > 1 && !strcmp(words->word[1], "nat")))
		return nat_add(pf, words);
	if (!strcmp(first, "scrub") && ks_pf_mss(pf->import, words, words->count))
		return 0;
	if (!strcmp(first, "scrub") || !strcmp(first, "load") || !strcmp(first, "queue"))
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
	return depth > 0 && strcmp(words->word[0], "anchor") != 0;
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
	return err ? err : words.count ? ks_import_fail(pf->import, "a brace is not closed at the end") : 0;
}

/* --- the order --- */

static int rule_read(struct ks_pf *pf, struct ks_pf_rule *rule)
{
	pf->import->line = rule->line;
	pf->import->text = rule->text;
	return ks_pf_rule(pf, rule);
}

static int rules_read(struct ks_pf *pf)
{
	struct ks_pf_rule *back = NULL, *next;
	int err = 0;

	for (struct ks_pf_rule *rule = pf->rules; !err && rule; rule = rule->next)
		err = rule->diverts ? rule_read(pf, rule) : 0;
	for (struct ks_pf_rule *rule = pf->rules; !err && rule; rule = next) {
		next = rule->next;
		if (rule->diverts)
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

static int base_add(struct ks_pf *pf, const char *name, enum ks_hook hook, bool translates,
		    struct ks_import_chain **chain)
{
	struct ks_import_base *base = &pf->import->base[pf->import->bases++];
	int err = ks_import_chain(pf->import, name, chain);

	*base = (struct ks_import_base){ .chain = *chain,
					 .hook = hook,
					 .translates = translates,
					 .families = { true, true },
					 .policy = KS_IMPORT_ACCEPT };
	return err;
}

/* Every rule that passes keeps state, so later packets pass. */
static int states_add(struct ks_pf *pf, struct ks_import_chain *chain)
{
	struct ks_draft draft;
	int err;

	ks_draft_begin(&draft, pf->import);
	err = ks_draft_states(&draft, KS_CT_ESTABLISHED, false);
	draft.rule.kind = KS_IMPORT_ACCEPT;
	return err ? err : ks_draft_end(&draft, chain);
}

int ks_pf_read(struct ks_import *import, const char *text, size_t length)
{
	struct ks_pf pf = { .import = import };
	int err;

	pf.last = &pf.rules;
	pf.overloads = memmem(text, length, "overload", strlen("overload")) != NULL;
	import->families[0] = import->families[1] = true;
	err = base_add(&pf, "in", KS_HOOK_PRE, false, &pf.in);
	err = err ? err : base_add(&pf, "out", KS_HOOK_POST, false, &pf.out);
	err = err ? err : base_add(&pf, "sources", KS_HOOK_POST, true, &pf.sources);
	err = err ? err : states_add(&pf, pf.in);
	err = err ? err : states_add(&pf, pf.out);
	err = err ? err : statements_read(&pf, text, length);
	if (!err && !pf.rules)
		err = ks_import_fail(import, "there is no rule in it: expected pf.conf");
	return err ? err : rules_read(&pf);
}
