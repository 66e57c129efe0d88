/* SPDX-License-Identifier: BSD-2-Clause */
/* Further conditions of rules; see condition.h. A table says how each is read. */
#include "policy/condition.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "core/protection.h"
#include "policy/during.h"
#include "policy/list.h"
#include "policy/protect.h"
#include "policy/rule.h"
#include "policy/sets.h"
#include "policy/value.h"

static int read_flags(struct ks_parser *p, struct ks_ast_conditions *conditions);
static int read_options(struct ks_parser *p, struct ks_ast_conditions *conditions);

/* The conditions. One without a function is a word alone, and `not` stands before it. */
static const struct {
	const char *word;
	int (*read)(struct ks_parser *p, struct ks_ast_conditions *conditions); /* the value behind the word */
	bool no_not; /* `not` cannot stand behind the word */
} words[KS_CONDITION_MAX] = {
	[KS_CONDITION_FLAGS] = { "flags", read_flags, true },
	[KS_CONDITION_FRAGMENT] = { "fragment", NULL, true },
	[KS_CONDITION_IP_OPTION] = { "ip-option", read_options, false },
	[KS_CONDITION_TTL] = { "ttl", ks_read_ttl, false },
	[KS_CONDITION_LENGTH] = { "length", ks_read_length, false },
	[KS_CONDITION_DSCP] = { "dscp", ks_read_dscp, false },
	[KS_CONDITION_MARK] = { "mark", ks_read_mark, false },
	[KS_CONDITION_MAC] = { "mac", ks_read_mac, false },
	[KS_CONDITION_DURING] = { "during", ks_read_during, false },
	[KS_CONDITION_USER] = { "user", ks_read_user, false },
	[KS_CONDITION_CGROUP] = { "cgroup", ks_read_cgroup, false },
};

/* --- TCP flags --- */

/* As pf and tcpdump write them, in the order of their bits. */
static const char flag_letters[] = "FSRPAUEW";

#define FLAGS_TEXT                                                                                                    \
	"expected the flags that are set, and behind a slash those that are looked at, such as S/SA (S alone of SYN " \
	"and ACK) or /R (no RST); F is FIN, S SYN, R RST, P PSH, A ACK, U URG, E ECE, W CWR"

/* Reads letters up to `end`. */
static int flags_value(const char *text, const char *end, __u8 *flags)
{
	*flags = 0;
	for (; text < end; text++) {
		const char *letter = strchr(flag_letters, *text);

		if (!letter)
			return -EINVAL;
		*flags |= (__u8)(1U << (letter - flag_letters));
	}
	return 0;
}

static int read_flags(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	const char *slash;
	struct ks_token token;

	if (ks_parser_expect(p, KS_TOKEN_WORD, "TCP flags such as S/SA", &token))
		return -EINVAL;
	slash = strchr(token.text, '/');
	if (!slash || !slash[1] || flags_value(token.text, slash, &conditions->tcp_flags) ||
	    flags_value(slash + 1, token.text + token.length, &conditions->tcp_mask))
		return ks_parser_error(p, &token, 0, "'%.60s' says no TCP flags: " FLAGS_TEXT, token.text);
	if (conditions->tcp_flags & ~conditions->tcp_mask)
		return ks_parser_error(p, &token, 0,
				       "'%.60s' can never hold: each flag before the slash must stand behind it, too",
				       token.text);
	return 0;
}

const char *ks_tcp_flags_letters(unsigned flags, char buf[KS_FLAGS_TEXT])
{
	size_t used = 0;

	for (unsigned i = 0; flag_letters[i]; i++) {
		if (flags >> i & 1)
			buf[used++] = flag_letters[i];
	}
	buf[used] = '\0';
	return buf;
}

static void print_flags(const struct ks_ast_conditions *conditions, FILE *out)
{
	char set[KS_FLAGS_TEXT], mask[KS_FLAGS_TEXT];

	fprintf(out, "%s/%s", ks_tcp_flags_letters(conditions->tcp_flags, set),
		ks_tcp_flags_letters(conditions->tcp_mask, mask));
}

/* --- IP options --- */

static int read_options(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	conditions->ip_options = 0;
	if (ks_parser_accept_word(p, "none"))
		return 0;
	conditions->ip_options = KS_IP_OPTIONS_ALL;
	if (ks_parser_accept_word(p, "any"))
		return 0;
	return ks_parse_ip_options(p, "'any', 'none' or an IP option such as record-route", &conditions->ip_options);
}

void ks_print_option_condition(__u8 options, FILE *out)
{
	bool several = options & (options - 1);

	if (!options || options == KS_IP_OPTIONS_ALL) {
		fputs(options ? "any" : "none", out);
		return;
	}
	fputs(several ? "{ " : "", out);
	ks_print_ip_options(options, out);
	fputs(several ? " }" : "", out);
}

/* --- addresses of the link --- */

const char *ks_mac_text(__u64 mac, char buf[KS_MAC_TEXT])
{
	snprintf(buf, KS_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", (__u8)(mac >> 40), (__u8)(mac >> 32),
		 (__u8)(mac >> 24), (__u8)(mac >> 16), (__u8)(mac >> 8), (__u8)mac);
	return buf;
}

/* Prints each of them: neighbours may be merged to a range. */
static void print_macs(const struct ks_merged *merged, FILE *out)
{
	bool several = merged->count4 > 1 || merged->ranges[0].lo[1] != merged->ranges[0].hi[1];
	const char *separator = "";
	char buf[KS_MAC_TEXT];

	fputs(several ? "{ " : "", out);
	for (size_t i = 0; i < merged->count4; i++) {
		for (__u64 mac = merged->ranges[i].lo[1]; mac <= merged->ranges[i].hi[1]; mac++) {
			fprintf(out, "%s%s", separator, ks_mac_text(mac, buf));
			separator = ", ";
		}
	}
	fputs(several ? " }" : "", out);
}

/* --- reading --- */

/* The conditions of the rule, made with its first one; NULL without memory. */
static struct ks_ast_conditions *conditions_of(struct ks_parser *p, struct ks_ast_rule *rule)
{
	if (!rule->conditions) {
		rule->conditions = ks_arena_alloc(p->scratch, sizeof(*rule->conditions));
		if (rule->conditions)
			memset(rule->conditions, 0, sizeof(*rule->conditions));
	}
	return rule->conditions;
}

/* The condition of a word, KS_CONDITION_MAX without one. */
static unsigned condition_of(const char *word)
{
	unsigned n = 0;

	while (n < KS_CONDITION_MAX && strcmp(words[n].word, word) != 0)
		n++;
	return n;
}

/* Notes that the rule has a condition. */
static int note(struct ks_parser *p, struct ks_ast_conditions *conditions, unsigned n, bool negated)
{
	if (conditions->asks >> n & 1)
		return ks_clause_twice(p, words[n].word);
	conditions->asks |= (__u16)(1U << n);
	conditions->nots |= (__u16)(negated << n);
	conditions->place[n] = ks_parser_last(p)->place;
	return 0;
}

static int read_condition(struct ks_parser *p, struct ks_ast_rule *rule, unsigned n, bool negated)
{
	struct ks_ast_conditions *conditions = conditions_of(p, rule);

	if (!conditions)
		return ks_parser_no_memory(p);
	if (note(p, conditions, n, negated))
		return -EINVAL;
	if (!words[n].no_not && ks_parser_accept_word(p, "not"))
		conditions->nots |= (__u16)(1U << n);
	return words[n].read ? words[n].read(p, conditions) : 0;
}

int ks_parse_condition(struct ks_parser *p, struct ks_ast_rule *rule, const struct ks_token *token)
{
	bool negated = strcmp(token->text, "not") == 0;
	unsigned n = condition_of(token->text);

	if (!negated)
		return n == KS_CONDITION_MAX ? 1 : read_condition(p, rule, n, false);
	if (ks_parser_accept_word(p, words[KS_CONDITION_FRAGMENT].word))
		return read_condition(p, rule, KS_CONDITION_FRAGMENT, true);
	return ks_parser_error(p, ks_parser_next(p), 0,
			       "'not' stands behind the word that it negates, as in source not 10.0.0.0/8: expected it "
			       "here before 'fragment' only");
}

/* --- checking --- */

static bool asks(const struct ks_ast_conditions *conditions, unsigned n)
{
	return conditions->asks >> n & 1;
}

static bool is_tcp(const struct ks_ast_rule *rule)
{
	return rule->proto_count == 1 && rule->protos[0] == KS_PROTO_TCP;
}

/* Warns where something else than the host itself is asked for a process of the host. */
static void check_sender(struct ks_parser *p, const struct ks_ast_rule *rule, unsigned n, const char *what)
{
	if (asks(rule->conditions, n) && rule->from_zones != 1ULL << KS_ZONE_SELF)
		ks_parser_warn_at(p, &rule->conditions->place[n],
				  "only what the firewall's own host sends %s, and nothing else matches this rule: "
				  "expected 'from self'",
				  what);
}

void ks_conditions_check(struct ks_parser *p, const struct ks_ast_rule *rule)
{
	const struct ks_ast_conditions *conditions = rule->conditions;

	if (!conditions)
		return;
	if (asks(conditions, KS_CONDITION_FLAGS) && !is_tcp(rule))
		ks_parser_error_at(p, &conditions->place[KS_CONDITION_FLAGS],
				   "only TCP has these flags: expected tcp, and no other protocol, in this rule");
	check_sender(p, rule, KS_CONDITION_USER, "is of one of its users");
	check_sender(p, rule, KS_CONDITION_CGROUP, "is of one of its control groups");
	for (unsigned n = 0; n < KS_CONDITION_MAX; n++) {
		bool empty = n == KS_CONDITION_DSCP	? !conditions->dscp
			     : n == KS_CONDITION_DURING ? !conditions->during.count
			     : n == KS_CONDITION_CGROUP ? !conditions->cgroups.count
			     : words[n].read == ks_read_ttl || words[n].read == ks_read_length ||
					     words[n].read == ks_read_mark || words[n].read == ks_read_mac ||
					     words[n].read == ks_read_user
				     ? !conditions->numbers[n].count
				     : false;

		if (asks(conditions, n) && empty)
			ks_parser_error_at(p, &conditions->place[n],
					   "this list is empty: expected at least one entry behind '%s'",
					   words[n].word);
	}
}

/* --- compiling --- */

static int compile_numbers(struct ks_compiler *c, const struct ks_ast_conditions *conditions, unsigned n, __u32 *set)
{
	ks_auto_merged struct ks_merged merged = { 0 };
	int err;

	*set = KS_SET_ANY;
	if (!asks(conditions, n))
		return 0;
	err = ks_items_merge(c->p->ast, &conditions->numbers[n], false, &merged);
	if (!err)
		err = ks_compile_set(c, &merged, set);
	return err ? ks_compile_too_many(c, &conditions->place[n], err) : 0;
}

static bool same_entry(const void *owner, __u32 value, const void *key)
{
	const struct ks_policy *policy = owner;

	return memcmp(&policy->conditions[value], key, sizeof(*policy->conditions)) == 0;
}

/* Makes room for an entry; the first one of the table is none. */
static int reserve(struct ks_compiler *c)
{
	struct ks_config *config = &c->policy->config;

	if (ks_compile_reserve(&c->policy->conditions, &c->condition_room, config->conditions, 2,
			       sizeof(struct ks_conditions)))
		return -ENOMEM;
	if (!config->conditions)
		c->policy->conditions[config->conditions++] = (struct ks_conditions){ 0 };
	return 0;
}

/* Rules with equal conditions share an entry. */
static int keep_entry(struct ks_compiler *c, const struct ks_conditions *entry, __u16 *index)
{
	struct ks_config *config = &c->policy->config;
	__u64 hash = ks_hash_bytes(0, entry, sizeof(*entry));
	long found = ks_index_find(&c->conditions, hash, same_entry, c->policy, entry);

	if (found < 0) {
		if (reserve(c) || ks_index_add(&c->conditions, hash, config->conditions))
			return ks_parser_no_memory(c->p);
		found = config->conditions;
		c->policy->conditions[config->conditions++] = *entry;
	}
	config->asks |= entry->asks;
	*index = (__u16)found;
	return 0;
}

int ks_compile_conditions(struct ks_compiler *c, const struct ks_ast_rule *rule, __u16 *index)
{
	const struct ks_ast_conditions *said = rule->conditions;
	struct ks_conditions entry = { 0 };

	*index = 0;
	if (!said)
		return 0;
	entry.asks = said->asks;
	entry.nots = said->nots;
	entry.tcp_flags = said->tcp_flags;
	entry.tcp_mask = said->tcp_mask;
	entry.ip_options = said->ip_options;
	entry.dscp = said->dscp;
	entry.mark_mask = said->mark_mask;
	if (compile_numbers(c, said, KS_CONDITION_TTL, &entry.ttl_set) ||
	    compile_numbers(c, said, KS_CONDITION_LENGTH, &entry.length_set) ||
	    compile_numbers(c, said, KS_CONDITION_MARK, &entry.mark_set) ||
	    compile_numbers(c, said, KS_CONDITION_MAC, &entry.mac_set) ||
	    compile_numbers(c, said, KS_CONDITION_USER, &entry.user_set) ||
	    ks_cgroups_compile(c, said, &entry.cgroups) ||
	    (asks(said, KS_CONDITION_DURING) && ks_during_compile(c, said, &entry.schedule)))
		return c->p->complaints.no_memory ? -ENOMEM : -EINVAL;
	return keep_entry(c, &entry, index);
}

bool ks_conditions_may_miss(const struct ks_compiler *c, const struct ks_ast_rule *rule)
{
	bool by_clock = c->policy->config.schedule_end != KS_SCHEDULE_END_KEEP;

	return rule->conditions->asks & ~(by_clock ? KS_CONDITION_BIT(KS_CONDITION_DURING) : 0U);
}

/* --- printing --- */

static void print_range(const struct ks_range *range, bool is_mark, FILE *out)
{
	const char *prefix = is_mark ? "0x" : "";

	fprintf(out, is_mark ? "%s%llx" : "%s%llu", prefix, range->lo[1]);
	if (range->lo[1] != range->hi[1])
		fprintf(out, is_mark ? "-%s%llx" : "-%s%llu", prefix, range->hi[1]);
}

static int print_numbers(struct ks_ast *ast, const struct ks_ast_conditions *conditions, unsigned n, FILE *out)
{
	ks_auto_merged struct ks_merged merged = { 0 };
	bool is_mark = n == KS_CONDITION_MARK;

	if (ks_items_merge(ast, &conditions->numbers[n], false, &merged))
		return -ENOMEM;
	if (n == KS_CONDITION_MAC) {
		if (merged.count4)
			print_macs(&merged, out);
		return 0;
	}
	fputs(merged.count4 > 1 ? "{ " : "", out);
	for (size_t i = 0; i < merged.count4; i++) {
		fputs(i ? ", " : "", out);
		print_range(&merged.ranges[i], is_mark, out);
		if (is_mark && conditions->mark_mask != UINT32_MAX)
			fprintf(out, "/0x%x", conditions->mark_mask);
	}
	fputs(merged.count4 > 1 ? " }" : "", out);
	return 0;
}

static int print_value(struct ks_ast *ast, const struct ks_ast_conditions *conditions, unsigned n, FILE *out)
{
	switch (n) {
	case KS_CONDITION_FLAGS:
		print_flags(conditions, out);
		return 0;
	case KS_CONDITION_IP_OPTION:
		ks_print_option_condition(conditions->ip_options, out);
		return 0;
	case KS_CONDITION_DURING:
		ks_during_print(&conditions->during, out);
		return 0;
	case KS_CONDITION_CGROUP:
		ks_cgroups_print(&conditions->cgroups, out);
		return 0;
	case KS_CONDITION_DSCP:
		ks_print_dscp(conditions->dscp, out);
		return 0;
	default:
		return print_numbers(ast, conditions, n, out);
	}
}

int ks_conditions_print(struct ks_ast *ast, const struct ks_ast_rule *rule, FILE *out)
{
	const struct ks_ast_conditions *conditions = rule->conditions;
	int err = 0;

	for (unsigned n = 0; conditions && !err && n < KS_CONDITION_MAX; n++) {
		const char *negation = conditions->nots >> n & 1 ? " not" : "";

		if (!asks(conditions, n))
			continue;
		if (!words[n].read) {
			fprintf(out, "%s %s", negation, words[n].word);
			continue;
		}
		fprintf(out, " %s%s ", words[n].word, negation);
		err = print_value(ast, conditions, n, out);
	}
	return err;
}
