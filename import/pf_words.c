/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of rules of pf.conf(5): lists, interfaces, addresses and ports. */
#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "import/pf.h"
#include "policy/service.h"
#include "policy/value.h"

#define SELF (1ULL << KS_ZONE_SELF)
#define TEXT_SIZE 128

int ks_pf_unsaid(struct ks_pf_reader *reader, const char *what, const char *behind, bool negated)
{
	const char *text =
		ks_import_format(reader->pf->import, behind && *behind ? "%.40s %.80s" : "%.40s", what, behind);

	return text ? ks_draft_unsaid(&reader->made->draft, text, negated) : -ENOMEM;
}

const char *ks_pf_first(const struct ks_pf_reader *reader, unsigned at)
{
	while (at < reader->words->count && strchr("{(<!", reader->words->word[at][0]))
		at++;
	return at < reader->words->count ? reader->words->word[at] : "";
}

bool ks_pf_comes(struct ks_pf_reader *reader, const char *word)
{
	const char *next = ks_words_peek(reader->words);

	if (!next || strcmp(next, word) != 0)
		return false;
	reader->words->at++;
	return true;
}

void ks_pf_group_skip(struct ks_pf_reader *reader)
{
	unsigned depth = 0;

	do {
		const char *word = ks_words_take(reader->words);

		if (!word)
			return;
		depth += !strcmp(word, "(");
		depth -= depth && !strcmp(word, ")");
	} while (depth);
}

void ks_pf_list_skip(struct ks_pf_reader *reader)
{
	unsigned depth = 0;

	while (ks_words_peek(reader->words)) {
		const char *word = ks_words_take(reader->words);

		depth += !strcmp(word, "{") || !strcmp(word, "(") || !strcmp(word, "<");
		depth -= depth && (!strcmp(word, "}") || !strcmp(word, ")") || !strcmp(word, ">"));
		if (!depth && strcmp(word, "!") != 0)
			return;
	}
}

/* The list itself. Words with '!' among others are no union. */
static int list_run(struct ks_pf_reader *reader, bool *negated, int (*one)(struct ks_pf_reader *, const char *, void *),
		    void *arg)
{
	unsigned count = 0;
	int err = 0;
	bool many;

	*negated = ks_pf_comes(reader, "!");
	many = ks_pf_comes(reader, "{");
	while (!err) {
		const char *word;

		if (many && ks_pf_comes(reader, "}"))
			return 0;
		if (many && ks_pf_comes(reader, "!")) {
			if (count || *negated)
				return -ERANGE;
			*negated = true;
		} else if (many && count && *negated) {
			return -ERANGE;
		}
		word = ks_words_take(reader->words);
		if (!word)
			return ks_import_fail(reader->pf->import, "line %u ends too early", reader->pf->import->line);
		count++;
		err = one(reader, word, arg);
		if (!many)
			return err;
	}
	return err;
}

int ks_pf_list_each(struct ks_pf_reader *reader, bool *negated, int (*one)(struct ks_pf_reader *, const char *, void *),
		    void *arg)
{
	const unsigned from = reader->words->at;
	int err = list_run(reader, negated, one, arg);

	if (err == -ERANGE) {
		reader->words->at = from;
		ks_pf_list_skip(reader);
	}
	return err;
}

/* --- interfaces --- */

static int interface_add(struct ks_pf_reader *reader, const char *word, __u64 *zones)
{
	__u64 more;
	int err = ks_import_interface(reader->pf->import, word, &more);

	if (err == -EINVAL)
		return ks_import_fail(reader->pf->import, "line %u: '%.40s' is no interface", reader->pf->import->line,
				      word);
	*zones |= err ? 0 : more;
	return err;
}

/* The names of interfaces end in a number. Without, it is a group, whose members a macro of that name may say. */
int ks_pf_interface(struct ks_pf_reader *reader, const char *word, void *zones)
{
	const size_t length = strlen(word);
	const struct ks_pf_macro *members = ks_pf_macro(reader->pf, word, length);
	int err = 0;

	if (!strncmp(word, "lo", 2) && strspn(word + 2, "0123456789") == length - 2)
		return 0;
	if (!strcmp(word, "any"))
		return interface_add(reader, "*", zones);
	for (unsigned i = 0; members && !err && i < members->value.count; i++) {
		const char *name = members->value.word[i];

		if (strcmp(name, "{") != 0 && strcmp(name, "}") != 0)
			err = interface_add(reader, name, zones);
	}
	if (members)
		return err;
	if (!length || word[length - 1] < '0' || word[length - 1] > '9')
		return -ERANGE;
	return interface_add(reader, word, zones);
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
static int port_side(struct ks_pf_reader *reader, bool above, struct ks_ranges *ranges)
{
	const bool with = ks_pf_comes(reader, "=");
	const char *word = ks_words_peek(reader->words);
	__u64 number;

	if (!word || port_number(word, &number) || (!with && number == (above ? KS_PORT_MAX : 0)))
		return -ERANGE;
	reader->words->at++;
	if (above)
		return ks_ranges_number(ranges, (__u32)number + !with, KS_PORT_MAX);
	return ks_ranges_number(ranges, 0, (__u32)number - !with);
}

/* "300 >< 310" is what lies between, and "300 <> 310" what lies outside; the first number is taken. */
static int port_between(struct ks_pf_reader *reader, __u64 low, struct ks_ranges *ranges)
{
	const bool outside = ks_words_peek(reader->words)[0] == '<';
	const char *word;
	__u64 high;
	int err;

	reader->words->at += 2;
	word = ks_words_take(reader->words);
	if (!word || port_number(word, &high) || high <= low + !outside)
		return -ERANGE;
	if (!outside)
		return ks_ranges_number(ranges, (__u32)low + 1, (__u32)high - 1);
	err = low ? ks_ranges_number(ranges, 0, (__u32)low - 1) : 0;
	return err || high == KS_PORT_MAX ? err : ks_ranges_number(ranges, (__u32)high + 1, KS_PORT_MAX);
}

/* Returns true if two marks come that look away from each other, or at each other. */
static bool comes_between(const struct ks_words_line *words)
{
	const char *one = ks_words_peek(words), *other = words->at + 1 < words->count ? words->word[words->at + 1] : "";

	return one && ((!strcmp(one, ">") && !strcmp(other, "<")) || (!strcmp(one, "<") && !strcmp(other, ">")));
}

static int port_one(struct ks_pf_reader *reader, const char *word, void *arg)
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
	if (comes_between(reader->words))
		return port_between(reader, low, arg);
	return ks_ranges_number(arg, (__u32)low, (__u32)low);
}

int ks_pf_ports(struct ks_pf_reader *reader, enum ks_dim dim)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	struct ks_spans spans[2];
	unsigned from;
	bool negated;
	int err;

	ks_pf_comes(reader, "=");
	from = reader->words->at;
	err = ks_pf_list_each(reader, &negated, port_one, &ranges);
	if (err == -ERANGE) {
		reader->words->at = reader->words->count; /* operators have no brackets to go past */
		return ks_pf_unsaid(reader, "port", ks_pf_first(reader, from), false);
	}
	err = err ? err : ks_ranges_take(reader->pf->import, &ranges, spans);
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
	const char *own; /* an interface: what is the firewall's there */
	bool network; /* the networks of it, and not its addresses */
};

static int table_take(struct ks_pf_reader *reader, struct addresses *addresses)
{
	const char *name = ks_words_take(reader->words);
	const struct ks_named_spans *set = name ? ks_import_set_find(reader->pf->import, name) : NULL;
	int err;

	addresses->table = true;
	if (!name || !ks_pf_comes(reader, ">"))
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

/* "em0", "em0:network": addresses that the firewall has. Returns 0 or -ERANGE. */
static int own_take(struct ks_pf_reader *reader, const char *word, struct addresses *addresses)
{
	const size_t length = strcspn(word, ":");

	if (word[length] && strcmp(word + length, ":network") != 0)
		return -ERANGE;
	addresses->network = word[length];
	addresses->own = ks_import_copy(reader->pf->import, word, length);
	return addresses->own ? 0 : -ENOMEM;
}

/* Returns true for a name that the text has for an interface elsewhere. */
static bool is_interface(const struct ks_pf_reader *reader, const char *word)
{
	const size_t length = strcspn(word, ":");
	const struct ks_import *import = reader->pf->import;

	for (unsigned i = 0; i < import->zones; i++) {
		if (strlen(import->zone[i].interface) == length && !memcmp(import->zone[i].interface, word, length))
			return true;
	}
	return false;
}

/* Parentheses hold an interface, whose addresses may change. */
static int own_group(struct ks_pf_reader *reader, struct addresses *addresses)
{
	const char *word = ks_words_take(reader->words);
	int err = 0;

	if (word && !strcmp(word, "self"))
		addresses->self = true;
	else
		err = word ? own_take(reader, word, addresses) : -ERANGE;
	return err || ks_pf_comes(reader, ")") ? err : -ERANGE;
}

static int address_one(struct ks_pf_reader *reader, const char *word, void *arg)
{
	struct addresses *addresses = arg;
	int err;

	addresses->entries++;
	if (!strcmp(word, "any"))
		addresses->any = true;
	else if (!strcmp(word, "self"))
		addresses->self = true;
	else if (!strcmp(word, "urpf-failed") || !strcmp(word, "no-route"))
		addresses->nobody = true; /* it opens nothing here */
	else if (!strcmp(word, "<"))
		return table_take(reader, addresses);
	else if (!strcmp(word, "("))
		return own_group(reader, addresses);
	else if (is_interface(reader, word))
		return own_take(reader, word, addresses);
	else {
		err = ks_pf_address(&addresses->ranges, word);
		return err == -EINVAL ? -ERANGE : err;
	}
	return 0;
}

/* The zone of one interface; NULL if there are several, or none. */
static const char *zone_of(struct ks_pf_reader *reader, const char *interface, int *err)
{
	__u64 zones = 0;
	unsigned at;

	*err = ks_pf_interface(reader, interface, &zones);
	if (*err == -ERANGE)
		*err = 0;
	zones &= ks_import_zones(reader->pf->import) & ~(1ULL << KS_ZONE_NONE);
	if (*err || !zones || zones & (zones - 1))
		return NULL;
	at = (unsigned)__builtin_ctzll(zones) - KS_ZONE_FIRST;
	return reader->pf->import->zone[at].name;
}

/* A packet to an address of the firewall is for the firewall itself. */
static int own_apply(struct ks_pf_reader *reader, const struct addresses *addresses, bool negated)
{
	const bool source = addresses->dim == KS_DIM_SRC;
	struct ks_draft *draft = &reader->made->draft;
	const char *text;
	int err;
	const char *zone = zone_of(reader, addresses->own, &err);

	if (err || !zone)
		return err ? err : ks_pf_unsaid(reader, source ? "from" : "to", addresses->own, negated);
	text = ks_import_format(draft->import, "%s of %s", addresses->network ? "network" : "address", zone);
	if (!text)
		return -ENOMEM;
	if (!addresses->network && !negated)
		ks_draft_zones(draft, !source, SELF);
	return ks_draft_condition(draft, source ? KS_WORD_SOURCE : KS_WORD_DESTINATION, text, negated);
}

/* Sources that are the box's own come from nowhere else. */
static int self_apply(struct ks_pf_reader *reader, const struct addresses *addresses, bool negated)
{
	if (addresses->dim == KS_DIM_SRC)
		return ks_draft_zones(&reader->made->draft, false, negated ? ~SELF : SELF);
	if (ks_draft_own(&reader->made->draft, negated) == -E2BIG)
		return ks_pf_unsaid(reader, "to self", "", negated);
	return 0;
}

static int addresses_apply(struct ks_pf_reader *reader, const struct addresses *addresses,
			   const struct ks_spans spans[2], bool negated)
{
	struct ks_draft *draft = &reader->made->draft;
	const bool alone = addresses->entries == 1;

	if (addresses->dynamic && alone)
		return ks_draft_condition(draft, addresses->dim == KS_DIM_SRC ? KS_WORD_SOURCE : KS_WORD_DESTINATION,
					  ks_import_format(draft->import, "@%s", addresses->dynamic->name), negated);
	if (addresses->any && !negated)
		return 0;
	if (!alone && (addresses->dynamic || addresses->self || addresses->own))
		return ks_pf_unsaid(reader, "addresses that change, among others", "", negated);
	if (addresses->any)
		return ks_draft_zones(draft, false, 0);
	if (addresses->self)
		return self_apply(reader, addresses, negated);
	if (addresses->own)
		return own_apply(reader, addresses, negated);
	if (addresses->nobody && negated) /* all others are somebody */
		return 0;
	if (!addresses->table) /* which has no family */
		ks_draft_written(draft, spans);
	return ks_draft_addresses(draft, addresses->dim, spans, negated);
}

int ks_pf_addresses(struct ks_pf_reader *reader, enum ks_dim dim)
{
	const enum ks_dim ports = dim == KS_DIM_SRC ? KS_DIM_SPORT : KS_DIM_DPORT;
	struct addresses addresses = { .dim = dim };
	const unsigned from = reader->words->at;
	struct ks_spans spans[2];
	bool negated;
	int err;

	if (ks_pf_comes(reader, "port")) { /* of any address; a translation may choose another one */
		reader->made->from |= dim == KS_DIM_SRC;
		return ks_pf_ports(reader, ports);
	}
	err = ks_pf_list_each(reader, &negated, address_one, &addresses);
	reader->made->from |= dim == KS_DIM_SRC && (err || !addresses.any || negated);
	if (err == -ERANGE) {
		err = ks_pf_unsaid(reader, dim == KS_DIM_SRC ? "from" : "to", ks_pf_first(reader, from), false);
	} else if (!err) {
		err = ks_ranges_take(reader->pf->import, &addresses.ranges, spans);
		err = err ? err : addresses_apply(reader, &addresses, spans, negated);
	}
	ks_ranges_fini(&addresses.ranges);
	if (err || !ks_pf_comes(reader, "port"))
		return err;
	reader->made->from |= dim == KS_DIM_SRC;
	return ks_pf_ports(reader, ports);
}
