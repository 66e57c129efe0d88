/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers of this build as the file of saved states has them: names of lists, and bits that are written by a meaning of their own. */
#ifndef KS_SAVED_NAMES_H
#define KS_SAVED_NAMES_H

#include <stddef.h>

#include "core/types.h"
#include "saved/form.h"

/* The name of a number in one of the lists of this build (states, helpers, classes), NULL for none. */
const char *ks_saved_name(enum ks_saved_list list, unsigned number);
unsigned ks_saved_name_count(enum ks_saved_list list);

/* A bit of this build, and the same in the file. */
struct ks_saved_bit {
	__u8 ours, saved;
};

/* Lists of bits, each ended by zeros. */
extern const struct ks_saved_bit ks_saved_flow_bits[], ks_saved_tcp_bits[], ks_saved_mapping_bits[],
	ks_saved_memory_bits[];

__u8 ks_saved_bits_out(const struct ks_saved_bit *bits, __u8 ours);
__u8 ks_saved_bits_in(const struct ks_saved_bit *bits, __u8 saved);

/* The kind in the file of an entry's kind (enum ks_kind), KS_SAVED_END for one that is not saved; and back, -1 for one not known. */
enum ks_saved_kind ks_saved_kind_of(unsigned kind);
int ks_saved_kind_in(unsigned saved);

#endif
