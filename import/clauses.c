/* SPDX-License-Identifier: BSD-2-Clause */
/* See clauses.h. */
#include "import/clauses.h"

#include <errno.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "policy/value.h"
#include "text/names.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define PROTOS_MAX 16U /* names of protocols in a rule */
#define LIST_MAX 10U /* entries of a list that stands in its rule */
#define ICMP_ITEMS_MAX 256U
#define CODES 0xffU

static const char *const words[KS_IMPORT_WORDS] = {
	[KS_WORD_SOURCE] = "source",	   [KS_WORD_DESTINATION] = "destination",
	[KS_WORD_FLAGS] = "flags",	   [KS_WORD_FRAGMENT] = "fragment",
	[KS_WORD_IP_OPTION] = "ip-option", [KS_WORD_TTL] = "ttl",
	[KS_WORD_LENGTH] = "length",	   [KS_WORD_DSCP] = "dscp",
	[KS_WORD_MARK] = "mark",	   [KS_WORD_MAC] = "mac",
	[KS_WORD_DURING] = "during",	   [KS_WORD_USER] = "user",
};

static const struct ks_region *any_of(const struct ks_clause_rule *rule)
{
	return rule->of[0] ? rule->of[0] : rule->of[1];
}

static bool is_whole(const struct ks_region *region, enum ks_dim dim)
{
	return ks_spans_equal(&region->dim[dim], ks_spans_all(dim, region->family));
}

/* Returns true if the dimension holds all there is, in each family of the rule. */
static bool is_whole_of(const struct ks_clause_rule *rule, enum ks_dim dim)
{
	return (!rule->of[0] || is_whole(rule->of[0], dim)) && (!rule->of[1] || is_whole(rule->of[1], dim));
}

/* --- what can be said --- */

static bool is_inbound(enum ks_verdict_kind verdict)
{
	return verdict == KS_IMPORT_FORWARD || verdict == KS_IMPORT_REDIRECT;
}

/* Returns true if the rule is for packets to the firewall itself by having neither destination nor zones to go to. */
static bool is_for_own(const struct ks_clause_rule *rule)
{
	return is_inbound(rule->verdict) && !(any_of(rule)->out >> KS_VAR_OWN & 1) && is_whole_of(rule, KS_DIM_DST);
}

static const char *condition_trouble(const struct ks_clauses *clauses, const struct ks_clause_rule *rule, unsigned at,
				     unsigned *said)
{
	const struct ks_import_condition *condition = &clauses->import->condition[at];
	const bool negated = !(any_of(rule)->in >> at & 1);

	if (condition->word == KS_WORD_NONE && (!condition->line || condition->line == rule->line))
		return ks_import_format(clauses->import, "nothing here says '%.200s'", condition->text);
	if (condition->word == KS_WORD_NONE)
		return ks_import_format(clauses->import, "nothing here says '%.200s' of %s %u", condition->text,
					clauses->import->numbered, condition->line);
	if (condition->word == KS_WORD_FLAGS && negated)
		return "flags cannot be negated here";
	if (*said >> condition->word & 1)
		return ks_import_format(clauses->import, "a rule has one '%s' here", words[condition->word]);
	*said |= 1U << condition->word;
	if ((condition->word == KS_WORD_SOURCE && !is_whole_of(rule, KS_DIM_SRC)) ||
	    (condition->word == KS_WORD_DESTINATION && !is_whole_of(rule, KS_DIM_DST)))
		return ks_import_format(clauses->import, "a rule has one '%s' here", words[condition->word]);
	return NULL;
}

/* How many types, and codes of types that are not whole, a list of ICMP has. */
static unsigned icmp_items(const struct ks_spans *spans)
{
	unsigned count = 0;

	for (__u32 i = 0; i < spans->count && count <= ICMP_ITEMS_MAX; i++) {
		const __u64 low = spans->list[i].lo[1], high = spans->list[i].hi[1];

		if (low >> KS_ICMP_TYPE_SHIFT == high >> KS_ICMP_TYPE_SHIFT && high - low != CODES) {
			count += (unsigned)(high - low) + 1;
			continue;
		}
		count += (unsigned)((high >> KS_ICMP_TYPE_SHIFT) - (low >> KS_ICMP_TYPE_SHIFT)) + 1;
		count += low & CODES ? (unsigned)(CODES + 1 - (low & CODES)) : 0;
		count += (high & CODES) != CODES ? (unsigned)(high & CODES) + 1 : 0;
	}
	return count;
}

/* No host takes TCP that is sent to a broadcast address: which one it was does not matter. */
static bool is_tcp(const struct ks_region *region)
{
	return region->proto[0] == 1ULL << KS_PROTO_TCP && !region->proto[1] && !region->proto[2] &&
	       !region->proto[3] && !(region->out >> KS_VAR_OWN & 1);
}

static const char *variables_trouble(struct ks_clauses *clauses, const struct ks_clause_rule *rule)
{
	const struct ks_region *region = any_of(rule);
	unsigned said = 0;

	for (unsigned at = 0; at < clauses->import->conditions; at++) {
		const char *trouble = NULL;

		if (region->in & region->out & 1ULL << at)
			continue;
		if (at == KS_VAR_OWN && !is_for_own(rule) && !is_tcp(region))
			trouble = "rules here do not tell the firewall's addresses from broadcast ones";
		else if (at < KS_VAR_OWN)
			trouble = "nothing here says what this rule knows of a connection";
		else if (at >= KS_VAR_FIRST)
			trouble = condition_trouble(clauses, rule, at, &said);
		if (trouble)
			return trouble;
	}
	return NULL;
}

const char *ks_clauses_trouble(struct ks_clauses *clauses, const struct ks_clause_rule *rule)
{
	for (unsigned i = 0; i < 2; i++) {
		if (rule->of[i] && !is_whole(rule->of[i], KS_DIM_ICMP) &&
		    icmp_items(&rule->of[i]->dim[KS_DIM_ICMP]) > ICMP_ITEMS_MAX)
			return "too many types of ICMP";
	}
	return variables_trouble(clauses, rule);
}

/* --- zones --- */

const char *ks_clauses_zone(const struct ks_import *import, unsigned zone)
{
	if (zone == KS_ZONE_NONE)
		return "rest";
	if (zone == KS_ZONE_SELF)
		return "self";
	return zone - KS_ZONE_FIRST < import->zones ? import->zone[zone - KS_ZONE_FIRST].name : "rest";
}

static void zones_write(struct ks_clauses *clauses, const char *word, __u64 zones, __u64 all)
{
	const __u64 others = all & ~zones;
	const bool negated = __builtin_popcountll(others) < __builtin_popcountll(zones);
	const char *comma = "";
	__u64 listed = negated ? others : zones;
	const bool many = (listed & (listed - 1)) != 0;

	fprintf(clauses->out, " %s%s%s ", word, negated ? " not" : "", many ? " {" : "");
	for (; listed; listed &= listed - 1, comma = ", ")
		fprintf(clauses->out, "%s%s", comma,
			ks_clauses_zone(clauses->import, (unsigned)__builtin_ctzll(listed)));
	fputs(many ? " }" : "", clauses->out);
}

static void from_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule, __u64 all)
{
	const __u64 from = any_of(rule)->from & all, to = any_of(rule)->to & all;

	if (from == all)
		return;
	if (from == (all & ~SELF) && (to == SELF || is_inbound(rule->verdict) || rule->translates))
		return;
	zones_write(clauses, "from", from, all);
}

static void to_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule, __u64 all)
{
	const __u64 from = any_of(rule)->from & all, to = any_of(rule)->to & all;

	if (is_for_own(rule))
		return;
	if (to == all) {
		if (is_inbound(rule->verdict) && is_whole_of(rule, KS_DIM_DST))
			fputs(" to any", clauses->out);
		return;
	}
	if (to == (all & ~SELF) && (from == SELF || rule->translates))
		return;
	zones_write(clauses, "to", to, all);
}

/* --- lists --- */

static void addresses_write(FILE *out, const struct ks_range *range, __u8 family)
{
	const int length = ks_range_prefix_length(range, family), whole = family == KS_IPV4 ? 32 : 128;
	char buf[KS_ADDR_TEXT];
	struct ks_addr addr;

	ks_addr_from_value(range->lo, family, &addr);
	fputs(ks_addr_text(&addr, family, buf), out);
	if (length >= 0 && length < whole)
		fprintf(out, "/%d", length);
	if (length >= 0)
		return;
	ks_addr_from_value(range->hi, family, &addr);
	fprintf(out, "-%s", ks_addr_text(&addr, family, buf));
}

static void numbers_write(FILE *out, const struct ks_range *range)
{
	fprintf(out, range->lo[1] == range->hi[1] ? "%llu" : "%llu-%llu", (unsigned long long)range->lo[1],
		(unsigned long long)range->hi[1]);
}

void ks_spans_write(FILE *out, const struct ks_spans spans[2], bool ports)
{
	const bool many = spans[0].count + spans[1].count != 1;
	const char *comma = "";

	fputs(many ? "{ " : "", out);
	for (unsigned at = 0; at < 2; at++) {
		for (__u32 i = 0; i < spans[at].count; i++, comma = ", ") {
			fputs(comma, out);
			if (ports)
				numbers_write(out, &spans[at].list[i]);
			else
				addresses_write(out, &spans[at].list[i], at ? KS_IPV6 : KS_IPV4);
		}
	}
	fputs(many ? " }" : "", out);
}

/* The longest prefix that begins a range of addresses, itself as a range. */
static struct ks_range prefix_first(const struct ks_range *range, __u8 family)
{
	struct ks_prefix prefix = { .family = family, .length = family == KS_IPV4 ? 32 : 128 };
	struct ks_range found, wider;

	ks_addr_from_value(range->lo, family, &prefix.addr);
	ks_prefix_range(&prefix, &found);
	while (prefix.length-- > 0) {
		ks_prefix_range(&prefix, &wider);
		if (ks_value_compare(wider.lo, range->lo) || ks_value_compare(wider.hi, range->hi) > 0)
			break;
		found = wider;
	}
	return found;
}

static void prefixes_write(FILE *out, const struct ks_range *range, __u8 family)
{
	struct ks_range rest = *range, first = prefix_first(&rest, family);

	addresses_write(out, &first, family);
	while (ks_value_compare(first.hi, range->hi)) {
		rest.lo[1] = first.hi[1] + 1;
		rest.lo[0] = first.hi[0] + !rest.lo[1];
		first = prefix_first(&rest, family);
		fputs(", ", out);
		addresses_write(out, &first, family);
	}
}

void ks_prefixes_write(FILE *out, const struct ks_spans spans[2])
{
	const char *comma = "";

	fputs("{ ", out);
	for (unsigned at = 0; at < 2; at++) {
		for (__u32 i = 0; i < spans[at].count; i++, comma = ", ") {
			fputs(comma, out);
			prefixes_write(out, &spans[at].list[i], at ? KS_IPV6 : KS_IPV4);
		}
	}
	fputs(" }", out);
}

static bool spans_are_same(const struct ks_spans a[2], const struct ks_spans b[2])
{
	return ks_spans_equal(&a[0], &b[0]) && ks_spans_equal(&a[1], &b[1]);
}

/* The name that the text has for a list, or a number. */
static const char *set_name(struct ks_clauses *clauses, const struct ks_spans spans[2], bool ports)
{
	for (const struct ks_named_spans *set = clauses->import->sets; set && !ports; set = set->next) {
		char name[KS_IMPORT_NAME];
		size_t length = 0;

		if (!spans_are_same(set->spans, spans))
			continue;
		length = (size_t)snprintf(name, sizeof(name), "s_");
		for (const char *at = set->name; *at && length < sizeof(name) - 1; at++)
			name[length++] = strchr("_-", *at) || (*at >= '0' && *at <= '9') ||
							 ((*at | 0x20) >= 'a' && (*at | 0x20) <= 'z')
						 ? *at
						 : '_';
		name[length] = '\0';
		for (const struct ks_clause_set *used = clauses->sets; used; used = used->next) {
			if (!strcmp(used->name, name))
				length = 0;
		}
		if (length)
			return ks_import_copy(clauses->import, name, length);
	}
	return ks_import_format(clauses->import, "list_%u", ++clauses->set_count);
}

static const struct ks_clause_set *set_make(struct ks_clauses *clauses, const struct ks_spans spans[2], bool ports)
{
	struct ks_clause_set *set;

	for (set = clauses->sets; set; set = set->next) {
		if (set->ports == ports && spans_are_same(set->spans, spans))
			return set;
	}
	set = ks_pool_alloc(&clauses->import->pool, sizeof(*set));
	if (!set)
		return NULL;
	*set = (struct ks_clause_set){ .name = set_name(clauses, spans, ports), .ports = ports };
	set->spans[0] = spans[0];
	set->spans[1] = spans[1];
	if (!set->name)
		return NULL;
	*clauses->last_set = set;
	clauses->last_set = &set->next;
	return set;
}

static void list_write(struct ks_clauses *clauses, const struct ks_spans spans[2], bool ports)
{
	const struct ks_clause_set *set;

	if (spans[0].count + spans[1].count <= LIST_MAX) {
		ks_spans_write(clauses->out, spans, ports);
		return;
	}
	set = set_make(clauses, spans, ports);
	clauses->failed |= !set;
	fprintf(clauses->out, "@%s", set ? set->name : "");
}

static const struct ks_spans none = { NULL, 0 };

/* All that is not in the spans, of each family of the rule. */
static bool others_find(struct ks_clauses *clauses, const struct ks_clause_rule *rule, enum ks_dim dim,
			struct ks_spans others[2])
{
	int err = 0;

	for (unsigned i = 0; !err && i < 2; i++) {
		others[i] = none;
		if (rule->of[i])
			err = ks_spans_subtract(&clauses->import->pool, ks_spans_all(dim, rule->of[i]->family),
						&rule->of[i]->dim[dim], &clauses->import->steps, &others[i]);
	}
	clauses->failed |= err != 0;
	return !err;
}

/* Writes addresses. Returns true if the clause itself holds packets of the rule's families alone. */
static bool dim_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule, enum ks_dim dim, const char *word)
{
	const struct ks_spans spans[2] = { rule->of[0] ? rule->of[0]->dim[dim] : none,
					   rule->of[1] ? rule->of[1]->dim[dim] : none };
	struct ks_spans others[2];
	bool negated;

	if (is_whole_of(rule, dim) || !others_find(clauses, rule, dim, others))
		return false;
	negated = others[0].count + others[1].count < spans[0].count + spans[1].count;
	fprintf(clauses->out, " %s %s", word, negated ? "not " : "");
	list_write(clauses, negated ? others : spans, false);
	return !negated;
}

static void ports_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule, enum ks_dim dim,
			const char *word)
{
	const struct ks_spans spans[2] = { any_of(rule)->dim[dim], none };
	struct ks_spans others[2] = { none, none };

	if (is_whole_of(rule, dim))
		return;
	if (ks_spans_subtract(&clauses->import->pool, &ks_spans_ports, &spans[0], &clauses->import->steps, &others[0]))
		clauses->failed = true;
	fprintf(clauses->out, " %s %s", word, others[0].count < spans[0].count ? "not " : "");
	list_write(clauses, others[0].count < spans[0].count ? others : spans, true);
}

/* --- protocols --- */

static void protos_join(const struct ks_clause_rule *rule, __u64 protos[KS_PROTO_WORDS], __u64 all[KS_PROTO_WORDS])
{
	struct ks_region whole;

	for (unsigned i = 0; i < 2; i++) {
		if (!rule->of[i])
			continue;
		ks_region_fill(&whole, rule->of[i]->family, 0);
		for (unsigned word = 0; word < KS_PROTO_WORDS; word++) {
			protos[word] |= rule->of[i]->proto[word];
			all[word] |= whole.proto[word];
		}
	}
}

void ks_protos_write(FILE *out, const __u64 protos[KS_PROTO_WORDS])
{
	unsigned count = 0;
	char name[8];

	for (unsigned i = 0; i < KS_PROTO_WORDS; i++)
		count += (unsigned)__builtin_popcountll(protos[i]);
	fputs(count != 1 ? "{ " : "", out);
	for (unsigned proto = 0, said = 0; proto < 64 * KS_PROTO_WORDS; proto++) {
		if (protos[proto / 64] >> proto % 64 & 1)
			fprintf(out, "%s%s", said++ ? ", " : "", ks_proto_name(proto, name, sizeof(name)));
	}
	fputs(count != 1 ? " }" : "", out);
}

/* The variable that holds a long list of protocols. */
static const char *protos_name(struct ks_clauses *clauses, const __u64 protos[KS_PROTO_WORDS])
{
	struct ks_clause_protos *made;
	unsigned count = 1;

	for (made = clauses->protos; made; made = made->next, count++) {
		if (!memcmp(made->protos, protos, sizeof(made->protos)))
			return made->name;
	}
	made = ks_pool_alloc(&clauses->import->pool, sizeof(*made));
	if (!made) {
		clauses->failed = true;
		return "";
	}
	made->next = clauses->protos;
	memcpy(made->protos, protos, sizeof(made->protos));
	snprintf(made->name, sizeof(made->name), "protocols_%u", count);
	clauses->protos = made;
	return made->name;
}

/* Writes protocols. Returns true if they are of one family alone. */
static bool protos_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule)
{
	__u64 protos[KS_PROTO_WORDS] = { 0 }, all[KS_PROTO_WORDS] = { 0 };
	unsigned count = 0, last = 0;
	char name[8];

	protos_join(rule, protos, all);
	if (!memcmp(protos, all, sizeof(all)))
		return false;
	for (unsigned proto = 0; proto < 64 * KS_PROTO_WORDS; proto++) {
		if (protos[proto / 64] >> proto % 64 & 1) {
			count++;
			last = proto;
		}
	}
	if (count == 1 &&
	    (last == KS_PROTO_TCP || last == KS_PROTO_UDP || last == KS_PROTO_ICMP || last == KS_PROTO_ICMPV6)) {
		fprintf(clauses->out, " %s", ks_proto_name(last, name, sizeof(name)));
		return last == KS_PROTO_ICMP || last == KS_PROTO_ICMPV6;
	}
	fputs(" proto ", clauses->out);
	if (count > PROTOS_MAX)
		fprintf(clauses->out, "$%s", protos_name(clauses, protos));
	else
		ks_protos_write(clauses->out, protos);
	return false;
}

static void icmp_span_write(FILE *out, const struct ks_range *range, const char **comma)
{
	__u64 at = range->lo[1];

	while (at <= range->hi[1]) {
		const __u64 type = at >> KS_ICMP_TYPE_SHIFT, end = type << KS_ICMP_TYPE_SHIFT | CODES;

		fprintf(out, "%s%llu", *comma, (unsigned long long)type);
		*comma = ", ";
		if (!(at & CODES) && end <= range->hi[1]) {
			at = end + 1;
			continue;
		}
		fprintf(out, " code %llu", (unsigned long long)(at & CODES));
		at++;
	}
}

static void icmp_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule)
{
	const struct ks_spans *spans = &any_of(rule)->dim[KS_DIM_ICMP];
	const bool many = icmp_items(spans) > 1;
	const char *comma = "";

	if (is_whole_of(rule, KS_DIM_ICMP) || icmp_items(spans) > ICMP_ITEMS_MAX)
		return;
	fputs(many ? " type { " : " type ", clauses->out);
	for (__u32 i = 0; i < spans->count; i++)
		icmp_span_write(clauses->out, &spans->list[i], &comma);
	fputs(many ? " }" : "", clauses->out);
}

/* --- conditions --- */

/* The run-time set that a condition is about, if it has entries that end by themselves; NULL if it has none, or is another condition. */
static struct ks_named_spans *passing_find(struct ks_import *import, const struct ks_import_condition *condition)
{
	for (struct ks_named_spans *set = import->dynamic; set && condition->text[0] == '@'; set = set->next) {
		if (!strcmp(set->name, condition->text + 1))
			return set->passing[0].count + set->passing[1].count ? set : NULL;
	}
	return NULL;
}

/*
 * The value of a condition. Where a rule lets pass less without the entries that end by themselves, they are in no set: they would
 * stay there. Rules that let pass less by them have them by name then.
 */
static void value_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule,
			const struct ks_import_condition *condition, bool negated)
{
	struct ks_named_spans *set = passing_find(clauses->import, condition);
	const bool denies = rule->verdict == KS_IMPORT_DROP || rule->verdict == KS_IMPORT_REJECT;

	if (set)
		set->lets_pass |= denies == negated;
	if (!set || denies == negated || !set->lets_pass) {
		fprintf(clauses->out, " %s", condition->text);
		return;
	}
	fprintf(clauses->out, " { %s, ", condition->text);
	list_write(clauses, set->passing, false);
	fputs(" }", clauses->out);
}

static void conditions_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule)
{
	const struct ks_region *region = any_of(rule);
	unsigned said = 0;

	for (unsigned at = KS_VAR_FIRST; at < clauses->import->conditions; at++) {
		const struct ks_import_condition *condition = &clauses->import->condition[at];
		const bool negated = !(region->in >> at & 1);

		if (region->in & region->out & 1ULL << at || condition_trouble(clauses, rule, at, &said))
			continue;
		if (condition->word == KS_WORD_FRAGMENT)
			fprintf(clauses->out, "%s fragment", negated ? " not" : "");
		else
			fprintf(clauses->out, " %s%s", words[condition->word], negated ? " not" : "");
		if (condition->word != KS_WORD_FRAGMENT)
			value_write(clauses, rule, condition, negated);
	}
}

void ks_clauses_write(struct ks_clauses *clauses, const struct ks_clause_rule *rule)
{
	const struct ks_import *import = clauses->import;
	const __u64 all = ks_import_zones(import) | SELF;
	bool one_family;

	from_write(clauses, rule, all);
	to_write(clauses, rule, all);
	one_family = protos_write(clauses, rule);
	icmp_write(clauses, rule);
	one_family |= dim_write(clauses, rule, KS_DIM_SRC, "source");
	ports_write(clauses, rule, KS_DIM_SPORT, "source port");
	one_family |= dim_write(clauses, rule, KS_DIM_DST, "destination");
	ports_write(clauses, rule, KS_DIM_DPORT, "port");
	conditions_write(clauses, rule);
	if (!one_family && !(rule->of[0] && rule->of[1]) && import->families[0] && import->families[1])
		fprintf(clauses->out, " family %s", rule->of[0] ? "ipv4" : "ipv6");
}
