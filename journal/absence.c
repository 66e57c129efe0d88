/* SPDX-License-Identifier: BSD-2-Clause */
/* See absence.h. */
#include "journal/absence.h"

#include <errno.h>

#include "core/types.h"
#include "journal/flows.h"
#include "journal/opener.h"
#include "journal/policies.h"
#include "journal/when.h"

int ks_absence_look(struct ks_absence *absence, struct ks_store *store, int64_t heard)
{
	bool gone = ks_opener_ask(KS_SOURCE_PRESENCE) == -ENOENT;
	int err;

	if (!gone)
		absence->seen = ks_when_now();
	if (!gone || absence->gone)
		return 0;
	err = ks_store_begin(store) ?: ks_flows_lose(store, heard) ?: ks_policy_end(store, KS_MAX(heard, absence->seen));
	absence->gone = !err;
	return err;
}

void ks_absence_end(struct ks_absence *absence, int64_t now)
{
	absence->gone = false;
	absence->seen = now;
}
