/* SPDX-License-Identifier: BSD-2-Clause */
/* See pcapng_write.h. */
#include "capture/pcapng_write.h"

#include <errno.h>
#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0aU
#define BLOCK_INTERFACE 1U
#define BLOCK_PACKET 6U
#define BYTE_ORDER_MAGIC 0x1a2b3c4dU
#define OPTION_COMMENT 1U
#define OPTION_PROGRAM 4U /* of a section */
#define OPTION_RESOLUTION 9U /* of an interface */
#define NANOSECONDS 9U /* a power of ten */
#define OPTION_HEAD 4U
#define OPTION_MAX 0xffffU
#define BLOCK_FRAME 12U /* its type, and its length twice */
#define ALIGNMENT 4U

static __u32 padded(__u32 size)
{
	return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

static void put32(FILE *out, __u32 value)
{
	fwrite(&value, sizeof(value), 1, out);
}

static void put16(FILE *out, __u16 value)
{
	fwrite(&value, sizeof(value), 1, out);
}

static void put_padded(FILE *out, const void *data, __u32 size)
{
	static const __u8 zero[ALIGNMENT];

	fwrite(data, 1, size, out);
	fwrite(zero, 1, padded(size) - size, out);
}

/* Bytes of an option, and of the end of options behind the last one. */
static __u32 option_size(__u32 size)
{
	return size ? OPTION_HEAD + padded(size) : 0;
}

static void put_option(FILE *out, __u32 code, const void *data, __u32 size)
{
	if (!size)
		return;
	put16(out, (__u16)code);
	put16(out, (__u16)size);
	put_padded(out, data, size);
}

static __u32 text_size(const char *text)
{
	size_t size = text ? strlen(text) : 0;

	return size > OPTION_MAX ? OPTION_MAX : (__u32)size;
}

static void block_begin(FILE *out, __u32 type, __u32 size)
{
	put32(out, type);
	put32(out, size);
}

/* Ends the options and the block. */
static int block_end(FILE *out, __u32 size)
{
	put32(out, 0);
	put32(out, size);
	return ferror(out) ? -EIO : 0;
}

int ks_pcapng_write_section(FILE *out, const char *program)
{
	__u32 text = text_size(program), size = BLOCK_FRAME + 16 + option_size(text) + OPTION_HEAD;

	block_begin(out, BLOCK_SECTION, size);
	put32(out, BYTE_ORDER_MAGIC);
	put16(out, 1); /* version 1.0 */
	put16(out, 0);
	put32(out, ~0U); /* the length of the section, which is not known, in 64 bits */
	put32(out, ~0U);
	put_option(out, OPTION_PROGRAM, program, text);
	return block_end(out, size);
}

int ks_pcapng_write_interface(FILE *out, __u16 link_type, __u32 snap_length)
{
	const __u8 resolution = NANOSECONDS;
	__u32 size = BLOCK_FRAME + 8 + option_size(1) + OPTION_HEAD;

	block_begin(out, BLOCK_INTERFACE, size);
	put16(out, link_type);
	put16(out, 0);
	put32(out, snap_length);
	put_option(out, OPTION_RESOLUTION, &resolution, 1);
	return block_end(out, size);
}

int ks_pcapng_write_packet(FILE *out, const struct ks_pcapng_packet *packet)
{
	__u32 text = text_size(packet->comment);
	__u32 size = BLOCK_FRAME + 20 + padded(packet->captured) + option_size(text) + OPTION_HEAD;

	block_begin(out, BLOCK_PACKET, size);
	put32(out, packet->interface);
	put32(out, (__u32)(packet->time >> 32));
	put32(out, (__u32)packet->time);
	put32(out, packet->captured);
	put32(out, packet->length);
	put_padded(out, packet->data, packet->captured);
	put_option(out, OPTION_COMMENT, packet->comment, text);
	return block_end(out, size);
}
