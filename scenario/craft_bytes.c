/* SPDX-License-Identifier: BSD-2-Clause */
/* See craft_bytes.h. */
#include "scenario/craft_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ks_bytes_init(struct ks_bytes *bytes)
{
	*bytes = (struct ks_bytes){ .data = malloc(KS_BYTES_MAX) };
	return bytes->data ? 0 : -ENOMEM;
}

void ks_bytes_fini(struct ks_bytes *bytes)
{
	free(bytes->data);
	bytes->data = NULL;
}

void ks_bytes_zero(struct ks_bytes *bytes, size_t length)
{
	if (length > KS_BYTES_MAX - bytes->length) {
		bytes->overflow = true;
		length = KS_BYTES_MAX - bytes->length;
	}
	memset(bytes->data + bytes->length, 0, length);
	bytes->length += length;
}

void ks_bytes_add(struct ks_bytes *bytes, const void *data, size_t length)
{
	size_t at = bytes->length;

	ks_bytes_zero(bytes, length);
	if (bytes->length > at)
		memcpy(bytes->data + at, data, bytes->length - at);
}

void ks_bytes_add8(struct ks_bytes *bytes, __u8 value)
{
	ks_bytes_add(bytes, &value, 1);
}

void ks_bytes_add16(struct ks_bytes *bytes, __u16 value)
{
	ks_bytes_add8(bytes, (__u8)(value >> 8));
	ks_bytes_add8(bytes, (__u8)value);
}

void ks_bytes_add32(struct ks_bytes *bytes, __u32 value)
{
	ks_bytes_add16(bytes, (__u16)(value >> 16));
	ks_bytes_add16(bytes, (__u16)value);
}

void ks_bytes_cut(struct ks_bytes *bytes, size_t length)
{
	bytes->length = KS_MIN(bytes->length, length);
}
