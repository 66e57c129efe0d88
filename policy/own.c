/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conditions on addresses that follow the interfaces of a zone, as prefixes change: `address of ZONE`, `network of ZONE`, and
 * `suffix ::10/64 of ZONE`, which is host ::10 in each network there. policy/addresses.c makes sets of them.
 */
#include "policy/own.h"

#include <errno.h>
#include <string.h>

#include "policy/check.h"
#include "policy/list.h"
#include "policy/value.h"

static const char *const kinds[] = {
	[KS_OWN_ADDRESS] = "address",
	[KS_OWN_NETWORK] = "network",
	[KS_OWN_SUFFIX] = "suffix",
};

/* --- reading --- */

static int parse_zone(struct ks_parser *p, struct ks_match *match)
{
	struct ks_token zone;
	char what[64];

	snprintf(what, sizeof(what), "the zone whose %s is meant", kinds[match->own]);
	if (ks_parser_expect(p, KS_TOKEN_WORD, what, &zone))
		return -EINVAL;
	match->address_of = (struct ks_name){ .text = zone.text, .place = zone.place };
	return 0;
}

/* Reads "::10/64": the bits behind the length are those of the host. */
static int read_suffix(struct ks_parser *p, const struct ks_token *token, struct ks_prefix *suffix)
{
	struct ks_prefix network;

	if (ks_value_prefix(token->text, suffix) || suffix->family != KS_IPV6 || !strchr(token->text, '/') ||
	    !suffix->length || suffix->length == 128)
		return ks_parser_error(
			p, token, 0,
			"'%.60s' is no suffix: expected the end of an IPv6 address and how many bits are "
			"before it, such as ::10/64",
			token->text);
	network = *suffix;
	ks_prefix_mask(&network);
	if (network.addr.d[0] | network.addr.d[1])
		return ks_parser_error(p, token, 0,
				       "'%.60s' has bits in its first %u, which come from the zone's interfaces: "
				       "expected only those of the host, such as ::10/%u",
				       token->text, suffix->length, suffix->length);
	return 0;
}

static int one_suffix(struct ks_parser *p, void *arg)
{
	const struct ks_token token = *ks_parser_last(p);
	struct ks_match *match = arg;
	struct ks_prefix suffix, *list;
	int err = read_suffix(p, &token, &suffix);

	if (err)
		return err;
	if (match->suffix_count == KS_SUFFIXES_MAX)
		return ks_parser_error(p, &token, 0, "this list has more than %d suffixes", KS_SUFFIXES_MAX);
	list = ks_arena_grow(p->arena, match->suffixes, match->suffix_count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	match->suffixes = list;
	list[match->suffix_count++] = suffix;
	return 0;
}

static int parse_suffixes(struct ks_parser *p, struct ks_match *match)
{
	struct ks_place place = ks_parser_last(p)->place;
	int err = ks_parse_list(p, "the end of an IPv6 address such as ::10/64", one_suffix, match);

	if (err)
		return err;
	if (ks_parser_accept_word(p, "of"))
		return parse_zone(p, match);
	match->address_of = (struct ks_name){ .text = "", .place = place }; /* found by ks_check_own() */
	return 0;
}

int ks_parse_own(struct ks_parser *p, struct ks_match *match)
{
	const struct ks_token *next;
	char buf[96];

	while (match->own < KS_ARRAY_SIZE(kinds) && !ks_parser_accept_word(p, kinds[match->own]))
		match->own++;
	if (match->own == KS_ARRAY_SIZE(kinds))
		return 1;
	if (match->own == KS_OWN_SUFFIX)
		return parse_suffixes(p, match);
	next = ks_parser_peek(p);
	if (!ks_parser_accept_word(p, "of"))
		return ks_parser_error(p, next, 0, "expected 'of' and a zone, found %s",
				       ks_token_describe(next, buf, sizeof(buf)));
	return parse_zone(p, match);
}

/* --- the zone --- */

void ks_check_own(struct ks_parser *p, struct ks_match *match, const struct ks_names *side)
{
	struct ks_name *zone = &match->address_of;
	int id;

	if (match->own == KS_OWN_SUFFIX && !match->suffix_count)
		ks_parser_error_at(p, &match->place, "this list is empty: expected at least one suffix");
	if (!*zone->text && (side->count != 1 || side->negated)) {
		ks_parser_error_at(p, &zone->place,
				   "this suffix says no zone, nor does the rule: expected 'of' and the zone whose "
				   "interfaces have the prefix");
		return;
	}
	if (!*zone->text)
		*zone = side->list[0];
	id = ks_zone_resolve_own(p, zone);
	if (id == KS_ZONE_SELF || id == KS_ZONE_NONE)
		ks_parser_error_at(p, &zone->place,
				   "zone '%s' has no interfaces to have %s %s: expected a zone of this policy",
				   zone->text, match->own == KS_OWN_ADDRESS ? "an" : "a",
				   match->own == KS_OWN_ADDRESS ? "address" : "network");
	else if (id > 0)
		zone->bit = 1ULL << id;
}

/* --- the normal form --- */

void ks_print_own(const struct ks_match *match, FILE *out)
{
	char text[64];

	fputs(kinds[match->own], out);
	for (size_t i = 0; i < match->suffix_count; i++) {
		fputs(i ? ", " : match->suffix_count > 1 ? " { " : " ", out);
		fputs(ks_prefix_text(&match->suffixes[i], text, sizeof(text)), out);
	}
	fprintf(out, "%s of %s", match->suffix_count > 1 ? " }" : "", match->address_of.text);
}
