/* SPDX-License-Identifier: BSD-2-Clause */
/* See moment.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/moment.h"
#include "core/types.h"
#include "policy/value.h"

/* The forms of a date or a time of day, the longest first. */
static const struct {
	const char *format;
	bool has_date, is_utc;
} forms[] = {
	{ "%Y-%m-%dT%H:%M:%SZ", true, true }, { "%Y-%m-%d %H:%M:%S", true, false },
	{ "%Y-%m-%dT%H:%M:%S", true, false }, { "%Y-%m-%d %H:%M", true, false },
	{ "%Y-%m-%dT%H:%M", true, false },    { "%Y-%m-%d", true, false },
	{ "%H:%M:%S", false, false },	      { "%H:%M", false, false },
};

/* Takes ".123" out of a text: `rest` is the text without it, `fraction` the digits with their point. */
static void split_fraction(const char *text, char *rest, size_t size, char fraction[8])
{
	const char *point = strchr(text, '.');
	size_t digits = point ? strspn(point + 1, "0123456789") : 0;

	fraction[0] = '\0';
	if (!digits) {
		snprintf(rest, size, "%s", text);
		return;
	}
	snprintf(fraction, 8, ".%.*s", (int)KS_MIN(digits, 3U), point + 1);
	snprintf(rest, size, "%.*s%s", (int)(point - text), text, point + 1 + digits);
}

/* Fills in today for a time of day; one that has not come today was yesterday's. */
static time_t complete(struct tm *tm, bool has_date, bool is_utc, time_t now)
{
	time_t when;

	if (has_date)
		return is_utc ? timegm(tm) : mktime(tm);
	when = mktime(tm);
	if (when > now) {
		tm->tm_mday--;
		tm->tm_isdst = -1;
		when = mktime(tm);
	}
	return when;
}

static int read_form(const char *text, time_t now, time_t *when)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(forms); i++) {
		struct tm tm = { 0 };
		const char *end;
		int day;

		if (!forms[i].has_date) {
			localtime_r(&now, &tm);
			tm.tm_sec = 0;
		}
		tm.tm_isdst = -1;
		end = strptime(text, forms[i].format, &tm);
		if (!end || *end)
			continue;
		day = tm.tm_mday;
		*when = complete(&tm, forms[i].has_date, forms[i].is_utc, now);
		return *when < 0 || (forms[i].has_date && tm.tm_mday != day) ? -EINVAL : 0; /* no 31st of November */
	}
	return -EINVAL;
}

int ks_moment_read(const char *text, char seconds[KS_MOMENT_TEXT])
{
	char rest[64], fraction[8];
	time_t when, now = time(NULL);
	__u64 ago = 0;

	if (!strcmp(text, "now") || (!ks_value_duration(text, &ago) && ago / KS_MSEC_PER_SEC <= (__u64)now)) {
		when = !strcmp(text, "now") ? now : now - (time_t)(ago / KS_MSEC_PER_SEC);
		snprintf(seconds, KS_MOMENT_TEXT, "%lld", (long long)when);
		return 0;
	}
	split_fraction(text, rest, sizeof(rest), fraction);
	if (read_form(rest, now, &when))
		return -EINVAL;
	snprintf(seconds, KS_MOMENT_TEXT, "%lld%s", (long long)when, fraction);
	return 0;
}

int ks_take_moment(const struct ks_option *option, const char *value, const char **expected)
{
	*expected = KS_MOMENT_EXPECTED;
	return ks_moment_read(value, option->target);
}

const char *ks_moment_local(const char *text, char buf[KS_MOMENT_TEXT])
{
	char rest[64], fraction[8];
	struct tm tm = { 0 };
	const char *end;
	time_t when;
	size_t n;

	split_fraction(text, rest, sizeof(rest), fraction);
	end = strptime(rest, forms[0].format, &tm);
	if (!end || *end)
		return text;
	when = timegm(&tm);
	n = strftime(buf, KS_MOMENT_TEXT, "%Y-%m-%d %H:%M:%S", localtime_r(&when, &tm));
	snprintf(buf + n, KS_MOMENT_TEXT - n, "%s", fraction);
	return buf;
}
