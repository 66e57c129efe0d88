/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers: readers of control connections in which further connections are
 * announced. A helper does nothing until a rule assigns it. Every packet of a
 * flow with a helper goes through the stages here: it is judged like any other,
 * then its payload is read byte by byte (core/helper/scanner.h), what it announces is expected
 * (core/helper/expect.h), and where addresses are translated the announcement is written again,
 * which moves the sequence numbers of all that follows (core/helper/resequence.h).
 *
 * What a helper knows of a connection is in two entries of the state table,
 * one for each direction, under the flow's key. They live as long as their flow.
 */
#ifndef KS_CORE_HELPER_HELPER_H
#define KS_CORE_HELPER_HELPER_H

#include "core/table/entry.h"
#include "core/table/flow.h"
#include "core/helper/id.h"
#include "core/helper/scanner.h"
#include "core/types.h"

struct ks_env;
struct ks_inspection;

/*
 * The stages. The first judges a packet of the flow insp->flow.before, or goes on with one that has just opened its
 * flow; then scanning and what is announced take turns; the last one keeps what was learnt and writes the packet.
 */

#endif
