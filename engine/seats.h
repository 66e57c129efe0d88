/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gives a seat (core/table/queue.h) to every entry that waits in a budget and has none: when a table was taken over from a
 * build without seats, when it was copied, and when a limit has changed, and with it the length of the queue. The longest
 * unseen come first. Packets may pass meanwhile.
 */
#ifndef KS_ENGINE_SEATS_H
#define KS_ENGINE_SEATS_H

#include "engine/engine.h"

/* Returns 0 or -ENOMEM. */
int ks_engine_seat_all(struct ks_engine *engine);

/* Returns true if queues have another length by one policy than by another. */
bool ks_seats_differ(const struct ks_config *a, const struct ks_config *b);

#endif
