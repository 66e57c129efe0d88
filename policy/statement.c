/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the statements `zone`, `ignore` and `set`. */
#include <errno.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/dynamic.h"
#include "policy/effect.h"
#include "policy/list.h"
#include "policy/sets.h"
#include "policy/statement.h"
#include "policy/value.h"
#include "text/names.h"

#define INTERFACE_NAME_MAX 15 /* IFNAMSIZ - 1 */

/* --- interfaces --- */

static int add_interface(struct ks_parser *p, struct ks_names *interfaces, const struct ks_token *token)
{
	const char *star = strchr(token->text, '*');
	struct ks_prefix network;

	if (!ks_value_prefix(token->text, &network) && strpbrk(token->text, "/:"))
		return ks_parser_error(
			p, token, 0,
			"'%.60s' cannot name an interface: expected an interface, or 'network %.60s' for "
			"tests and replay",
			token->text, token->text);
	if (token->length > INTERFACE_NAME_MAX)
		return ks_parser_error(p, token, 0, "the name of an interface has at most %d characters",
				       INTERFACE_NAME_MAX);
	if (strpbrk(token->text, "/:@$\"'\\") || strcmp(token->text, ".") == 0 || strcmp(token->text, "..") == 0)
		return ks_parser_error(p, token, 0,
				       "'%.60s' cannot name an interface: expected a name such as eth0, or 'network', "
				       "'address' or 'mac' and an address",
				       token->text);
	if (star && star[1])
		return ks_parser_error(p, token, (size_t)(star - token->text),
				       "'*' can only stand at the end of an interface's name");
	if (strcmp(token->text, "lo") == 0)
		return ks_parser_error(
			p, token, 0,
			"'lo' is always ignored, because what the box says to itself passes no firewall: "
			"expected it left out");
	return ks_add_name(p, interfaces, token);
}

/*
 * --- zone NAME { interface, network PREFIX, address ADDRESS, mac MAC, antispoof on|off, challenge auto|always|never,
 * mss NUMBER|mtu, mtu NUMBER } ---
 */

static int add_network(struct ks_parser *p, struct ks_ast_zone *zone)
{
	struct ks_ast_network *list;
	struct ks_prefix prefix;
	struct ks_token token;
	char buf[64];
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "a network such as 10.0.0.0/24", &token);

	if (err)
		return err;
	if (ks_value_prefix(token.text, &prefix))
		return ks_parser_error(p, &token, 0,
				       "'%.60s' is no network: expected a prefix such as 10.0.0.0/24 or "
				       "2001:db8::/64",
				       token.text);
	if (ks_prefix_mask(&prefix))
		ks_parser_warn_at(p, &token.place, "'%s' has bits set behind its prefix: the network %s is used",
				  token.text, ks_prefix_text(&prefix, buf, sizeof(buf)));
	list = ks_arena_grow(p->scratch, zone->networks, zone->network_count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	zone->networks = list;
	list[zone->network_count++] = (struct ks_ast_network){ .prefix = prefix, .place = token.place };
	return 0;
}

static int add_mac(struct ks_parser *p, struct ks_ast_zone *zone)
{
	struct ks_ast_mac mac, *list;
	char hint[KS_MAC_HINT];
	struct ks_token token;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "a MAC address such as 02:00:5e:10:00:01", &token);

	if (err)
		return err;
	if (ks_value_mac(token.text, mac.mac))
		return ks_parser_error(p, &token, 0, "'%.60s' is no MAC address: expected %s", token.text,
				       ks_value_mac_hint(token.text, hint));
	mac.place = token.place;
	list = ks_arena_grow(p->scratch, zone->macs, zone->mac_count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	zone->macs = list;
	list[zone->mac_count++] = mac;
	return 0;
}

static int add_address(struct ks_parser *p, struct ks_ast_zone *zone)
{
	struct ks_prefix address = { 0 }, *first;
	struct ks_token token;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "an address such as 203.0.113.1", &token);

	if (err)
		return err;
	if (ks_value_addr(token.text, &address.addr, &address.family))
		return ks_parser_error(p, &token, 0,
				       "'%.60s' is no address: expected one address such as 203.0.113.1 or 2001:db8::1",
				       token.text);
	address.length = address.family == KS_IPV4 ? 32 : 128;
	first = &zone->address[address.family == KS_IPV6];
	if (first->family)
		return ks_parser_error(p, &token, 0,
				       "zone '%s' has two IPv%d addresses: expected one, which translations use",
				       zone->name.text, address.family);
	*first = address;
	return 0;
}

/* Reads `on` or `off` behind `antispoof`; on is the default. */
static int set_antispoof(struct ks_parser *p, struct ks_ast_zone *zone, const struct ks_token *word)
{
	struct ks_token token;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "'on' or 'off' for antispoof", &token);

	if (err)
		return err;
	if (strcmp(token.text, "on") != 0 && strcmp(token.text, "off") != 0)
		return ks_parser_error(p, &token, 0, "expected 'on' or 'off' for antispoof, found '%.60s'", token.text);
	if (zone->antispoof.line)
		return ks_parser_error(p, word, 0, "antispoof is already set at %s:%u:%u: expected it once in a zone",
				       zone->antispoof.file, zone->antispoof.line, zone->antispoof.column);
	zone->antispoof = word->place;
	zone->antispoof_off = strcmp(token.text, "off") == 0;
	return 0;
}

/* Reads the word behind `challenge`; auto is the default. */
static int set_challenge(struct ks_parser *p, struct ks_ast_zone *zone, const struct ks_token *word)
{
	struct ks_token token;
	__u8 mode = 0;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "'auto', 'always' or 'never' for challenge", &token);

	if (err)
		return err;
	while (mode <= KS_CHALLENGE_NEVER && strcmp(token.text, ks_challenge_mode_name(mode)) != 0)
		mode++;
	if (mode > KS_CHALLENGE_NEVER)
		return ks_parser_error(p, &token, 0,
				       "expected 'auto', 'always' or 'never' for challenge, found '%.60s'", token.text);
	if (zone->challenge.line)
		return ks_parser_error(p, word, 0, "challenge is already set at %s:%u:%u: expected it once in a zone",
				       zone->challenge.file, zone->challenge.line, zone->challenge.column);
	zone->challenge = word->place;
	zone->challenge_mode = mode;
	return 0;
}

/* Complains about an entry that the zone has already. */
static int entry_twice(struct ks_parser *p, const struct ks_token *word)
{
	return ks_parser_error(p, word, 0, "this zone has an %s already: expected one", word->text);
}

static int set_mss(struct ks_parser *p, struct ks_ast_zone *zone, const struct ks_token *word)
{
	return zone->mss ? entry_twice(p, word) : ks_parse_mss(p, &zone->mss);
}

/* Reads the MTU that the interfaces of the zone have, for homes without interfaces. */
static int set_mtu(struct ks_parser *p, struct ks_ast_zone *zone, const struct ks_token *word)
{
	struct ks_token token;
	__u64 number;

	if (zone->mtu)
		return entry_twice(p, word);
	if (ks_parser_expect(p, KS_TOKEN_WORD, "an MTU such as 1492", &token))
		return -EINVAL;
	if (ks_value_number(token.text, KS_MTU_MIN, KS_MTU_MAX, &number))
		return ks_parser_error(p, &token, 0, "'%.60s' is no MTU: expected a number %u to %u", token.text,
				       KS_MTU_MIN, KS_MTU_MAX);
	zone->mtu = (__u16)number;
	return 0;
}

static int one_zone_entry(struct ks_parser *p, void *arg)
{
	struct ks_ast_zone *zone = arg;
	struct ks_token token = *ks_parser_last(p);

	if (strcmp(token.text, "network") == 0)
		return add_network(p, zone);
	if (strcmp(token.text, "address") == 0)
		return add_address(p, zone);
	if (strcmp(token.text, "mac") == 0)
		return add_mac(p, zone);
	if (strcmp(token.text, "antispoof") == 0)
		return set_antispoof(p, zone, &token);
	if (strcmp(token.text, "challenge") == 0)
		return set_challenge(p, zone, &token);
	if (strcmp(token.text, "mss") == 0)
		return set_mss(p, zone, &token);
	if (strcmp(token.text, "mtu") == 0)
		return set_mtu(p, zone, &token);
	return add_interface(p, &zone->interfaces, &token);
}

/* An entry of a zone that stands without braces is the only one. */
static int alone_check(struct ks_parser *p)
{
	const struct ks_token first = *ks_parser_last(p), *next = ks_parser_peek(p);

	if (first.kind != KS_TOKEN_WORD || next->kind != KS_TOKEN_WORD)
		return 0;
	return ks_parser_error(p, next, 0, "several entries of a zone stand in braces: expected '{ %.60s, %.60s }'",
			       first.text, next->text);
}

int ks_parse_zone(struct ks_parser *p)
{
	struct ks_ast_zone zone = { 0 }, *list;
	struct ks_token name;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "the name of the zone", &name);

	if (!err)
		err = ks_check_name(p, &name, name.text, "zone");
	if (err)
		return err;
	zone.name = (struct ks_name){ .text = name.text, .place = name.place };
	err = ks_parse_list(p, "an interface, 'network', 'address', 'mac', 'antispoof', 'challenge', 'mss' or 'mtu'",
			    one_zone_entry, &zone);
	err = err ? err : alone_check(p);
	zone.broken = err != 0;
	list = ks_arena_grow(p->scratch, p->ast->zones, p->ast->zone_count, sizeof(*list));
	if (!list)
		return ks_parser_no_memory(p);
	p->ast->zones = list;
	list[p->ast->zone_count++] = zone;
	return err;
}

/* --- ignore { interface } --- */

static int one_ignored(struct ks_parser *p, void *arg)
{
	struct ks_token token = *ks_parser_last(p);

	return add_interface(p, arg, &token);
}

int ks_parse_ignore(struct ks_parser *p)
{
	struct ks_names *ignores = &p->ast->ignores;
	struct ks_place place = ks_parser_last(p)->place;
	size_t before = ignores->count;
	int err = ks_parse_list(p, "an interface such as docker0, or a list of them", one_ignored, ignores);

	if (!err && ignores->count == before)
		return ks_parser_error_at(p, &place, "this list is empty: expected interfaces such as docker0 or br-*");
	return err;
}

/* --- set NAME [port] { ... }, set NAME [port] file "PATH"; dynamic --- */

static int add_set(struct ks_parser *p, const struct ks_ast_set *set)
{
	const struct ks_ast_set *first = ks_ast_find_set(p->ast, set->name.text);
	struct ks_ast_set *list;

	if (first)
		return ks_parser_error_at(p, &set->name.place, "set '%s' is already defined at %s:%u:%u",
					  set->name.text, first->name.place.file, first->name.place.line,
					  first->name.place.column);
	if (p->ast->set_count >= KS_SETS_MAX)
		return ks_parser_error_at(p, &set->name.place, "the policy has more than %u sets", KS_SETS_MAX);
	list = ks_arena_grow(p->scratch, p->ast->sets, p->ast->set_count, sizeof(*list));
	if (!list || ks_index_add(&p->ast->set_index, ks_hash_text(set->name.text), (__u32)p->ast->set_count))
		return ks_parser_no_memory(p);
	p->ast->sets = list;
	list[p->ast->set_count++] = *set;
	return 0;
}

int ks_parse_set(struct ks_parser *p)
{
	struct ks_ast_set set = { 0 };
	struct ks_token name, path;
	int err = ks_parser_expect(p, KS_TOKEN_WORD, "the name of the set", &name);

	if (!err)
		err = ks_check_name(p, &name, name.text, "set");
	if (err)
		return err;
	set.name = (struct ks_name){ .text = name.text, .place = name.place };
	set.ports = ks_parser_accept_word(p, "port");
	if (ks_parser_accept_word(p, "file")) {
		err = ks_parser_expect(p, KS_TOKEN_STRING, "a file name in quotes", &path);
		if (!err)
			err = ks_read_items(p, &path, ks_parser_accept_word(p, "optional"), set.ports, &set.items);
	} else {
		err = ks_parse_set_items(p, &set);
	}
	if (!err)
		err = ks_parse_dynamic(p, &set);
	set.broken = err != 0;
	if (err == -ENOMEM)
		return err;
	return add_set(p, &set) ? -EINVAL : err;
}
