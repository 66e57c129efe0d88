/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts anew what inner addresses and sources have of a table (struct ks_budget): of one that programs of another build
 * have written, or that entries were copied to. Packets may pass meanwhile.
 */
#ifndef KS_ENGINE_BUDGETS_H
#define KS_ENGINE_BUDGETS_H

#include "core/table/table.h"

/* Adds up the entries of a table in counted[KS_BUDGETS]. */
void ks_budgets_count(const struct ks_bucket *table, const struct ks_table_shape *shape, struct ks_budget *counted);

/*
 * Corrects budgets[KS_BUDGETS]. A number that packets have changed while it was counted is counted again, a few times. Returns 0,
 * or -ENOMEM with nothing changed.
 */
int ks_budgets_recount(const struct ks_bucket *table, const struct ks_table_shape *shape, struct ks_budget *budgets);

#endif
