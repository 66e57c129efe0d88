/* SPDX-License-Identifier: BSD-2-Clause */
/* See ufw_list.h. */
#include "import/ufw_list.h"

#include <errno.h>
#include <string.h>

/* --- rules that are the same --- */

/* Returns true if a field of two regions is the same; of two families, if it is about all addresses. */
static bool dims_equal(const struct ks_region *a, const struct ks_region *b, enum ks_dim dim)
{
	if (a->family == b->family || dim >= KS_DIM_SPORT)
		return ks_spans_equal(&a->dim[dim], &b->dim[dim]);
	return ks_spans_equal(&a->dim[dim], ks_spans_all(dim, a->family)) &&
	       ks_spans_equal(&b->dim[dim], ks_spans_all(dim, b->family));
}

/* Returns true if two regions have the same packets, but for their protocols. */
static bool regions_equal(const struct ks_region *a, const struct ks_region *b)
{
	bool equal = a->from == b->from && a->to == b->to && a->in == b->in && a->out == b->out;

	for (enum ks_dim dim = 0; equal && dim < KS_DIMS; dim++)
		equal = dims_equal(a, b, dim);
	return equal;
}

static const struct ks_region *region_of(const struct ks_ufw_rule *rule)
{
	return &rule->match.of[!rule->match.has[0]];
}

/* Returns true if ufw may take both for rules about the same packets, whatever they do with them. */
static bool is_perhaps_like(const struct ks_ufw_rule *a, const struct ks_ufw_rule *b)
{
	const struct ks_region *x = region_of(a), *y = region_of(b);

	return a->way == b->way && regions_equal(x, y) &&
	       (a->named || b->named || !memcmp(x->proto, y->proto, sizeof(x->proto)));
}

static bool texts_equal(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

/* Returns true if it is sure that ufw does so. */
static bool is_like(const struct ks_ufw_rule *a, const struct ks_ufw_rule *b)
{
	return is_perhaps_like(a, b) && a->named == b->named && texts_equal(a->ports[0], b->ports[0]) &&
	       texts_equal(a->ports[1], b->ports[1]);
}

static bool denies(const struct ks_ufw_rule *rule)
{
	return rule->rule.kind != KS_IMPORT_ACCEPT;
}

/* Returns true if a command takes this rule out: one that denies only if that is sure. */
static bool is_meant(const struct ks_ufw_rule *rule, const struct ks_ufw_rule *deleted)
{
	if (!denies(deleted))
		return !denies(rule) && is_perhaps_like(rule, deleted);
	return is_like(rule, deleted) && rule->rule.kind == deleted->rule.kind && rule->logs == deleted->logs;
}

/* --- places --- */

typedef bool like_fn(const struct ks_ufw_rule *a, const struct ks_ufw_rule *b);

/* The place of the first like of a rule, from 1; 0 if there is none. */
static unsigned place_of(const struct ks_ufw_rule *list, const struct ks_ufw_rule *rule, like_fn *like)
{
	unsigned place = 1;

	for (; list && rule; list = list->next, place++) {
		if (like(list, rule))
			return place;
	}
	return 0;
}

static const struct ks_ufw_rule *rule_at(const struct ks_ufw_rule *list, unsigned place)
{
	while (list && --place)
		list = list->next;
	return list;
}

/* The place of one family of a rule. `other` is where the number was not counted: there the rule stands beside its like. */
static unsigned place_find(const struct ks_ufw_list *list, unsigned family, unsigned position)
{
	const unsigned counted = position > list->count[0], place = position - counted * list->count[0];

	if (position == KS_UFW_APPEND || position >= KS_UFW_STANDS)
		return position;
	if (counted == family)
		return place;
	return place_of(list->first[family], rule_at(list->first[counted], place), is_like);
}

/* --- changes --- */

static struct ks_ufw_rule **link_at(struct ks_ufw_rule **at, unsigned place)
{
	for (unsigned i = 1; *at && (place == KS_UFW_APPEND || i < place); i++)
		at = &(*at)->next;
	return at;
}

/* Where a rule goes that is added behind all others. */
static struct ks_ufw_rule **end_of(struct ks_ufw_list *list, unsigned family)
{
	if (!list->end[family])
		list->end[family] = &list->first[family];
	while (*list->end[family])
		list->end[family] = &(*list->end[family])->next;
	return list->end[family];
}

static int rule_put(struct ks_ufw_list *list, struct ks_import *import, const struct ks_ufw_rule *rule, unsigned family,
		    struct ks_ufw_rule **at, struct ks_ufw_rule *next)
{
	struct ks_ufw_rule *made = ks_pool_alloc(&import->pool, sizeof(*made));

	if (!made)
		return -ENOMEM;
	*made = *rule;
	made->next = next;
	*at = made;
	list->end[family] = NULL;
	return 0;
}

/* Adds what is of one family, or changes its like. */
static int one_add(struct ks_ufw_list *list, struct ks_import *import, const struct ks_ufw_rule *rule, unsigned family,
		   unsigned place, bool *unsure)
{
	const unsigned like = place_of(list->first[family], rule, is_like);
	const unsigned perhaps = place_of(list->first[family], rule, is_perhaps_like);
	struct ks_ufw_rule **at;

	*unsure |= perhaps && !like;
	if (place != KS_UFW_APPEND && (like || (perhaps && !denies(rule))))
		return 0; /* ufw inserts nothing that is there already */
	if (place == KS_UFW_APPEND && (like || denies(rule)))
		place = like ? like : perhaps;
	at = link_at(&list->first[family], place == KS_UFW_PREPEND ? 1 : place);
	list->count[family] += !like;
	return rule_put(list, import, rule, family, at, like ? (*at)->next : *at);
}

/* Adds a rule as it stands in a file. */
static int one_append(struct ks_ufw_list *list, struct ks_import *import, const struct ks_ufw_rule *rule,
		      unsigned family)
{
	struct ks_ufw_rule **at = end_of(list, family);
	int err = rule_put(list, import, rule, family, at, NULL);

	list->end[family] = at;
	list->count[family] += !err;
	return err;
}

/* Returns true if ufw refuses the number: it is of no rule, or of one of a family that this one is not of. */
static bool is_refused(const struct ks_ufw_list *list, const struct ks_ufw_rule *rule, unsigned position)
{
	const bool counts = position != KS_UFW_APPEND && position < KS_UFW_STANDS;

	return counts && (position > list->count[0] + list->count[1] || !rule->match.has[position > list->count[0]]);
}

int ks_ufw_list_add(struct ks_ufw_list *list, struct ks_import *import, const struct ks_ufw_rule *rule,
		    unsigned position)
{
	const unsigned place[2] = { place_find(list, 0, position), place_find(list, 1, position) };
	bool unsure = false;
	int err = 0;

	if (is_refused(list, rule, position))
		return ks_import_note(import, "ufw has no rule of this number and family, and refuses the command");
	for (unsigned family = 0; !err && family < 2; family++) {
		struct ks_ufw_rule one = *rule;

		one.match.has[!family] = false;
		if (!rule->match.has[family])
			continue;
		err = position == KS_UFW_STANDS ? one_append(list, import, &one, family)
						: one_add(list, import, &one, family, place[family], &unsure);
	}
	if (!err && unsure)
		err = ks_import_note(import, "ufw may take this for a change of a rule above it; here it is none");
	return err;
}

static void one_delete(struct ks_ufw_list *list, unsigned family, struct ks_ufw_rule **at)
{
	*at = (*at)->next;
	list->count[family]--;
	list->end[family] = NULL;
}

void ks_ufw_list_delete(struct ks_ufw_list *list, const struct ks_ufw_rule *rule)
{
	for (unsigned family = 0; family < 2; family++) {
		struct ks_ufw_rule one = *rule, **at = &list->first[family];

		one.match.has[!family] = false;
		while (rule->match.has[family] && *at) {
			if (is_meant(*at, &one))
				one_delete(list, family, at);
			else
				at = &(*at)->next;
		}
	}
}

void ks_ufw_list_delete_at(struct ks_ufw_list *list, unsigned position)
{
	const unsigned family = position > list->count[0], place = position - family * list->count[0];
	struct ks_ufw_rule **at = link_at(&list->first[family], place);

	if (position && *at)
		one_delete(list, family, at);
}
