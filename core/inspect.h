/* SPDX-License-Identifier: BSD-2-Clause */
/* How a home runs an inspection (inspection.h): all of it, in two halves, or stage by stage (stages.h). */
#ifndef KS_CORE_INSPECT_H
#define KS_CORE_INSPECT_H

#include "core/inspection.h"
#include "core/types.h"

struct ks_env;

/*
 * Decides one packet. `head` holds its first insp->pkt.head_len bytes; insp->home and
 * what the home says in insp->pkt are set. Returns insp->verdict.action. Unless
 * insp->home.dry, state, counters and events follow from the verdict.
 */
__u32 ks_inspect(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

/*
 * The same in two halves, for a home that handles packets in bursts: after
 * the first one insp->flow.hash tells where the flow will be looked for, so that its
 * memory can be fetched while other packets are read (ks_table_bucket()).
 */
void ks_inspect_begin(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);
__u32 ks_inspect_finish(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

/* Runs the stage insp->stage (stages.h). A home calls it, or the stages themselves, until that is KS_STAGE_DONE. */
void ks_inspect_step(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

/* Counts the verdict and reports it. Returns insp->verdict.action. */
__u32 ks_inspect_end(struct ks_env *env, struct ks_inspection *insp);

/*
 * The same for a packet that passes by its flow, and of which nobody is told: as nearly all are. Returns false, and has done nothing,
 * if it is none. A home can leave what else ks_inspect_end() does to a program of its own.
 */
bool ks_inspect_end_plain(struct ks_env *env, struct ks_inspection *insp);

/*
 * And for one that its flow has let pass, and that is none of those: it could not be written. No rule was asked for it, so it is answered to
 * nobody, and part of no scan.
 */
__u32 ks_inspect_end_known(struct ks_env *env, struct ks_inspection *insp);

/*
 * The source half of a translation alone, for a packet that passed before it was
 * routed: finds its flow and fills in insp->sent. Leads to KS_STAGE_WRITE or to a
 * drop.
 */
void ks_inspect_egress(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);

#endif
