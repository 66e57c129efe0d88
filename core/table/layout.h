/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The layout of what outlives a build: the entries of the state table and the seals of packets on their way
 * (bpf/seal.h). A build that takes over the table of another reads it by this number.
 *
 * A change of a state, a kind, a flag, a record, the hash, struct ks_flow or struct ks_flow_key, or of the meaning of a field, takes a
 * higher number and the new sum, which tests/unit/core/table/layout.c computes and prints. New states and kinds are
 * appended. If old tables can still be read, an entry of the list in kernel/layout.c says how; without one the takeover
 * is refused.
 */
#ifndef KS_CORE_TABLE_LAYOUT_H
#define KS_CORE_TABLE_LAYOUT_H

#define KS_TABLE_LAYOUT 5U
#define KS_TABLE_LAYOUT_SUM 0xcd766c1cU

#endif
