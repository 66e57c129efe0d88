/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resets of connections whose translated address the box has lost. They are sent to the inside in the name of the other
 * end, from a raw socket; the programs let them pass (core/known.c). A socket that cannot be had is no harm: the inside is told
 * as soon as it sends something.
 */
#ifndef KS_DAEMON_INTERFACES_RESETS_H
#define KS_DAEMON_INTERFACES_RESETS_H

#include "kernel/kernel.h"

struct ks_resets {
	int fd; /* -1: not opened yet, or refused */
};

/* Sends one; `arg` is a struct ks_resets. */
void ks_reset_send(const struct ks_reset *reset, void *arg);

void ks_resets_end(struct ks_resets *resets);

#endif
