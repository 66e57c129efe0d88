/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the firewall is taken away, the daemon says so once, of all flows. Collectors know flows, so each gets the end of every one
 * that lived, with what the journal has last heard that it carried.
 */
#ifndef KS_JOURNAL_FAREWELL_H
#define KS_JOURNAL_FAREWELL_H

#include "journal/exports.h"
#include "journal/store.h"

/*
 * If an event says so, sends the end of every flow of the journal that lives. To be called before the event is written, by which
 * they end. `came`: ms of the epoch. Does nothing where nothing is sent, and after a stop that saved the flows: they may go on.
 */
int ks_farewell_send(struct ks_store *store, struct ks_exports *exports, const json_t *event, int64_t came);

#endif
