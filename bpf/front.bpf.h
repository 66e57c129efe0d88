/* SPDX-License-Identifier: BSD-2-Clause */
/* The front's part that tc ingress knows; see front.bpf.c. */
#ifndef KS_BPF_FRONT_BPF_H
#define KS_BPF_FRONT_BPF_H

#include "bpf/env.bpf.h"

/* Something was dropped at ingress. The front of this CPU wakes up if that happens often. */
void front_note_drop(__u64 now);

/* Returns true if so much was dropped at this CPU just now that the front is awake. */
bool front_is_awake(__u64 now);

#endif
