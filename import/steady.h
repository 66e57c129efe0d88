/* SPDX-License-Identifier: BSD-2-Clause */
/* Conditions that all packets of a flow meet alike; see steady.c. */
#ifndef KS_IMPORT_STEADY_H
#define KS_IMPORT_STEADY_H

#include "import/flatten.h"

/*
 * The conditions that hold of an entry's packets at any time as they do of those that open the flow, as bits. `answer`: the entry is
 * about what answers, and the conditions stand as those packets meet them.
 */
__u64 ks_steady_conditions(const struct ks_import *import, const struct ks_flat_entry *entry, bool answer,
			   enum ks_hook hook);

/* Makes a source of each destination in the conditions of a region, and the other way round. */
void ks_steady_turn(const struct ks_import *import, struct ks_region *region);

/* The same for conditions as bits. */
__u64 ks_steady_turned(const struct ks_import *import, __u64 bits);

/* Makes the conditions that answers ask for others. Returns 0 or -ENOMEM. */
int ks_steady_begin(struct ks_import *import);

/* Remembers that the sets of conditions, as bits, end flows. */
void ks_steady_note(struct ks_import *import, __u64 conditions);

#endif
