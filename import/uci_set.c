/* SPDX-License-Identifier: BSD-2-Clause */
/* Sets, MAC addresses and times in rules of OpenWrt's firewall. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "import/uci.h"
#include "policy/value.h"

#define PART 96
#define MACS_TEXT 400 /* of some twenty addresses */
#define DAY 1440U /* minutes */
#define DAYS 7U

enum kind { KIND_UNKNOWN, KIND_ADDRESSES, KIND_MACS, KIND_PORTS };

struct ks_uci_set {
	struct ks_uci_set *next;
	const char *name;
	enum kind kind;
	bool destination, v6;
	const struct ks_named_spans *dynamic; /* a run-time set */
	struct ks_spans spans[2]; /* of addresses or ports */
	const char *macs;
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

/* The entries that the text has. Returns 0, -EINVAL for one that is none, or -errno. */
static int entries_read(struct ks_uci *uci, const struct ks_uci_section *section, struct ks_uci_set *set)
{
	ks_auto_ranges struct ks_ranges ranges = { 0 };
	int err = 0;

	for (unsigned i = 0; !err && i < section->count; i++) {
		if (strcmp(section->key[i], "entry") != 0)
			continue;
		err = set->kind == KIND_PORTS ? ks_uci_number(uci, NULL, section->value[i], &ranges)
					      : ks_uci_address(uci, NULL, section->value[i], &ranges);
	}
	return err ? err : ks_ranges_take(uci->import, &ranges, set->spans);
}

/* A set that programs fill is a run-time set: one with a timeout, or without an entry. */
static int dynamic_make(struct ks_uci *uci, struct ks_uci_set *set)
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
	memcpy(made->spans, set->spans, sizeof(made->spans));
	set->dynamic = made;
	return 0;
}

static int set_fill(struct ks_uci *uci, const struct ks_uci_section *section, struct ks_uci_set *set)
{
	const char *timeout = ks_uci_option(section, "timeout", "0");
	bool any;
	int err;

	if (set->kind == KIND_MACS) {
		set->macs = macs_read(uci->import, section, "entry", &any);
		return any ? (set->macs ? 0 : -EINVAL) : dynamic_make(uci, set);
	}
	err = entries_read(uci, section, set);
	if (err || (!strcmp(timeout, "0") && ks_uci_option(section, "entry", NULL)))
		return err;
	return dynamic_make(uci, set);
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
	if (set->kind != KIND_UNKNOWN && !ks_uci_option(section, "loadfile", NULL))
		err = set_fill(uci, section, set);
	else
		err = -EINVAL;
	if (err != -EINVAL)
		return err;
	set->kind = KIND_UNKNOWN;
	return ks_import_note(uci->import, "sets here hold addresses, MAC addresses or ports that the text has");
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

struct times {
	unsigned days; /* a bit each, from monday */
	unsigned start, stop; /* minutes */
};

/* "21:30:00" in minutes, or the next one if it does not begin there. */
static int minutes_read(const char *value, bool up, unsigned *minutes)
{
	__u64 part[3] = { 0 };
	char text[PART];
	unsigned count = 0;

	for (const char *rest = value; rest && count < 3; count++) {
		ks_word_part(&rest, ':', text, sizeof(text));
		if (ks_value_number(text[0] == '0' && text[1] ? text + 1 : text, 0, count ? 59 : 23, &part[count]) ||
		    (count == 2 && rest))
			return -EINVAL;
	}
	if (count < 2)
		return -EINVAL;
	*minutes = (unsigned)(part[0] * 60 + part[1]) + (up && part[2]);
	return 0;
}

static const char *const day_names[DAYS] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* "mon tue", "Monday" */
static int days_read(const char *value, unsigned *days)
{
	char part[PART];

	for (const char *rest = value; rest;) {
		unsigned day = 0;

		ks_word_part(&rest, ' ', part, sizeof(part));
		if (!*part)
			continue;
		for (char *at = part; *at; at++)
			*at = (char)tolower((unsigned char)*at);
		while (day < DAYS && strncmp(day_names[day], part, 3) != 0)
			day++;
		if (day == DAYS)
			return -EINVAL;
		*days |= 1U << day;
	}
	return 0;
}

/* Appends times of each run of days. */
static size_t runs_write(char *text, size_t size, size_t length, unsigned days, unsigned start, unsigned stop)
{
	for (unsigned day = 0; day < DAYS && length < size; day++) {
		unsigned last = day;

		if (!(days >> day & 1))
			continue;
		while (last + 1 < DAYS && days >> (last + 1) & 1)
			last++;
		length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "", day_names[day]);
		if (last > day && length < size)
			length += (size_t)snprintf(text + length, size - length, "-%s", day_names[last]);
		if ((start || stop % DAY) && length < size)
			length += (size_t)snprintf(text + length, size - length, " %02u:%02u-%02u:%02u", start / 60,
						   start % 60, stop % DAY / 60, stop % 60);
		day = last;
	}
	return length;
}

/* Of hours over midnight each day has two parts. */
static const char *times_text(struct ks_import *import, const struct times *times)
{
	char text[MACS_TEXT];
	size_t length = 0;

	if (times->days == (1U << DAYS) - 1)
		return ks_import_format(import, "%02u:%02u-%02u:%02u", times->start / 60, times->start % 60,
					times->stop % DAY / 60, times->stop % 60);
	if (times->start < times->stop) {
		length = runs_write(text, sizeof(text), 0, times->days, times->start, times->stop);
	} else {
		length = runs_write(text, sizeof(text), 0, times->days, times->start, DAY);
		length = runs_write(text, sizeof(text), length, times->days, 0, times->stop);
	}
	return ks_import_format(import, strchr(text, ',') ? "{ %s }" : "%s", text);
}

/* The time itself is in it, so that it ends in the minute behind for a rule that denies. */
static int times_read(const struct ks_uci_section *section, bool denies, struct times *times)
{
	const char *days = ks_uci_option(section, "weekdays", NULL), *stop = ks_uci_option(section, "stop_time", NULL);
	const bool all = !ks_uci_option(section, "start_time", NULL) && !stop;
	int err = minutes_read(ks_uci_option(section, "start_time", "00:00"), !denies, &times->start);

	*times = (struct times){ .days = days ? 0 : (1U << DAYS) - 1, .start = times->start, .stop = DAY };
	err = err || !days ? err : days_read(days, &times->days);
	if (err || !times->days)
		return -EINVAL;
	if (!stop)
		return all || times->start < DAY ? 0 : -EINVAL;
	if (minutes_read(stop, false, &times->stop))
		return -EINVAL;
	times->stop += denies;
	/* a moment, or all of the day */
	return times->start == times->stop || times->start >= DAY || !times->stop ? -EINVAL : 0;
}

int ks_uci_times(struct ks_draft *draft, const struct ks_uci_section *section)
{
	const enum ks_verdict_kind kind = draft->rule.kind;
	const bool denies = kind == KS_IMPORT_DROP || kind == KS_IMPORT_REJECT;
	const char *start = ks_uci_option(section, "start_time", NULL), *text;
	const char *stop = ks_uci_option(section, "stop_time", NULL);
	const char *days = ks_uci_option(section, "weekdays", NULL);
	struct times times = { 0 };

	if (!start && !stop && !days)
		return 0;
	if (ks_uci_is_on(section, "utc_time", false) || (!denies && kind != KS_IMPORT_ACCEPT) ||
	    times_read(section, denies, &times))
		return ks_uci_unsaid(draft,
				     start  ? "start_time"
				     : stop ? "stop_time"
					    : "weekdays",
				     start  ? start
				     : stop ? stop
					    : days);
	if (times.days == (1U << DAYS) - 1 && !times.start && times.stop == DAY)
		return 0;
	text = times_text(draft->import, &times);
	return text ? ks_draft_condition(draft, KS_WORD_DURING, text, false) : -ENOMEM;
}
