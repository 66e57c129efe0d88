/* SPDX-License-Identifier: BSD-2-Clause */
/* MARK, CONNMARK, DSCP and TOS of iptables(8): what goes on with a field changed. */
#include <errno.h>
#include <string.h>

#include "import/iptables.h"
#include "policy/value.h"

#define TOS_BITS 0xffU
#define TOS_DSCP_SHIFT 2

/* Makes the rule one that changes a field. */
static int alter(struct ks_iptables *ipt, enum ks_field field, const struct ks_field_change *change)
{
	ipt->import->alters[field] = true;
	ipt->draft.rule.kind = KS_IMPORT_ALTER;
	ipt->draft.rule.changes = 1;
	ipt->draft.rule.change[0] = *change;
	ipt->draft.rule.change[0].field = field;
	return 0;
}

static int lose(struct ks_iptables *ipt, enum ks_field field, __u32 mask)
{
	return alter(ipt, field, &(struct ks_field_change){ .mask = mask, .lost = true });
}

/* The ways in which MARK writes a value; each of them is bits that are taken away and bits that come. */
int ks_iptables_mark(struct ks_iptables *ipt)
{
	static const char *const options[] = { "--set-xmark", "--set-mark", "--or-mark", "--and-mark" };
	struct ks_field_change change = { .mask = 0 };
	const char *value = NULL;
	size_t which = 0;

	for (; which < KS_ARRAY_SIZE(options); which++) {
		value = ks_iptables_option(ipt, options[which], false);
		if (value)
			break;
	}
	if (!value || ks_word_masked(value, KS_FIELD_ALL, &change.value, &change.mask))
		return lose(ipt, KS_FIELD_MARK, KS_FIELD_ALL);
	if (which == 0 && change.value & ~change.mask) /* these bits are turned over */
		return lose(ipt, KS_FIELD_MARK, change.value | change.mask);
	if (which == 1)
		change.mask |= change.value;
	if (which == 2)
		change.mask = change.value;
	if (which == 3) {
		change.mask = ~change.value;
		change.value = 0;
	}
	return alter(ipt, KS_FIELD_MARK, &change);
}

/* The mark of a connection is no mark of its packets, until it is restored: then nobody here knows it. */
int ks_iptables_connmark(struct ks_iptables *ipt)
{
	if (ks_iptables_option(ipt, "--restore-mark", true))
		return lose(ipt, KS_FIELD_MARK, KS_FIELD_ALL);
	ipt->draft.rule.kind = KS_IMPORT_SKIPPED;
	return ks_import_note(ipt->import, "connections have no marks here: 'set reply mark' marks their answers");
}

int ks_iptables_dscp(struct ks_iptables *ipt)
{
	const char *value = ks_iptables_option(ipt, "--set-dscp", false);
	const char *class = ks_iptables_option(ipt, "--set-dscp-class", false);
	struct ks_field_change change = { .mask = KS_FIELD_DSCP_BITS };
	int dscp = -1;
	__u64 number;

	if (class)
		dscp = ks_word_dscp(class);
	if (value ? ks_value_number(value, 0, KS_FIELD_DSCP_BITS, &number) != 0 : dscp < 0)
		return lose(ipt, KS_FIELD_DSCP, KS_FIELD_DSCP_BITS);
	change.value = value ? (__u32)number : (__u32)dscp;
	return alter(ipt, KS_FIELD_DSCP, &change);
}

/* "--set-tos 0xb8/0xfc": the bits of congestion stay here, whatever the mask says of them. */
int ks_iptables_tos(struct ks_iptables *ipt)
{
	const char *value = ks_iptables_option(ipt, "--set-tos", false);
	struct ks_field_change change = { .mask = KS_FIELD_DSCP_BITS };
	__u32 tos, mask;

	if (!value || ks_word_masked(value, TOS_BITS, &tos, &mask) || mask >> TOS_DSCP_SHIFT != KS_FIELD_DSCP_BITS ||
	    mask & ~(KS_FIELD_DSCP_BITS << TOS_DSCP_SHIFT))
		return lose(ipt, KS_FIELD_DSCP, KS_FIELD_DSCP_BITS);
	change.value = tos >> TOS_DSCP_SHIFT;
	return alter(ipt, KS_FIELD_DSCP, &change);
}
