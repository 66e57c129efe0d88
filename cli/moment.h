/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments as people say them. */
#ifndef KS_CLI_MOMENT_H
#define KS_CLI_MOMENT_H

#include "cli/options.h"

#define KS_MOMENT_TEXT 32
#define KS_MOMENT_EXPECTED                                                                                             \
	"a time such as 10:00, 10:00:30, \"2026-11-29 10:00\", 2026-11-29, 2026-11-29T10:00:00Z, now, or 5m for five " \
	"minutes ago"

/* Reads one, in local time, as seconds of the epoch for the API ("1796464800" or with ".5"). Returns 0 or -EINVAL. */
int ks_moment_read(const char *text, char seconds[KS_MOMENT_TEXT]);

/* Takes an option: its target is a char[KS_MOMENT_TEXT], empty without the option. */
int ks_take_moment(const struct ks_option *option, const char *value, const char **expected);

/* "2026-11-29 10:00:00.123" in local time, of the API's "2026-11-29T09:00:00.123Z". Returns buf, or `text` if it is none. */
const char *ks_moment_local(const char *text, char buf[KS_MOMENT_TEXT]);

#endif
