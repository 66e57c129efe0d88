/* SPDX-License-Identifier: BSD-2-Clause */
/* See ruleset.h. */
#include "import/ruleset.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "policy/list.h"
#include "policy/value.h"

#define LOOPBACK "lo"

void ks_import_init(struct ks_import *import)
{
	*import = (struct ks_import){ .conditions = KS_VAR_FIRST, .numbered = "line" };
	import->last_note = &import->notes;
}

void ks_import_fini(struct ks_import *import)
{
	ks_pool_fini(&import->pool);
}

/* --- texts --- */

char *ks_import_copy(struct ks_import *import, const char *text, size_t length)
{
	char *copy = ks_pool_alloc(&import->pool, length + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *ks_import_format(struct ks_import *import, const char *format, ...)
{
	char buf[512];
	va_list args;

	va_start(args, format);
	vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	return ks_import_copy(import, buf, strlen(buf));
}

#define SECONDS_MAX 315360000ULL /* as run-time sets have */

const char *ks_import_seconds(struct ks_import *import, const char *seconds)
{
	char text[KS_DURATION_TEXT];
	__u64 number;

	if (ks_value_number(seconds, 1, SECONDS_MAX, &number))
		return NULL;
	ks_duration_text(number * 1000, text);
	return ks_import_copy(import, text, strlen(text));
}

int ks_import_fail(struct ks_import *import, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(import->error, sizeof(import->error), format, args);
	va_end(args);
	return -EINVAL;
}

int ks_import_note(struct ks_import *import, const char *why)
{
	struct ks_import_note *note = ks_pool_alloc(&import->pool, sizeof(*note));

	if (!note || !why)
		return -ENOMEM;
	*note = (struct ks_import_note){ .line = import->line, .text = import->text, .why = why };
	*import->last_note = note;
	import->last_note = &note->next;
	return 0;
}

/* --- chains --- */

int ks_import_chain(struct ks_import *import, const char *name, struct ks_import_chain **chain)
{
	struct ks_import_chain *made;

	for (made = import->chains; made; made = made->next) {
		if (!strcmp(made->name, name)) {
			*chain = made;
			return 0;
		}
	}
	if (import->chain_count == KS_IMPORT_CHAINS)
		return -E2BIG;
	made = ks_pool_alloc(&import->pool, sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = (struct ks_import_chain){ .next = import->chains, .name = ks_import_copy(import, name, strlen(name)) };
	if (!made->name)
		return -ENOMEM;
	made->last = &made->first;
	import->chains = made;
	import->chain_count++;
	*chain = made;
	return 0;
}

int ks_import_rule(struct ks_import *import, struct ks_import_chain *chain, const struct ks_import_rule *rule)
{
	struct ks_import_rule *made;

	if (import->rule_count == KS_IMPORT_RULES)
		return -E2BIG;
	made = ks_pool_alloc(&import->pool, sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = *rule;
	made->next = NULL;
	made->line = import->line;
	made->text = import->text;
	*chain->last = made;
	chain->last = &made->next;
	import->rule_count++;
	return 0;
}

/* --- interfaces --- */

/* Returns true if a name, or all names of a pattern, fit the pattern. */
static bool interface_fits(const char *pattern, const char *name)
{
	const size_t length = strlen(pattern);

	if (length && pattern[length - 1] == '*')
		return !strncmp(pattern, name, length - 1);
	return !strcmp(pattern, name);
}

/* Returns true if nothing in the language stands in the way of the name of a zone. */
static bool zone_name_is_free(const struct ks_import *import, const char *name)
{
	static const char *const ours[] = { "any",	   "self",    "none",  "not",	   "from",    "to",    "source",
					    "destination", "port",    "proto", "type",	   "code",    "zone",  "set",
					    "log",	   "file",    "limit", "option",   "include", "allow", "deny",
					    "reject",	   "test",    "nat",   "binat",	   "forward", "tcp",   "udp",
					    "icmp",	   "icmpv6",  "rest",  "redirect", "helper",  "on",    "mac",
					    "after",	   "network", "nptv6" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(ours); i++) {
		if (!strcmp(ours[i], name))
			return false;
	}
	for (unsigned i = 0; i < import->zones; i++) {
		if (!strcmp(import->zone[i].name, name))
			return false;
	}
	return true;
}

/* The name of the zone of an interface: its own, as far as zones may be called so. */
static void zone_name_make(const struct ks_import *import, const char *interface, char name[KS_IMPORT_NAME])
{
	size_t length = 0;

	if (!ks_is_name_char(interface[0], true))
		name[length++] = 'z';
	for (const char *at = interface; *at; at++) {
		if (*at == '*')
			continue;
		name[length] = ks_is_name_char(*at, length == 0) ? *at : '_';
		length++;
	}
	name[length] = '\0';
	for (unsigned i = 2; !zone_name_is_free(import, name); i++)
		snprintf(name + length, KS_IMPORT_NAME - length, "_%u", i);
}

static bool interface_is_sound(const char *name)
{
	static const char *const words[] = { "network", "address", "mac", "antispoof", "challenge" };
	const size_t length = strlen(name);

	for (size_t i = 0; i < KS_ARRAY_SIZE(words); i++) {
		if (!strcmp(words[i], name)) /* no zone of ours can have it */
			return false;
	}
	for (size_t i = 0; i < length; i++) {
		if (name[i] <= ' ' || name[i] > '~' || strchr("/:@$',\"\\{}#=<>!()[];", name[i]))
			return false;
	}
	return length && length < sizeof(((struct ks_import_zone *)NULL)->interface) &&
	       strcspn(name, "*") + 1 >= length;
}

int ks_import_interface(struct ks_import *import, const char *name, __u64 *zones)
{
	__u64 fit = 0;
	bool known = false;

	if (!strcmp(name, LOOPBACK) || !strcmp(name, "*")) {
		*zones = *name == '*' ? ~(1ULL << KS_ZONE_SELF) : 0;
		return 0;
	}
	if (!interface_is_sound(name))
		return -EINVAL;
	for (unsigned i = 0; i < import->zones; i++) {
		if (interface_fits(name, import->zone[i].interface))
			fit |= 1ULL << (i + KS_ZONE_FIRST);
		known |= !strcmp(name, import->zone[i].interface);
	}
	if (!known) {
		struct ks_import_zone *zone = &import->zone[import->zones];

		if (import->zones == KS_IMPORT_ZONES)
			return -E2BIG;
		zone_name_make(import, name, zone->name);
		snprintf(zone->interface, sizeof(zone->interface), "%s", name);
		fit |= 1ULL << (import->zones++ + KS_ZONE_FIRST);
	}
	*zones = fit;
	return 0;
}

static void mss_lower(unsigned *at, unsigned mss)
{
	if (!*at || mss < *at)
		*at = mss;
}

void ks_import_mss(struct ks_import *import, __u64 zones, unsigned mss)
{
	for (unsigned i = 0; i < import->zones; i++) {
		if (zones >> (i + KS_ZONE_FIRST) & 1)
			mss_lower(&import->zone[i].mss, mss);
	}
	if (zones >> KS_ZONE_NONE & 1)
		mss_lower(&import->rest_mss, mss);
}

void ks_import_match_mss(struct ks_import *import, const struct ks_import_match *match, unsigned mss)
{
	const struct ks_region *region = &match->of[!match->has[0]];
	const __u64 all = ks_import_zones(import);
	const __u64 to = region->to & all, from = region->from & all;

	if (to == all && from == all && mss != KS_IMPORT_MSS_MTU)
		mss_lower(&import->mss, mss);
	else
		ks_import_mss(import, to != all ? to : from, mss);
}

__u64 ks_import_zones(const struct ks_import *import)
{
	return (((1ULL << import->zones) - 1) << KS_ZONE_FIRST) | 1ULL << KS_ZONE_NONE;
}

/* --- conditions and sets --- */

#define WHOLE_MAX 80 /* texts of conditions that are longer may have been cut */

/*
 * Returns true if two rules that ask this of one packet may hear different answers: by chance, because each counts for itself, or
 * because they differ in what was cut.
 */
static bool is_fickle(const char *text)
{
	static const char *const parts[] = { "probability", "--every", "--packet", "numgen",  "limit",	"quota",
					     "count",	    "meter",   "random",   "rateest", "dynset", "max-src" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(parts); i++) {
		if (strstr(text, parts[i]))
			return true;
	}
	return strlen(text) >= WHOLE_MAX || !strcmp(text, "xt"); /* nft says no more of what it has from iptables */
}

static bool is_same(const struct ks_import *import, const struct ks_import_condition *condition,
		    enum ks_import_word word, const char *text)
{
	if (condition->word != word || strcmp(condition->text, text) != 0)
		return false;
	return word != KS_WORD_NONE || !is_fickle(text) || condition->rule == import->rule_count;
}

int ks_import_condition(struct ks_import *import, enum ks_import_word word, const char *text)
{
	struct ks_import_condition *made;

	for (unsigned i = KS_VAR_FIRST; i < import->conditions; i++) {
		if (is_same(import, &import->condition[i], word, text))
			return (int)i;
	}
	if (import->conditions == KS_VARIABLES_MAX)
		return -E2BIG;
	made = &import->condition[import->conditions];
	made->word = word;
	made->line = import->line;
	made->rule = import->rule_count;
	made->text = ks_import_copy(import, text, strlen(text));
	return made->text ? (int)import->conditions++ : -ENOMEM;
}

void ks_region_fix(struct ks_region *region, unsigned variable, bool in)
{
	const __u64 bit = 1ULL << variable;

	region->in = in ? region->in | bit : region->in & ~bit;
	region->out = in ? region->out & ~bit : region->out | bit;
}

void ks_region_free(struct ks_region *region, unsigned variable)
{
	region->in |= 1ULL << variable;
	region->out |= 1ULL << variable;
}

struct ks_named_spans *ks_import_set_find(const struct ks_import *import, const char *name)
{
	for (struct ks_named_spans *set = import->sets; set; set = set->next) {
		if (!strcmp(set->name, name))
			return set;
	}
	return NULL;
}

const struct ks_named_spans *ks_import_dynamic_find(const struct ks_import *import, const char *name)
{
	for (const struct ks_named_spans *set = import->dynamic; set; set = set->next) {
		if (!strcmp(set->called, name))
			return set;
	}
	return NULL;
}

bool ks_import_is_filled(const struct ks_import *import, const char *name)
{
	for (const struct ks_import_filled *filled = import->filled; filled; filled = filled->next) {
		if (!strcmp(filled->name, name))
			return true;
	}
	return false;
}

int ks_import_fill(struct ks_import *import, const char *name)
{
	struct ks_import_filled *made;

	if (ks_import_is_filled(import, name))
		return 0;
	made = ks_pool_alloc(&import->pool, sizeof(*made));
	if (!made)
		return -ENOMEM;
	*made = (struct ks_import_filled){ .next = import->filled, .name = ks_import_copy(import, name, strlen(name)) };
	if (!made->name)
		return -ENOMEM;
	import->filled = made;
	return 0;
}

int ks_import_dynamic(struct ks_import *import, const char *name, struct ks_named_spans **set)
{
	struct ks_named_spans *made;
	char text[KS_IMPORT_NAME];
	size_t length;

	*set = (struct ks_named_spans *)ks_import_dynamic_find(import, name);
	if (*set)
		return 0;
	made = ks_pool_alloc(&import->pool, sizeof(*made));
	if (!made)
		return -ENOMEM;
	length = (size_t)snprintf(text, sizeof(text), "d_%s", name);
	for (size_t i = 0; i < length && i < sizeof(text) - 1; i++)
		text[i] = ks_is_name_char(text[i], false) ? text[i] : '_';
	*made = (struct ks_named_spans){ .next = import->dynamic,
					 .name = ks_import_copy(import, text, strlen(text)),
					 .called = ks_import_copy(import, name, strlen(name)) };
	if (!made->name || !made->called)
		return -ENOMEM;
	import->dynamic = made;
	*set = made;
	return 0;
}
