/* SPDX-License-Identifier: BSD-2-Clause */
/* See pairs.h. */
#include "journal/pairs.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/types.h"
#include "text/scoped.h"

#define NAMES_TEXT 160

/* The counts of a pair: `passed` has those of `opened`. */
static const struct {
	const char *kind, *unit;
} counts[] = {
	{ "passed", "packets" }, { "passed", "bytes" },	   { "opened", "packets" },
	{ "opened", "bytes" },	 { "dropped", "packets" }, { "dropped", "bytes" },
};

#define COUNTS KS_ARRAY_SIZE(counts)

struct pair {
	const char *from, *to; /* NULL: all others */
	json_int_t count[COUNTS];
};

static json_t *pair_json(const struct pair *pair)
{
	const json_int_t *n = pair->count;

	return json_pack("{s:s?, s:s?, s:[I,I], s:[I,I], s:[I,I]}", "from", pair->from, "to", pair->to, "passed", n[0],
			 n[1], "opened", n[2], n[3], "dropped", n[4], n[5]);
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* A name for both zones: they have no blanks, but for one that is gone. */
static const char *key_of(const json_t *pair, char text[NAMES_TEXT])
{
	const char *from = text_of(pair, "from"), *to = text_of(pair, "to");

	snprintf(text, NAMES_TEXT, "%s > %s", from ? from : "", to ? to : "");
	return text;
}

/* The members of a list by the names of their zones. NULL without memory. */
static json_t *index_make(const json_t *list)
{
	json_t *object = json_object(), *pair;
	char key[NAMES_TEXT];
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)list, i, pair)
	{
		if (!object || json_object_set_nocheck(object, key_of(pair, key), pair)) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

/* --- a point --- */

/* Returns -ERANGE if a count is less than before. */
static int pair_subtract(const json_t *now, const json_t *before, struct pair *pair)
{
	pair->from = text_of(now, "from");
	pair->to = text_of(now, "to");
	for (size_t i = 0; i < COUNTS; i++) {
		const json_t *last = json_object_get(before, counts[i].kind);

		pair->count[i] =
			json_integer_value(json_object_get(json_object_get(now, counts[i].kind), counts[i].unit)) -
			json_integer_value(json_object_get(last, counts[i].unit));
		if (pair->count[i] < 0)
			return -ERANGE;
	}
	return 0;
}

static bool has_counted(const struct pair *pair)
{
	for (size_t i = 0; i < COUNTS; i++) {
		if (pair->count[i])
			return true;
	}
	return false;
}

static void pair_sum(struct pair *sum, const struct pair *pair)
{
	for (size_t i = 0; i < COUNTS; i++)
		sum->count[i] += pair->count[i];
}

static int pair_append(json_t *list, const struct pair *pair)
{
	return json_array_append_new(list, pair_json(pair)) ? -ENOMEM : 0;
}

/* Into the list, or where it is full into the sum of all others. */
static int pair_take(json_t *list, const struct pair *pair, struct pair *others)
{
	if (!has_counted(pair))
		return 0;
	if (json_array_size(list) < KS_PAIRS_MAX)
		return pair_append(list, pair);
	pair_sum(others, pair);
	return 0;
}

static int subtract_all(const json_t *before, const json_t *now, json_t *list)
{
	ks_auto_json json_t *index = index_make(before);
	struct pair pair, others = { 0 };
	char key[NAMES_TEXT];
	const json_t *one;
	int err = index ? 0 : -ENOMEM;
	size_t i;

	json_array_foreach((json_t *)(uintptr_t)now, i, one)
	{
		err = err ?: pair_subtract(one, json_object_get(index, key_of(one, key)), &pair);
		err = err ?: pair_take(list, &pair, &others);
	}
	return err || !has_counted(&others) ? err : pair_append(list, &others);
}

int ks_pairs_since(const json_t *before, const json_t *totals, json_t **pairs)
{
	const json_t *last = json_object_get(before, "zones");
	ks_auto_json json_t *list = json_array();
	int err = list ? 0 : -ENOMEM;

	if (!err && last)
		err = subtract_all(last, json_object_get(totals, "zones"), list);
	if (!err)
		*pairs = TAKE(list);
	return err;
}

/* --- sums --- */

static void pair_read(const json_t *json, struct pair *pair)
{
	pair->from = text_of(json, "from");
	pair->to = text_of(json, "to");
	for (size_t i = 0; i < COUNTS; i++)
		pair->count[i] = json_integer_value(json_array_get(json_object_get(json, counts[i].kind), i % 2));
}

/* Adds to a member of a list: its counts are changed where they are. */
static int pair_add_to(json_t *json, const struct pair *more)
{
	struct pair pair;
	json_t *sum;
	int err;

	pair_read(json, &pair);
	pair_sum(&pair, more);
	sum = pair_json(&pair);
	err = !sum || json_object_update(json, sum) ? -ENOMEM : 0;
	json_decref(sum);
	return err;
}

/* The sum of all others is the member without names. It may be one more than KS_PAIRS_MAX. */
static int add_one(json_t *list, json_t *index, const json_t *one)
{
	static const char nobody[] = " > ";
	char key[NAMES_TEXT];
	const char *name = key_of(one, key);
	struct pair pair;

	if (!json_object_get(index, name) && json_array_size(list) >= KS_PAIRS_MAX)
		name = nobody;
	pair_read(one, &pair);
	if (json_object_get(index, name))
		return pair_add_to(json_object_get(index, name), &pair);
	if (name == nobody)
		pair.from = pair.to = NULL;
	return pair_append(list, &pair)
		       ?: json_object_set_nocheck(index, name, json_array_get(list, json_array_size(list) - 1))
			  ? -ENOMEM
			  : 0;
}

int ks_pairs_add(json_t *sum, const json_t *point)
{
	ks_auto_json json_t *index = NULL;
	json_t *list = json_object_get(sum, "zones"), *one;
	int err = 0;
	size_t i;

	if (!list && json_object_set_new(sum, "zones", json_array()))
		return -ENOMEM;
	list = json_object_get(sum, "zones");
	index = index_make(list);
	if (!index)
		return -ENOMEM;
	json_array_foreach(json_object_get(point, "zones"), i, one) err = err ?: add_one(list, index, one);
	return err;
}
