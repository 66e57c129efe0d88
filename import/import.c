/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A text is read twice: first for the names of its interfaces and for what it does anywhere, because the pattern `eth+` means all
 * interfaces that other rules name, too, and a mark is not known where some rule sets one.
 */
#include "import/import.h"

#include <errno.h>
#include <string.h>

#include "import/iptables.h"
#include "import/nft.h"
#include "import/pf.h"
#include "import/uci.h"
#include "import/ufw.h"
#include "import/write.h"

typedef int reader(struct ks_import *import, const char *text, size_t length);

static int read_iptables(struct ks_import *import, const char *text, size_t length)
{
	return ks_iptables_read(import, KS_IPV4, text, length);
}

static int read_ip6tables(struct ks_import *import, const char *text, size_t length)
{
	return ks_iptables_read(import, KS_IPV6, text, length);
}

static const struct {
	const char *name;
	reader *read;
} forms[KS_IMPORT_FORMS] = {
	[KS_IMPORT_IPTABLES] = { "iptables-save", read_iptables },
	[KS_IMPORT_IP6TABLES] = { "ip6tables-save", read_ip6tables },
	[KS_IMPORT_NFT] = { "nft", ks_nft_read },
	[KS_IMPORT_PF] = { "pf", ks_pf_read },
	[KS_IMPORT_UCI] = { "uci", ks_uci_read },
	[KS_IMPORT_UFW] = { "ufw", ks_ufw_read },
};

int ks_import_form(const char *name)
{
	for (int form = 0; form < KS_IMPORT_FORMS; form++) {
		if (!strcmp(forms[form].name, name))
			return form;
	}
	return -1;
}

const char *ks_import_form_name(unsigned form)
{
	return form < KS_IMPORT_FORMS ? forms[form].name : NULL;
}

static int explain(const struct ks_import *import, int err, char error[KS_IMPORT_ERROR])
{
	if (err == -EINVAL && import->error[0])
		snprintf(error, KS_IMPORT_ERROR, "%s", import->error);
	else if (err == -E2BIG)
		snprintf(error, KS_IMPORT_ERROR,
			 "%s %u: the text has more interfaces, conditions or ways through its chains than a policy "
			 "of ours can have",
			 import->numbered, import->line);
	else
		snprintf(error, KS_IMPORT_ERROR, "%s", strerror(-err));
	return err;
}

/* The interfaces and all that the first reading has found out. */
static void import_begin_again(struct ks_import *import, const struct ks_import *first)
{
	ks_import_init(import);
	memcpy(import->zone, first->zone, sizeof(import->zone));
	import->zones = first->zones;
	memcpy(import->alters, first->alters, sizeof(import->alters));
	memcpy(import->asks, first->asks, sizeof(import->asks));
	memcpy(import->parts, first->parts, sizeof(import->parts));
	import->plain = first->plain;
	import->filled = first->filled;
	import->recents = first->recents;
	import->files = first->files;
}

static int text_import(enum ks_import_form form, const char *text, size_t length, const char *origin, FILE *out,
		       struct ks_import_outcome *outcome, struct ks_import *import, bool plain)
{
	ks_auto_import struct ks_import first;
	struct ks_plan plan;
	int err;

	ks_import_init(&first);
	first.plain = plain;
	first.files = import->files;
	err = forms[form].read(&first, text, length);
	import_begin_again(import, &first);
	if (err) {
		import->line = first.line;
		import->numbered = first.numbered;
		memcpy(import->error, first.error, sizeof(import->error));
		return err;
	}
	err = forms[form].read(import, text, length);
	if (!err && !import->bases)
		err = ks_import_fail(import, "there is no chain with a policy in it");
	err = err ? err : ks_plan_make(import, &plan);
	return err ? err : ks_plan_write(import, &plan, origin, out, outcome);
}

static bool has_changes(const struct ks_import *import)
{
	bool changes = false;

	for (unsigned field = 0; field < KS_FIELDS; field++)
		changes |= import->alters[field];
	return changes;
}

int ks_import(enum ks_import_form form, const char *text, size_t length, ks_import_reader *files, const char *origin,
	      FILE *out, struct ks_import_outcome *outcome, char error[KS_IMPORT_ERROR])
{
	struct ks_import_outcome made = { 0 };
	ks_auto_import struct ks_import import;
	int err;

	ks_import_init(&import);
	import.files = files;
	err = text_import(form, text, length, origin, out, &made, &import, false);
	if (err == -E2BIG && has_changes(&import)) { /* they part packets in more ways than there may be rules */
		ks_import_fini(&import);
		ks_import_init(&import);
		import.files = files;
		err = text_import(form, text, length, origin, out, &made, &import, true);
	}
	if (err)
		return explain(&import, err, error);
	*outcome = made;
	return 0;
}
