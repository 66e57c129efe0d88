/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions of rules that ask for numbers: TTL, lengths, marks, addresses of the link, users; see condition.h. */
#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "policy/condition.h"
#include "policy/list.h"
#include "policy/value.h"

/* --- numbers --- */

struct number_list {
	struct ks_items *items;
	__u32 max;
	const char *what; /* that is no ... */
	const char *expected;
};

static int add_numbers(struct ks_parser *p, struct ks_items *items, const struct ks_place *place, __u64 low, __u64 high)
{
	struct ks_item *list = ks_arena_grow(p->scratch, items->list, items->count, sizeof(*list));

	if (!list)
		return ks_parser_no_memory(p);
	items->list = list;
	list[items->count++] = (struct ks_item){
		.range = { .lo = { 0, low }, .hi = { 0, high } },
		.place = *place,
		.family = KS_IPV4,
	};
	return 0;
}

/* Returns true for a range whose ends stand the wrong way round. */
static bool is_reversed(const char *text, __u32 max)
{
	const char *dash = strchr(text, '-');
	char low[16];
	__u64 first, last;

	if (!dash || (size_t)(dash - text) >= sizeof(low))
		return false;
	snprintf(low, sizeof(low), "%.*s", (int)(dash - text), text);
	return !ks_value_number(low, 0, max, &first) && !ks_value_number(dash + 1, 0, max, &last) && first > last;
}

static int one_number(struct ks_parser *p, void *arg)
{
	const struct ks_token token = *ks_parser_last(p);
	const struct number_list *list = arg;
	__u32 low, high;

	if (ks_value_number_range(token.text, list->max, &low, &high) && is_reversed(token.text, list->max))
		return ks_parser_error(p, &token, 0, "'%.60s' is no range: expected two numbers, the lower first",
				       token.text);
	if (ks_value_number_range(token.text, list->max, &low, &high))
		return ks_parser_error(p, &token, 0, "'%.60s' is no %s: expected %s", token.text, list->what,
				       list->expected);
	return add_numbers(p, list->items, &token.place, low, high);
}

int ks_read_ttl(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	struct number_list list = { &conditions->numbers[KS_CONDITION_TTL], UINT8_MAX, "TTL or hop limit",
				    "a number 0 to 255, or a range such as 1-5" };

	return ks_parse_list(p, "a TTL such as 1, or a range such as 1-5", one_number, &list);
}

int ks_read_length(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	struct number_list list = { &conditions->numbers[KS_CONDITION_LENGTH], UINT16_MAX, "length",
				    "octets of the packet with its IP header, 0 to 65535, or a range such as 0-128" };

	return ks_parse_list(p, "a length in octets such as 0-128", one_number, &list);
}

/* --- marks --- */

/* Reads the mask of a mark, which all marks of a list share. */
static int read_mask(struct ks_parser *p, struct ks_ast_conditions *conditions, const struct ks_token *token,
		     const char *text)
{
	__u64 mask = UINT32_MAX;

	if (text && (ks_value_number(text, 1, UINT32_MAX, &mask)))
		return ks_parser_error(p, token, (size_t)(text - token->text),
				       "'%.60s' is no mask of a mark: expected 1 to 0xffffffff", text);
	if (conditions->has_mask && conditions->mark_mask != mask)
		return ks_parser_error(p, token, 0,
				       "the marks of a list have one mask: expected 0x%x, as of the first one",
				       conditions->mark_mask);
	conditions->mark_mask = (__u32)mask;
	conditions->has_mask = true;
	return 0;
}

static int one_mark(struct ks_parser *p, void *arg)
{
	struct ks_token token = *ks_parser_last(p);
	struct ks_ast_conditions *conditions = arg;
	const char *slash = strchr(token.text, '/');
	char text[32];
	__u32 low, high;

	snprintf(text, sizeof(text), "%.*s", slash ? (int)(slash - token.text) : (int)token.length, token.text);
	if (ks_value_number_range(text, UINT32_MAX, &low, &high))
		return ks_parser_error(p, &token, 0,
				       "'%.60s' is no mark: expected a number such as 16 or 0x10, a range such as 1-9, "
				       "or bits and their mask such as 0x10/0xf0",
				       token.text);
	if (read_mask(p, conditions, &token, slash ? slash + 1 : NULL))
		return -EINVAL;
	if (high & ~conditions->mark_mask)
		return ks_parser_error(p, &token, 0, "'%.60s' can never hold: it has bits outside of its mask",
				       token.text);
	return add_numbers(p, &conditions->numbers[KS_CONDITION_MARK], &token.place, low, high);
}

int ks_read_mark(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	return ks_parse_list(p, "a mark such as 0x10", one_mark, conditions);
}

/* --- addresses of the link --- */

#define MAC_BYTES 6

static int one_mac(struct ks_parser *p, void *arg)
{
	const struct ks_token token = *ks_parser_last(p);
	struct ks_ast_conditions *conditions = arg;
	char hint[KS_MAC_HINT];
	__u8 mac[MAC_BYTES];
	__u64 value = 0;

	if (ks_value_mac(token.text, mac))
		return ks_parser_error(p, &token, 0, "'%.60s' is no MAC address: expected %s", token.text,
				       ks_value_mac_hint(token.text, hint));
	for (int i = 0; i < MAC_BYTES; i++)
		value = value << 8 | mac[i];
	if (!value)
		return ks_parser_error(p, &token, 0, "no card has this MAC address: expected that of a sender");
	return add_numbers(p, &conditions->numbers[KS_CONDITION_MAC], &token.place, value, value);
}

int ks_read_mac(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	return ks_parse_list(p, "a MAC address such as 02:00:5e:10:00:01", one_mac, conditions);
}

/* --- users --- */

#define USER_ROOM 4096 /* of the strings of an entry */
#define USER_MAX (UINT32_MAX - 1) /* the one behind it is nobody's */

/* The number of a name on this host. */
static int user_of(const char *name, __u32 *uid)
{
	char room[USER_ROOM];
	struct passwd entry, *found = NULL;

	if (getpwnam_r(name, &entry, room, sizeof(room), &found) || !found)
		return -ENOENT;
	*uid = entry.pw_uid;
	return 0;
}

static int one_user(struct ks_parser *p, void *arg)
{
	const struct ks_token token = *ks_parser_last(p);
	struct ks_ast_conditions *conditions = arg;
	__u32 low, high;

	if (ks_value_number_range(token.text, USER_MAX, &low, &high)) {
		if (user_of(token.text, &low))
			return ks_parser_error(p, &token, 0,
					       "this host has no user '%.60s': expected the name of a user, a number, "
					       "or a range such as 1000-1999",
					       token.text);
		high = low;
	}
	return add_numbers(p, &conditions->numbers[KS_CONDITION_USER], &token.place, low, high);
}

int ks_read_user(struct ks_parser *p, struct ks_ast_conditions *conditions)
{
	return ks_parse_list(p, "a user such as alice or 1000", one_user, conditions);
}
