/* SPDX-License-Identifier: BSD-2-Clause */
/* Expectations: connections that a helper announced. */
#ifndef KS_CORE_EXPECT_H
#define KS_CORE_EXPECT_H

#include "inspect.h"

/*
 * Whether the packet, which no flow knows, was announced: uses the expectation up, and fills in in->rule, the true
 * destination in in->out, and in->to.
 */
bool ks_expect_find(struct ks_env *env, struct ks_inspection *in);

#endif
