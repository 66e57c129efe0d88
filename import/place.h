/* SPDX-License-Identifier: BSD-2-Clause */
/* Where addresses are, as far as the text says; see place.c. */
#ifndef KS_IMPORT_PLACE_H
#define KS_IMPORT_PLACE_H

#include "import/flatten.h"

/* All that the text lets pass between zones, for a family. Returns 0, -ENOMEM or -E2BIG. */
int ks_places_find(struct ks_import *import, const struct ks_piece *all, struct ks_flat *places);

/* The zone of an address, as a bit; 0 if the text does not tell. */
__u64 ks_place_of_range(const struct ks_import *import, const struct ks_flat *places, const struct ks_range *range,
			__u8 family);

#endif
