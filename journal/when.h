/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments: milliseconds of the epoch, and their text. */
#ifndef KS_JOURNAL_WHEN_H
#define KS_JOURNAL_WHEN_H

#include <stdint.h>

#define KS_WHEN_TEXT 32

/* Reads "2026-11-29T10:00:00.123Z" (also with "+01:00") or seconds of the epoch with decimals. Returns 0 or -EINVAL. */
int ks_when_read(const char *text, int64_t *ms);

/* "2026-11-29T10:00:00.123Z"; returns buf. */
const char *ks_when_text(int64_t ms, char buf[KS_WHEN_TEXT]);

int64_t ks_when_now(void);

/* Milliseconds that never go back, for waiting. */
int64_t ks_when_steady(void);

#endif
