/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Later packets of a flow have the addresses of its first one, and answers have them the other way round. So a rule about addresses
 * drops later packets of a flow where it would have dropped the first one, and a text that asks for a list of evil addresses before
 * it accepts what is established, as most lists of that kind do, is said by a rule about what opens flows.
 *
 * A run-time set changes, though. One that denies is steady all the same, if what comes into it ends the flows that it has:
 * `keepstate set add --end-flows`, and the policy says so beside the set. Nothing ends them when an address is taken out of a set
 * that lets it pass, so of those nothing is known later.
 */
#include "import/steady.h"

#include <errno.h>
#include <string.h>

static bool is_set(const struct ks_import_condition *condition)
{
	return (condition->word == KS_WORD_SOURCE || condition->word == KS_WORD_DESTINATION) &&
	       condition->text[0] == '@';
}

static bool denies(const struct ks_flat_entry *entry)
{
	return entry->verdict == KS_IMPORT_DROP || entry->verdict == KS_IMPORT_REJECT;
}

/* Before a packet is routed, what answers a translated source has the firewall's address as its destination. */
static bool is_set_steady(const struct ks_import *import, unsigned at, const struct ks_flat_entry *entry, bool answer,
			  enum ks_hook hook)
{
	const struct ks_import_condition *condition = &import->condition[at];

	if (!denies(entry) || entry->piece.region.out >> at & 1)
		return false;
	return !answer || (hook == KS_HOOK_PRE ? condition->word == KS_WORD_SOURCE : true);
}

__u64 ks_steady_conditions(const struct ks_import *import, const struct ks_flat_entry *entry, bool answer,
			   enum ks_hook hook)
{
	__u64 steady = 0;

	for (unsigned i = KS_VAR_FIRST; i < import->conditions; i++) {
		const struct ks_import_condition *condition = &import->condition[i];
		bool is = condition->word == KS_WORD_USER && !answer; /* they come from the same socket */

		if (is_set(condition))
			is = is_set_steady(import, i, entry, answer, hook);
		steady |= (__u64)is << i;
	}
	return steady;
}

/* The condition about the other address of a packet; itself without one. */
static unsigned pair_of(const struct ks_import *import, unsigned at)
{
	const struct ks_import_condition *condition = &import->condition[at];
	const enum ks_import_word other = condition->word == KS_WORD_SOURCE ? KS_WORD_DESTINATION : KS_WORD_SOURCE;

	for (unsigned i = KS_VAR_FIRST; i < import->conditions && is_set(condition); i++) {
		if (import->condition[i].word == other && !strcmp(import->condition[i].text, condition->text))
			return i;
	}
	return at;
}

__u64 ks_steady_turned(const struct ks_import *import, __u64 bits)
{
	__u64 turned = 0;

	for (unsigned i = 0; i < KS_VARIABLES_MAX; i++) {
		const unsigned pair = i < import->conditions && i >= KS_VAR_FIRST ? pair_of(import, i) : i;

		turned |= (bits >> i & 1) << pair;
	}
	return turned;
}

void ks_steady_turn(const struct ks_import *import, struct ks_region *region)
{
	region->in = ks_steady_turned(import, region->in);
	region->out = ks_steady_turned(import, region->out);
}

int ks_steady_begin(struct ks_import *import)
{
	const unsigned count = import->conditions;

	for (unsigned i = KS_VAR_FIRST; i < count; i++) {
		const struct ks_import_condition *condition = &import->condition[i];
		int made;

		if (!is_set(condition))
			continue;
		import->line = condition->line;
		made = ks_import_condition(import,
					   condition->word == KS_WORD_SOURCE ? KS_WORD_DESTINATION : KS_WORD_SOURCE,
					   condition->text);
		if (made < 0)
			return made;
	}
	return 0;
}

void ks_steady_note(struct ks_import *import, __u64 conditions)
{
	for (unsigned i = KS_VAR_FIRST; i < import->conditions; i++) {
		if (!(conditions >> i & 1) || !is_set(&import->condition[i]))
			continue;
		for (struct ks_named_spans *set = import->dynamic; set; set = set->next)
			set->ends_flows |= !strcmp(set->name, import->condition[i].text + 1);
	}
}
