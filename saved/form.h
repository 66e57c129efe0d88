/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The form of a file of saved states. Numbers are big-endian.
 *
 *   head      magic, form (16 bits), bits (16: KS_SAVED_QUIET), wall clock ms (64), boot clock ms (64), id of the boot (16 bytes)
 *   names     of each list (enum ks_saved_list): how many (32), then each: its number (32), length (16), text
 *   entries   each: kind (8, enum ks_saved_kind), length of what follows (16), fields (fields.c)
 *   end       the kind KS_SAVED_END, how many entries there were (64), CRC-32C of all bytes before it (32)
 *
 * A change of a field is another form, which takes another number. Kinds and names may be added: a reader that does not know
 * them leaves those entries out.
 */
#ifndef KS_SAVED_FORM_H
#define KS_SAVED_FORM_H

#include <stddef.h>

#include "core/types.h"

#define KS_SAVED_MAGIC "KSSTATES"
#define KS_SAVED_MAGIC_SIZE 8U
#define KS_SAVED_FORM 1U
#define KS_SAVED_QUIET 0x0001U
#define KS_SAVED_HEAD_SIZE (KS_SAVED_MAGIC_SIZE + 2 + 2 + 8 + 8 + 16)
#define KS_SAVED_CRC_SIZE 4U

#define KS_SAVED_NUMBER_MAX 65536U /* numbers of names are below this */
#define KS_SAVED_BODY_MAX 512U /* bytes of an entry that we write */

enum ks_saved_list {
	KS_SAVED_STATES,
	KS_SAVED_HELPERS,
	KS_SAVED_CLASSES,
	KS_SAVED_ZONES,
	KS_SAVED_RULES,
	KS_SAVED_LISTS
};

enum ks_saved_kind {
	KS_SAVED_END = 0,
	KS_SAVED_FLOW,
	KS_SAVED_MAPPING_OUT,
	KS_SAVED_MAPPING_IN,
	KS_SAVED_PERMIT,
	KS_SAVED_EXPECT,
	KS_SAVED_HELPER_ORIGINAL,
	KS_SAVED_HELPER_REPLY,
	KS_SAVED_QUESTION,
	KS_SAVED_KINDS
};

/* Checksum of bytes behind others; the first call has 0 for `crc`. */
__u32 ks_saved_crc(__u32 crc, const void *bytes, size_t size);

#endif
