/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines of `ipset save`: sets of addresses and networks. Sets of pairs are unknown to rules here. */
#include <errno.h>
#include <string.h>

#include "import/iptables.h"

/* The entries of a set that is still read: ranges of both families in the pool, doubled when they are full. */
static int entries_add(struct ks_import *import, struct ks_spans set[2], const char *text)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	int err = ks_ranges_address(&ranges, text);

	for (unsigned at = 0; !err && at < 2; at++) {
		struct ks_spans *spans = &set[at];
		struct ks_range *list = (struct ks_range *)spans->list;

		if (!ranges.count[at])
			continue;
		if (spans->count == KS_RANGES_MAX)
			return -E2BIG;
		if (!(spans->count & (spans->count - 1))) { /* a power of two: full */
			const size_t room = spans->count ? 2 * spans->count : 1;

			list = ks_pool_alloc(&import->pool, room * sizeof(*list));
			if (!list)
				return -ENOMEM;
			if (spans->count)
				memcpy(list, spans->list, spans->count * sizeof(*list));
		}
		list[spans->count] = ranges.list[at][0];
		*spans = (struct ks_spans){ list, spans->count + 1 };
	}
	return err;
}

/* A set whose entries end by themselves is a run-time set. Returns the time that its line says, NULL without. */
static const char *timeout_of(const struct ks_words_line *words)
{
	for (unsigned i = words->at; i < words->count; i++) {
		if (!strcmp(words->word[i], "timeout"))
			return i + 1 < words->count ? words->word[i + 1] : "0";
	}
	return NULL;
}

static int dynamic_create(struct ks_import *import, const char *name, const char *timeout)
{
	struct ks_named_spans *set;
	int err;

	if (ks_import_dynamic_find(import, name))
		return ks_import_fail(import, "line %u: set %.40s is made twice", import->line, name);
	if (strlen(name) >= KS_IMPORT_NAME - 2)
		return ks_import_note(import, "run-time sets have shorter names");
	err = ks_import_dynamic(import, name, &set);
	if (!err)
		set->timeout = ks_import_seconds(import, timeout);
	return err;
}

static int set_create(struct ks_import *import, const char *name, const char *type, const char *timeout)
{
	struct ks_named_spans *set;

	if (strcmp(type, "hash:ip") != 0 && strcmp(type, "hash:net") != 0 && strcmp(type, "bitmap:ip") != 0)
		return ks_import_note(import, "sets of ours hold addresses or ports alone");
	if (ks_import_set_find(import, name))
		return ks_import_fail(import, "line %u: set %.40s is made twice", import->line, name);
	if (timeout)
		return dynamic_create(import, name, timeout);
	set = ks_pool_alloc(&import->pool, sizeof(*set));
	if (!set)
		return -ENOMEM;
	*set = (struct ks_named_spans){ .next = import->sets, .name = ks_import_copy(import, name, strlen(name)) };
	if (!set->name)
		return -ENOMEM;
	import->sets = set;
	return 0;
}

int ks_ipset_line(struct ks_import *import, struct ks_words_line *words)
{
	const char *verb = ks_words_take(words), *name = ks_words_take(words), *value = ks_words_take(words);
	const char *timeout = timeout_of(words);
	struct ks_named_spans *set;
	bool passes;
	int err;

	if (!verb || !name || !value)
		return ks_import_fail(import, "line %u: a set needs a name and a type or an entry", import->line);
	if (!strcmp(verb, "create"))
		return set_create(import, name, value, timeout_of(words));
	set = ks_import_set_find(import, name);
	passes = !set && timeout && strcmp(timeout, "0") != 0;
	if (!set)
		set = (struct ks_named_spans *)ks_import_dynamic_find(import, name);
	if (!set)
		return 0; /* its kind was noted */
	for (const char *word = ks_words_take(words); word; word = ks_words_take(words)) {
		if (!strcmp(word, "nomatch"))
			return ks_import_fail(import, "line %u: 'nomatch' is not read", import->line);
	}
	err = entries_add(import, passes ? set->passing : set->spans, value);
	return err == -EINVAL ? ks_import_fail(import, "line %u: '%.60s' is no address", import->line, value) : err;
}

static int spans_sort(struct ks_import *import, struct ks_spans spans[2])
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	int err = ks_ranges_spans(&ranges, 0, &spans[0]);

	err = err ? err : ks_ranges_spans(&ranges, 1, &spans[1]);
	return err ? err : ks_ranges_take(import, &ranges, spans);
}

static int sets_sort(struct ks_import *import, struct ks_named_spans *sets)
{
	int err = 0;

	for (struct ks_named_spans *set = sets; !err && set; set = set->next) {
		err = spans_sort(import, set->spans);
		err = err ? err : spans_sort(import, set->passing);
	}
	return err;
}

int ks_ipset_end(struct ks_import *import)
{
	int err = sets_sort(import, import->sets);

	return err ? err : sets_sort(import, import->dynamic);
}
