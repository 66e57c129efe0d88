/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Run-time sets in a file: those of a policy that says `keep`, for the next start, or all of them, for the end of a trial. The file is
 * text:
 *
 *   keepstate-sets 1 WALL BOOT-CLOCK BOOT-ID     the form, and the moment (ms, ms, hexadecimal digits)
 *   set NAME
 *   PREFIX LEFT PACKETS BYTES                    of each entry; LEFT in ms, - for one that never expires
 *   end ENTRIES CRC                              CRC-32C of all before it, in hexadecimal digits
 *
 * Entries that the policy's text has are not in it: the text of the next start says.
 */
#ifndef KS_SAVED_SETS_H
#define KS_SAVED_SETS_H

#include "engine/set_store.h"
#include "saved/saved.h"

/* The sets of a policy, and the packet clock. */
struct ks_saved_sets {
	struct ks_set_store *store;
	const struct ks_policy *policy; /* not asked when all are written */
	__u64 now;
	bool all; /* all of the store are written, and those read that were made when it was given this policy */
};

/* Writes the file. Sets *entries to how many it has. Returns 0 or -errno: the stream has a part of it then. */
int ks_saved_sets_write(FILE *out, const struct ks_saved_sets *sets, const struct ks_saved_moment *moment,
			__u64 *entries);

/* The number of a file's entries by what became of them. */
struct ks_saved_sets_outcome {
	__u64 elapsed; /* since they were saved, ms */
	__u64 taken, expired;
	__u64 gone; /* of sets that the policy does not keep any more */
	__u64 no_room; /* beyond the limit of their set */
	__u64 no_room_in[KS_DYNAMIC_MAX]; /* the same by the number of the set */
};

/*
 * Puts the entries of a file that still live into the sets. Nothing of a file counts before its checksum was looked at. Returns 0,
 * -ENOMEM, or -EBADMSG with a sentence in `error`. `bytes` is changed.
 */
int ks_saved_sets_restore(char *bytes, size_t size, const struct ks_saved_sets *sets, const struct ks_saved_moment *now,
			  struct ks_saved_sets_outcome *outcome, char error[KS_SAVED_ERROR]);

#endif
