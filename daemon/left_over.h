/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Persistent directories (persistent.h) of network namespaces that are gone. Nobody else would remove them: what a firewall
 * kept outlives `keepstate stop` and its namespace.
 */
#ifndef KS_DAEMON_LEFT_OVER_H
#define KS_DAEMON_LEFT_OVER_H

/*
 * Removes those that surely belong to nobody: of another boot of the machine, or of a namespace to which nothing leads any more where
 * we see the whole machine, and which has no firewall. A bounded number: the next start goes on. Says how many.
 */
void ks_left_over_remove(void);

#endif
