/* SPDX-License-Identifier: BSD-2-Clause */
/* See field.h. */
#include "import/field.h"

#include <string.h>

void ks_field_change(struct ks_field_bits bits[KS_FIELDS], const struct ks_field_change *change)
{
	struct ks_field_bits *field = &bits[change->field];

	field->value &= ~change->mask;
	field->set &= ~change->mask;
	field->unknown &= ~change->mask;
	if (change->lost) {
		field->unknown |= change->mask;
	} else {
		field->value |= change->value & change->mask;
		field->set |= change->mask;
	}
}

enum ks_field_answer ks_field_ask(const struct ks_field_bits bits[KS_FIELDS], const struct ks_field_test *test)
{
	const struct ks_field_bits *field = &bits[test->field];
	const __u32 open = test->mask & ~field->set;

	if ((field->value ^ test->value) & test->mask & field->set)
		return test->negated ? KS_FIELD_YES : KS_FIELD_NO;
	if (!open)
		return test->negated ? KS_FIELD_NO : KS_FIELD_YES;
	return open & field->unknown || open != test->mask ? KS_FIELD_UNKNOWN : KS_FIELD_AS_IT_CAME;
}

bool ks_fields_equal(const struct ks_field_bits a[KS_FIELDS], const struct ks_field_bits b[KS_FIELDS])
{
	return !memcmp(a, b, KS_FIELDS * sizeof(*a));
}
