/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers: rules that give one to the flows of the packets that come to them. A helper lets expected connections pass, so a flow gets
 * one only where the original gives it one: of the packets that a chain brings to such a rule, over the protocols of the helper.
 */
#include <errno.h>
#include <string.h>

#include "core/helper/id.h"
#include "import/plan.h"
#include "policy/helper.h"
#include "policy/policy.h"

/* The number of a helper's name; KS_HELPER_MAX for none of ours. */
static unsigned helper_find(const char *name)
{
	unsigned helper = 0;

	while (helper < KS_HELPER_MAX && strcmp(ks_helper_name(helper), name) != 0)
		helper++;
	return helper;
}

/* Keeps the packets of protocols that the helper works over. */
static void protos_keep(const char *name, struct ks_region *region)
{
	const unsigned helper = helper_find(name);

	for (unsigned proto = 0; proto < 64 * KS_PROTO_WORDS; proto++) {
		if (helper == KS_HELPER_MAX || !ks_helper_has_proto(helper, proto))
			region->proto[proto / 64] &= ~(1ULL << proto % 64);
	}
}

static int entry_take(struct ks_import *import, const struct ks_flat *rules, size_t at, struct ks_flat *flat)
{
	struct ks_flat_entry entry = rules->list[at];
	struct ks_shreds shreds = { 0 };
	int err = ks_plan_shred(import, rules, at, &shreds);

	entry.piece.logged = false;
	entry.piece.limits = 0;
	for (int i = 0; !err && i < shreds.count; i++) {
		entry.piece.region = shreds.list[i];
		ks_region_free(&entry.piece.region, KS_VAR_OPENS);
		ks_region_free(&entry.piece.region, KS_VAR_TRACKED);
		protos_keep(entry.rule->label, &entry.piece.region);
		if (!ks_region_is_empty(&entry.piece.region))
			err = ks_flat_add(import, flat, &entry);
	}
	return err;
}

static int base_take(struct ks_import *import, const struct ks_import_base *base, const struct ks_piece *all,
		     struct ks_flat *flat)
{
	struct ks_piece piece = *all;
	struct ks_flat rules = { 0 };
	int err;

	if (base->hook == KS_HOOK_PRE || base->hook == KS_HOOK_POST)
		piece.region.from &= base->hook == KS_HOOK_PRE ? ~(1ULL << KS_ZONE_SELF) : ~0ULL;
	else
		ks_plan_restrict(import, base->hook, &piece.region);
	ks_piece_forget(import, &piece);
	ks_region_free(&piece.region, KS_VAR_FORWARDED);
	ks_region_free(&piece.region, KS_VAR_OWN);
	ks_region_fix(&piece.region, KS_VAR_OPENS, true);
	ks_region_fix(&piece.region, KS_VAR_TRACKED, true);
	err = ks_flatten(import, base, &piece, KS_FLAT_HELPING, &rules);
	for (size_t i = 0; !err && i < rules.count; i++) {
		if (rules.list[i].verdict == KS_IMPORT_HELPER)
			err = entry_take(import, &rules, i, flat);
	}
	return err;
}

static bool has_helpers(const struct ks_import *import)
{
	for (const struct ks_import_chain *chain = import->chains; chain; chain = chain->next) {
		for (const struct ks_import_rule *rule = chain->first; rule; rule = rule->next) {
			if (rule->kind == KS_IMPORT_HELPER)
				return true;
		}
	}
	return false;
}

int ks_plan_helpers(struct ks_import *import, const struct ks_piece *all, struct ks_flat *flat)
{
	int err = 0;

	for (unsigned i = 0; !err && i < import->bases && has_helpers(import); i++) {
		if (!import->base[i].translates)
			err = base_take(import, &import->base[i], all, flat);
	}
	if (!err)
		ks_flat_prune(import, flat);
	return err;
}
