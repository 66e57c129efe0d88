/* SPDX-License-Identifier: BSD-2-Clause */
/* Marks and code points in rules of OpenWrt's firewall. Its rules with these targets stand before all others, in chains of their own. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "import/uci.h"

#define BEFORE (-150) /* the priority of these chains */

/* --- conditions --- */

static int field_add(struct ks_draft *draft, const char *value, enum ks_field field, enum ks_import_word word)
{
	struct ks_field_test test = { .field = field, .negated = value[0] == '!', .mask = KS_FIELD_DSCP_BITS };
	const bool mark = field == KS_FIELD_MARK;
	const char *bare = value + test.negated;
	const int dscp = mark ? 0 : ks_word_dscp(bare);
	const char *text;

	test.value = (__u32)dscp;
	if (mark ? ks_word_masked(bare, KS_FIELD_ALL, &test.value, &test.mask) != 0 || test.value & ~test.mask
		 : dscp < 0)
		return ks_uci_unsaid(draft, mark ? "mark" : "dscp", value);
	text = !mark || test.mask == KS_FIELD_ALL ? ks_import_format(draft->import, mark ? "0x%x" : "%u", test.value)
						  : ks_import_format(draft->import, "0x%x/0x%x", test.value, test.mask);
	return text ? ks_draft_field(draft, &test, word, text) : -ENOMEM;
}

int ks_uci_fields(struct ks_draft *draft, const struct ks_uci_section *section)
{
	const char *mark = ks_uci_option(section, "mark", NULL), *dscp = ks_uci_option(section, "dscp", NULL);
	int err = mark ? field_add(draft, mark, KS_FIELD_MARK, KS_WORD_MARK) : 0;

	return err || !dscp ? err : field_add(draft, dscp, KS_FIELD_DSCP, KS_WORD_DSCP);
}

/* --- targets --- */

static struct ks_field_change mark_change(const struct ks_uci_section *section)
{
	const char *set = ks_uci_option(section, "set_mark", NULL), *turned = ks_uci_option(section, "set_xmark", NULL);
	struct ks_field_change change = { .field = KS_FIELD_MARK, .mask = KS_FIELD_ALL };
	const char *value = set ? set : turned;

	change.lost = !value || ks_word_masked(value, KS_FIELD_ALL, &change.value, &change.mask) ||
		      (!set && change.value & ~change.mask);
	change.mask = change.lost ? KS_FIELD_ALL : change.mask | change.value;
	return change;
}

static struct ks_field_change dscp_change(const struct ks_uci_section *section)
{
	const char *value = ks_uci_option(section, "set_dscp", NULL);
	const int dscp = value ? ks_word_dscp(value) : -1;

	return (struct ks_field_change){
		.field = KS_FIELD_DSCP, .mask = KS_FIELD_DSCP_BITS, .value = (__u32)dscp, .lost = dscp < 0
	};
}

/* Of what comes from a zone before the routes, of what goes on to another zone behind them, and of the box's own. */
static enum ks_hook hook_find(const struct ks_uci_section *section)
{
	if (!ks_uci_option(section, "src", NULL))
		return KS_HOOK_OUTPUT;
	return ks_uci_option(section, "dest", NULL) ? KS_HOOK_FORWARD : KS_HOOK_PRE;
}

static int chain_find(struct ks_uci *uci, enum ks_hook hook, struct ks_import_chain **chain)
{
	struct ks_import *import = uci->import;
	int err = 0;

	if (!uci->marks[hook]) {
		err = ks_import_chain(import, ks_import_format(import, "marks %u", (unsigned)hook), &uci->marks[hook]);
		import->base[import->bases++] = (struct ks_import_base){ .chain = uci->marks[hook],
									 .hook = hook,
									 .priority = BEFORE,
									 .families = { true, true },
									 .policy = KS_IMPORT_ACCEPT };
	}
	*chain = uci->marks[hook];
	return err;
}

int ks_uci_mark(struct ks_uci *uci, struct ks_draft *draft, const struct ks_uci_section *section,
		struct ks_import_chain **chain)
{
	const char *target = ks_uci_option(section, "target", "DROP");
	const bool mark = !strcasecmp(target, "MARK");
	struct ks_field_change change = mark ? mark_change(section) : dscp_change(section);
	int err;

	if (!mark && strcasecmp(target, "DSCP") != 0)
		return 0;
	draft->rule.kind = KS_IMPORT_ALTER;
	draft->rule.change[0] = change;
	draft->rule.changes = 1;
	uci->import->alters[change.field] = true;
	err = chain_find(uci, hook_find(section), chain);
	return err ? err : 1;
}
