/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times of the day and of the week as our schedules. Ours end when their last minute begins, and those of others when that moment is
 * over: a rule that denies ends a minute later, so that it denies no less.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "import/draft.h"
#include "import/words.h"
#include "policy/value.h"

#define PART 96
#define TEXT 400
#define DAY 1440U /* minutes */
#define DAYS 7U
#define WEEK ((1U << DAYS) - 1)

/* Times as they are counted. */
struct times {
	unsigned days; /* a bit each, from monday */
	unsigned start, stop; /* minutes */
	bool contiguous; /* hours over midnight belong to the day before */
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
		const char *comma = strchr(rest, ',');
		unsigned day = 0;
		__u64 number;

		ks_word_part(&rest, comma ? ',' : ' ', part, sizeof(part));
		if (!*part)
			continue;
		for (char *at = part; *at; at++)
			*at = (char)tolower((unsigned char)*at);
		if (!ks_value_number(part, 1, DAYS, &number)) { /* from monday */
			*days |= 1U << (number - 1);
			continue;
		}
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
	char text[TEXT];
	size_t length = 0;

	if (times->days == WEEK)
		return ks_import_format(import, "%02u:%02u-%02u:%02u", times->start / 60, times->start % 60,
					times->stop % DAY / 60, times->stop % 60);
	if (times->start < times->stop || times->contiguous) {
		length = runs_write(text, sizeof(text), 0, times->days, times->start, times->stop);
	} else {
		length = runs_write(text, sizeof(text), 0, times->days, times->start, DAY);
		length = runs_write(text, sizeof(text), length, times->days, 0, times->stop);
	}
	return ks_import_format(import, strchr(text, ',') ? "{ %s }" : "%s", text);
}

/* The time itself is in it, so that it ends in the minute behind for a rule that denies. */
static int times_read(const struct ks_times *from, bool denies, struct times *times)
{
	const bool all = !from->start && !from->stop;
	unsigned start;
	int err = minutes_read(from->start ? from->start : "00:00", !denies, &start);

	*times = (struct times){
		.days = from->days ? 0 : WEEK, .start = start, .stop = DAY, .contiguous = from->contiguous
	};
	err = err || !from->days ? err : days_read(from->days, &times->days);
	if (from->days && from->other_days)
		times->days ^= WEEK;
	if (err || !times->days)
		return -EINVAL;
	if (!from->stop)
		return all || times->start < DAY ? 0 : -EINVAL;
	if (minutes_read(from->stop, false, &times->stop))
		return -EINVAL;
	times->stop += denies;
	/* a moment, or all of the day */
	return times->start == times->stop || times->start >= DAY || !times->stop ? -EINVAL : 0;
}

int ks_draft_times(struct ks_draft *draft)
{
	const enum ks_verdict_kind kind = draft->rule.kind;
	const bool denies = kind == KS_IMPORT_DROP || kind == KS_IMPORT_REJECT;
	const bool passes = kind == KS_IMPORT_ACCEPT || kind == KS_IMPORT_FORWARD || kind == KS_IMPORT_REDIRECT;
	const struct ks_times *from = &draft->times;
	struct times times = { 0 };
	const char *text;

	if (!from->text || kind == KS_IMPORT_LOG)
		return 0;
	if (from->elsewhere)
		return ks_draft_unsaid(
			draft, ks_import_format(draft->import, "%.100s (%s)", from->text, from->elsewhere), false);
	if ((!denies && !passes) || times_read(from, denies, &times))
		return ks_draft_unsaid(draft, from->text, false);
	if (times.days == WEEK && !times.start && times.stop == DAY)
		return 0;
	text = times_text(draft->import, &times);
	return text ? ks_draft_condition(draft, KS_WORD_DURING, text, false) : -ENOMEM;
}
