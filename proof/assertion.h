/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Assertions in tests: `never wan > lan tcp port 22` and `always lan > wan tcp port 443`. A test runs below the proofs, so who
 * runs tests gives it the function (struct ks_home).
 */
#ifndef KS_PROOF_ASSERTION_H
#define KS_PROOF_ASSERTION_H

#include "scenario/scenario.h"

/*
 * The result of an assertion that does not hold has packets that refute it, the line that decides about them, and one of them
 * that the inspector has judged. Lines with conditions that are not looked at may decide: they refute both. A ks_prove_fn.
 */
int ks_assertion_prove(const struct ks_policy *policy, const struct ks_step *step, struct ks_step_result *result);

#endif
