/* SPDX-License-Identifier: BSD-2-Clause */
/* See clock.h. */
#include "policy/scenario/clock.h"

#include <string.h>
#include <time.h>

#include "policy/calendar.h"
#include "policy/scenario/scenario.h"

#define EXPECTED "a day such as fri, or a date such as 2026-03-29, and a time"
#define YEAR_ZERO 1900 /* of struct tm */
#define YEAR_MIN 1971U /* seconds are counted from 1970, wherever that begins */
#define YEAR_MAX 2200U
#define DATE_LENGTH 10U /* "2026-03-29" */
#define MONTH_OFF 5U
#define DAY_OFF 8U
#define MIDDAY 12

/* Reads a day of the first week of 2024. */
static bool day_read(const char *text, struct tm *tm)
{
	__u8 days;

	if (ks_calendar_days(text, &days) || days & (days - 1))
		return false;
	*tm = (struct tm){ .tm_year = KS_CLOCK_YEAR, .tm_mday = 1 + __builtin_ctz(days), .tm_isdst = -1 };
	return true;
}

/* Reads digits. */
static unsigned number_read(const char *text, size_t length, bool *good)
{
	unsigned number = 0;

	for (size_t i = 0; i < length; i++) {
		*good &= text[i] >= '0' && text[i] <= '9';
		number = number * 10 + (unsigned)(text[i] - '0');
	}
	return number;
}

static bool date_read(const char *text, struct tm *tm)
{
	bool good = strlen(text) == DATE_LENGTH && text[MONTH_OFF - 1] == '-' && text[DAY_OFF - 1] == '-';
	unsigned year, month, day;
	struct tm made;

	if (!good)
		return false;
	year = number_read(text, MONTH_OFF - 1, &good);
	month = number_read(text + MONTH_OFF, 2, &good);
	day = number_read(text + DAY_OFF, 2, &good);
	if (!good || year < YEAR_MIN || year > YEAR_MAX)
		return false;
	*tm = (struct tm){
		.tm_year = (int)year - YEAR_ZERO, .tm_mon = (int)month - 1, .tm_mday = (int)day, .tm_isdst = -1
	};
	made = *tm;
	made.tm_hour = MIDDAY; /* no clock change is near */
	mktime(&made);
	return made.tm_mon == tm->tm_mon && made.tm_mday == tm->tm_mday;
}

int ks_clock_parse(struct ks_reader *reader, __u64 *seconds)
{
	const struct ks_token *token = ks_reader_peek(reader);
	__u16 minute;
	struct tm tm;

	if (token->kind != KS_TOKEN_WORD || (!day_read(token->text, &tm) && !date_read(token->text, &tm)))
		return ks_reader_expected(reader, EXPECTED);
	ks_reader_next(reader);
	token = ks_reader_peek(reader);
	if (token->kind != KS_TOKEN_WORD || ks_calendar_time(token->text, token->length, &minute))
		return ks_reader_expected(reader, "a time such as 17:59 behind the day");
	ks_reader_next(reader);
	*seconds = (__u64)ks_calendar_moment(&tm, minute); /* as schedules take it where the clock shows it twice */
	return ks_reader_end(reader);
}
