/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of a step behind `=>`; see expect.c. */
#ifndef KS_POLICY_SCENARIO_EXPECT_H
#define KS_POLICY_SCENARIO_EXPECT_H

#include "policy/scenario/reader.h"

/* Reads the expectation of a step; without `=>` it is allow. Returns 0, -ENOMEM, or -EINVAL after a complaint. */
int ks_expect_parse(struct ks_reader *reader, struct ks_expect *expect);

/* Sets the expectation of a step without one: the packet is allowed. */
void ks_expect_init(struct ks_expect *expect);

#endif
