/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Express: the inspection of a packet that its home would send on at once, where a home has such a place (bpf/express.bpf.c).
 *
 * Overview. The packet is judged as ever, by the same functions, on a copy of its flow; that it is found out first if the home can
 * send it is the difference. Nothing is changed before ks_express_commit(), so what the home cannot send it leaves to the
 * inspection, which sees it for the first time then.
 *
 * Left to the inspection are: what no flow knows, and what its flow refuses; whatever moves a flow, or says something about it; what
 * helpers or limits ask for; packets whose checksum is asked for, and with protected zones those that nobody has answered.
 */
#ifndef KS_CORE_EXPRESS_H
#define KS_CORE_EXPRESS_H

#include "core/types.h"

struct ks_env;
struct ks_inspection;

/*
 * To be called behind ks_inspect_begin() and, if the stage is FIND, ks_nat_find(). Returns true if the packet's flow lets it pass, and
 * it moves nothing: insp->sent is how it leaves.
 */
bool ks_express_judge(struct ks_env *env, struct ks_inspection *insp);

/*
 * Then: what the packet says becomes its flow's, and insp->stage is what is left to do (KS_STAGE_WRITE) before ks_inspect_end().
 * Returns false if another CPU was first, and nothing has changed.
 */
bool ks_express_commit(struct ks_env *env, struct ks_inspection *insp);

#endif
