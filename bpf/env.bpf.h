/* SPDX-License-Identifier: BSD-2-Clause */
/* What the programs share inside the kernel: the environment behind core/env.h and how an inspection is run. */
#ifndef KS_BPF_ENV_H
#define KS_BPF_ENV_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "env.h"
#include "home.h"
#include "maps.h"

enum hook { HOOK_TC, HOOK_XDP };

/* skb->tc_index of a fragment that was held and is received anew; no packet from outside can bring it. */
#define SEAL_RESUMED 0x4d00

/* The program behind the stages: it counts, tells, and carries out the verdict. */
#define STAGE_END KS_STAGE_MAX
#define STAGE_SLOTS 16

struct sweeper {
	struct bpf_timer timer;
	__u32 cursor; /* next bucket */
	__u32 zero;
};

/* This processor's working memory, NULL never in practice. */
struct ks_scratch *scratch_get(void);
struct ks_scratch *kill_scratch_get(void); /* another one, because ks_kill may be interrupted by packets */
const struct ks_control *control_get(void);

/* A length of 1 to 256 octets, said so that every verifier sees it. */
static inline __u32 length_bound(__u32 len)
{
	len--;
	ks_opaque(len);
	return (len & (KS_HEAD_MAX - 1)) + 1;
}

/* The guarded interface, or NULL. */
const struct ks_port *port_get(__u32 ifindex);

/* Fills in what an inspection needs from its home besides the head and the lengths. */
void inspection_prepare(struct ks_env *env, struct ks_inspection *in, const struct ks_control *control);

/* One step of the sweeper; see env.bpf.c. */
void sweeper_start(void);

extern const volatile __u8 ks_test_mode;

#endif
