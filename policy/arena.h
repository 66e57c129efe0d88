/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that is freed all at once: a policy's (ks_policy.arena), or what only
 * its load needs (ks_parser.scratch). Nothing is locked, because one thread
 * loads a policy.
 */
#ifndef KS_POLICY_ARENA_H
#define KS_POLICY_ARENA_H

#include <stddef.h>

#include "text/scoped.h"

struct ks_arena;

/* NULL when there is no memory. */
struct ks_arena *ks_arena_create(void);
void ks_arena_destroy(struct ks_arena *arena);

KS_SCOPED(ks_auto_arena, struct ks_arena *, ks_arena_destroy)
#define ks_auto_arena ks_scoped(ks_auto_arena)

/* Zeroed memory for any type; NULL when there is none. */
void *ks_arena_alloc(struct ks_arena *arena, size_t size);
char *ks_arena_strndup(struct ks_arena *arena, const char *text, size_t length);
char *ks_arena_printf(struct ks_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Makes room for one more element of `size` bytes, which is zeroed, in an array
 * of `count`. Returns the array, which moves when `count` is 0 or a power of
 * two, or NULL when there is no memory; the old array stays then.
 */
void *ks_arena_grow(struct ks_arena *arena, void *array, size_t count, size_t size);

#endif
