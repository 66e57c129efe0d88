/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of pf.conf(5). */
#include <errno.h>
#include <string.h>

#include "core/header/icmp.h"
#include "core/header/packet.h"
#include "import/pf.h"
#include "policy/icmp.h"
#include "policy/service.h"
#include "policy/value.h"
#include "text/names.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define TEXT_SIZE 128

struct reader {
	struct ks_pf *pf;
	struct ks_pf_draft *made;
	struct ks_words_line *words;
};

static int unsaid(struct reader *reader, const char *what, const char *word)
{
	return ks_draft_unsaid(&reader->made->draft,
			       ks_import_format(reader->pf->import, "%.40s %.80s", what, word ? word : ""), false);
}

static bool comes(struct reader *reader, const char *word)
{
	const char *next = ks_words_peek(reader->words);

	if (!next || strcmp(next, word) != 0)
		return false;
	reader->words->at++;
	return true;
}

/* Words in parentheses, without meaning here. */
static void group_skip(struct reader *reader)
{
	unsigned depth = 0;

	do {
		const char *word = ks_words_take(reader->words);

		if (!word)
			return;
		depth += !strcmp(word, "(");
		depth -= !strcmp(word, ")");
	} while (depth);
}

/* Calls a function for one word, or each of a list in braces. Words of a list with '!' among them are no union: -ERANGE. */
static int list_each(struct reader *reader, bool *negated, int (*one)(struct reader *, const char *, void *), void *arg)
{
	bool many;
	int err = 0;

	*negated = comes(reader, "!");
	many = comes(reader, "{");
	while (!err) {
		const char *word;

		if (many && comes(reader, "}"))
			return 0;
		word = ks_words_take(reader->words);
		if (!word)
			return ks_import_fail(reader->pf->import, "line %u ends too early", reader->pf->import->line);
		if (!strcmp(word, "!"))
			return -ERANGE;
		err = one(reader, word, arg);
		if (!many)
			return err;
	}
	return err;
}

/* --- interfaces and protocols --- */

static int interface_one(struct reader *reader, const char *word, void *arg)
{
	__u64 zones;
	int err = ks_import_interface(reader->pf->import, strcmp(word, "lo0") ? word : "lo", &zones);

	if (err == -EINVAL)
		return ks_import_fail(reader->pf->import, "line %u: '%.40s' is no interface", reader->pf->import->line,
				      word);
	*(__u64 *)arg |= err ? 0 : zones;
	return err;
}

static int proto_one(struct reader *reader, const char *word, void *arg)
{
	const int proto = ks_proto_from_name(!strcmp(word, "icmp6") || !strcmp(word, "ipv6-icmp") ? "icmpv6" : word);
	__u64 *protos = arg;

	if (proto < 0)
		return -ERANGE;
	protos[proto / 64] |= 1ULL << proto % 64;
	return 0;
}

static int protos_read(struct reader *reader)
{
	__u64 protos[KS_PROTO_WORDS] = { 0 };
	bool negated;
	int err = list_each(reader, &negated, proto_one, protos);

	if (err || negated)
		return err == -ERANGE || !err ? unsaid(reader, "proto", "") : err;
	for (unsigned i = 0; i < reader->made->draft.matches; i++)
		ks_import_match_protos(&reader->made->draft.match[i], protos);
	return 0;
}

/* --- ports --- */

static int port_number(const char *word, __u64 *number)
{
	const unsigned service = ks_service_find(word);

	if (!ks_value_number(word, 0, KS_PORT_MAX, number))
		return 0;
	if (!service || ks_service(service)->low != ks_service(service)->high)
		return -ERANGE;
	*number = ks_service(service)->low;
	return 0;
}

/* "> 1023", "<= 80"; the mark is taken. */
static int port_side(struct reader *reader, bool above, struct ks_ranges *ranges)
{
	const bool with = comes(reader, "=");
	const char *word = ks_words_peek(reader->words);
	__u64 number;

	if (!word || port_number(word, &number) || (!with && number == (above ? KS_PORT_MAX : 0)))
		return -ERANGE;
	reader->words->at++;
	if (above)
		return ks_ranges_number(ranges, (__u32)number + !with, KS_PORT_MAX);
	return ks_ranges_number(ranges, 0, (__u32)number - !with);
}

static int port_one(struct reader *reader, const char *word, void *arg)
{
	const char *colon = strchr(word, ':');
	__u64 low, high;
	char first[TEXT_SIZE];

	if (!strcmp(word, ">") || !strcmp(word, "<"))
		return port_side(reader, *word == '>', arg);
	if (!strcmp(word, "=") && ks_words_peek(reader->words)) /* "!= 25" */
		word = ks_words_take(reader->words);
	if (colon) {
		snprintf(first, sizeof(first), "%.*s", (int)KS_MIN(colon - word, TEXT_SIZE - 1), word);
		if (port_number(first, &low) || port_number(colon + 1, &high) || low > high)
			return -ERANGE;
		return ks_ranges_number(arg, (__u32)low, (__u32)high);
	}
	if (port_number(word, &low))
		return -ERANGE;
	return ks_ranges_number(arg, (__u32)low, (__u32)low);
}

static int ports_read(struct reader *reader, enum ks_dim dim)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	struct ks_spans spans[2];
	bool negated;
	int err;

	comes(reader, "=");
	err = list_each(reader, &negated, port_one, &ranges);
	if (err)
		return err == -ERANGE ? unsaid(reader, "port", "") : err;
	err = ks_ranges_take(reader->pf->import, &ranges, spans);
	err = err ? err : ks_draft_ported(&reader->made->draft);
	return err ? err : ks_draft_numbers(&reader->made->draft, dim, &spans[0], negated);
}

/* --- addresses --- */

struct addresses {
	struct ks_ranges ranges;
	enum ks_dim dim;
	const struct ks_named_spans *dynamic;
	unsigned entries;
	bool any, self, nobody, table;
};

static int table_take(struct reader *reader, struct addresses *addresses)
{
	const char *name = ks_words_take(reader->words);
	const struct ks_named_spans *set = name ? ks_import_set_find(reader->pf->import, name) : NULL;
	int err;

	addresses->table = true;
	if (!name || !comes(reader, ">"))
		return -ERANGE;
	for (addresses->dynamic = set ? NULL : reader->pf->import->dynamic; addresses->dynamic;) {
		if (!strcmp(addresses->dynamic->called, name))
			return 0;
		addresses->dynamic = addresses->dynamic->next;
	}
	if (!set)
		return -ERANGE;
	err = ks_ranges_spans(&addresses->ranges, 0, &set->spans[0]);
	return err ? err : ks_ranges_spans(&addresses->ranges, 1, &set->spans[1]);
}

static int address_one(struct reader *reader, const char *word, void *arg)
{
	struct addresses *addresses = arg;
	int err;

	addresses->entries++;
	if (!strcmp(word, "any"))
		addresses->any = true;
	else if (!strcmp(word, "self") && addresses->dim == KS_DIM_DST)
		addresses->self = true;
	else if (!strcmp(word, "urpf-failed") || !strcmp(word, "no-route"))
		addresses->nobody = true; /* it opens nothing here */
	else if (!strcmp(word, "<"))
		return table_take(reader, addresses);
	else {
		if (!strcmp(word, "(")) {
			reader->words->at--;
			group_skip(reader);
			return -ERANGE;
		}
		err = ks_pf_address(&addresses->ranges, word);
		return err == -EINVAL ? -ERANGE : err;
	}
	return 0;
}

/* A list that was left in its middle is gone past, up to where its brace closes. */
static void list_skip(struct reader *reader, unsigned from)
{
	unsigned depth = 0;

	for (reader->words->at = from; ks_words_peek(reader->words);) {
		const char *word = ks_words_take(reader->words);

		depth += !strcmp(word, "{") || !strcmp(word, "(") || !strcmp(word, "<");
		depth -= depth && (!strcmp(word, "}") || !strcmp(word, ")") || !strcmp(word, ">"));
		if (!depth && strcmp(word, "!") != 0)
			return;
	}
}

static int addresses_apply(struct reader *reader, const struct addresses *addresses, const struct ks_spans spans[2],
			   bool negated)
{
	struct ks_draft *draft = &reader->made->draft;

	if (addresses->dynamic && addresses->entries == 1)
		return ks_draft_condition(draft, addresses->dim == KS_DIM_SRC ? KS_WORD_SOURCE : KS_WORD_DESTINATION,
					  ks_import_format(draft->import, "@%s", addresses->dynamic->name), negated);
	if (addresses->dynamic || (addresses->self && addresses->entries > 1))
		return unsaid(reader, "a table that changes, or self, among others", "");
	if (addresses->any)
		return negated ? ks_draft_zones(draft, false, 0) : 0;
	if (addresses->self)
		return ks_draft_zones(draft, true, negated ? ~SELF : SELF);
	if (!addresses->table) /* which has no family */
		ks_draft_written(draft, spans);
	return ks_draft_addresses(draft, addresses->dim, spans, negated);
}

static int addresses_read(struct reader *reader, enum ks_dim dim)
{
	const enum ks_dim ports = dim == KS_DIM_SRC ? KS_DIM_SPORT : KS_DIM_DPORT;
	struct addresses addresses = { .dim = dim };
	const unsigned from = reader->words->at;
	struct ks_spans spans[2];
	bool negated;
	int err;

	if (comes(reader, "port")) /* of any address */
		return ports_read(reader, ports);
	err = list_each(reader, &negated, address_one, &addresses);
	if (err == -ERANGE) {
		list_skip(reader, from);
		err = unsaid(reader, dim == KS_DIM_SRC ? "from" : "to", reader->words->word[from]);
	} else if (!err) {
		err = ks_ranges_take(reader->pf->import, &addresses.ranges, spans);
		err = err ? err : addresses_apply(reader, &addresses, spans, negated);
	}
	ks_ranges_fini(&addresses.ranges);
	if (!err && comes(reader, "port"))
		err = ports_read(reader, ports);
	return err;
}

/* --- the words of a rule --- */

static int icmp_one(struct reader *reader, const char *word, void *arg)
{
	static const char *const shorter[][2] = { { "echoreq", "echo-request" },
						  { "echorep", "echo-reply" },
						  { "unreach", "destination-unreachable" },
						  { "timex", "time-exceeded" },
						  { "toobig", "packet-too-big" } };
	const bool v6 = !reader->made->draft.match[0].of[0].proto[0];
	__s32 type, code;
	__u64 number;

	for (size_t i = 0; i < KS_ARRAY_SIZE(shorter); i++)
		word = strcmp(shorter[i][0], word) ? word : shorter[i][1];
	if (!ks_value_number(word, 0, 255, &number))
		type = (__s32)number;
	else if (ks_icmp_lookup(v6 ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP, word, &type, &code) || code >= 0)
		return -ERANGE;
	return ks_ranges_number(arg, (__u32)type << KS_ICMP_TYPE_SHIFT, (__u32)type << KS_ICMP_TYPE_SHIFT | 0xff);
}

static int icmp_read(struct reader *reader, unsigned proto)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	const unsigned from = reader->words->at;
	struct ks_spans spans[2];
	bool negated;
	int err = list_each(reader, &negated, icmp_one, &ranges);

	if (err == -ERANGE) {
		list_skip(reader, from);
		return unsaid(reader, "icmp-type", reader->words->word[from]);
	}
	err = err ? err : ks_ranges_take(reader->pf->import, &ranges, spans);
	err = err ? err : ks_draft_proto(&reader->made->draft, proto, false); /* pfctl(8) wants it said */
	return err ? err : ks_draft_numbers(&reader->made->draft, KS_DIM_ICMP, &spans[0], negated);
}

/* "keep state (...)": limits of sources and the like are not read. */
static int state_read(struct reader *reader)
{
	comes(reader, "state");
	if (!ks_words_peek(reader->words) || strcmp(ks_words_peek(reader->words), "(") != 0)
		return 0;
	group_skip(reader);
	return unsaid(reader, "options of keep state", "");
}

static int interfaces_read(struct reader *reader)
{
	__u64 zones = 0;
	bool negated;
	int err = list_each(reader, &negated, interface_one, &zones);

	if (err)
		return err == -ERANGE ? unsaid(reader, "on", "") : err;
	zones = negated ? ~zones : zones;
	if (reader->made->in && !reader->made->out)
		return ks_draft_zones(&reader->made->draft, false, zones);
	if (reader->made->out && !reader->made->in)
		return ks_draft_zones(&reader->made->draft, true, zones);
	return unsaid(reader, "on without in or out", "");
}

/* "(em0)", "em0" or an address. */
static int nat_read(struct reader *reader)
{
	const char *word = ks_words_take(reader->words);
	struct ks_pf_draft *made = reader->made;

	made->nat = true;
	made->nat_kind = KS_IMPORT_MASQUERADE;
	if (!word)
		return ks_import_fail(reader->pf->import, "line %u ends too early", reader->pf->import->line);
	if (!strcmp(word, "(")) {
		reader->words->at--;
		group_skip(reader);
	} else if (!ks_value_range(word, &made->target.range, &made->target.family)) {
		made->nat_kind = KS_IMPORT_SOURCE;
		made->target.address = word;
	}
	return 0;
}

static int word_read(struct reader *reader, const char *word)
{
	struct ks_pf_draft *made = reader->made;

	if (!strcmp(word, "quick") || !strcmp(word, "all"))
		return 0;
	if (!strcmp(word, "log")) {
		made->logs = true;
		if (ks_words_peek(reader->words) && !strcmp(ks_words_peek(reader->words), "("))
			group_skip(reader);
		return 0;
	}
	if (!strcmp(word, "on"))
		return interfaces_read(reader);
	if (!strcmp(word, "inet") || !strcmp(word, "inet6"))
		return ks_draft_family(&made->draft, word[4] ? KS_IPV6 : KS_IPV4);
	if (!strcmp(word, "proto"))
		return protos_read(reader);
	if (!strcmp(word, "from")) {
		made->from = ks_words_peek(reader->words) && strcmp(ks_words_peek(reader->words), "any") != 0;
		return addresses_read(reader, KS_DIM_SRC);
	}
	if (!strcmp(word, "nat-to"))
		return nat_read(reader);
	if (!strcmp(word, "to"))
		return addresses_read(reader, KS_DIM_DST);
	if (!strcmp(word, "scrub") && ks_words_peek(reader->words) && !strcmp(ks_words_peek(reader->words), "(")) {
		group_skip(reader); /* it makes packets sound, as we do without a word */
		made->scrubs |= ks_pf_mss(reader->pf->import, reader->words, reader->words->at);
		return 0;
	}
	if (!strcmp(word, "icmp-type") || !strcmp(word, "icmp6-type"))
		return icmp_read(reader, word[4] == '6' ? KS_PROTO_ICMPV6 : KS_PROTO_ICMP);
	if (!strcmp(word, "keep") || !strcmp(word, "modulate") || !strcmp(word, "synproxy"))
		return state_read(reader);
	if (!strcmp(word, "label") || !strcmp(word, "flags")) { /* flows open by a SYN alone */
		ks_words_take(reader->words);
		return 0;
	}
	reader->words->at = reader->words->count;
	return unsaid(reader, word, "");
}

/* --- the whole --- */

static int action_read(struct reader *reader)
{
	const char *action = ks_words_take(reader->words);
	struct ks_pf_draft *made = reader->made;

	made->is_match = !strcmp(action, "match");
	made->draft.rule.kind = !strcmp(action, "pass") ? KS_IMPORT_ACCEPT
				: reader->pf->returns	? KS_IMPORT_REJECT
							: KS_IMPORT_DROP;
	if (comes(reader, "drop"))
		made->draft.rule.kind = KS_IMPORT_DROP;
	else if (comes(reader, "return"))
		made->draft.rule.kind = KS_IMPORT_REJECT;
	made->in = comes(reader, "in");
	made->out = !made->in && comes(reader, "out");
	if (!made->in && !made->out)
		made->in = made->out = true;
	return 0;
}

/* Appends the rule to a chain, and one that logs before it. */
static int chain_add(struct reader *reader, struct ks_import_chain *chain)
{
	struct ks_draft log = reader->made->draft;
	int err = 0;

	log.rule.kind = KS_IMPORT_LOG;
	if (reader->made->logs)
		err = ks_draft_end(&log, chain);
	return err ? err : ks_draft_end(&reader->made->draft, chain);
}

static int source_add(struct reader *reader)
{
	struct ks_draft draft = reader->made->draft;

	draft.rule.kind = reader->made->nat_kind;
	draft.rule.target = reader->made->target;
	if (draft.rule.kind == KS_IMPORT_SOURCE)
		ks_draft_family(&draft, draft.rule.target.family);
	return ks_draft_end(&draft, reader->pf->sources);
}

/* The rules behind it are asked about another destination: nobody here knows what they say. */
static int diverting_add(struct reader *reader)
{
	struct ks_draft *draft = &reader->made->draft;
	int err = 0;

	draft->rule.kind = KS_IMPORT_DROP;
	draft->rule.trouble = "rules that match give no new destinations here";
	if (reader->made->in)
		err = ks_draft_end(draft, reader->pf->in);
	if (!err && reader->made->out)
		err = ks_draft_end(draft, reader->pf->out);
	return err;
}

int ks_pf_rule(struct ks_pf *pf, struct ks_pf_rule *rule)
{
	struct ks_pf_draft made = { 0 };
	struct reader reader = { .pf = pf, .made = &made, .words = &rule->words };
	int err;

	rule->words.at = 0;
	ks_draft_begin(&made.draft, pf->import);
	made.nat = rule->exempts;
	made.nat_kind = KS_IMPORT_ACCEPT;
	err = action_read(&reader);
	while (!err && ks_words_peek(&rule->words))
		err = word_read(&reader, ks_words_take(&rule->words));
	if (!err && made.nat)
		err = source_add(&reader);
	if (!err && rule->diverts)
		return diverting_add(&reader);
	if (err || made.is_match)
		return err || made.nat || made.scrubs
			       ? err
			       : ks_import_note(pf->import, "rules that only match are not read");
	if (made.in)
		err = chain_add(&reader, pf->in);
	if (!err && made.out && made.from && pf->rewrites)
		err = unsaid(&reader, "sources that were translated before", "");
	if (!err && made.out)
		err = chain_add(&reader, pf->out);
	return err;
}
