/* SPDX-License-Identifier: BSD-2-Clause */
/* Moments in tests: `clock fri 17:59`, `clock 2026-03-29 01:59`; see clock.c. */
#ifndef KS_POLICY_SCENARIO_CLOCK_H
#define KS_POLICY_SCENARIO_CLOCK_H

#include "policy/scenario/reader.h"

/* Reads a moment in local time up to the end of the line: seconds since 1970. Returns 0 or -EINVAL after a complaint. */
int ks_clock_parse(struct ks_reader *reader, __u64 *seconds);

#endif
