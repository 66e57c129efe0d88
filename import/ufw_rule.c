/* SPDX-License-Identifier: BSD-2-Clause */
/* See ufw_rule.h. */
#include "import/ufw_rule.h"

#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "policy/service.h"
#include "policy/value.h"
#include "text/names.h"

#define PART 128

/* ufw refuses the sixth packet of a source in 30 seconds. So many in any such time, and no more: 3 at once and 2 by the rate. */
static const struct ks_import_limit often = { .amount = 4, .unit = "minute", .burst = 3, .per = " per source" };

void ks_ufw_policy(struct ks_ufw *ufw, enum ks_ufw_way way, const char *value)
{
	struct ks_import_base *base = &ufw->import->base[way];

	base->line = ufw->import->line;
	base->policy = !strcmp(value, "ACCEPT") || !strcmp(value, "allow")    ? KS_IMPORT_ACCEPT
		       : !strcmp(value, "REJECT") || !strcmp(value, "reject") ? KS_IMPORT_REJECT
									      : KS_IMPORT_DROP;
}

/* --- conditions --- */

static int unsaid(struct ks_ufw *ufw, const char *what)
{
	return ks_draft_unsaid(&ufw->draft, ks_import_format(ufw->import, "%.100s", what), false);
}

static int address_read(struct ks_ufw *ufw, enum ks_dim dim, const char *value)
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

/* The protocols of a service. Where ours has both, its machine may have TCP alone: so it is if the rule allows. */
static int service_read(struct ks_ufw *ufw, const char *value, struct ks_ranges *ranges, __u64 protos[KS_PROTO_WORDS])
{
	static const char *const both[] = { "domain", "sunrpc", "kerberos", "echo", "discard", "daytime" };
	const unsigned number = ks_service_find(value);
	const struct ks_service *service;
	bool sure = false;

	if (!number)
		return -EINVAL;
	service = ks_service(number);
	ufw->named = true;
	for (size_t i = 0; i < KS_ARRAY_SIZE(both); i++)
		sure |= !strcmp(both[i], value);
	if (ufw->draft.rule.kind == KS_IMPORT_ACCEPT && service->protos == KS_SERVICE_TCP)
		protos[0] = 1ULL << KS_PROTO_TCP;
	else if (ufw->draft.rule.kind == KS_IMPORT_ACCEPT && service->protos == KS_SERVICE_UDP)
		protos[0] = 1ULL << KS_PROTO_UDP;
	else if (ufw->draft.rule.kind == KS_IMPORT_ACCEPT && !sure)
		protos[0] = 1ULL << KS_PROTO_TCP;
	return ks_ranges_number(ranges, service->low, service->high);
}

static int ports_read(struct ks_ufw *ufw, enum ks_dim dim, const char *value)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	struct ks_spans spans[2];
	__u64 protos[KS_PROTO_WORDS] = { 1ULL << KS_PROTO_TCP | 1ULL << KS_PROTO_UDP };
	char part[PART];
	int err = 0;

	if (!strcmp(value, "any"))
		return 0;
	ufw->ports[dim == KS_DIM_SPORT] = ks_import_copy(ufw->import, value, strlen(value));
	for (const char *rest = value; !err && rest;) {
		__u32 low, high;

		ks_word_part(&rest, ',', part, sizeof(part));
		err = ks_word_ports(part, ':', KS_PORT_MAX, &low, &high);
		err = err ? err : ks_ranges_number(&ranges, low, high);
	}
	if (err == -EINVAL)
		err = service_read(ufw, value, &ranges, protos);
	if (err == -EINVAL)
		return unsaid(ufw, value);
	err = err ? err : ks_ranges_take(ufw->import, &ranges, spans);
	ks_import_match_protos(&ufw->draft.match[0], protos); /* ufw has ports of these two */
	return err ? err : ks_draft_numbers(&ufw->draft, dim, &spans[0], false);
}

static int proto_read(struct ks_ufw *ufw, const char *value)
{
	const int proto = ks_proto_from_name(value);

	if (!strcmp(value, "any"))
		return 0;
	return proto < 0 ? unsaid(ufw, value) : ks_draft_proto(&ufw->draft, (unsigned)proto, false);
}

static int interface_read(struct ks_ufw *ufw, bool to, const char *name)
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
static int action_read(struct ks_ufw *ufw, const char *value)
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

static int rule_begin(struct ks_ufw *ufw)
{
	ks_draft_begin(&ufw->draft, ufw->import);
	ufw->way = WAY_IN;
	ufw->named = false;
	ufw->ports[0] = ufw->ports[1] = NULL;
	return 0;
}

/* The rule that was read, for the list. */
static struct ks_ufw_rule rule_of(const struct ks_ufw *ufw)
{
	return (struct ks_ufw_rule){ .match = ufw->draft.match[0],
				     .rule = ufw->draft.rule,
				     .way = ufw->way,
				     .logs = ufw->logs,
				     .named = ufw->named,
				     .ports = { ufw->ports[0], ufw->ports[1] },
				     .line = ufw->import->line,
				     .text = ufw->import->text };
}

static int rule_end(struct ks_ufw *ufw, const char *action, unsigned position)
{
	struct ks_draft *draft = &ufw->draft;
	struct ks_ufw_rule rule;
	int err = 0;

	if (!strncmp(action, "limit", 5)) {
		draft->rule.limit = ks_pool_alloc(&ufw->import->pool, sizeof(often));
		if (!draft->rule.limit)
			return -ENOMEM;
		*draft->rule.limit = often;
	}
	if (ks_import_match_is_empty(&draft->match[0])) /* says so; ufw counts it all the same */
		err = ks_draft_end(draft, ufw->chain[ufw->way]);
	rule = rule_of(ufw);
	return err ? err : ks_ufw_list_add(&ufw->rules, ufw->import, &rule, position);
}

/* Appends a rule to the chain of its way. */
static int rule_make(struct ks_ufw *ufw, const struct ks_ufw_rule *rule)
{
	struct ks_draft draft;
	int err = 0;

	ks_draft_begin(&draft, ufw->import);
	draft.quiet = true; /* it was said where it stands if nothing matches it */
	ufw->import->line = rule->line;
	ufw->import->text = rule->text;
	draft.match[0] = rule->match;
	if (rule->logs) {
		draft.rule.kind = KS_IMPORT_LOG;
		err = ks_draft_end(&draft, ufw->chain[rule->way]);
	}
	draft.rule = rule->rule;
	return err ? err : ks_draft_end(&draft, ufw->chain[rule->way]);
}

int ks_ufw_rules_make(struct ks_ufw *ufw)
{
	const unsigned line = ufw->import->line;
	int err = 0;

	for (unsigned family = 0; family < 2; family++) {
		for (const struct ks_ufw_rule *rule = ufw->rules.first[family]; !err && rule; rule = rule->next)
			err = rule_make(ufw, rule);
	}
	ufw->import->line = line;
	return err;
}

/* "in", "in_eth0", "out_eth1", "in_eth0!out_eth1". */
static int direction_read(struct ks_ufw *ufw, bool routed, const char *value)
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

int ks_ufw_tuple(struct ks_ufw *ufw)
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
	return err ? err : rule_end(ufw, word[0] + (routed ? 6 : 0), KS_UFW_STANDS);
}

/* "22/tcp" or a port behind the action. */
static int short_read(struct ks_ufw *ufw, const char *word)
{
	const char *slash = strchr(word, '/');
	char port[PART];
	int err;

	snprintf(port, sizeof(port), "%.*s", slash ? (int)(slash - word) : (int)strlen(word), word);
	err = ports_read(ufw, KS_DIM_DPORT, port);
	return err || !slash ? err : proto_read(ufw, slash + 1);
}

/* "in", "out", "on eth0", "from", "to", "port" and "proto" with what stands behind. */
static int added_word(struct ks_ufw *ufw, const char *word, bool *to, bool *out)
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
static int default_read(struct ks_ufw *ufw)
{
	static const char *const ways[WAYS] = { "incoming", "outgoing", "routed" };
	const char *value = ks_words_take(&ufw->words), *way = ks_words_take(&ufw->words);

	for (unsigned i = 0; value && i < WAYS; i++) {
		if (!strcmp(way ? way : ways[WAY_IN], ways[i])) {
			ks_ufw_policy(ufw, (enum ks_ufw_way)i, value);
			return 0;
		}
	}
	return ks_import_fail(ufw->import, "line %u: expected 'default POLICY [incoming | outgoing | routed]'",
			      ufw->import->line);
}

/* Commands that change no rule. */
static bool is_command(const char *word)
{
	static const char *const words[] = { "enable", "disable", "--dry-run", "logging", "reload",
					     "status", "show",	  "app",       "version" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (!strcmp(words[i], word))
			return true;
	}
	return false;
}

/* A command that changes the rules: "insert 1 deny from 192.0.2.1", "delete 3". */
struct change {
	bool deletes;
	unsigned position;
};

/* The words before the action of a rule, in any order: "route", "rule", "insert 1", "prepend", "delete". */
static int change_read(struct ks_ufw *ufw, struct change *change, const char **action)
{
	__u64 position;

	for (;; *action = ks_words_take(&ufw->words)) {
		if (!*action)
			return 0;
		if (!strcmp(*action, "route") || !strcmp(*action, "rule")) {
			ufw->way = (*action)[1] == 'o' ? WAY_ROUTED : WAY_IN;
		} else if (!strcmp(*action, "delete")) {
			change->deletes = true;
		} else if (!strcmp(*action, "prepend")) {
			change->position = KS_UFW_PREPEND;
		} else if (!strcmp(*action, "insert")) {
			const char *value = ks_words_take(&ufw->words);

			if (!value || ks_value_number(value, 1, KS_IMPORT_RULES, &position))
				return ks_import_fail(ufw->import, "line %u: expected a number behind 'insert'",
						      ufw->import->line);
			change->position = (unsigned)position;
		} else {
			return 0;
		}
	}
}

/* Takes out what the text before has added, and nothing that may be another rule of the machine. */
static int deleted_end(struct ks_ufw *ufw)
{
	const struct ks_ufw_rule rule = rule_of(ufw);

	ks_ufw_list_delete(&ufw->rules, &rule);
	return 0;
}

int ks_ufw_command(struct ks_ufw *ufw)
{
	bool to = true, out = false;
	const char *action = ks_words_take(&ufw->words);
	struct change change = { .position = KS_UFW_APPEND };
	int err = rule_begin(ufw);
	__u64 number;

	if (action && !strcmp(action, "--force"))
		action = ks_words_take(&ufw->words);
	if (action && !strcmp(action, "default"))
		return default_read(ufw);
	if (action && !strcmp(action, "reset"))
		ufw->rules = (struct ks_ufw_list){ 0 };
	if (!action || is_command(action) || !strcmp(action, "reset"))
		return 0;
	err = err ? err : change_read(ufw, &change, &action);
	if (!err && change.deletes && action && !ks_value_number(action, 1, KS_IMPORT_RULES, &number)) {
		ks_ufw_list_delete_at(&ufw->rules, (unsigned)number);
		return 0;
	}
	err = err ? err : action_read(ufw, action ? action : "");
	while (!err && ks_words_peek(&ufw->words))
		err = added_word(ufw, ks_words_take(&ufw->words), &to, &out);
	if (err)
		return err;
	return change.deletes ? deleted_end(ufw) : rule_end(ufw, action, change.position);
}
