/* SPDX-License-Identifier: BSD-2-Clause */
/* The wish for a view from the parameters of a query; see view.h. Values come from outside and are checked to the last character. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/view.h"

#define CURSOR_PARTS 3
#define CURSOR_DIGITS 16 /* of a part, in base 16 */

static const struct {
	const char *name;
	bool groups, flows; /* for what it makes sense */
	bool ascending; /* without another wish */
} sorts[KS_SORTS] = {
	[KS_SORT_BYTES] = { "bytes", true, true, false },
	[KS_SORT_RATE] = { "rate", true, true, false },
	[KS_SORT_PACKETS] = { "packets", true, true, false },
	[KS_SORT_AGE] = { "age", false, true, false },
	[KS_SORT_LEFT] = { "left", false, true, true },
	[KS_SORT_SOURCE] = { "source", false, true, true },
	[KS_SORT_DESTINATION] = { "destination", false, true, true },
	[KS_SORT_PORT] = { "port", false, true, true },
	[KS_SORT_PROTO] = { "proto", false, true, true },
	[KS_SORT_STATE] = { "state", false, true, true },
	[KS_SORT_ZONE] = { "zone", false, true, true },
	[KS_SORT_RULE] = { "rule", false, true, true },
	[KS_SORT_FLOWS] = { "flows", true, false, false },
};

static const char *const groups[KS_GROUPS] = {
	[KS_GROUP_NONE] = "",	      [KS_GROUP_HOST] = "host",
	[KS_GROUP_SOURCE] = "source", [KS_GROUP_DESTINATION] = "destination",
	[KS_GROUP_RULE] = "rule",     [KS_GROUP_ZONE] = "zone",
	[KS_GROUP_PORT] = "port",     [KS_GROUP_PROTOCOL] = "protocol",
	[KS_GROUP_STATE] = "state",
};

static int take_sort(struct ks_view_wish *wish, const char *value)
{
	for (unsigned i = 0; i < KS_SORTS; i++) {
		if (strcmp(sorts[i].name, value))
			continue;
		wish->sort = (enum ks_view_sort)i;
		wish->rates |= i == KS_SORT_RATE;
		return 0;
	}
	return -EINVAL;
}

static int take_order(struct ks_view_wish *wish, const char *value)
{
	wish->ordered = true;
	wish->ascending = !strcmp(value, "asc");
	return wish->ascending || !strcmp(value, "desc") ? 0 : -EINVAL;
}

/* Returns a number in base 10 or 16 of at most so many digits, or -EINVAL; *end is where it ends. */
static int parse_digits(const char *text, int base, size_t digits, __u64 *number, const char **end)
{
	size_t length = strspn(text, base == 10 ? "0123456789" : "0123456789abcdef");

	if (!length || length > digits)
		return -EINVAL;
	*number = strtoull(text, NULL, base);
	*end = text + length;
	return 0;
}

static int take_number(const char *value, __u32 max, __u32 *target)
{
	const char *end;
	__u64 number;

	if (parse_digits(value, 10, 9, &number, &end) || *end || number > max)
		return -EINVAL;
	*target = (__u32)number;
	return 0;
}

static int take_limit(struct ks_view_wish *wish, const char *value)
{
	wish->has_limit = true;
	return take_number(value, KS_VIEW_ROWS_MAX, &wish->limit);
}

static int take_offset(struct ks_view_wish *wish, const char *value)
{
	wish->has_offset = true;
	return take_number(value, KS_VIEW_DEPTH_MAX, &wish->offset);
}

/* "1a2b.0.3f", as ks_view_cursor() writes it. */
static int take_cursor(struct ks_view_wish *wish, const char *value)
{
	__u64 part[CURSOR_PARTS];

	for (unsigned i = 0; i < CURSOR_PARTS; i++) {
		if (parse_digits(value, 16, CURSOR_DIGITS, &part[i], &value) ||
		    *value != (i + 1 < CURSOR_PARTS ? '.' : '\0'))
			return -EINVAL;
		value++;
	}
	if (part[2] > 0xffffffffU)
		return -EINVAL;
	wish->cursor = (struct ks_rank){ .high = part[0], .low = part[1], .id = (__u32)part[2] };
	wish->has_cursor = true;
	return 0;
}

static int take_group(struct ks_view_wish *wish, const char *value)
{
	for (unsigned i = KS_GROUP_HOST; i < KS_GROUPS; i++) {
		if (!strcmp(groups[i], value)) {
			wish->group = (enum ks_view_group)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int take_rates(struct ks_view_wish *wish, const char *value)
{
	wish->rates = true;
	return strcmp(value, "1") ? -EINVAL : 0;
}

const char *const ks_view_parameters[] = { "sort", "order", "limit", "offset", "cursor", "group", "rates", NULL };

static const struct {
	int (*take)(struct ks_view_wish *wish, const char *value);
	const char *right; /* describes a right value */
} takers[] = {
	{ take_sort,
	  "rate, bytes, packets, age, left, source, destination, port, proto, state, zone or rule; of groups rate, "
	  "bytes, packets or flows" },
	{ take_order, "asc or desc" },
	{ take_limit, "a number of rows from 0 to 10000" },
	{ take_offset, "a number of rows from 0 to 100000" },
	{ take_cursor, "the `next` of an earlier answer" },
	{ take_group, "host, source, destination, rule, zone, port, protocol or state" },
	{ take_rates, "1" },
};

int ks_view_wish_set(struct ks_view_wish *wish, const char *name, const char *value, char *complaint, size_t size)
{
	unsigned i = 0;

	while (i < KS_ARRAY_SIZE(takers) && strcmp(ks_view_parameters[i], name))
		i++;
	if (i == KS_ARRAY_SIZE(takers)) {
		snprintf(complaint, size, "there is no parameter '%.60s'", name);
		return -EINVAL;
	}
	wish->wanted = true;
	if (!takers[i].take(wish, value))
		return 0;
	snprintf(complaint, size, "%s: '%.200s' is not right; give %s", name, value, takers[i].right);
	return -EINVAL;
}

static const char *contradiction(const struct ks_view_wish *wish)
{
	if (wish->group && !sorts[wish->sort].groups)
		return "sort: groups are sorted by rate, bytes, packets or flows";
	if (!wish->group && !sorts[wish->sort].flows)
		return "sort: flows belongs to groups; give group, or another sort";
	if (wish->has_cursor && (wish->has_offset || wish->group))
		return "cursor: it goes with neither offset nor group";
	if (wish->offset + wish->limit > KS_VIEW_DEPTH_MAX)
		return "offset: with limit it is more than 100000 rows; go on with cursor";
	return NULL;
}

int ks_view_wish_check(struct ks_view_wish *wish, char *complaint, size_t size)
{
	const char *wrong;

	if (!wish->has_limit)
		wish->limit = KS_VIEW_ROWS;
	if (!wish->ordered)
		wish->ascending = sorts[wish->sort].ascending;
	wrong = contradiction(wish);
	if (!wrong)
		return 0;
	snprintf(complaint, size, "%s", wrong);
	return -EINVAL;
}
