/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The recent past, for the plots: every second the counters are asked for, and what has changed is kept, by the second for 15
 * minutes, by the minute for a day, by the hour for four weeks; all in the memory of the page's process. The journal, where one runs,
 * knows more, and outlives the page.
 */
#ifndef KS_PAGE_SAMPLER_H
#define KS_PAGE_SAMPLER_H

#include <stdbool.h>

struct ks_sampler;

/* `opener`: as in ks_opener_ask(). NULL without memory. */
struct ks_sampler *ks_sampler_create(int opener);

/* Takes samples in the calling thread until the opener has ended. */
void ks_sampler_run(struct ks_sampler *sampler);

/*
 * Waits up to a second and a half for a sample later than number *seen. Returns its text as JSON, to be freed, and sets *seen;
 * NULL if none came.
 */
char *ks_sampler_wait(struct ks_sampler *sampler, unsigned long long *seen);

/* All points of a span ("15m", "24h", "28d") as a JSON object, to be freed. NULL for another span, or without memory. */
char *ks_sampler_history(struct ks_sampler *sampler, const char *span);

#endif
