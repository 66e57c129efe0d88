/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that lives as long as a policy and is freed at once. A policy's arena
 * is ks_policy.arena. Not locked: a load is the work of one thread.
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
 * Room for one more element of `size` bytes in an array of `count`: returns
 * the array, moved and doubled when `count` is 0 or a power of two, the new
 * element zeroed; NULL when there is no memory (the old array stays).
 */
void *ks_arena_grow(struct ks_arena *arena, void *array, size_t count, size_t size);

#endif
