/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See arena.h. Blocks have 64 KiB; an allocation of more than a quarter of that gets a block of its own.
 */
#include "policy/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE (64U << 10)
#define ALIGNMENT 16U

struct ks_block {
	struct ks_block *next;
	size_t used, size;
	_Alignas(ALIGNMENT) char data[];
};

struct ks_arena {
	struct ks_block *blocks; /* the first is being filled */
};

struct ks_arena *ks_arena_create(void)
{
	return calloc(1, sizeof(struct ks_arena));
}

void ks_arena_destroy(struct ks_arena *arena)
{
	struct ks_block *block, *next;

	if (!arena)
		return;
	for (block = arena->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(arena);
}

static struct ks_block *block_create(size_t size)
{
	struct ks_block *block = malloc(sizeof(*block) + size);

	if (block) {
		block->next = NULL;
		block->used = 0;
		block->size = size;
	}
	return block;
}

/* Links the block behind the first one, which goes on being filled. */
static void *alloc_large(struct ks_arena *arena, size_t size)
{
	struct ks_block *block = block_create(size);

	if (!block)
		return NULL;
	block->used = size;
	if (arena->blocks) {
		block->next = arena->blocks->next;
		arena->blocks->next = block;
	} else {
		arena->blocks = block;
	}
	return block->data;
}

static void *alloc_small(struct ks_arena *arena, size_t size)
{
	struct ks_block *block = arena->blocks;

	if (!block || block->size - block->used < size) {
		block = block_create(BLOCK_SIZE);
		if (!block)
			return NULL;
		block->next = arena->blocks;
		arena->blocks = block;
	}
	block->used += size;
	return block->data + block->used - size;
}

void *ks_arena_alloc(struct ks_arena *arena, size_t size)
{
	void *memory;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	memory = size > BLOCK_SIZE / 4 ? alloc_large(arena, size) : alloc_small(arena, size);
	return memory ? memset(memory, 0, size) : NULL;
}

char *ks_arena_strndup(struct ks_arena *arena, const char *text, size_t length)
{
	char *copy = ks_arena_alloc(arena, length + 1);

	return copy ? memcpy(copy, text, length) : NULL;
}

char *ks_arena_printf(struct ks_arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = length < 0 ? NULL : ks_arena_alloc(arena, (size_t)length + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return text;
}

void *ks_arena_grow(struct ks_arena *arena, void *array, size_t count, size_t size)
{
	size_t room = count ? count * 2 : 1;
	void *grown;

	if (count & (count - 1))
		return array;
	if (room > SIZE_MAX / 2 / size)
		return NULL;
	grown = ks_arena_alloc(arena, room * size);
	if (grown && count)
		memcpy(grown, array, count * size);
	return grown;
}
