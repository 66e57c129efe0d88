/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lists in braces, and their entries: addresses, ports, names. After a bad
 * entry the list goes on, so that one run reports all of them. A list in a list
 * (often the value of a variable) is the same as its entries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "policy/ast.h"
#include "policy/host.h"
#include "policy/list.h"
#include "policy/service.h"
#include "policy/stray.h"
#include "policy/value.h"

/* --- braces --- */

/* Skips a bad entry up to the comma or brace behind it. */
static void skip_entry(struct ks_parser *p)
{
	unsigned inner = p->blocks;

	while (!ks_parser_is(p, KS_TOKEN_END) && !p->line_start) {
		if (p->blocks == inner && (ks_parser_is(p, KS_TOKEN_COMMA) || ks_parser_is(p, KS_TOKEN_RBRACE)))
			return;
		ks_parser_next(p);
	}
}

/* Expects a comma or the closing brace. Returns 1 after a comma, 0 at the brace, -EINVAL after a complaint. */
static int entry_end(struct ks_parser *p, const struct ks_place *open)
{
	const struct ks_token *token;
	char buf[96];

	if (ks_parser_accept(p, KS_TOKEN_COMMA))
		return 1;
	token = ks_parser_peek(p);
	if (token->kind == KS_TOKEN_RBRACE)
		return 0;
	return ks_parser_error(p, token, 0, "expected ',' or '}', found %s (the list begins at line %u, column %u)",
			       ks_token_describe(token, buf, sizeof(buf)), open->line, open->column);
}

static int parse_entries(struct ks_parser *p, const char *what, ks_list_fn *one, void *arg)
{
	struct ks_place open = ks_parser_last(p)->place;
	bool bad = false;
	int more = 1;

	while (more && !ks_parser_is(p, KS_TOKEN_RBRACE)) {
		int err = ks_parse_list(p, what, one, arg);

		if (err == -ENOMEM)
			return err;
		if (err)
			skip_entry(p);
		bad |= err != 0;
		more = entry_end(p, &open);
		if (more < 0)
			return more;
	}
	return bad ? -EINVAL : 0;
}

/* Complains about a mark in front of a value, with a blank between them. */
static int mark_complain(struct ks_parser *p)
{
	const struct ks_token mark = *ks_parser_next(p), *value = ks_parser_peek(p);

	return ks_parser_error(p, &mark, 0, "'!' is no word of the language: expected 'not%s%.60s'",
			       value->kind == KS_TOKEN_WORD ? " " : "",
			       value->kind == KS_TOKEN_WORD ? value->text : "");
}

int ks_parse_list(struct ks_parser *p, const char *what, ks_list_fn *one, void *arg)
{
	const struct ks_token *token = ks_parser_peek(p);
	unsigned outer = p->blocks;
	char buf[96];
	int err;

	if (token->kind == KS_TOKEN_LBRACE) {
		if (p->lists >= KS_NESTING_MAX)
			return ks_parser_error(p, token, 0, "lists stand in lists more than %d deep", KS_NESTING_MAX);
		ks_parser_next(p);
		p->lists++;
		err = parse_entries(p, what, one, arg);
		p->lists--;
		if (p->blocks > outer && ks_parser_peek(p)->kind == KS_TOKEN_RBRACE && p->blocks == outer + 1)
			ks_parser_next(p);
		else
			ks_parser_skip_block(p, outer);
		return err;
	}
	if (token->kind != (p->strings ? KS_TOKEN_STRING : KS_TOKEN_WORD))
		return ks_parser_error(p, token, 0, "expected %s, found %s", what,
				       ks_token_describe(token, buf, sizeof(buf)));
	if (++p->values > KS_VALUES_MAX)
		return ks_parser_error(p, token, 0, "the policy's lists have more than %u entries", KS_VALUES_MAX);
	if (token->kind == KS_TOKEN_WORD && strcmp(token->text, "!") == 0)
		return mark_complain(p);
	ks_parser_next(p);
	return one(p, arg);
}

int ks_parse_strings(struct ks_parser *p, const char *what, ks_list_fn *one, void *arg)
{
	int err;

	p->strings = true;
	err = ks_parse_list(p, what, one, arg);
	p->strings = false;
	return err;
}

/* --- names --- */

bool ks_is_name_char(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
		return true;
	return !first && ((c >= '0' && c <= '9') || c == '-');
}

static const char *const reserved[] = {
	"any",	  "self",    "none",	"not",	  "from",      "to",	    "source",  "destination",
	"port",	  "proto",   "type",	"code",	  "family",    "log",	    "zone",    "set",
	"file",	  "include", "timeout", "limit",  "option",    "allow",	    "deny",    "reject",
	"bypass", "test",    "tcp",	"udp",	  "icmp",      "icmpv6",    "after",   "network",
	"mac",	  "nat",     "binat",	"nptv6",  "forward",   "redirect",  "helper",  "masquerade",
	"exempt", "address", "on",	"ignore", "antispoof", "challenge", "protect",
};

int ks_check_name(struct ks_parser *p, const struct ks_token *token, const char *text, const char *what)
{
	size_t skipped = (size_t)(text - token->text);

	for (size_t i = 0; text[i] || !i; i++) {
		if (!ks_is_name_char(text[i], i == 0))
			return ks_parser_error(
				p, token, skipped + i,
				"'%.60s' cannot name a %s: expected a letter or '_' first, then letters, "
				"digits, '_' and '-'",
				text, what);
		if (i >= KS_NAME_MAX)
			return ks_parser_error(p, token, skipped, "the name of a %s has at most %d characters", what,
					       KS_NAME_MAX);
	}
	for (size_t i = 0; *what != 'v' && i < KS_ARRAY_SIZE(reserved); i++) {
		if (strcmp(text, reserved[i]) == 0)
			return ks_parser_error(
				p, token, skipped,
				"'%s' is a word of the language and cannot name a %s: expected another name", text,
				what);
	}
	return 0;
}

int ks_add_name(struct ks_parser *p, struct ks_names *names, const struct ks_token *token)
{
	struct ks_name *list = ks_arena_grow(p->scratch, names->list, names->count, sizeof(*list));

	if (!list)
		return ks_parser_no_memory(p);
	names->list = list;
	list[names->count++] = (struct ks_name){ .text = token->text, .place = token->place };
	return 0;
}

/* --- addresses and ports --- */

struct item_list {
	struct ks_items *items;
	struct ks_ast_set *set; /* whose entries they are, or NULL */
	bool ports, negated;
};

static int add_item(struct ks_parser *p, struct ks_items *items, const struct ks_item *item)
{
	struct ks_item *list = ks_arena_grow(p->scratch, items->list, items->count, sizeof(*list));

	if (!list)
		return ks_parser_no_memory(p);
	items->list = list;
	list[items->count++] = *item;
	return 0;
}

static int bad_addr(struct ks_parser *p, const struct ks_token *token, int err)
{
	const char *slash = strchr(token->text, '/');
	struct ks_addr addr;
	char part[64];
	__u8 family, mask_family;

	if (err == -ERANGE)
		return ks_parser_error(p, token, 0,
				       "'%.90s' is no range: expected the lower address first, both of one family",
				       token->text);
	if (slash && slash - token->text < (long)sizeof(part)) {
		memcpy(part, token->text, (size_t)(slash - token->text));
		part[slash - token->text] = '\0';
		if (ks_value_addr(part, &addr, &family) == 0 && ks_value_addr(slash + 1, &addr, &mask_family))
			return ks_parser_error(p, token, (size_t)(slash + 1 - token->text),
					       "'%.60s' is no prefix length: expected 0 to %d", slash + 1,
					       family == KS_IPV4 ? 32 : 128);
	}
	return ks_stray_address(p, token);
}

void ks_warn_host_bits(struct ks_parser *p, const struct ks_token *token)
{
	struct ks_prefix prefix;
	char buf[64];

	if (!strchr(token->text, '/') || ks_value_prefix(token->text, &prefix) || !ks_prefix_mask(&prefix))
		return;
	ks_parser_warn_at(p, &token->place, "'%s' has bits set behind its prefix: the network %s is used", token->text,
			  ks_prefix_text(&prefix, buf, sizeof(buf)));
}

static int read_addr(struct ks_parser *p, const struct ks_token *token, struct ks_item *item)
{
	int err = ks_value_range(token->text, &item->range, &item->family);

	if (err)
		return bad_addr(p, token, err);
	item->is_range = strchr(token->text, '-') != NULL;
	ks_warn_host_bits(p, token);
	return 0;
}

static int read_port(struct ks_parser *p, const struct ks_token *token, struct ks_item *item)
{
	__u32 low, high;

	item->service = (__u16)ks_service_find(token->text);
	if (item->service) {
		item->family = KS_IPV4;
		item->range.lo[1] = ks_service(item->service)->low;
		item->range.hi[1] = ks_service(item->service)->high;
		return 0;
	}
	if (ks_value_number_range(token->text, KS_PORT_MAX, &low, &high) == -ERANGE && strchr(token->text, '-'))
		return ks_parser_error(
			p, token, 0, "'%.60s' is no range of ports: expected two numbers up to 65535, the lower first",
			token->text);
	if (ks_value_number_range(token->text, KS_PORT_MAX, &low, &high))
		return ks_stray_port(p, token);
	item->family = KS_IPV4;
	item->range.lo[1] = low;
	item->range.hi[1] = high;
	return 0;
}

static int read_item(struct ks_parser *p, const struct ks_token *token, const struct item_list *list)
{
	struct ks_item item = { .place = token->place, .negated = list->negated };
	int err;

	if (token->text[0] == '@') {
		err = ks_check_name(p, token, token->text + 1, "set");
		item.set = token->text + 1;
	} else {
		err = list->ports ? read_port(p, token, &item) : read_addr(p, token, &item);
	}
	return err ? err : add_item(p, list->items, &item);
}

static int one_item(struct ks_parser *p, void *arg);

static int parse_values(struct ks_parser *p, struct item_list *list)
{
	return ks_parse_list(p,
			     list->ports ? "a port, a range of ports, a service or @set"
					 : "an address, a prefix, a range or @set",
			     one_item, list);
}

/* Reads what stands behind `not` in a list: an entry, or a list of them. */
static int parse_not(struct ks_parser *p, struct item_list *list)
{
	int err;

	if (list->negated)
		return ks_parser_error(p, ks_parser_last(p), 0, "'not' stands in 'not': expected it once");
	list->negated = true;
	err = parse_values(p, list);
	list->negated = false;
	return err;
}

static int one_item(struct ks_parser *p, void *arg)
{
	struct item_list *list = arg;
	struct ks_token token = *ks_parser_last(p);

	if (strcmp(token.text, "not") == 0)
		return parse_not(p, list);
	if (!list->ports && strcmp(token.text, "host") == 0)
		return ks_parse_host(p, list->set, list->negated);
	return read_item(p, &token, list);
}

int ks_parse_items(struct ks_parser *p, bool ports, struct ks_items *items)
{
	struct item_list list = { .items = items, .ports = ports };

	return parse_values(p, &list);
}

int ks_parse_set_items(struct ks_parser *p, struct ks_ast_set *set)
{
	struct item_list list = { .items = &set->items, .set = set, .ports = set->ports };

	return parse_values(p, &list);
}

int ks_read_item(struct ks_parser *p, const struct ks_token *token, bool ports, struct ks_items *items)
{
	return read_item(p, token, &(struct item_list){ .items = items, .ports = ports });
}
