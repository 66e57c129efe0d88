/* SPDX-License-Identifier: BSD-2-Clause */
/* The ids of a takeover whose ledger is lost or damaged (ledger.h). */
#ifndef KS_DAEMON_LEDGER_LOST_H
#define KS_DAEMON_LEDGER_LOST_H

#include "daemon/ledger.h"
#include "kernel/kernel.h"

/*
 * Finds which ids are in use, by states and guards, so that none of them becomes that of another zone or rule: states would be
 * taken for those of another zone. A zone keeps the id of the interfaces that the policy has in it now; an id that no interface
 * tells of, and every rule id in use, is remembered as that of something that is gone. Returns 0 or -ENOMEM.
 */
int ks_ledger_recover(const struct ks_kernel *kernel, const struct ks_policy *policy, struct ks_ids *ids);

#endif
