/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of pf.conf(5). Each is read for one direction after the other. */
#include <errno.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "import/pf.h"
#include "policy/icmp.h"
#include "policy/value.h"
#include "text/names.h"

#define PROTO_MAX 255U

/* --- protocols --- */

static int proto_one(struct ks_pf_reader *reader, const char *word, void *arg)
{
	static const char *const others[][2] = {
		{ "icmp6", "icmpv6" }, { "ipv6-icmp", "icmpv6" }, { "carp", "vrrp" }, { "ipencap", "ipip" }
	};
	__u64 *protos = arg, number;
	int proto;

	for (size_t i = 0; i < KS_ARRAY_SIZE(others); i++)
		word = strcmp(others[i][0], word) ? word : others[i][1];
	proto = ks_proto_from_name(word);
	if (proto < 0 && ks_value_number(word, 0, PROTO_MAX, &number))
		return -ERANGE;
	if (proto < 0)
		proto = (int)number;
	protos[proto / 64] |= 1ULL << proto % 64;
	return 0;
}

static int protos_read(struct ks_pf_reader *reader)
{
	__u64 protos[KS_PROTO_WORDS] = { 0 };
	bool negated;
	int err = ks_pf_list_each(reader, &negated, proto_one, protos);

	if (err)
		return err == -ERANGE ? ks_pf_unsaid(reader, "proto", "", false) : err;
	for (unsigned i = 0; i < KS_PROTO_WORDS && negated; i++)
		protos[i] = ~protos[i];
	for (unsigned i = 0; i < reader->made->draft.matches; i++)
		ks_import_match_protos(&reader->made->draft.match[i], protos);
	return 0;
}

/* --- types of ICMP --- */

/* The names of pf.conf(5) for types that ours call otherwise, or by their numbers alone. */
static const char *icmp_name(bool v6, const char *word)
{
	static const char *const names4[][2] = { { "echorep", "0" },	{ "unreach", "3" },    { "squench", "4" },
						 { "redir", "5" },	{ "althost", "6" },    { "echoreq", "8" },
						 { "routeradv", "9" },	{ "routersol", "10" }, { "timex", "11" },
						 { "paramprob", "12" }, { "timereq", "13" },   { "timerep", "14" },
						 { "maskreq", "17" },	{ "maskrep", "18" },   { "trace", "30" } };
	static const char *const names6[][2] = {
		{ "unreach", "1" },	{ "toobig", "2" },	{ "timex", "3" },	 { "paramprob", "4" },
		{ "echoreq", "128" },	{ "echorep", "129" },	{ "groupqry", "130" },	 { "listqry", "130" },
		{ "grouprep", "131" },	{ "listenrep", "131" }, { "groupterm", "132" },	 { "listendone", "132" },
		{ "routersol", "133" }, { "routeradv", "134" }, { "neighbrsol", "135" }, { "neighbradv", "136" },
		{ "redir", "137" }
	};

	for (size_t i = 0; !v6 && i < KS_ARRAY_SIZE(names4); i++)
		word = strcmp(names4[i][0], word) ? word : names4[i][1];
	for (size_t i = 0; v6 && i < KS_ARRAY_SIZE(names6); i++)
		word = strcmp(names6[i][0], word) ? word : names6[i][1];
	return word;
}

struct icmp {
	struct ks_ranges ranges;
	bool v6;
};

/* A type, and its code if one stands behind. */
static int icmp_one(struct ks_pf_reader *reader, const char *word, void *arg)
{
	struct icmp *icmp = arg;
	__s32 type, code = -1;
	__u64 number;
	__u32 low;

	word = icmp_name(icmp->v6, word);
	if (!ks_value_number(word, 0, 255, &number))
		type = (__s32)number;
	else if (ks_icmp_lookup(icmp->v6 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP, word, &type, &code) || code >= 0)
		return -ERANGE;
	if (ks_pf_comes(reader, "code")) {
		word = ks_words_take(reader->words);
		if (word && !strcmp(word, "needfrag") && !icmp->v6)
			word = "4";
		if (!word || ks_value_number(word, 0, 255, &number))
			return -ERANGE;
		code = (__s32)number;
	}
	low = (__u32)type << KS_ICMP_TYPE_SHIFT | (__u32)(code < 0 ? 0 : code);
	return ks_ranges_number(&icmp->ranges, low, code < 0 ? low | 0xff : low);
}

static int icmp_read(struct ks_pf_reader *reader, bool v6)
{
	struct icmp icmp = { .v6 = v6 };
	const unsigned from = reader->words->at;
	struct ks_spans spans[2];
	bool negated;
	int err = ks_pf_list_each(reader, &negated, icmp_one, &icmp);

	if (err == -ERANGE) {
		err = ks_pf_unsaid(reader, "icmp-type", ks_pf_first(reader, from), false);
	} else if (!err) {
		err = ks_ranges_take(reader->pf->import, &icmp.ranges, spans);
		/* pfctl(8) wants the protocol said */
		err = err ? err : ks_draft_proto(&reader->made->draft, v6 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP, false);
		err = err ? err : ks_draft_numbers(&reader->made->draft, KS_DIM_ICMP, &spans[0], negated);
	}
	ks_ranges_fini(&icmp.ranges);
	return err;
}

/* --- other conditions --- */

/* "on em0": where packets come from, or where they go to. */
static int interfaces_read(struct ks_pf_reader *reader, bool to)
{
	const unsigned from = reader->words->at;
	__u64 zones = 0;
	bool negated;
	int err = ks_pf_list_each(reader, &negated, ks_pf_interface, &zones);

	if (err == -ERANGE) {
		const char *group = ks_pf_first(reader, from);

		return ks_pf_unsaid(reader, "on",
				    ks_import_format(reader->pf->import,
						     "%.20s (a group: a line '%.20s = \"em0\"' would say who is in it)",
						     group, group),
				    false);
	}
	return err ? err : ks_draft_zones(&reader->made->draft, to, negated ? ~zones : zones);
}

/* "S/SA", "any"; -1 for what are no flags. */
static int flags_of(const char *text, size_t length)
{
	static const char letters[] = "FSRPAUEW";
	int flags = 0;

	for (size_t i = 0; i < length; i++) {
		const char *at = strchr(letters, text[i]);

		if (!at || !*at)
			return -1;
		flags |= 1 << (at - letters);
	}
	return flags;
}

static int flags_read(struct ks_pf_reader *reader)
{
	const char *word = ks_words_take(reader->words), *slash = word ? strchr(word, '/') : NULL;
	const int set = slash ? flags_of(word, (size_t)(slash - word)) : -1;
	const int mask = slash ? flags_of(slash + 1, strlen(slash + 1)) : -1;

	if (word && !strcmp(word, "any"))
		return 0;
	if (set < 0 || mask < 0 || set & ~mask)
		return ks_pf_unsaid(reader, "flags", word, false);
	ks_draft_proto(&reader->made->draft, KS_PROTO_TCP, false);
	return ks_draft_flags(&reader->made->draft, (unsigned)set, (unsigned)mask, false);
}

/* --- words that stand before nothing else, and those with one value --- */

/* Words that change no verdict, with a value behind them or without. */
static bool is_idle(struct ks_pf_reader *reader, const char *word)
{
	static const char *const alone[] = { "quick", "all", "static-port" };
	static const char *const valued[] = { "label", "ridentifier", "tracker", "queue", "set" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(alone); i++) {
		if (!strcmp(alone[i], word))
			return true;
	}
	for (size_t i = 0; i < KS_ARRAY_SIZE(valued); i++) {
		if (strcmp(valued[i], word) != 0)
			continue;
		if (!strcmp(word, "set") && ks_words_peek(reader->words) && strcmp(ks_words_peek(reader->words), "("))
			ks_words_take(reader->words); /* "set prio 6" */
		ks_pf_list_skip(reader);
		return true;
	}
	return false;
}

/* Conditions that nothing of ours says, with one value behind them. */
static bool is_strange(const char *word)
{
	static const char *const words[] = { "probability", "user", "group",	"tos",	  "rtable",
					     "prio",	    "os",   "route-to", "dup-to", "max-pkt-rate" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (!strcmp(words[i], word))
			return true;
	}
	return false;
}

static int strange_read(struct ks_pf_reader *reader, const char *word, bool negated)
{
	const char *text = word;
	unsigned at = reader->words->at;

	if (ks_pf_comes(reader, "!")) /* "user != _smtpd" */
		text = ks_import_format(reader->pf->import, "%.40s !%s", word, ks_pf_comes(reader, "=") ? "=" : "");
	if (text != word)
		at = reader->words->at;
	ks_pf_list_skip(reader);
	return text ? ks_pf_unsaid(reader, text, ks_pf_first(reader, at), negated) : -ENOMEM;
}

/* Words that make no difference for what may pass, but for other things: the first rule that has one says it for all. */
static int aside_read(struct ks_pf_reader *reader, const char *word)
{
	struct ks_pf *pf = reader->pf;
	const bool replies = word[0] == 'r';
	bool *told = replies ? &pf->told_replies : &pf->told_options;

	if (replies)
		ks_pf_list_skip(reader);
	if (*told)
		return 0;
	*told = true;
	return ks_import_note(pf->import,
			      replies ? "answers go by the routes here, also for further rules with reply-to"
				      : "packets with IP options are denied here, also for further rules "
					"with allow-opts");
}

static int log_read(struct ks_pf_reader *reader)
{
	const char *next = ks_words_peek(reader->words);

	reader->made->logs = true;
	if (next && !strcmp(next, "("))
		ks_pf_group_skip(reader);
	return 0;
}

/* Anchors have their direction behind the words of the rules in them. */
static int direction_read(struct ks_pf_reader *reader, const char *word)
{
	reader->made->none |= reader->made->out != (word[0] == 'o');
	return 0;
}

static int target_read(struct ks_pf_reader *reader, bool rdr)
{
	*(rdr ? &reader->made->rdr : &reader->made->nat) = true;
	return ks_pf_target(reader);
}

static int scrub_read(struct ks_pf_reader *reader)
{
	ks_pf_group_skip(reader); /* it makes packets sound, as we do without a word */
	reader->made->scrubs |= ks_pf_mss(reader->pf->import, reader->words, reader->words->at);
	return 0;
}

static int negated_read(struct ks_pf_reader *reader)
{
	const char *word = ks_words_take(reader->words);

	if (word && !strcmp(word, "tagged"))
		return ks_pf_tagged(reader, true);
	if (word && is_strange(word))
		return strange_read(reader, word, true);
	reader->words->at = reader->words->count;
	return ks_pf_unsaid(reader, "!", word, false);
}

static int word_read(struct ks_pf_reader *reader, const char *word)
{
	struct ks_draft *draft = &reader->made->draft;
	const char *next = ks_words_peek(reader->words);

	if (is_idle(reader, word))
		return 0;
	if (!strcmp(word, "reply-to") || !strcmp(word, "allow-opts"))
		return aside_read(reader, word);
	if (!strcmp(word, "in") || !strcmp(word, "out"))
		return direction_read(reader, word);
	if (!strcmp(word, "log"))
		return log_read(reader);
	if (!strcmp(word, "on"))
		return interfaces_read(reader, reader->made->out);
	if (!strcmp(word, "tag"))
		return ks_pf_tag(reader);
	if (!strcmp(word, "tagged"))
		return ks_pf_tagged(reader, false);
	if (!strcmp(word, "received-on"))
		return interfaces_read(reader, false);
	if (!strcmp(word, "inet") || !strcmp(word, "inet6"))
		return ks_draft_family(draft, word[4] ? KS_IPV6 : KS_IPV4);
	if (!strcmp(word, "proto"))
		return protos_read(reader);
	if (!strcmp(word, "from"))
		return ks_pf_addresses(reader, KS_DIM_SRC);
	if (!strcmp(word, "to"))
		return ks_pf_addresses(reader, KS_DIM_DST);
	if (!strcmp(word, "nat-to") || !strcmp(word, "rdr-to"))
		return target_read(reader, word[0] == 'r');
	if (!strcmp(word, "scrub") && next && !strcmp(next, "("))
		return scrub_read(reader);
	if (!strcmp(word, "icmp-type") || !strcmp(word, "icmp6-type"))
		return icmp_read(reader, word[4] == '6');
	if (!strcmp(word, "keep") || !strcmp(word, "modulate") || !strcmp(word, "synproxy"))
		return ks_pf_state(reader);
	if (!strcmp(word, "flags"))
		return flags_read(reader);
	if (!strcmp(word, "fragment") && draft->rule.kind != KS_IMPORT_ACCEPT)
		return ks_draft_condition(draft, KS_WORD_FRAGMENT, "", false);
	if (!strcmp(word, "!"))
		return negated_read(reader);
	if (is_strange(word))
		return strange_read(reader, word, false);
	reader->words->at = reader->words->count;
	return ks_pf_unsaid(reader, word, next, false);
}

/* --- the whole --- */

static void action_read(struct ks_pf_reader *reader)
{
	const char *action = ks_words_take(reader->words), *next = ks_words_peek(reader->words);
	struct ks_pf_draft *made = reader->made;

	made->is_match = !strcmp(action, "match");
	made->draft.rule.kind = strcmp(action, "block") != 0 ? KS_IMPORT_ACCEPT
				: reader->pf->returns	     ? KS_IMPORT_REJECT
							     : KS_IMPORT_DROP;
	if (ks_pf_comes(reader, "drop"))
		made->draft.rule.kind = KS_IMPORT_DROP;
	else if (next && !strncmp(next, "return", 6)) {
		reader->words->at++;
		made->draft.rule.kind = KS_IMPORT_REJECT;
		if (ks_words_peek(reader->words) && !strcmp(ks_words_peek(reader->words), "("))
			ks_pf_group_skip(reader);
	}
}

/* Appends the rule to a chain, and one that logs before it. */
static int chain_add(struct ks_pf_reader *reader, struct ks_import_chain *chain)
{
	struct ks_draft log = reader->made->draft;
	int err = 0;

	log.rule.kind = KS_IMPORT_LOG;
	log.rule.limit = NULL;
	if (reader->made->logs)
		err = ks_draft_end(&log, chain);
	return err ? err : ks_draft_end(&reader->made->draft, chain);
}

/* A translation, or what exempts from it. */
static int translation_add(struct ks_pf_reader *reader, struct ks_import_chain *chain, enum ks_verdict_kind kind)
{
	struct ks_draft draft = reader->made->draft;
	const struct ks_import_target *target = &reader->made->target;

	draft.quiet = true;
	draft.rule.kind = reader->rule->exempts ? KS_IMPORT_ACCEPT : kind;
	if (kind != KS_IMPORT_FORWARD) /* the rule that lets it pass counts it */
		draft.rule.limit = NULL;
	if (draft.rule.kind == KS_IMPORT_ACCEPT)
		return ks_draft_end(&draft, chain);
	if (reader->made->logs) {
		struct ks_draft log = draft;

		log.rule.kind = KS_IMPORT_LOG;
		if (ks_draft_end(&log, chain))
			return -E2BIG;
	}
	draft.rule.target = *target;
	draft.rule.trouble = reader->made->draft.rule.trouble;
	if (!target->address && kind == KS_IMPORT_FORWARD)
		draft.rule.trouble = "its new destination is no single address";
	if (target->address)
		ks_draft_family(&draft, target->family);
	return ks_draft_end(&draft, chain);
}

static int source_add(struct ks_pf_reader *reader)
{
	return translation_add(reader, reader->pf->sources,
			       reader->made->target.address ? KS_IMPORT_SOURCE : KS_IMPORT_MASQUERADE);
}

/* Packets that this rule decides about come to no rule behind it that gives new destinations. */
static int exemption_add(struct ks_pf_reader *reader)
{
	struct ks_draft exempt = reader->made->draft;

	exempt.quiet = true;
	exempt.rule.kind = KS_IMPORT_ACCEPT;
	exempt.rule.limit = NULL;
	return ks_draft_end(&exempt, reader->pf->destinations);
}

/* The rules behind it are asked about another destination: nobody here knows what they say. */
static int diverting_add(struct ks_pf_reader *reader)
{
	struct ks_draft *draft = &reader->made->draft;
	int err = reader->made->out ? 0 : exemption_add(reader);

	draft->quiet = true;
	draft->rule.kind = KS_IMPORT_DROP;
	draft->rule.trouble = "rules that match give no new destinations here";
	return err ? err : ks_draft_end(draft, reader->made->out ? reader->pf->out : reader->pf->in);
}

static int in_add(struct ks_pf_reader *reader)
{
	struct ks_pf_draft *made = reader->made;
	int err = 0;

	if (made->nat || (made->rdr && reader->pf->rdr))
		err = ks_pf_unsaid(reader, "a translation of the other kind", "", false);
	else if (made->rdr && made->draft.rule.kind == KS_IMPORT_ACCEPT)
		return translation_add(reader, reader->pf->destinations, KS_IMPORT_FORWARD);
	if (!err && reader->pf->redirects)
		err = exemption_add(reader);
	return err ? err : chain_add(reader, reader->pf->in);
}

static int out_add(struct ks_pf_reader *reader)
{
	int err = 0;

	if (reader->made->rdr)
		err = ks_pf_unsaid(reader, "new destinations of what leaves", "", false);
	if (!err && reader->made->from && reader->pf->rewrites)
		err = ks_pf_unsaid(reader, "sources that were translated before", "", false);
	return err ? err : chain_add(reader, reader->pf->out);
}

static int match_end(struct ks_pf_reader *reader)
{
	const bool told = reader->rule->told;

	reader->rule->told = true;
	return reader->made->nat || reader->made->scrubs || (reader->made->tags && !reader->pf->tags_unknown) || told
		       ? 0
		       : ks_import_note(reader->pf->import, "rules that only match are not read");
}

static int filter_add(struct ks_pf_reader *reader)
{
	struct ks_pf_draft *made = reader->made;
	int err = 0;

	if (made->nat && made->out && made->draft.rule.kind == KS_IMPORT_ACCEPT)
		err = source_add(reader);
	if (err)
		return err;
	if (reader->rule->diverts)
		return diverting_add(reader);
	if (made->is_match)
		return match_end(reader);
	err = made->out ? out_add(reader) : in_add(reader);
	reader->rule->told = true;
	return err;
}

static int rule_end(struct ks_pf_reader *reader)
{
	struct ks_pf_draft *made = reader->made;

	made->draft.rule.limit = made->draft.rule.kind == KS_IMPORT_ACCEPT ? reader->rule->limit : NULL;
	if (made->none)
		return 0;
	if (reader->rule->kind == KS_PF_FILTER)
		return filter_add(reader);
	if (made->out)
		return source_add(reader);
	return translation_add(reader, reader->pf->destinations, KS_IMPORT_FORWARD);
}

int ks_pf_rule_words(struct ks_pf_reader *reader)
{
	int err = 0;

	reader->words->at = 0;
	ks_draft_begin(&reader->made->draft, reader->pf->import);
	action_read(reader);
	while (!err && !reader->made->none && ks_words_peek(reader->words))
		err = word_read(reader, ks_words_take(reader->words));
	return err;
}

int ks_pf_rule(struct ks_pf *pf, struct ks_pf_rule *rule)
{
	int err = 0;

	for (unsigned out = 0; !err && out < 2; out++) {
		struct ks_pf_draft made = { .out = out };
		struct ks_pf_reader reader = { .pf = pf, .made = &made, .rule = rule, .words = &rule->words };

		err = ks_pf_rule_words(&reader);
		made.draft.quiet = rule->told;
		err = err ? err : rule_end(&reader);
	}
	return err;
}
