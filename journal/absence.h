/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A firewall without a daemon. The filters stay in force when the daemon dies, and so do flows of which nobody tells; but they may also have
 * been taken away behind it, or with the machine. Then nothing will ever be told to have ended.
 */
#ifndef KS_JOURNAL_ABSENCE_H
#define KS_JOURNAL_ABSENCE_H

#include "journal/store.h"

struct ks_absence {
	bool gone; /* and all that lived is noted as ended */
	int64_t seen; /* ms of the epoch: the firewall was there; 0: never */
};

/*
 * Looks if the firewall is still there, while no daemon answers. When it is gone its flows have ended, at the latest when it was `heard` of, and
 * its policy when it was seen last. The caller commits.
 */
int ks_absence_look(struct ks_absence *absence, struct ks_store *store, int64_t heard);

/* A daemon answers. */
void ks_absence_end(struct ks_absence *absence, int64_t now);

#endif
