/* SPDX-License-Identifier: BSD-2-Clause */
/* Times of the home's clock as people read them: "2026-01-31T12:00:00.123Z". */
#ifndef KS_DAEMON_API_WALL_CLOCK_H
#define KS_DAEMON_API_WALL_CLOCK_H

#include <stdbool.h>

#include "core/types.h"

#define KS_WALL_TEXT 32

/* Writes the wall-clock time of `then`, which is on the clock of `now`, in ns; to the second unless `exact`. Returns buf. */
const char *ks_wall_text(__u64 now, __u64 then, bool exact, char buf[KS_WALL_TEXT]);

#endif
