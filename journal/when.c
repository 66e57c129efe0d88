/* SPDX-License-Identifier: BSD-2-Clause */
/* See when.h. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal/when.h"

#define SECOND_MS 1000
#define MINUTE_MS 60000
#define HOUR_MS 3600000
#define SECONDS_MAX 253402300799.0 /* the end of the year 9999 */

/* ".123": milliseconds; moves *text behind it. */
static int64_t read_fraction(const char **text)
{
	int64_t ms = 0, weight = 100;

	if (**text != '.')
		return 0;
	for (++*text; **text >= '0' && **text <= '9'; ++*text, weight /= 10)
		ms += (**text - '0') * weight;
	return ms;
}

/* "Z" or "+01:00": how far local time is ahead. */
static int read_offset(const char *text, int64_t *ms)
{
	int hours, minutes, length = 0;

	*ms = 0;
	if (!strcmp(text, "Z") || !strcmp(text, "z"))
		return 0;
	if ((*text != '+' && *text != '-') || sscanf(text + 1, "%2d:%2d%n", &hours, &minutes, &length) != 2 ||
	    text[1 + length] || hours > 23 || minutes > 59)
		return -EINVAL;
	*ms = (*text == '-' ? -1 : 1) * ((int64_t)hours * HOUR_MS + (int64_t)minutes * MINUTE_MS);
	return 0;
}

static int read_date(const char *text, int64_t *ms)
{
	struct tm tm = { 0 };
	char separator;
	int64_t fraction, offset;
	int length = 0;

	if (sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &separator, &tm.tm_hour,
		   &tm.tm_min, &tm.tm_sec, &length) != 7 ||
	    !strchr("Tt ", separator))
		return -EINVAL;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60 || tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0 || tm.tm_year < 1970)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	text += length;
	fraction = read_fraction(&text);
	if (read_offset(text, &offset))
		return -EINVAL;
	*ms = (int64_t)timegm(&tm) * SECOND_MS + fraction - offset;
	return 0;
}

int ks_when_read(const char *text, int64_t *ms)
{
	char *end;
	double seconds;

	if (strchr(text, ':'))
		return read_date(text, ms);
	if (strspn(text, "0123456789.") != strlen(text) || !*text)
		return -EINVAL;
	seconds = strtod(text, &end);
	if (*end || seconds > SECONDS_MAX)
		return -EINVAL;
	*ms = (int64_t)llround(seconds * SECOND_MS);
	return 0;
}

const char *ks_when_text(int64_t ms, char buf[KS_WHEN_TEXT])
{
	time_t seconds = (time_t)(ms / SECOND_MS);
	struct tm tm;
	size_t n = strftime(buf, KS_WHEN_TEXT, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));

	snprintf(buf + n, KS_WHEN_TEXT - n, ".%03dZ", (int)(ms % SECOND_MS));
	return buf;
}

static int64_t clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * SECOND_MS + now.tv_nsec / 1000000;
}

int64_t ks_when_now(void)
{
	return clock_ms(CLOCK_REALTIME);
}

int64_t ks_when_steady(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}
