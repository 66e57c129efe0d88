/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps `set NAME add ...` and `expect set NAME N` of a test. */
#ifndef KS_SCENARIO_SET_STEP_H
#define KS_SCENARIO_SET_STEP_H

#include "scenario/scenario.h"

/* Return 0, -ENOMEM, or -EINVAL with a message in result->got. `policy` is the one in force. */
int ks_set_step_run(const struct ks_home *home, const struct ks_policy *policy, const struct ks_step *step,
		    struct ks_step_result *result);
int ks_set_expect_run(const struct ks_home *home, const struct ks_step *step, struct ks_step_result *result);

#endif
