/* SPDX-License-Identifier: BSD-2-Clause */
/* The fields of packets on their way through chains; see flatten.h. */
#include <string.h>

#include "import/flatten.h"

bool ks_pieces_are_alike(const struct ks_piece *a, const struct ks_piece *b)
{
	for (unsigned side = 0; side < KS_SIDES; side++) {
		if (!ks_fields_equal(a->fields[side], b->fields[side]))
			return false;
	}
	return a->limits == b->limits && a->crowded == b->crowded &&
	       !memcmp(a->limit, b->limit, a->limits * sizeof(a->limit[0]));
}

void ks_piece_begin(struct ks_piece *piece)
{
	for (unsigned side = 0; side < KS_SIDES; side++)
		piece->fields[side][KS_FIELD_TAG] = (struct ks_field_bits){ .set = KS_FIELD_ALL };
}

void ks_piece_forget(const struct ks_import *import, struct ks_piece *piece)
{
	for (unsigned side = 0; side < KS_SIDES; side++) {
		for (unsigned field = 0; field < KS_FIELDS; field++)
			piece->fields[side][field].unknown = import->alters[field] ? KS_FIELD_ALL : 0;
	}
}
