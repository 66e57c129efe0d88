/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what iptables-save(8) and ip6tables-save(8) print: tables, their chains with policies, and rules as they are given to
 * iptables(8). Lines of `ipset save` may stand before them.
 */
#include "import/iptables.h"

#include <errno.h>
#include <string.h>

#include "import/import.h"

struct builtin {
	const char *table, *chain;
	enum ks_hook hook;
	int priority;
	bool translates;
};

static const struct builtin builtins[] = {
	{ "raw", "PREROUTING", KS_HOOK_PRE, -300, false },	{ "raw", "OUTPUT", KS_HOOK_OUTPUT, -300, false },
	{ "mangle", "PREROUTING", KS_HOOK_PRE, -150, false },	{ "mangle", "INPUT", KS_HOOK_INPUT, -150, false },
	{ "mangle", "FORWARD", KS_HOOK_FORWARD, -150, false },	{ "mangle", "OUTPUT", KS_HOOK_OUTPUT, -150, false },
	{ "mangle", "POSTROUTING", KS_HOOK_POST, -150, false }, { "nat", "PREROUTING", KS_HOOK_PRE, -100, true },
	{ "nat", "OUTPUT", KS_HOOK_OUTPUT, -100, true },	{ "nat", "POSTROUTING", KS_HOOK_POST, 100, true },
	{ "filter", "INPUT", KS_HOOK_INPUT, 0, false },		{ "filter", "FORWARD", KS_HOOK_FORWARD, 0, false },
	{ "filter", "OUTPUT", KS_HOOK_OUTPUT, 0, false },	{ "security", "INPUT", KS_HOOK_INPUT, 50, false },
	{ "security", "FORWARD", KS_HOOK_FORWARD, 50, false },	{ "security", "OUTPUT", KS_HOOK_OUTPUT, 50, false },
};

static const struct builtin *builtin_find(const char *table, const char *chain)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(builtins); i++) {
		if (!strcmp(builtins[i].table, table) && !strcmp(builtins[i].chain, chain))
			return &builtins[i];
	}
	return NULL;
}

int ks_iptables_chain(struct ks_iptables *ipt, const char *name, struct ks_import_chain **chain)
{
	char full[128];

	if ((size_t)snprintf(full, sizeof(full), "%s/%s", ipt->table, name) >= sizeof(full))
		return ks_import_fail(ipt->import, "line %u: the name of a chain is too long", ipt->import->line);
	return ks_import_chain(ipt->import, full, chain);
}

static bool base_is_there(const struct ks_import *import, const struct ks_import_chain *chain)
{
	for (unsigned i = 0; i < import->bases; i++) {
		if (import->base[i].chain == chain)
			return true;
	}
	return false;
}

static void base_add(struct ks_iptables *ipt, const struct builtin *builtin, struct ks_import_chain *chain,
		     enum ks_verdict_kind policy)
{
	struct ks_import_base base = { .line = ipt->import->line, .policy = policy, .chain = chain };

	base.hook = builtin->hook;
	base.priority = builtin->priority;
	base.translates = builtin->translates;
	base.families[ipt->family == KS_IPV6] = true;
	ipt->import->base[ipt->import->bases++] = base; /* no more than there are builtins */
}

/* ":INPUT DROP [0:0]", or "-P INPUT DROP" of iptables -S. */
static int policy_read(struct ks_iptables *ipt, const char *name, const char *policy)
{
	const struct builtin *builtin = builtin_find(ipt->table, name);
	struct ks_import_chain *chain = NULL;
	int err = ks_iptables_chain(ipt, name, &chain);

	if (err || !builtin || !policy)
		return err;
	if (strcmp(policy, "ACCEPT") != 0 && strcmp(policy, "DROP") != 0)
		return ks_import_fail(ipt->import, "line %u: '%.40s' is no policy", ipt->import->line, policy);
	if (base_is_there(ipt->import, chain))
		return ks_import_fail(ipt->import, "line %u: chain %.40s has its policy twice", ipt->import->line,
				      name);
	base_add(ipt, builtin, chain, *policy == 'A' ? KS_IMPORT_ACCEPT : KS_IMPORT_DROP);
	return 0;
}

/* Puts the target, whose option was just taken, behind conditions that somebody wrote behind it. Returns true if there are some. */
static bool target_defer(struct ks_words_line *words)
{
	const unsigned begin = words->at - 1;
	unsigned end = begin + 2, moved;
	char *kept[KS_LINE_WORDS];

	while (end < words->count && !ks_iptables_is_condition(words->word[end]))
		end++;
	if (end >= words->count)
		return false;
	moved = end - begin;
	memcpy(kept, words->word + begin, moved * sizeof(kept[0]));
	memmove(words->word + begin, words->word + end, (words->count - end) * sizeof(kept[0]));
	memcpy(words->word + words->count - moved, kept, moved * sizeof(kept[0]));
	words->at = begin;
	return true;
}

/* The conditions and the target of a rule. */
static int options_read(struct ks_iptables *ipt)
{
	bool negated = false;
	int err = 0;

	while (!err && ks_words_peek(&ipt->words)) {
		const char *option = ks_words_take(&ipt->words);

		if (!strcmp(option, "!")) {
			negated = true;
			continue;
		}
		if (!strcmp(option, "-j") || !strcmp(option, "--jump") || !strcmp(option, "-g") ||
		    !strcmp(option, "--goto")) {
			const char *name;

			if (target_defer(&ipt->words))
				continue;
			name = ks_words_take(&ipt->words);
			ipt->is_goto = option[1] == 'g' || option[2] == 'g';
			ipt->ends = true;
			err = name ? ks_iptables_target(ipt, name)
				   : ks_import_fail(ipt->import, "line %u: a target is missing", ipt->import->line);
		} else {
			err = ks_iptables_match(ipt, option, negated);
		}
		negated = false;
	}
	return err;
}

/* The kernel has its own chains without a line that says so, as in a text that somebody wrote; they accept then. */
static int rule_chain(struct ks_iptables *ipt, const char *name, struct ks_import_chain **chain)
{
	const struct builtin *builtin = builtin_find(ipt->table, name);
	int err = ks_iptables_chain(ipt, name, chain);

	if (!err && builtin && !base_is_there(ipt->import, *chain))
		base_add(ipt, builtin, *chain, KS_IMPORT_ACCEPT);
	return err;
}

static int rule_read(struct ks_iptables *ipt, const char *name)
{
	struct ks_import_chain *chain = NULL;
	int err;

	ks_draft_begin(&ipt->draft, ipt->import);
	ipt->draft.rule.kind = KS_IMPORT_CONTINUE;
	ipt->proto = 0;
	ipt->module = "";
	ipt->limited = ipt->above = ipt->is_goto = ipt->ends = ipt->local_time = ipt->odd_time = false;
	ipt->limit_trouble = ipt->limit_text = ipt->limit_name = NULL;
	ipt->limit = (struct ks_import_limit){ 0 };
	ipt->recent = (struct ks_iptables_recent){ 0 };
	ipt->begin = ipt->words.at - 1;
	err = name ? rule_chain(ipt, name, &chain)
		   : ks_import_fail(ipt->import, "line %u: a chain is missing", ipt->import->line);
	if (!err && !ipt->sets_end)
		err = ks_ipset_end(ipt->import);
	ipt->sets_end = true;
	err = err ? err : options_read(ipt);
	err = err ? err : ks_iptables_recent_end(ipt);
	err = err ? err : ks_iptables_limit_end(ipt);
	ks_iptables_time_end(ipt);
	return err || !ipt->ends ? err : ks_draft_end(&ipt->draft, chain);
}

int ks_iptables_line(struct ks_iptables *ipt)
{
	const char *word = ks_words_take(&ipt->words);

	if (word && word[0] == '[') /* counters */
		word = ks_words_take(&ipt->words);
	if (!word)
		return 0;
	if (!strcmp(word, "COMMIT")) {
		ipt->open = false;
		return 0;
	}
	if (word[0] == '*') {
		ipt->table = word + 1;
		ipt->open = true;
		return 0;
	}
	if (word[0] == ':')
		return policy_read(ipt, word + 1, ks_words_take(&ipt->words));
	if (!strcmp(word, "-P")) {
		const char *name = ks_words_take(&ipt->words), *policy = ks_words_take(&ipt->words);

		return policy_read(ipt, name ? name : "", policy);
	}
	if (!strcmp(word, "-N"))
		return 0;
	if (!strcmp(word, "-A") || !strcmp(word, "--append"))
		return rule_read(ipt, ks_words_take(&ipt->words));
	if (!strcmp(word, "create") || !strcmp(word, "add")) {
		ipt->words.at = 0;
		if (ipt->sets_end)
			return ks_import_fail(ipt->import, "line %u: sets stand before the rules", ipt->import->line);
		return ks_ipset_line(ipt->import, &ipt->words);
	}
	return ks_import_fail(ipt->import, "line %u: '%.40s' is no line of iptables-save or ipset save",
			      ipt->import->line, word);
}

int ks_iptables_read(struct ks_import *import, __u8 family, const char *text, size_t length)
{
	struct ks_iptables ipt = { .import = import, .family = family, .table = "filter" };
	struct ks_lines lines;
	int more;

	import->families[family == KS_IPV6] = true;
	ks_lines_begin(&lines, text, length);
	while ((more = ks_lines_next(&lines, import, &ipt.words)) > 0) {
		int err = ks_iptables_line(&ipt);

		if (err)
			return err;
	}
	if (!more && ipt.open) /* rules that are cut off may deny */
		return ks_import_fail(import, "table %.40s has no COMMIT: the text is not whole", ipt.table);
	return more;
}
