/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets, MAC addresses and times in rules of OpenWrt's firewall. */
#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "import/uci.h"
#include "policy/value.h"

#define PART 96
#define MACS_TEXT 400 /* of some twenty addresses */

enum kind { KIND_UNKNOWN, KIND_ADDRESSES, KIND_MACS, KIND_PORTS };

struct ks_uci_set {
	struct ks_uci_set *next;
	const char *name;
	enum kind kind;
	bool destination, v6;
	const struct ks_named_spans *dynamic; /* a run-time set */
	struct ks_spans spans[2]; /* of addresses or ports */
	const char *macs;
	const char *why; /* its entries are not known */
};

/* --- MAC addresses --- */

/* Appends the addresses of a value to a list of ours. Returns 0 or -EINVAL. */
static int macs_add(const char *value, char text[MACS_TEXT])
{
	size_t length = strlen(text);
	char part[PART];
	__u8 mac[6];

	for (const char *rest = value; rest;) {
		ks_word_part(&rest, ' ', part, sizeof(part));
		if (!*part)
			continue;
		if (ks_value_mac(part, mac) || length + sizeof(", 00:00:00:00:00:00") > MACS_TEXT)
			return -EINVAL;
		length += (size_t)snprintf(text + length, MACS_TEXT - length, "%s%02x:%02x:%02x:%02x:%02x:%02x",
					   length ? ", " : "", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	}
	return 0;
}

/* A list of ours of all values of an option; NULL if one is no address, *any: there are some. */
static const char *macs_read(struct ks_import *import, const struct ks_uci_section *section, const char *key, bool *any)
{
	char text[MACS_TEXT] = "";

	*any = false;
	for (unsigned i = 0; i < section->count; i++) {
		if (strcmp(section->key[i], key) != 0)
			continue;
		*any = true;
		if (macs_add(section->value[i], text))
			return NULL;
	}
	return ks_import_format(import, strchr(text, ',') ? "{ %s }" : "%s", text);
}

int ks_uci_macs(struct ks_draft *draft, const struct ks_uci_section *section)
{
	bool any;
	const char *macs = macs_read(draft->import, section, "src_mac", &any);

	if (!any)
		return 0;
	return macs && *macs ? ks_draft_condition(draft, KS_WORD_MAC, macs, false)
			     : ks_uci_unsaid(draft, "src_mac", ks_uci_option(section, "src_mac", ""));
}

/* --- sets --- */

/* The kind of a set, by its only key. */
static void kind_find(const struct ks_uci_section *section, struct ks_uci_set *set)
{
	const char *match = ks_uci_option(section, "match", "");
	const char *what = strchr(match, '_');
	unsigned matches = 0;

	for (unsigned i = 0; i < section->count; i++)
		matches += !strcmp(section->key[i], "match");
	set->destination = !strncmp(match, "dest", 4) || !strncmp(match, "dst", 3);
	if (matches != 1 || !what || (!set->destination && strncmp(match, "src_", 4) != 0))
		return;
	if (!strcmp(what, "_ip") || !strcmp(what, "_net"))
		set->kind = KIND_ADDRESSES;
	else if (!strcmp(what, "_mac") && !set->destination)
		set->kind = KIND_MACS;
	else if (!strcmp(what, "_port"))
		set->kind = KIND_PORTS;
}

/* The entries of a file, one after the other. Returns 0, -EINVAL with *why, or -errno. */
static int file_read(struct ks_uci *uci, const char *path, struct ks_uci_set *set, struct ks_ranges *ranges)
{
	char *rest = NULL, *words = NULL;
	int err = ks_import_file(uci->import, path, &words, &set->why);

	if (err)
		return err == -ENOMEM ? err : -EINVAL;
	set->why = "an entry of its file is no address or port that is known here";
	for (const char *word = strtok_r(words, " ", &rest); !err && word; word = strtok_r(NULL, " ", &rest))
		err = set->kind == KIND_PORTS ? ks_uci_number(uci, NULL, word, ranges)
					      : ks_uci_address(uci, NULL, word, ranges);
	return err;
}

/* The entries that the text has, and its file. Returns 0, -EINVAL for one that is none, or -errno. */
static int entries_read(struct ks_uci *uci, const struct ks_uci_section *section, struct ks_uci_set *set)
{
	const char *path = ks_uci_option(section, "loadfile", NULL);
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	int err = path ? file_read(uci, path, set, &ranges) : 0;

	for (unsigned i = 0; !err && i < section->count; i++) {
		if (strcmp(section->key[i], "entry") != 0)
			continue;
		err = set->kind == KIND_PORTS ? ks_uci_number(uci, NULL, section->value[i], &ranges)
					      : ks_uci_address(uci, NULL, section->value[i], &ranges);
	}
	return err ? err : ks_ranges_take(uci->import, &ranges, set->spans);
}

/* A set that programs fill is a run-time set: one with a timeout, or without an entry. */
static int dynamic_make(struct ks_uci *uci, struct ks_uci_set *set, const char *timeout)
{
	struct ks_named_spans *made;
	int err;

	if (set->kind != KIND_ADDRESSES || strlen(set->name) >= KS_IMPORT_NAME - 2) {
		set->kind = KIND_UNKNOWN;
		return ks_import_note(uci->import, "nothing here fills such a set");
	}
	err = ks_import_dynamic(uci->import, set->name, &made);
	if (err)
		return err;
	made->timeout = ks_import_seconds(uci->import, timeout);
	memcpy(strcmp(timeout, "0") != 0 ? made->passing : made->spans, set->spans, sizeof(made->spans));
	set->dynamic = made;
	return 0;
}

static int set_fill(struct ks_uci *uci, const struct ks_uci_section *section, struct ks_uci_set *set)
{
	const char *timeout = ks_uci_option(section, "timeout", "0");
	const char *path = ks_uci_option(section, "loadfile", NULL);
	bool any;
	int err;

	if (set->kind == KIND_MACS && path)
		return -EINVAL;
	if (set->kind == KIND_MACS) {
		set->macs = macs_read(uci->import, section, "entry", &any);
		return any ? (set->macs ? 0 : -EINVAL) : dynamic_make(uci, set, timeout);
	}
	err = entries_read(uci, section, set);
	if (!err && path) {
		const char *told = ks_import_format(uci->import, "its entries are those that %.100s has now", path);

		err = told ? ks_import_note(uci->import, told) : -ENOMEM;
	}
	if (err || (!strcmp(timeout, "0") && (path || ks_uci_option(section, "entry", NULL))))
		return err;
	return dynamic_make(uci, set, timeout);
}

static int set_make(struct ks_uci *uci, const struct ks_uci_section *section)
{
	struct ks_uci_set *set = ks_pool_alloc(&uci->import->pool, sizeof(*set));
	int err = 0;

	if (!set)
		return -ENOMEM;
	*set = (struct ks_uci_set){ .next = uci->sets, .name = ks_uci_option(section, "name", section->name) };
	uci->sets = set;
	set->v6 = strchr(ks_uci_option(section, "family", "ipv4"), '6');
	kind_find(section, set);
	if (set->kind != KIND_UNKNOWN)
		err = set_fill(uci, section, set);
	else
		err = -EINVAL;
	if (err != -EINVAL)
		return err;
	set->kind = KIND_UNKNOWN;
	return ks_import_note(uci->import,
			      set->why ? set->why
				       : "sets here hold addresses, MAC addresses or ports that the text has");
}

int ks_uci_sets(struct ks_uci *uci)
{
	int err = 0;

	for (const struct ks_uci_section *section = uci->sections; !err && section; section = section->next) {
		uci->import->line = section->line;
		uci->import->text = section->text;
		if (!strcmp(section->type, "ipset") && ks_uci_is_on(section, "enabled", true))
			err = set_make(uci, section);
	}
	return err;
}

static const struct ks_uci_set *set_find(const struct ks_uci *uci, const char *name)
{
	for (const struct ks_uci_set *set = uci->sets; set; set = set->next) {
		if (!strcmp(set->name, name))
			return set;
	}
	return NULL;
}

static int set_apply(struct ks_draft *draft, const struct ks_uci_set *set, bool destination, bool negated)
{
	if (set->kind == KIND_MACS)
		return ks_draft_condition(draft, KS_WORD_MAC, set->macs, negated);
	if (set->kind == KIND_PORTS) {
		ks_draft_ported(draft);
		return ks_draft_numbers(draft, destination ? KS_DIM_DPORT : KS_DIM_SPORT, &set->spans[0], negated);
	}
	ks_draft_family(draft, set->v6 ? KS_IPV6 : KS_IPV4);
	if (set->dynamic)
		return ks_draft_condition(draft, destination ? KS_WORD_DESTINATION : KS_WORD_SOURCE,
					  ks_import_format(draft->import, "@%s", set->dynamic->name), negated);
	return ks_draft_addresses(draft, destination ? KS_DIM_DST : KS_DIM_SRC, set->spans, negated);
}

/* "kids", "!kids", "kids dest" */
int ks_uci_set(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section)
{
	const char *value = ks_uci_option(section, "ipset", NULL), *rest = value;
	const struct ks_uci_set *set;
	bool negated, destination;
	char name[PART];

	if (!value)
		return 0;
	ks_word_part(&rest, ' ', name, sizeof(name));
	negated = name[0] == '!';
	set = set_find(uci, name + negated);
	if (!set || set->kind == KIND_UNKNOWN || (set->kind == KIND_MACS && rest))
		return ks_uci_unsaid(draft, "ipset", value);
	destination = set->destination;
	if (rest && (!strcmp(rest, "src") || !strcmp(rest, "dst") || !strcmp(rest, "dest")))
		destination = rest[0] == 'd';
	else if (rest)
		return ks_uci_unsaid(draft, "ipset", value);
	return set_apply(draft, set, destination, negated);
}

/* --- times --- */

int ks_uci_times(struct ks_draft *draft, const struct ks_uci_section *section)
{
	struct ks_times *times = &draft->times;

	times->start = ks_uci_option(section, "start_time", NULL);
	times->stop = ks_uci_option(section, "stop_time", NULL);
	times->days = ks_uci_option(section, "weekdays", NULL);
	times->elsewhere = ks_uci_is_on(section, "utc_time", false) ? "hours of UTC" : NULL;
	times->text = times->start  ? ks_import_format(draft->import, "start_time %.40s", times->start)
		      : times->stop ? ks_import_format(draft->import, "stop_time %.40s", times->stop)
		      : times->days ? ks_import_format(draft->import, "weekdays %.60s", times->days)
				    : NULL;
	return 0;
}
