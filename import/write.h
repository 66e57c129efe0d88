/* SPDX-License-Identifier: BSD-2-Clause */
/* A plan as a policy; see write.c. */
#ifndef KS_IMPORT_WRITE_H
#define KS_IMPORT_WRITE_H

#include "import/import.h"
#include "import/plan.h"

/* Writes the policy. `origin` names the text in its first line. Returns 0 or -ENOMEM. */
int ks_plan_write(struct ks_import *import, const struct ks_plan *plan, const char *origin, FILE *out,
		  struct ks_import_outcome *outcome);

#endif
