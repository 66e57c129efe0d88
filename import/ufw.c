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
#include "import/iptables.h"
#include "import/ufw_line.h"
#include "import/words.h"
#include "text/names.h"

#define TUPLE "### tuple ###"
#define PART 128

/* ufw refuses the sixth packet of a source in 30 seconds. So many in any such time, and no more: 3 at once and 2 by the rate. */
static const struct ks_import_limit often = { .amount = 4, .unit = "minute", .burst = 3, .per = " per source" };

enum way { WAY_IN, WAY_OUT, WAY_ROUTED, WAYS };

struct ufw {
	struct ks_import *import;
	struct ks_import_chain *chain[WAYS];
	struct ks_draft draft;
	struct ks_words_line words;
	enum way way;
	bool logs, is_known;
	bool v4_alone; /* IPV6=no: ufw drops all of IPv6 */
	struct ks_iptables ipt; /* lines of before.rules and after.rules */
	bool has_before[2]; /* they say what is accepted before the rules, of IPv4 and of IPv6 */
	struct ks_import_chain *policy_chain[WAYS]; /* of a rule that is the policy */
	struct ks_import_rule *policy[WAYS], *established[WAYS][2];
};

/* --- policies --- */

#define SIXTH "IPV6="

static const char *const policy_names[WAYS] = { "DEFAULT_INPUT_POLICY=", "DEFAULT_OUTPUT_POLICY=",
						"DEFAULT_FORWARD_POLICY=" };

static void policy_set(struct ufw *ufw, enum way way, const char *value)
{
	struct ks_import_base *base = &ufw->import->base[way];

	base->line = ufw->import->line;
	base->policy = !strcmp(value, "ACCEPT") || !strcmp(value, "allow")    ? KS_IMPORT_ACCEPT
		       : !strcmp(value, "REJECT") || !strcmp(value, "reject") ? KS_IMPORT_REJECT
									      : KS_IMPORT_DROP;
}

/* "Default: deny (incoming), allow (outgoing), disabled (routed)" of ufw status verbose. */
static void defaults_read(struct ufw *ufw)
{
	static const char *const ways[WAYS] = { "(incoming)", "(outgoing)", "(routed)" };

	for (unsigned i = 0; i + 1 < ufw->words.count; i++) {
		for (unsigned way = 0; way < WAYS; way++) {
			if (!strncmp(ufw->words.word[i + 1], ways[way], strlen(ways[way])))
				policy_set(ufw, (enum way)way, ufw->words.word[i]);
		}
	}
}

static bool policy_read(struct ufw *ufw, const char *word)
{
	if (!strncmp(word, SIXTH, strlen(SIXTH))) {
		ufw->v4_alone = strcasecmp(word + strlen(SIXTH), "yes") != 0;
		return true;
	}
	for (unsigned way = 0; way < WAYS; way++) {
		if (!strncmp(word, policy_names[way], strlen(policy_names[way]))) {
			policy_set(ufw, (enum way)way, word + strlen(policy_names[way]));
			return true;
		}
	}
	return false;
}

/* --- conditions --- */

static int unsaid(struct ufw *ufw, const char *what)
{
	return ks_draft_unsaid(&ufw->draft, ks_import_format(ufw->import, "%.100s", what), false);
}

static int address_read(struct ufw *ufw, enum ks_dim dim, const char *value)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	struct ks_spans spans[2];
	int err;

	if (!strcmp(value, "any"))
		return 0;
	err = ks_ranges_address(&ranges, value);
	if (err == -EINVAL)
		return unsaid(ufw, value);
	err = err ? err : ks_draft_family(&ufw->draft, ranges.count[0] ? KS_IPV4 : KS_IPV6);
	err = err ? err : ks_ranges_take(ufw->import, &ranges, spans);
	return err ? err : ks_draft_addresses(&ufw->draft, dim, spans, false);
}

static int ports_read(struct ufw *ufw, enum ks_dim dim, const char *value)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	struct ks_spans spans[2];
	__u64 protos[KS_PROTO_WORDS] = { 1ULL << KS_PROTO_TCP | 1ULL << KS_PROTO_UDP };
	char part[PART];
	int err = 0;

	if (!strcmp(value, "any"))
		return 0;
	for (const char *rest = value; !err && rest;) {
		__u32 low, high;

		ks_word_part(&rest, ',', part, sizeof(part));
		err = ks_word_ports(part, ':', KS_PORT_MAX, &low, &high);
		err = err ? err : ks_ranges_number(&ranges, low, high);
	}
	if (err == -EINVAL)
		return unsaid(ufw, value);
	err = err ? err : ks_ranges_take(ufw->import, &ranges, spans);
	ks_import_match_protos(&ufw->draft.match[0], protos); /* ufw has ports of these two */
	return err ? err : ks_draft_numbers(&ufw->draft, dim, &spans[0], false);
}

static int proto_read(struct ufw *ufw, const char *value)
{
	const int proto = ks_proto_from_name(value);

	if (!strcmp(value, "any"))
		return 0;
	return proto < 0 ? unsaid(ufw, value) : ks_draft_proto(&ufw->draft, (unsigned)proto, false);
}

static int interface_read(struct ufw *ufw, bool to, const char *name)
{
	char pattern[PART];
	__u64 zones;
	int err;

	snprintf(pattern, sizeof(pattern), "%s", name);
	if (*pattern && pattern[strlen(pattern) - 1] == '+')
		pattern[strlen(pattern) - 1] = '*';
	err = ks_import_interface(ufw->import, pattern, &zones);
	if (err == -EINVAL)
		return ks_import_fail(ufw->import, "line %u: '%.40s' is no interface", ufw->import->line, name);
	return err ? err : ks_draft_zones(&ufw->draft, to, zones);
}

/* "allow", "deny_log" and their like. Returns 0 or -EINVAL. */
static int action_read(struct ufw *ufw, const char *value)
{
	static const struct {
		const char *name;
		enum ks_verdict_kind kind;
	} actions[] = { { "allow", KS_IMPORT_ACCEPT },
			{ "limit", KS_IMPORT_ACCEPT },
			{ "deny", KS_IMPORT_DROP },
			{ "reject", KS_IMPORT_REJECT } };
	const size_t length = strcspn(value, "_");

	ufw->logs = value[length] == '_';
	for (size_t i = 0; i < KS_ARRAY_SIZE(actions); i++) {
		if (strlen(actions[i].name) != length || strncmp(actions[i].name, value, length) != 0)
			continue;
		ufw->draft.rule.kind = actions[i].kind;
		return 0;
	}
	return ks_import_fail(ufw->import, "line %u: '%.40s' is no action of ufw", ufw->import->line, value);
}

/* --- a rule --- */

static int rule_begin(struct ufw *ufw)
{
	ks_draft_begin(&ufw->draft, ufw->import);
	ufw->way = WAY_IN;
	return 0;
}

static int rule_end(struct ufw *ufw, const char *action)
{
	struct ks_draft *draft = &ufw->draft;
	int err = 0;

	if (!strncmp(action, "limit", 5)) {
		draft->rule.limit = ks_pool_alloc(&ufw->import->pool, sizeof(often));
		if (!draft->rule.limit)
			return -ENOMEM;
		*draft->rule.limit = often;
	}
	if (ufw->logs) {
		struct ks_draft log = *draft;

		log.rule.kind = KS_IMPORT_LOG;
		log.rule.limit = NULL;
		err = ks_draft_end(&log, ufw->chain[ufw->way]);
	}
	return err ? err : ks_draft_end(draft, ufw->chain[ufw->way]);
}

/* "in", "in_eth0", "out_eth1", "in_eth0!out_eth1". */
static int direction_read(struct ufw *ufw, bool routed, const char *value)
{
	char part[PART];
	int err = 0;

	ufw->way = routed ? WAY_ROUTED : strncmp(value, "out", 3) ? WAY_IN : WAY_OUT;
	for (const char *rest = value; !err && rest;) {
		ks_word_part(&rest, '!', part, sizeof(part));
		if (!strncmp(part, "in_", 3))
			err = interface_read(ufw, false, part + 3);
		else if (!strncmp(part, "out_", 4))
			err = interface_read(ufw, true, part + 4);
		else if (strcmp(part, "in") != 0 && strcmp(part, "out") != 0)
			err = ks_import_fail(ufw->import, "line %u: '%.40s' is no direction", ufw->import->line, part);
	}
	return err;
}

/* "allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", with names of applications before the direction. */
static int tuple_read(struct ufw *ufw)
{
	const bool routed = !strncmp(ufw->words.word[0], "route:", 6);
	char **word = ufw->words.word;
	unsigned last = ufw->words.count - 1;
	int err;

	if (last > 0 && !strncmp(word[last], "comment=", 8))
		last--;
	if (last != 6 && last != 8)
		return ks_import_fail(ufw->import, "line %u: a tuple has seven words or nine", ufw->import->line);
	err = rule_begin(ufw);
	err = err ? err : action_read(ufw, word[0] + (routed ? 6 : 0));
	err = err ? err : ports_read(ufw, KS_DIM_DPORT, word[2]);
	err = err ? err : address_read(ufw, KS_DIM_DST, word[3]);
	err = err ? err : ports_read(ufw, KS_DIM_SPORT, word[4]);
	err = err ? err : address_read(ufw, KS_DIM_SRC, word[5]);
	err = err ? err : proto_read(ufw, word[1]);
	err = err ? err : direction_read(ufw, routed, word[last]);
	return err ? err : rule_end(ufw, word[0] + (routed ? 6 : 0));
}

/* "22/tcp" or a port behind the action. */
static int short_read(struct ufw *ufw, const char *word)
{
	const char *slash = strchr(word, '/');
	char port[PART];
	int err;

	snprintf(port, sizeof(port), "%.*s", slash ? (int)(slash - word) : (int)strlen(word), word);
	err = ports_read(ufw, KS_DIM_DPORT, port);
	return err || !slash ? err : proto_read(ufw, slash + 1);
}

/* "in", "out", "on eth0", "from", "to", "port" and "proto" with what stands behind. */
static int added_word(struct ufw *ufw, const char *word, bool *to, bool *out)
{
	const char *value;

	if (!strcmp(word, "in") || !strcmp(word, "out")) {
		*out = word[0] == 'o';
		if (ufw->way != WAY_ROUTED)
			ufw->way = *out ? WAY_OUT : WAY_IN;
		return 0;
	}
	if (!strcmp(word, "log") || !strcmp(word, "log-all")) {
		ufw->logs = true;
		return 0;
	}
	if (!strcmp(word, "comment")) {
		ufw->words.at = ufw->words.count;
		return 0;
	}
	if (!strcmp(word, "app")) { /* a profile: its ports are in a file of its own */
		value = ks_words_take(&ufw->words);
		return unsaid(ufw, ks_import_format(ufw->import, "app %.80s", value ? value : ""));
	}
	if (strcmp(word, "on") != 0 && strcmp(word, "from") != 0 && strcmp(word, "to") != 0 &&
	    strcmp(word, "port") != 0 && strcmp(word, "proto") != 0)
		return short_read(ufw, word);
	value = ks_words_take(&ufw->words);
	if (!value)
		return ks_import_fail(ufw->import, "line %u: nothing stands behind '%.40s'", ufw->import->line, word);
	if (!strcmp(word, "on"))
		return interface_read(ufw, *out, value);
	if (!strcmp(word, "proto"))
		return proto_read(ufw, value);
	if (!strcmp(word, "port"))
		return ports_read(ufw, *to ? KS_DIM_DPORT : KS_DIM_SPORT, value);
	*to = word[0] == 't';
	return address_read(ufw, *to ? KS_DIM_DST : KS_DIM_SRC, value);
}

/* "ufw default deny incoming", as scripts have it. */
static int default_read(struct ufw *ufw)
{
	static const char *const ways[WAYS] = { "incoming", "outgoing", "routed" };
	const char *value = ks_words_take(&ufw->words), *way = ks_words_take(&ufw->words);

	for (unsigned i = 0; value && i < WAYS; i++) {
		if (!strcmp(way ? way : ways[WAY_IN], ways[i])) {
			policy_set(ufw, (enum way)i, value);
			return 0;
		}
	}
	return ks_import_fail(ufw->import, "line %u: expected 'default POLICY [incoming | outgoing | routed]'",
			      ufw->import->line);
}

/* Commands that change no rule. */
static bool is_command(const char *word)
{
	static const char *const words[] = { "enable", "--force", "logging", "reload",
					     "status", "show",	  "app",     "version" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (!strcmp(words[i], word))
			return true;
	}
	return false;
}

static int compound_refuse(struct ufw *ufw)
{
	return ks_import_fail(
		ufw->import,
		"line %u: no shell runs here, and nobody knows which rules this makes: expected what 'ufw show "
		"added' prints",
		ufw->import->line);
}

/* A line that is none of ufw's, unless a command of ufw is somewhere in it. */
static int other_read(struct ufw *ufw)
{
	for (unsigned i = 0; i < ufw->words.count; i++) {
		if (ks_ufw_is_named(ufw->words.word[i]))
			return compound_refuse(ufw);
	}
	return 0;
}

/* "ufw allow in on eth0 to any port 22 proto tcp" */
static int added_read(struct ufw *ufw)
{
	bool to = true, out = false;
	const char *action = ks_words_take(&ufw->words);
	int err = rule_begin(ufw);

	if (action && !strcmp(action, "default"))
		return default_read(ufw);
	if (action && is_command(action))
		return 0;
	if (action && (!strcmp(action, "route") || !strcmp(action, "rule"))) {
		ufw->way = action[1] == 'o' ? WAY_ROUTED : WAY_IN;
		action = ks_words_take(&ufw->words);
	}
	err = err ? err : action_read(ufw, action ? action : "");
	while (!err && ks_words_peek(&ufw->words))
		err = added_word(ufw, ks_words_take(&ufw->words), &to, &out);
	return err ? err : rule_end(ufw, action);
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
static int plain_add(struct ufw *ufw, struct ks_import_chain *chain, enum ks_verdict_kind kind, __u8 family,
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
static int jump_add(struct ufw *ufw, struct ks_import_chain *chain, enum way way, const char *part, __u8 family)
{
	struct ks_import_chain *target;
	char name[PART];
	int err;

	snprintf(name, sizeof(name), CHAIN "%s-%s-%s", family == KS_IPV6 ? "6" : "", part, way_names[way]);
	err = ks_import_chain(ufw->import, name, &target);
	return err ? err : plain_add(ufw, chain, KS_IMPORT_JUMP, family, target);
}

/* The chains that ufw makes by itself: those that log decide nothing, and one of each family goes to the policy of a way. */
static int helpers_make(struct ufw *ufw)
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
static int iptables_read(struct ufw *ufw, const char *word)
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
static void befores_end(struct ufw *ufw)
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

static int line_read(struct ufw *ufw)
{
	const char *text = ufw->import->text, *word;
	int err = 0;

	if (!strncmp(text, TUPLE, strlen(TUPLE))) {
		ufw->is_known = true;
		err = ks_words_split(ufw->import, text + strlen(TUPLE), strlen(text) - strlen(TUPLE), &ufw->words);
		return err || !ufw->words.count ? err : tuple_read(ufw);
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
		err = ks_ufw_is_compound(&ufw->words) ? compound_refuse(ufw) : added_read(ufw);
	} else {
		err = other_read(ufw);
	}
	return err;
}

/* A way in the order of ufw: what is accepted anyway, the rules before, those of the user, and the rules after them. */
static int way_make(struct ufw *ufw, enum way way, enum ks_hook hook)
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

static int bases_make(struct ufw *ufw)
{
	static const enum ks_hook hooks[WAYS] = { KS_HOOK_INPUT, KS_HOOK_OUTPUT, KS_HOOK_FORWARD };
	int err = 0;

	ufw->import->text = "what ufw accepts anyway";
	for (unsigned way = 0; !err && way < WAYS; way++)
		err = way_make(ufw, (enum way)way, hooks[way]);
	ufw->import->bases = WAYS;
	return err ? err : helpers_make(ufw);
}

/* Says which of ufw's files are not in the text. */
static int lacks_note(struct ufw *ufw)
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
	struct ufw ufw = { .import = import, .ipt = { .import = import, .family = KS_IPV4, .table = "filter" } };
	struct ks_lines lines;
	int more, err;

	import->families[0] = import->families[1] = true;
	err = bases_make(&ufw);
	ks_lines_begin(&lines, text, length);
	while (!err && (more = ks_lines_next(&lines, import, &ufw.words)) != 0)
		err = more < 0 ? more : line_read(&ufw);
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
