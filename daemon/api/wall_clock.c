/* SPDX-License-Identifier: BSD-2-Clause */
/* See wall_clock.h. */
#include "daemon/api/wall_clock.h"

#include <stdio.h>
#include <time.h>

const char *ks_wall_text(__u64 now, __u64 then, bool exact, char buf[KS_WALL_TEXT])
{
	struct timespec wall;
	time_t seconds;
	struct tm tm;
	size_t n;
	__s64 ns;

	clock_gettime(CLOCK_REALTIME, &wall);
	ns = (__s64)wall.tv_sec * (__s64)KS_NSEC_PER_SEC + wall.tv_nsec - (__s64)(now - then);
	seconds = (time_t)(ns / (__s64)KS_NSEC_PER_SEC);
	n = strftime(buf, KS_WALL_TEXT, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	if (exact)
		snprintf(buf + n, KS_WALL_TEXT - n, ".%03dZ",
			 (int)(ns % (__s64)KS_NSEC_PER_SEC / (__s64)KS_NSEC_PER_MSEC));
	else
		snprintf(buf + n, KS_WALL_TEXT - n, "Z");
	return buf;
}
