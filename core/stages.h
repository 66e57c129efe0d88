/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stages of an inspection, in the order in which a packet may come to them.
 * A packet is read first (read.c), which sets its first stage; each stage does its
 * part and sets the next one, until the verdict stands. They are separate because
 * the kernel's verifier bounds what one program may do (V1): natively a loop runs them
 * all, in the kernel each is a program reached by a tail call, except the first.
 *
 * A new stage is a line here and its function, ks_stage_NAME().
 */
#ifndef KS_CORE_STAGES_H
#define KS_CORE_STAGES_H

#include "core/types.h"

/* X(identifier, name of its function and of its programs) */
#define KS_STAGES(X)                                                                                                \
	X(FRAGMENT, fragment) /* part of a datagram: judge it by that (fragment/) */                                \
	X(CHECKSUM, checksum) /* every packet, with `option checksum`: is its upper checksum right? (checksum.c) */ \
	X(PROTECT, protect) /* odd, from a zone that is protected: may it go on? (protect.c) */                     \
	X(ERROR, error) /* an ICMP error: judge it by the flow it quotes (error.c) */                               \
	X(FIND, find) /* everything else: look for its flow, and judge it by that (known.c) */                      \
	X(REROUTE, reroute) /* its flow leaves by another way than before: may it, and as whom? (reroute.c) */      \
	X(LIMIT, limit) /* limits count the flow or its packets: may it go on? (limit.c) */                         \
	X(HELPER, helper) /* of a control connection that a helper follows (helper/helper.c) */                     \
	X(SCAN, scan) /* the same: its payload is read (helper/scan.c) */                                           \
	X(ANNOUNCE, announce) /* it announces another connection (helper/scan.c) */                                 \
	X(MEDIA, media) /* the same, of media whose address is translated (helper/media.c) */                       \
	X(TRANSCRIBE, transcribe) /* it is written again as a whole (helper/transcribe.c) */                        \
	X(ADJUST, adjust) /* it was read, and its text and numbers may change (helper/helper.c) */                  \
	X(OPEN, open) /* no flow knows it: may it open one? (open.c) */                                             \
	X(GROUP, group) /* passed, and it asks a group: its members may answer (group.c) */                         \
	X(WRITE, write) /* passed, and its bytes are to be changed (write.c) */

enum ks_stage {
	KS_STAGE_DONE, /* the verdict stands */
#define X(id, name) KS_STAGE_##id,
	KS_STAGES(X)
#undef X
		KS_STAGE_MAX
};

struct ks_env;
struct ks_inspection;

/* `head`: the packet's first bytes, as for ks_inspect(). */
#define X(id, name) void ks_stage_##name(struct ks_env *env, struct ks_inspection *insp, const __u8 *head);
KS_STAGES(X)
#undef X

#endif
