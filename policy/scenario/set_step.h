/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps about run-time sets: `set NAME add PREFIX [for 1h]`, `set NAME remove PREFIX`, `set NAME flush`. */
#ifndef KS_POLICY_SCENARIO_SET_STEP_H
#define KS_POLICY_SCENARIO_SET_STEP_H

#include "policy/scenario/reader.h"

/* Reads the name of a run-time set of the policy. Returns 0 or -EINVAL. */
int ks_set_name_parse(struct ks_reader *reader, struct ks_step *step);

/* Reads such a step behind its first word. Returns 0 or -EINVAL. */
int ks_set_step_parse(struct ks_reader *reader, struct ks_step *step);

#endif
