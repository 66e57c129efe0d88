/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fields of packets that rules change, and ask for further on: marks, code points, and tags, which are known inside of a text
 * alone.
 */
#ifndef KS_IMPORT_FIELD_H
#define KS_IMPORT_FIELD_H

#include <stdbool.h>

#include "core/types.h"

enum ks_field { KS_FIELD_MARK, KS_FIELD_DSCP, KS_FIELD_TAG, KS_FIELDS };

#define KS_FIELD_ALL 0xffffffffU
#define KS_FIELD_DSCP_BITS 0x3fU

/* Bits in neither mask are as the packet came. */
struct ks_field_bits {
	__u32 value;
	__u32 set; /* bits of the value that are known */
	__u32 unknown; /* bits that nobody here knows */
};

/* A change that a rule makes. */
struct ks_field_change {
	enum ks_field field;
	__u32 value, mask;
	bool lost; /* to a value that is not in the text */
};

/* A condition about a field that rules of the text change, too. */
struct ks_field_test {
	bool asks;
	bool negated;
	enum ks_field field;
	__u32 value, mask;
	unsigned came; /* the variable of the condition, about the packet as it came; */
	unsigned unknown; /* and where the field is not known any more */
};

enum ks_field_answer { KS_FIELD_NO, KS_FIELD_YES, KS_FIELD_AS_IT_CAME, KS_FIELD_UNKNOWN };

void ks_field_change(struct ks_field_bits bits[KS_FIELDS], const struct ks_field_change *change);

enum ks_field_answer ks_field_ask(const struct ks_field_bits bits[KS_FIELDS], const struct ks_field_test *test);

/* Returns true if both say the same, here and for what is said further on. */
bool ks_fields_equal(const struct ks_field_bits a[KS_FIELDS], const struct ks_field_bits b[KS_FIELDS]);

#endif
