/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Complaints about words that stand where they mean nothing. A name is looked up among the zones, sets and interfaces of the
 * whole policy first: whoever writes `source admins` where there is a set of that name means `source @admins`.
 */
#include "policy/stray.h"

#include <errno.h>
#include <string.h>

#include "policy/foreign.h"
#include "policy/list.h"
#include "policy/service.h"
#include "policy/sets.h"
#include "policy/value.h"
#include "text/names.h"

#define ZONES_LISTED 8U /* zones of a policy that a message lists */
#define ADDRESS_TEXT "an address, a prefix such as 10.0.0.0/24, a range such as 192.0.2.5-192.0.2.9, or @set"
#define PORT_TEXT "a number 0 to 65535, a range such as 8000-8099, a service such as ssh, or @set"

struct stray {
	struct ks_token token;
	const char *expected;
	int (*complain)(struct ks_parser *p, const struct stray *stray);
};

static int complain_later(struct ks_parser *p, void *arg)
{
	const struct stray *stray = arg;

	return stray->complain(p, stray) == -ENOMEM ? -ENOMEM : 0;
}

/* The text of a token from a file of a set is gone when the complaint is made. */
static int defer(struct ks_parser *p, const struct ks_token *token, const char *expected,
		 int (*complain)(struct ks_parser *p, const struct stray *stray))
{
	struct stray *stray = ks_arena_alloc(p->arena, sizeof(*stray));
	const char *text = ks_arena_strndup(p->arena, token->text, token->length);

	if (!stray || !text)
		return ks_parser_no_memory(p);
	*stray = (struct stray){ .token = *token, .expected = expected, .complain = complain };
	stray->token.text = text;
	return ks_parser_defer(p, complain_later, stray) ? -ENOMEM : -EINVAL;
}

/* --- forms of words --- */

static bool copy_part(const char *text, size_t length, char *buf, size_t size)
{
	if (length >= size)
		return false;
	memcpy(buf, text, length);
	buf[length] = '\0';
	return true;
}

bool ks_stray_endpoint(const char *word, char address[KS_ADDR_TEXT], __u16 *port)
{
	struct ks_addr addr;
	__u16 number = 0;
	__u8 family;

	if (ks_value_endpoint(word, &addr, &family, &number) || !number)
		return false;
	ks_addr_text(&addr, family, address);
	*port = number;
	return true;
}

const char *ks_stray_range(struct ks_parser *p, const char *word)
{
	const char *colon = strchr(word, ':');
	char low[8], high[8];
	__u32 from, to, unused;

	if (!colon || !copy_part(word, (size_t)(colon - word), low, sizeof(low)) ||
	    !copy_part(colon + 1, strlen(colon + 1), high, sizeof(high)) ||
	    ks_value_number_range(low, KS_PORT_MAX, &from, &unused) ||
	    ks_value_number_range(high, KS_PORT_MAX, &to, &unused) || from > to)
		return NULL;
	return ks_arena_printf(p->arena, "%u-%u", from, to);
}

/* "10.0.0.0/24" of "10.0.0.0/255.255.255.0", in the policy's arena; NULL if the word has no such mask. */
static const char *prefix_of_mask(struct ks_parser *p, const char *word)
{
	const char *slash = strchr(word, '/');
	struct ks_addr addr, mask;
	__u8 family, family_mask;
	char part[KS_ADDR_TEXT];
	__u32 bits;

	if (!slash || !copy_part(word, (size_t)(slash - word), part, sizeof(part)) ||
	    ks_value_addr(part, &addr, &family) || ks_value_addr(slash + 1, &mask, &family_mask) || family != KS_IPV4 ||
	    family_mask != KS_IPV4)
		return NULL;
	bits = ~ks_be32(mask.w[3]);
	if (bits & (bits + 1))
		return NULL;
	return ks_arena_printf(p->arena, "%s/%d", part, 32 - __builtin_popcount(bits));
}

static bool is_address(const char *word)
{
	struct ks_range range;
	__u8 family;

	return ks_value_range(word, &range, &family) == 0;
}

/* The zone that an interface of this name is in, as the policy says; NULL if only a pattern such as * takes it. */
static const char *zone_of_interface(const struct ks_parser *p, const char *word)
{
	for (size_t i = 0; i < p->policy->zone_count; i++) {
		const struct ks_zone *zone = &p->policy->zones[i];

		for (size_t j = 0; j < zone->interface_count; j++) {
			const char *star = strchr(zone->interfaces[j], '*');
			size_t length = star ? (size_t)(star - zone->interfaces[j]) : strlen(word) + 1;

			if (length && strncmp(zone->interfaces[j], word, length) == 0)
				return zone->name;
		}
	}
	return NULL;
}

static bool is_zone(const struct ks_parser *p, const char *word)
{
	return ks_policy_zone_id(p->policy, word) >= 0;
}

/* Returns true for what can only be a name of a host: letters and a dot. */
static bool is_host_name(const char *word)
{
	size_t length = strlen(word);

	return length > 3 && strchr(word, '.') && ks_is_name_char(word[length - 1], true) &&
	       strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == length;
}

/* --- values --- */

/* Complains about a word that says `not` by a mark. Returns 0 if it does not. */
static int complain_mark(struct ks_parser *p, const struct ks_token *token)
{
	if (token->text[0] != '!' || !token->text[1])
		return 0;
	return ks_parser_error(p, token, 0, "'!' is no word of the language: expected 'not %s%.60s'",
			       ks_ast_find_set(p->ast, token->text + 1) ? "@" : "", token->text + 1);
}

static bool means_any(const char *word)
{
	const char *zone = ks_foreign_zone(word);

	return strcmp(zone ? zone : word, "any") == 0;
}

/* Complains about a word that names something else than a value. Returns 0 if it names nothing. */
static int complain_name(struct ks_parser *p, const struct ks_token *token, bool ports)
{
	const struct ks_ast_set *set = ks_ast_find_set(p->ast, token->text);
	const char *zone = is_zone(p, token->text) ? token->text : zone_of_interface(p, token->text);

	if (set && set->ports == ports)
		return ks_parser_error(p, token, 0, "'%.60s' is a set: expected '@%.60s'", token->text, token->text);
	if (means_any(token->text))
		return ks_parser_error(p, token, 0,
				       "'%.60s' is no condition: expected none, because every %s is meant without it",
				       token->text, ports ? "port" : "address");
	if (!zone || ports)
		return 0;
	return ks_parser_error(p, token, 0, "'%.60s' is %s%s: expected 'from %s' or 'to %s'", token->text,
			       zone == token->text ? "a zone" : "an interface of zone ",
			       zone == token->text ? "" : zone, zone, zone);
}

static int complain_address(struct ks_parser *p, const struct stray *stray)
{
	const struct ks_token *token = &stray->token;
	const char *prefix = prefix_of_mask(p, token->text);
	int err = complain_mark(p, token);
	char address[KS_ADDR_TEXT];
	__u16 port;

	err = err ? err : complain_name(p, token, false);
	if (err)
		return err;
	if (ks_stray_endpoint(token->text, address, &port))
		return ks_parser_error(p, token, 0,
				       "'%.90s' is an address with a port: expected '%s' here, and 'port %u' behind a "
				       "protocol such as tcp",
				       token->text, address, port);
	if (is_host_name(token->text))
		return ks_parser_error(
			p, token, 0,
			"'%.60s' is a name, and packets have addresses: expected its addresses, or @set of a set "
			"that follows them, such as 'set NAME { host %.60s }'",
			token->text, token->text);
	if (strchr(token->text, ';'))
		return ks_parser_error(p, token, 0, "';' is no word of the language: expected the end of the line");
	if (prefix)
		return ks_parser_error(p, token, 0, "'%.60s' has a mask: expected '%s'", token->text, prefix);
	return ks_parser_error(p, token, 0, "'%.90s' is no address: expected " ADDRESS_TEXT, token->text);
}

int ks_stray_address(struct ks_parser *p, const struct ks_token *token)
{
	return defer(p, token, NULL, complain_address);
}

static const char *nearest_service(struct ks_parser *p, const char *word)
{
	size_t count;
	const char *const *names = ks_service_names(&count);

	return ks_did_you_mean(p, "", word, names, count);
}

static int complain_port(struct ks_parser *p, const struct stray *stray)
{
	const struct ks_token *token = &stray->token;
	const char *range = ks_stray_range(p, token->text);
	int err = complain_mark(p, token);

	err = err ? err : complain_name(p, token, true);
	if (err)
		return err;
	if (strchr(token->text, ';'))
		return ks_parser_error(p, token, 0, "';' is no word of the language: expected the end of the line");
	if (range)
		return ks_parser_error(p, token, 0, "'%.60s' is no port: expected the range '%s'", token->text, range);
	return ks_parser_error(p, token, 0, "'%.60s' is no port%s: expected " PORT_TEXT, token->text,
			       nearest_service(p, token->text));
}

int ks_stray_port(struct ks_parser *p, const struct ks_token *token)
{
	return defer(p, token, NULL, complain_port);
}

/* Returns true for a word that begins a clause and can be no value. */
static bool begins_clause(const char *word)
{
	static const char *const words[] = {
		"from",	 "to",	"source", "destination", "port", "type",   "family", "log",
		"limit", "add", "set",	  "timeout",	 "mss",	 "during", "user",   "cgroup",
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (strcmp(words[i], word) == 0)
			return true;
	}
	return false;
}

/* Returns true for "08:00-18:00": in braces beside days it would be a time of every day. */
static bool is_hours(const char *word)
{
	return strchr(word, ':') && strspn(word, "0123456789:-") == strlen(word);
}

int ks_stray_comma(struct ks_parser *p)
{
	const struct ks_token before = *ks_parser_last(p), comma = *ks_parser_next(p);
	const struct ks_token *after = ks_parser_peek(p);
	bool values = before.kind == KS_TOKEN_WORD && after->kind == KS_TOKEN_WORD;

	if (values && begins_clause(after->text))
		return ks_parser_error(p, &comma, 0, "the clauses of a rule have no commas between them: expected '%s'",
				       after->text);
	if (values && is_hours(after->text) && !is_hours(before.text))
		return ks_parser_error(p, &comma, 0,
				       "days and hours have no comma between them: expected '%.40s %.40s'", before.text,
				       after->text);
	return ks_parser_error(p, &comma, 0, "several values stand in braces: expected { %.40s, %.40s }",
			       values ? before.text : "22", values ? after->text : "80");
}

/* --- clauses --- */

/* Complains about "22/tcp", "tcp/22" and "tcp/udp". Returns 0 if the word is something else. */
static int complain_slash(struct ks_parser *p, const struct ks_token *token)
{
	const char *slash = strchr(token->text, '/');
	__u32 low, high;
	char first[16];

	if (!slash || !copy_part(token->text, (size_t)(slash - token->text), first, sizeof(first)) ||
	    (ks_proto_from_name(slash + 1) < 0 && ks_value_number_range(slash + 1, KS_PORT_MAX, &low, &high)))
		return 0;
	if (!ks_value_number_range(first, KS_PORT_MAX, &low, &high))
		return ks_parser_error(p, token, 0, "unknown word '%.60s' in a rule: expected '%s port %s'",
				       token->text, slash + 1, first);
	if (ks_proto_from_name(first) < 0)
		return 0;
	if (!ks_value_number_range(slash + 1, KS_PORT_MAX, &low, &high))
		return ks_parser_error(p, token, 0, "unknown word '%.60s' in a rule: expected '%s port %s'",
				       token->text, first, slash + 1);
	return ks_parser_error(p, token, 0, "unknown word '%.60s' in a rule: expected { %s, %s }", token->text, first,
			       slash + 1);
}

/* Complains about an address with its port. Returns 0 if the word is none. */
static int complain_endpoint(struct ks_parser *p, const struct ks_token *token)
{
	char address[KS_ADDR_TEXT];
	struct ks_addr addr;
	__u8 family;
	__u16 port;

	if (ks_value_endpoint(token->text, &addr, &family, &port) || !port)
		return 0;
	return ks_parser_error(
		p, token, 0,
		"'%.60s' is an address and a port: expected 'tcp port %u destination %s', or another protocol",
		token->text, port, ks_addr_text(&addr, family, address));
}

/* Complains about a name, or an address, without the word that says what it is. Returns 0 if it is none. */
static int complain_bare(struct ks_parser *p, const struct ks_token *token)
{
	const char *name = token->text + (token->text[0] == '@');
	const struct ks_ast_set *set = ks_ast_find_set(p->ast, name);
	unsigned service = ks_service_find(token->text);
	__u32 low, high;

	if (set && set->ports)
		return ks_parser_error(p, token, 0, "'%.60s' is a set of ports: expected 'port @%s'", token->text,
				       name);
	if (set)
		return ks_parser_error(p, token, 0,
				       "'%.60s' is a set of addresses: expected 'source @%s' or 'destination @%s'",
				       token->text, name, name);
	if (is_address(token->text) && strpbrk(token->text, ".:"))
		return ks_parser_error(p, token, 0,
				       "'%.60s' is an address: expected 'source %.60s' or 'destination %.60s'",
				       token->text, token->text, token->text);
	if (!ks_value_number_range(token->text, KS_PORT_MAX, &low, &high))
		return ks_parser_error(p, token, 0,
				       "'%.60s' is a number: expected 'port %.60s' behind a protocol, if it is one",
				       token->text, token->text);
	if (service)
		return ks_parser_error(p, token, 0, "'%.60s' is a service: expected '%s port %s'", token->text,
				       ks_service_protos(ks_service(service)), token->text);
	return complain_name(p, token, false);
}

static int complain_clause(struct ks_parser *p, const struct stray *stray)
{
	const struct ks_token *token = &stray->token;
	const char *instead = ks_foreign_clause(token->text);
	int err;

	if (instead)
		return ks_parser_error(p, token, 0, "unknown word '%.60s' in a rule: expected %s", token->text,
				       instead);
	err = complain_slash(p, token);
	err = err ? err : complain_endpoint(p, token);
	err = err ? err : complain_bare(p, token);
	return err ? err
		   : ks_parser_error(p, token, 0, "unknown word '%.60s' in a rule%s", token->text, stray->expected);
}

int ks_stray_clause(struct ks_parser *p, const struct ks_token *token, const char *expected)
{
	return defer(p, token, expected, complain_clause);
}

/* --- zones --- */

/* Lists the zones that may stand, or says it in general if there are many. In the policy's arena. */
static const char *zones_text(struct ks_parser *p, bool own)
{
	size_t count = p->policy->zone_count;
	const char *text = "", *last = own ? "" : "self, none or any";

	if (count > ZONES_LISTED || !count)
		return own ? "a zone of this policy" : "a zone of this policy, 'self' or 'any'";
	for (size_t i = 0; text && i < count; i++) {
		const char *behind = !own || i + 2 < count ? ", " : i + 1 < count ? " or " : "";

		text = ks_arena_printf(p->arena, "%s%s%s", text, p->policy->zones[i].name, behind);
	}
	text = text ? ks_arena_printf(p->arena, "%s%s", text, last) : NULL;
	return text ? text : "a zone of this policy";
}

static const char *nearest_zone(struct ks_parser *p, const char *word, bool own)
{
	const char *names[KS_ZONE_MAX + 3];
	size_t count = 0;

	for (size_t i = 0; i < p->policy->zone_count; i++)
		names[count++] = p->policy->zones[i].name;
	for (size_t i = 0; i < 3 && !own; i++)
		names[count++] = ((const char *const[]){ "self", "any", "none" })[i];
	return ks_did_you_mean(p, "", word, names, count);
}

/* Complains about what is something else than a zone. Returns 0 if it is nothing. */
static int complain_no_zone(struct ks_parser *p, const struct ks_name *name, const char *clause)
{
	const char *side = strcmp(clause, "from") == 0 ? "source" : "destination";
	const char *word = name->text + (name->text[0] == '@');
	const char *zone = zone_of_interface(p, word), *foreign = ks_foreign_zone(word);
	const struct ks_ast_set *set = ks_ast_find_set(p->ast, word);

	if (set && !set->ports)
		return ks_parser_error_at(p, &name->place, "'%.60s' is a set of addresses: expected '%s @%s'",
					  name->text, side, word);
	if (is_address(word))
		return ks_parser_error_at(p, &name->place, "'%.60s' is an address and no zone: expected '%s %.60s'",
					  word, side, word);
	if (zone)
		return ks_parser_error_at(p, &name->place, "'%.60s' is an interface of zone %s: expected '%s %s'", word,
					  zone, clause, zone);
	if (foreign)
		return ks_parser_error_at(p, &name->place, "unknown zone '%.60s': expected '%s %s'", word, clause,
					  foreign);
	return 0;
}

int ks_stray_zone(struct ks_parser *p, const struct ks_name *name, const char *clause, bool own)
{
	bool condition = strcmp(clause, "from") == 0 || strcmp(clause, "to") == 0;
	const char *nearest = nearest_zone(p, name->text, own);
	int err = 0;

	if (condition && name->text[0] == '!' && name->text[1])
		err = ks_parser_error_at(p, &name->place, "'!' is no word of the language: expected '%s not %.60s'",
					 clause, name->text + 1);
	else if (strchr(name->text, ';'))
		err = ks_parser_error_at(p, &name->place,
					 "';' is no word of the language: expected the end of the line");
	else if (condition)
		err = complain_no_zone(p, name, clause);
	return err ? err
		   : ks_parser_error_at(p, &name->place, "unknown zone '%.60s'%s: expected %s", name->text, nearest,
					zones_text(p, own));
}
