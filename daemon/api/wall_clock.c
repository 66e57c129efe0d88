/* SPDX-License-Identifier: BSD-2-Clause */
/* See wall_clock.h. */
#include "daemon/api/wall_clock.h"

#include <stdio.h>
#include <time.h>

/*
 * Returns the wall-clock time of the moment `now`, in ns. It is read when the moment is first asked for, and once: times of one
 * line keep their order, and those of many lines are not the later the longer it takes to write them.
 */
static __s64 wall_of(__u64 now)
{
	static _Thread_local __u64 known;
	static _Thread_local __s64 ns;
	struct timespec wall;

	if (ns && now == known)
		return ns;
	clock_gettime(CLOCK_REALTIME, &wall);
	known = now;
	ns = (__s64)wall.tv_sec * (__s64)KS_NSEC_PER_SEC + wall.tv_nsec;
	return ns;
}

const char *ks_wall_text(__u64 now, __u64 then, bool exact, char buf[KS_WALL_TEXT])
{
	__s64 ns = wall_of(now) - (__s64)(now - then);
	time_t seconds = (time_t)(ns / (__s64)KS_NSEC_PER_SEC);
	struct tm tm;
	size_t n;

	n = strftime(buf, KS_WALL_TEXT, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	if (exact)
		snprintf(buf + n, KS_WALL_TEXT - n, ".%03dZ",
			 (int)(ns % (__s64)KS_NSEC_PER_SEC / (__s64)KS_NSEC_PER_MSEC));
	else
		snprintf(buf + n, KS_WALL_TEXT - n, "Z");
	return buf;
}
