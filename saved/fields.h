/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fields of an entry, in the order in which the file has them. One function for both directions, so that what is written
 * is what is read.
 */
#ifndef KS_SAVED_FIELDS_H
#define KS_SAVED_FIELDS_H

#include "saved/form.h"
#include "saved/saved.h"

/* Bytes that are written or read, field after field. */
struct ks_saved_io {
	__u8 *out; /* NULL: it reads */
	const __u8 *in;
	size_t size, at;
	bool is_wrong; /* bytes are missing, or a field cannot be what it says */
	bool is_unknown; /* reading: a name of the file that this build does not have */
	const __u8 *maps
		[KS_SAVED_ZONES]; /* reading: this build's numbers of states, helpers and classes by the file's; KS_SAVED_NO_NAME */
};

#define KS_SAVED_NO_NAME 0xffU

/* Writes or reads the fields behind the kind and the length. of.key.kind is set before. */
void ks_saved_fields(struct ks_saved_io *io, struct ks_saved_entry *entry);

/* The zones in a key's link (core/link.h, core/group.h): both are KS_ZONE_NONE without a link. */
struct ks_saved_link {
	__u8 form, zone[2];
};

enum { KS_SAVED_LINK_NONE, KS_SAVED_LINK_ZONE, KS_SAVED_LINK_CROSSING, KS_SAVED_LINK_QUESTION, KS_SAVED_LINK_FORMS };

struct ks_saved_link ks_saved_link_of(const struct ks_flow_key *key);
__u16 ks_saved_link_join(const struct ks_saved_link *link);

#endif
