/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads the rules of ufw(8): its files user.rules and user6.rules, of which the lines "### tuple ###" say all, or what `ufw show
 * added` prints. Policies are in /etc/default/ufw, whose lines may stand before; without them nothing is allowed that no rule says.
 * The rules in before.rules, by which ufw lets some ICMP and DHCP pass, and those in after.rules are read if these files stand in the
 * text, too: they are lines of iptables(8), with tables and chains.
 */
#include "import/ufw.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/header/packet.h"
#include "import/draft.h"
#include "import/ufw_line.h"
#include "import/ufw_rule.h"
#include "import/words.h"
#include "text/names.h"

#define TUPLE "### tuple ###"
#define PART 128

/* --- policies --- */

#define SIXTH "IPV6="

static const char *const policy_names[WAYS] = { "DEFAULT_INPUT_POLICY=", "DEFAULT_OUTPUT_POLICY=",
						"DEFAULT_FORWARD_POLICY=" };

/* "Default: deny (incoming), allow (outgoing), disabled (routed)" of ufw status verbose. */
static void defaults_read(struct ks_ufw *ufw)
{
	static const char *const ways[WAYS] = { "(incoming)", "(outgoing)", "(routed)" };

	for (unsigned i = 0; i + 1 < ufw->words.count; i++) {
		for (unsigned way = 0; way < WAYS; way++) {
			if (!strncmp(ufw->words.word[i + 1], ways[way], strlen(ways[way])))
				ks_ufw_policy(ufw, (enum ks_ufw_way)way, ufw->words.word[i]);
		}
	}
}

static bool policy_read(struct ks_ufw *ufw, const char *word)
{
	if (!strncmp(word, SIXTH, strlen(SIXTH))) {
		ufw->v4_alone = strcasecmp(word + strlen(SIXTH), "yes") != 0;
		return true;
	}
	for (unsigned way = 0; way < WAYS; way++) {
		if (!strncmp(word, policy_names[way], strlen(policy_names[way]))) {
			ks_ufw_policy(ufw, (enum ks_ufw_way)way, word + strlen(policy_names[way]));
			return true;
		}
	}
	return false;
}

/* --- lines of other kinds --- */

static int compound_refuse(struct ks_ufw *ufw)
{
	return ks_import_fail(
		ufw->import,
		"line %u: no shell runs here, and nobody knows which rules this makes: expected what 'ufw show "
		"added' prints",
		ufw->import->line);
}

/* A line that is none of ufw's, unless a command of ufw is somewhere in it. */
static int other_read(struct ks_ufw *ufw)
{
	for (unsigned i = 0; i < ufw->words.count; i++) {
		if (ks_ufw_is_named(ufw->words.word[i]))
			return compound_refuse(ufw);
	}
	return 0;
}

/* --- before.rules and after.rules --- */

#define CHAIN "filter/ufw"

static const char *const way_names[WAYS] = { "input", "output", "forward" };

/* The rule that was appended last. */
static struct ks_import_rule *rule_last(struct ks_import_chain *chain)
{
	struct ks_import_rule *rule = chain->first;

	while (rule && rule->next)
		rule = rule->next;
	return rule;
}

/* Appends a rule about a family, or about both: 0. */
static int plain_add(struct ks_ufw *ufw, struct ks_import_chain *chain, enum ks_verdict_kind kind, __u8 family,
		     struct ks_import_chain *target)
{
	struct ks_draft draft;

	ks_draft_begin(&draft, ufw->import);
	draft.rule.kind = kind;
	draft.rule.chain = target;
	if (family)
		ks_draft_family(&draft, family);
	if (kind == KS_IMPORT_ACCEPT)
		ks_draft_states(&draft, KS_CT_ESTABLISHED, false);
	return ks_draft_end(&draft, chain);
}

/* Jumps to a chain of ufw, such as ufw6-before-input. */
static int jump_add(struct ks_ufw *ufw, struct ks_import_chain *chain, enum ks_ufw_way way, const char *part,
		    __u8 family)
{
	struct ks_import_chain *target;
	char name[PART];
	int err;

	snprintf(name, sizeof(name), CHAIN "%s-%s-%s", family == KS_IPV6 ? "6" : "", part, way_names[way]);
	err = ks_import_chain(ufw->import, name, &target);
	return err ? err : plain_add(ufw, chain, KS_IMPORT_JUMP, family, target);
}

/* The chains that ufw makes by itself: those that log decide nothing, and one of each family goes to the policy of a way. */
static int helpers_make(struct ks_ufw *ufw)
{
	static const char *const logging[] = { CHAIN "-logging-deny", CHAIN "-logging-allow", CHAIN "6-logging-deny",
					       CHAIN "6-logging-allow" };
	struct ks_import_chain *chain;
	char name[PART];
	int err = 0;

	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(logging); i++)
		err = ks_import_chain(ufw->import, logging[i], &chain);
	for (unsigned i = 0; !err && i < 2 * WAYS; i++) {
		snprintf(name, sizeof(name), CHAIN "%s-skip-to-policy-%s", i < WAYS ? "" : "6", way_names[i % WAYS]);
		err = ks_import_chain(ufw->import, name, &chain);
		err = err ? err : plain_add(ufw, chain, KS_IMPORT_GOTO, 0, ufw->policy_chain[i % WAYS]);
	}
	return err;
}

/* Lines of iptables. What user.rules has of them its tuples say. Returns 1 if the line is one, 0 or -errno. */
static int iptables_read(struct ks_ufw *ufw, const char *word)
{
	static const char *const user[] = { "ufw-user-", "ufw6-user-" };
	const bool appends = !strcmp(word, "-A") || !strcmp(word, "-I");
	const char *chain = appends ? ks_words_peek(&ufw->words) : word[0] == ':' ? word + 1 : NULL;
	int err;

	if (!chain && word[0] != '*' && strcmp(word, "COMMIT") != 0)
		return 0;
	for (size_t i = 0; chain && i < KS_ARRAY_SIZE(user); i++) {
		if (!strncmp(chain, user[i], strlen(user[i])))
			return 1;
	}
	if (chain && (!strncmp(chain, "ufw-", 4) || !strncmp(chain, "ufw6-", 5)))
		ufw->ipt.family = chain[3] == '6' ? KS_IPV6 : KS_IPV4;
	if (!strcmp(word, "*filter") || !strcmp(word, "*nat"))
		ufw->is_known = true;
	ufw->has_before[ufw->ipt.family == KS_IPV6] |= appends && chain && strstr(chain, "-before-");
	ufw->ipt.words = ufw->words;
	ufw->ipt.words.at = 0;
	err = ks_iptables_line(&ufw->ipt);
	return err ? err : 1;
}

/* Where before.rules stands in the text it says what is accepted before the rules. */
static void befores_end(struct ks_ufw *ufw)
{
	for (unsigned way = 0; way < WAYS; way++) {
		const struct ks_import_base *base = &ufw->import->base[way];

		for (unsigned at = 0; at < 2; at++) {
			if (ufw->has_before[at])
				ufw->established[way][at]->kind = KS_IMPORT_SKIPPED;
		}
		ufw->policy[way]->kind = base->policy;
		ufw->policy[way]->line = base->line;
		ufw->policy[way]->is_policy = true;
	}
}

static int line_read(struct ks_ufw *ufw)
{
	const char *text = ufw->import->text, *word;
	int err = 0;

	if (!strncmp(text, TUPLE, strlen(TUPLE))) {
		ufw->is_known = true;
		err = ks_words_split(ufw->import, text + strlen(TUPLE), strlen(text) - strlen(TUPLE), &ufw->words);
		return err || !ufw->words.count ? err : ks_ufw_tuple(ufw);
	}
	word = ks_words_take(&ufw->words);
	if (word && !strcmp(word, "sudo"))
		word = ks_words_take(&ufw->words);
	if (!word || policy_read(ufw, word))
		return 0;
	err = iptables_read(ufw, word);
	if (err)
		return KS_MIN(err, 0);
	if (!strcmp(word, "Default:"))
		defaults_read(ufw);
	else if (!strcmp(word, "Added"))
		ufw->is_known = true;
	else if (ks_ufw_is_named(word)) {
		ufw->is_known = true;
		err = ks_ufw_is_compound(&ufw->words) ? compound_refuse(ufw) : ks_ufw_command(ufw);
	} else {
		err = other_read(ufw);
	}
	return err;
}

/* A way in the order of ufw: what is accepted anyway, the rules before, those of the user, and the rules after them. */
static int way_make(struct ks_ufw *ufw, enum ks_ufw_way way, enum ks_hook hook)
{
	static const char *const parts[] = { "before", "user", "after" };
	static const char *const bases[WAYS] = { "in", "out", "routed" };
	struct ks_import_chain *base;
	char name[PART];
	int err = ks_import_chain(ufw->import, bases[way], &base);

	snprintf(name, sizeof(name), CHAIN "-user-%s", way_names[way]);
	err = err ? err : ks_import_chain(ufw->import, name, &ufw->chain[way]);
	snprintf(name, sizeof(name), "policy-%s", bases[way]);
	err = err ? err : ks_import_chain(ufw->import, name, &ufw->policy_chain[way]);
	err = err ? err : plain_add(ufw, ufw->policy_chain[way], KS_IMPORT_DROP, 0, NULL);
	if (err)
		return err;
	ufw->policy[way] = rule_last(ufw->policy_chain[way]);
	for (unsigned at = 0; !err && at < 2; at++) {
		err = plain_add(ufw, base, KS_IMPORT_ACCEPT, at ? KS_IPV6 : KS_IPV4, NULL);
		ufw->established[way][at] = rule_last(base);
	}
	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(parts); i++) {
		err = jump_add(ufw, base, way, parts[i], i == 1 ? 0 : KS_IPV4);
		err = err || i == 1 ? err : jump_add(ufw, base, way, parts[i], KS_IPV6);
	}
	ufw->import->base[way] = (struct ks_import_base){
		.chain = base, .hook = hook, .policy = KS_IMPORT_DROP, .families = { true, true }
	};
	return err;
}

static int bases_make(struct ks_ufw *ufw)
{
	static const enum ks_hook hooks[WAYS] = { KS_HOOK_INPUT, KS_HOOK_OUTPUT, KS_HOOK_FORWARD };
	int err = 0;

	ufw->import->text = "what ufw accepts anyway";
	for (unsigned way = 0; !err && way < WAYS; way++)
		err = way_make(ufw, (enum ks_ufw_way)way, hooks[way]);
	ufw->import->bases = WAYS;
	return err ? err : helpers_make(ufw);
}

/* Says which of ufw's files are not in the text. */
static int lacks_note(struct ks_ufw *ufw)
{
	const struct ks_import_base *base = ufw->import->base;
	const bool policies = base[WAY_IN].line && base[WAY_OUT].line, before = ufw->has_before[0];

	ufw->import->text = "before.rules, after.rules and policies";
	if (!policies)
		return ks_import_note(
			ufw->import, before ? "not in this text: its policies, such as 'allow from self' for what goes "
					      "out"
					    : "not in this text: pings and what else ufw accepts before its "
					      "rules, and its policies, such as 'allow from self' for what goes "
					      "out");
	return before ? 0
		      : ks_import_note(ufw->import,
				       "not in this text: pings and what else before.rules accepts; it may stand "
				       "before these rules");
}

int ks_ufw_read(struct ks_import *import, const char *text, size_t length)
{
	struct ks_ufw ufw = { .import = import, .ipt = { .import = import, .family = KS_IPV4, .table = "filter" } };
	struct ks_lines lines;
	int more, err;

	import->families[0] = import->families[1] = true;
	err = bases_make(&ufw);
	ks_lines_begin(&lines, text, length);
	while (!err && (more = ks_lines_next(&lines, import, &ufw.words)) != 0)
		err = more < 0 ? more : line_read(&ufw);
	if (err)
		return err;
	err = ks_ufw_rules_make(&ufw);
	if (err)
		return err;
	befores_end(&ufw);
	import->families[1] = !ufw.v4_alone;
	if (ufw.ipt.open)
		return ks_import_fail(import, "table %.40s has no COMMIT: the text is not whole", ufw.ipt.table);
	if (!ufw.is_known)
		return ks_import_fail(import, "these are no rules of ufw: expected user.rules, or the lines of 'ufw "
					      "show added'");
	return lacks_note(&ufw);
}
