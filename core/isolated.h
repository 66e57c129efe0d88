/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the kernel's verifier checks apart from their callers (V9), and so
 * once: natively they are functions as any other. They are marked ks_isolated
 * (engine/home.h), check their pointers, and follow none that lies behind these.
 */
#ifndef KS_CORE_ISOLATED_H
#define KS_CORE_ISOLATED_H

struct ks_env;

/* The environment for such a function: it reaches tables and counters, not the packet. */
struct ks_env *env_isolated(struct ks_env *env);

#endif
