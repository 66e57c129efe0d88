/* SPDX-License-Identifier: BSD-2-Clause */
/* Changes of the packets of a rule's flows, as `set` says them. */
#ifndef KS_IMPORT_EFFECTS_H
#define KS_IMPORT_EFFECTS_H

#include "import/flatten.h"

/*
 * Appends an entry that passes, before it those parts of it that are changed otherwise. Changes that cannot be said are taken away,
 * with the reason in their place. Returns 0, -ENOMEM or -E2BIG.
 */
int ks_effects_add(struct ks_import *import, struct ks_flat_entry *whole, struct ks_flat *parts, struct ks_flat *flat);

/* Writes the changes, with a blank before each. */
void ks_effects_write(FILE *out, const struct ks_flat_entry *entry);

#endif
