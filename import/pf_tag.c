/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tags of pf.conf(5). A rule gives one to what it matches, whatever decides about the packet in the end, up to the first rule that is
 * quick. So rules that give tags are asked in the order of the text, in a chain that stands before the rules of their direction. A
 * rule that asks for a tag knows it if no rule behind it gives one in its own direction.
 */
#include <errno.h>
#include <string.h>

#include "import/pf.h"

/* The number of a tag; 0 without room. */
static unsigned tag_number(struct ks_pf *pf, const char *name)
{
	for (unsigned i = 0; i < pf->tags; i++) {
		if (!strcmp(pf->tag[i], name))
			return i + 1;
	}
	if (pf->tags == KS_PF_TAGS)
		return 0;
	pf->tag[pf->tags++] = name;
	return pf->tags;
}

static bool has_word(const struct ks_words_line *words, const char *word)
{
	for (unsigned i = 0; i < words->count; i++) {
		if (!strcmp(words->word[i], word) && (!i || strcmp(words->word[i - 1], "label") != 0))
			return true;
	}
	return false;
}

int ks_pf_tag_find(struct ks_pf *pf, struct ks_pf_rule *rule)
{
	if (!has_word(&rule->words, "tag"))
		return 0;
	pf->import->alters[KS_FIELD_TAG] = true;
	pf->tags_unknown |= rule->kind != KS_PF_FILTER || has_word(&rule->words, "rdr-to") || rule->diverts;
	if (!has_word(&rule->words, "out"))
		pf->last_tag[0] = rule->order;
	if (!has_word(&rule->words, "in"))
		pf->last_tag[1] = rule->order;
	return 0;
}

int ks_pf_tag(struct ks_pf_reader *reader)
{
	struct ks_import_rule *rule = &reader->made->draft.rule;
	const char *name = ks_words_take(reader->words);
	const unsigned number = name ? tag_number(reader->pf, name) : 0;

	if (!name)
		return ks_import_fail(reader->pf->import, "line %u: expected a name behind 'tag'", reader->rule->line);
	rule->change[0] = (struct ks_field_change){
		.field = KS_FIELD_TAG, .value = number, .mask = KS_FIELD_ALL, .lost = !number
	};
	reader->made->tags = true;
	return 0;
}

int ks_pf_tagged(struct ks_pf_reader *reader, bool negated)
{
	const char *name = ks_words_take(reader->words);
	struct ks_field_test test = { .field = KS_FIELD_TAG, .mask = KS_FIELD_ALL, .negated = negated };

	if (!name)
		return ks_import_fail(reader->pf->import, "line %u: expected a name behind 'tagged'",
				      reader->rule->line);
	test.value = tag_number(reader->pf, name);
	if (!test.value || reader->pf->tags_unknown || reader->rule->kind != KS_PF_FILTER ||
	    reader->pf->last_tag[reader->made->out] > reader->rule->order)
		return ks_pf_unsaid(reader, "tagged", name, negated);
	return ks_draft_field(&reader->made->draft, &test, KS_WORD_NONE,
			      ks_import_format(reader->pf->import, "tagged %.60s", name));
}

/* --- the chain of a direction --- */

static int rule_add(struct ks_pf *pf, struct ks_pf_rule *rule, bool out, struct ks_import_chain *chain)
{
	struct ks_pf_draft made = { .out = out };
	struct ks_pf_reader reader = { .pf = pf, .made = &made, .rule = rule, .words = &rule->words };
	int err = ks_pf_rule_words(&reader);

	made.draft.quiet = true;
	made.draft.rule.limit = NULL;
	made.draft.rule.changes = made.tags;
	made.draft.rule.kind = KS_IMPORT_ALTER;
	if (!err && !made.none && made.tags)
		err = ks_draft_end(&made.draft, chain);
	made.draft.rule.changes = 0;
	made.draft.rule.kind = KS_IMPORT_RETURN;
	if (!err && !made.none && rule->quick && !made.is_match)
		err = ks_draft_end(&made.draft, chain);
	return err;
}

static int direction_add(struct ks_pf *pf, bool out)
{
	struct ks_import_chain *chain = NULL;
	struct ks_draft jump;
	int err = ks_import_chain(pf->import, out ? "tags of what goes out" : "tags of what comes in", &chain);

	for (struct ks_pf_rule *rule = pf->rules; !err && rule && rule->order <= pf->last_tag[out]; rule = rule->next) {
		pf->import->line = rule->line;
		pf->import->text = rule->text;
		if (rule->kind == KS_PF_FILTER)
			err = rule_add(pf, rule, out, chain);
	}
	if (err)
		return err;
	ks_draft_begin(&jump, pf->import);
	jump.rule.kind = KS_IMPORT_JUMP;
	jump.rule.chain = chain;
	return ks_draft_end(&jump, out ? pf->out : pf->in);
}

int ks_pf_tags_end(struct ks_pf *pf)
{
	int err = 0;

	for (unsigned out = 0; !err && out < 2; out++)
		err = pf->last_tag[out] && !pf->tags_unknown ? direction_add(pf, out) : 0;
	return err;
}
