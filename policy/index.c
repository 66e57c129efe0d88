/* SPDX-License-Identifier: BSD-2-Clause */
/* A hash table of numbers with open addressing, at most half full; see index.h. */
#include "policy/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ks_index_fini(struct ks_index *index)
{
	free(index->slots);
	memset(index, 0, sizeof(*index));
}

static __u64 mix(__u64 h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	return h ^ (h >> 32);
}

/* FNV-1a over words of eight bytes, then over the rest. */
__u64 ks_hash_bytes(__u64 seed, const void *data, size_t length)
{
	const unsigned char *at = data;
	__u64 hash = seed ^ 0xcbf29ce484222325ULL;
	__u64 word;

	for (; length >= sizeof(word); at += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = mix(hash ^ word) * 0x100000001b3ULL;
	}
	for (; length; at++, length--)
		hash = (hash ^ *at) * 0x100000001b3ULL;
	return mix(hash);
}

__u64 ks_hash_text(const char *text)
{
	return ks_hash_bytes(0, text, strlen(text));
}

long ks_index_find(const struct ks_index *index, __u64 hash, ks_index_same_fn *same, const void *owner, const void *key)
{
	if (!index->size)
		return -1;
	for (size_t i = hash & (index->size - 1); index->slots[i].value; i = (i + 1) & (index->size - 1)) {
		if (index->slots[i].hash == hash && same(owner, index->slots[i].value - 1, key))
			return (long)index->slots[i].value - 1;
	}
	return -1;
}

static void put_slot(struct ks_index *index, __u64 hash, __u32 value)
{
	size_t i = hash & (index->size - 1);

	while (index->slots[i].value)
		i = (i + 1) & (index->size - 1);
	index->slots[i].hash = hash;
	index->slots[i].value = value;
}

static int enlarge(struct ks_index *index)
{
	struct ks_index larger = { .size = index->size ? index->size * 2 : 64 };

	larger.slots = calloc(larger.size, sizeof(*larger.slots));
	if (!larger.slots)
		return -ENOMEM;
	for (size_t i = 0; i < index->size; i++) {
		if (index->slots[i].value)
			put_slot(&larger, index->slots[i].hash, index->slots[i].value);
	}
	larger.count = index->count;
	free(index->slots);
	*index = larger;
	return 0;
}

int ks_index_add(struct ks_index *index, __u64 hash, __u32 value)
{
	if (index->count * 2 >= index->size && enlarge(index))
		return -ENOMEM;
	put_slot(index, hash, value + 1);
	index->count++;
	return 0;
}
