/* SPDX-License-Identifier: BSD-2-Clause */
/* See pcapng.h. Section numbers are those of draft-ietf-opsawg-pcapng. */
#include "capture/pcapng.h"

#include <errno.h>
#include <pcap/dlt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"

#define BLOCK_MAX (16U << 20)
#define SECTION_INTERFACES_MAX 4096U
#define BLOCK_HEAD 8U /* type and length */
#define BLOCK_TAIL 4U /* the length again */

enum {
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET_OLD = 2,
	BLOCK_PACKET_SIMPLE = 3,
	BLOCK_PACKET = 6,
};

enum {
	OPTION_END = 0,
	OPTION_PACKET_FLAGS = 2, /* in packet blocks */
	OPTION_IF_NAME = 2, /* in interface blocks */
	OPTION_IF_TSRESOL = 9,
	OPTION_IF_TSOFFSET = 14,
};

#define BYTE_ORDER_MAGIC 0x1a2b3c4dU

struct capture_interface {
	char name[KS_CAPTURE_NAME_MAX];
	__u64 units; /* of a timestamp in a second */
	__s64 offset; /* s */
	__u32 snap;
	__u16 link_type;
};

struct ks_pcapng {
	struct ks_stream *stream;
	struct capture_interface *interfaces; /* of the current section */
	__u32 count, room;
	bool swapped;
	bool started; /* a section header was read */
	__u64 block; /* number of the current block, from 1 */
};

/* The body of a block: without its head and tail. */
struct block_body {
	const __u8 *data;
	__u32 size;
};

static __u32 section_get32(const struct ks_pcapng *reader, const __u8 *p)
{
	__u32 v;

	memcpy(&v, p, sizeof(v));
	return reader->swapped ? __builtin_bswap32(v) : v;
}

static __u16 section_get16(const struct ks_pcapng *reader, const __u8 *p)
{
	__u16 v;

	memcpy(&v, p, sizeof(v));
	return reader->swapped ? __builtin_bswap16(v) : v;
}

static int block_error(const struct ks_pcapng *reader, char *error, const char *format, ...)
{
	char text[KS_CAPTURE_ERROR - 64];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(error, KS_CAPTURE_ERROR, "pcapng block %llu: %s", reader->block, text);
	return -EINVAL;
}

int ks_pcapng_create(struct ks_stream *stream, struct ks_pcapng **reader)
{
	struct ks_pcapng *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->stream = stream;
	*reader = made;
	return 0;
}

void ks_pcapng_destroy(struct ks_pcapng *reader)
{
	if (!reader)
		return;
	free(reader->interfaces);
	free(reader);
}

const char *ks_pcapng_interface(const struct ks_pcapng *reader, __u32 interface)
{
	return interface < reader->count ? reader->interfaces[interface].name : "";
}

/* if_tsresol (4.2): a power of ten, or of two with the top bit set. Finer than a 64-bit second is refused. */
static int units_of(__u8 resolution, __u64 *units)
{
	__u64 value = 1;

	if (resolution & 0x80) {
		if ((resolution & 0x7f) > 63)
			return -EINVAL;
		*units = 1ULL << (resolution & 0x7f);
		return 0;
	}
	if (resolution > 19)
		return -EINVAL;
	for (unsigned i = 0; i < resolution; i++)
		value *= 10;
	*units = value;
	return 0;
}

/*
 * Calls take() for each option of a list (3.5) until it returns nonzero; returns that, or 0. A list that runs past its
 * block just ends.
 */
static int options_walk(const struct ks_pcapng *reader, const __u8 *p, __u32 size,
			int (*take)(const struct ks_pcapng *reader, __u16 code, const __u8 *value, __u16 length,
				    void *arg),
			void *arg)
{
	__u32 at = 0;

	while (at + 4 <= size) {
		__u16 code = section_get16(reader, p + at), length = section_get16(reader, p + at + 2);
		int err;

		at += 4;
		if (code == OPTION_END || length > size - at)
			return 0;
		err = take(reader, code, p + at, length, arg);
		if (err)
			return err;
		at += (length + 3U) & ~3U;
	}
	return 0;
}

static int interface_option(const struct ks_pcapng *reader, __u16 code, const __u8 *value, __u16 length, void *arg)
{
	struct capture_interface *interface = arg;

	if (code == OPTION_IF_NAME) {
		size_t n = KS_MIN(length, sizeof(interface->name) - 1);

		memcpy(interface->name, value, n);
		interface->name[n] = 0;
	} else if (code == OPTION_IF_TSRESOL && length == 1) {
		return units_of(value[0], &interface->units);
	} else if (code == OPTION_IF_TSOFFSET && length == 8) {
		__u64 v;

		memcpy(&v, value, sizeof(v));
		interface->offset = (__s64)(reader->swapped ? __builtin_bswap64(v) : v);
	}
	return 0;
}

/* The link types whose LINKTYPE_ number in files is not the DLT_ number of programs (pcap-linktype(7)). */
static __u16 link_type_of(__u16 number)
{
	static const struct {
		__u16 in_files, in_programs;
	} differing[] = {
		{ 100, DLT_ATM_RFC1483 }, { 101, DLT_RAW },	 { 102, DLT_SLIP_BSDOS },
		{ 103, DLT_PPP_BSDOS },	  { 106, DLT_ATM_CLIP },
	};

	for (size_t i = 0; i < KS_ARRAY_SIZE(differing); i++) {
		if (differing[i].in_files == number)
			return differing[i].in_programs;
	}
	return number;
}

static int interface_room(struct ks_pcapng *reader)
{
	__u32 room = reader->room ? reader->room * 2 : 8;
	struct capture_interface *list;

	if (reader->count < reader->room)
		return 0;
	list = realloc(reader->interfaces, room * sizeof(*list));
	if (!list)
		return -ENOMEM;
	reader->interfaces = list;
	reader->room = room;
	return 0;
}

/* Interface description block (4.2). */
static int interface_read(struct ks_pcapng *reader, const struct block_body *body, char *error)
{
	struct capture_interface interface = { .units = 1000000 };
	int err;

	if (body->size < 8)
		return block_error(reader, error, "an interface block of %u octets is too short", body->size);
	if (reader->count == SECTION_INTERFACES_MAX)
		return block_error(reader, error, "more than %u interfaces", SECTION_INTERFACES_MAX);
	interface.link_type = link_type_of(section_get16(reader, body->data));
	interface.snap = section_get32(reader, body->data + 4);
	if (options_walk(reader, body->data + 8, body->size - 8, interface_option, &interface))
		return block_error(reader, error, "the interface's time resolution is finer than 64 bits hold");
	err = interface_room(reader);
	if (err)
		return err;
	reader->interfaces[reader->count++] = interface;
	return 0;
}

static __u64 interface_time(const struct capture_interface *interface, __u64 stamp)
{
	unsigned __int128 fraction = (unsigned __int128)(stamp % interface->units) * KS_NSEC_PER_SEC;
	__u64 seconds = stamp / interface->units + (__u64)interface->offset;

	return seconds * KS_NSEC_PER_SEC + (__u64)(fraction / interface->units);
}

/* Bits 0 and 1 of a packet's flags are its direction (4.3.1). */
static int packet_option(const struct ks_pcapng *reader, __u16 code, const __u8 *value, __u16 length, void *arg)
{
	static const __u8 ways[4] = { KS_WAY_UNKNOWN, KS_WAY_IN, KS_WAY_OUT, KS_WAY_UNKNOWN };

	if (code == OPTION_PACKET_FLAGS && length == 4)
		*(__u8 *)arg = ways[section_get32(reader, value) & 3];
	return 0;
}

/* Fills in the members that all packet blocks share; `fixed` bytes stand before the data. Returns 1 or -EINVAL. */
static int packet_fill(struct ks_pcapng *reader, const struct block_body *body, __u32 index, __u32 fixed, __u64 stamp,
		       struct ks_capture_frame *frame, char *error)
{
	const struct capture_interface *interface;

	if (index >= reader->count)
		return block_error(reader, error, "interface %u was not described", index);
	if (frame->captured > body->size - fixed)
		return block_error(reader, error, "%u octets of packet in a block with %u", frame->captured,
				   body->size - fixed);
	interface = &reader->interfaces[index];
	frame->data = body->data + fixed;
	frame->length = KS_MAX(frame->length, frame->captured);
	frame->time = interface_time(interface, stamp);
	frame->interface = index;
	frame->link_type = interface->link_type;
	return 1;
}

/* Enhanced packet block (4.3), and its predecessor (appendix A), which differs in the first word. */
static int packet_read(struct ks_pcapng *reader, const struct block_body *body, bool old,
		       struct ks_capture_frame *frame, char *error)
{
	struct ks_capture_frame packet = { 0 };
	__u64 stamp;
	__u32 index, padded;
	int err;

	if (body->size < 20)
		return block_error(reader, error, "a packet block of %u octets is too short", body->size);
	index = old ? section_get16(reader, body->data) : section_get32(reader, body->data);
	stamp = (__u64)section_get32(reader, body->data + 4) << 32 | section_get32(reader, body->data + 8);
	packet.captured = section_get32(reader, body->data + 12);
	packet.length = section_get32(reader, body->data + 16);
	err = packet_fill(reader, body, index, 20, stamp, &packet, error);
	if (err < 0)
		return err;
	padded = KS_MIN((packet.captured + 3) & ~3U, body->size - 20);
	options_walk(reader, body->data + 20 + padded, body->size - 20 - padded, packet_option, &packet.way);
	*frame = packet;
	return 1;
}

/* Simple packet block (4.4): the first interface, no time; the snap length limits the bytes that are there. */
static int packet_simple_read(struct ks_pcapng *reader, const struct block_body *body, struct ks_capture_frame *frame,
			      char *error)
{
	struct ks_capture_frame packet = { 0 };
	int err;

	if (body->size < 4)
		return block_error(reader, error, "a packet block of %u octets is too short", body->size);
	if (!reader->count)
		return block_error(reader, error, "a packet before any interface");
	packet.length = section_get32(reader, body->data);
	packet.captured = KS_MIN(packet.length, body->size - 4);
	if (reader->interfaces[0].snap)
		packet.captured = KS_MIN(packet.captured, reader->interfaces[0].snap);
	err = packet_fill(reader, body, 0, 4, 0, &packet, error);
	if (err < 0)
		return err;
	packet.time = 0;
	*frame = packet;
	return 1;
}

/* Section header (4.1): sets the byte order and forgets the interfaces. Its length is in its own byte order. */
static int section_start(struct ks_pcapng *reader, const __u8 *head, char *error)
{
	__u32 magic;

	memcpy(&magic, head + BLOCK_HEAD, sizeof(magic));
	if (magic != BYTE_ORDER_MAGIC && magic != __builtin_bswap32(BYTE_ORDER_MAGIC))
		return block_error(reader, error, "no byte-order magic in the section header");
	reader->swapped = magic != BYTE_ORDER_MAGIC;
	reader->started = true;
	reader->count = 0;
	return 0;
}

static int stream_error(const struct ks_pcapng *reader, int err, char *error)
{
	snprintf(error, KS_CAPTURE_ERROR, "%s", err == -ENOMEM ? strerror(ENOMEM) : ks_stream_error(reader->stream));
	return err;
}

/* Shows the next block whole. Returns 1, 0 at the end, or -errno. */
static int block_peek(struct ks_pcapng *reader, const __u8 **block, __u32 *size, char *error)
{
	ssize_t got = ks_stream_peek(reader->stream, BLOCK_HEAD + 4, block);
	__u32 length, first;
	int err;

	if (got == 0)
		return 0;
	reader->block++;
	if (got < 0)
		return stream_error(reader, (int)got, error);
	if (got < BLOCK_HEAD + 4)
		return block_error(reader, error, "the file ends inside a block");
	memcpy(&first, *block, sizeof(first));
	if (first == KS_PCAPNG_MAGIC) {
		err = section_start(reader, *block, error);
		if (err)
			return err;
	} else if (!reader->started) {
		return block_error(reader, error, "no section header");
	}
	length = section_get32(reader, *block + 4);
	if (length < BLOCK_HEAD + BLOCK_TAIL || length % 4 || length > BLOCK_MAX)
		return block_error(reader, error, "a block length of %u; it must be a multiple of 4 from 12 to %u",
				   length, BLOCK_MAX);
	got = ks_stream_peek(reader->stream, length, block);
	if (got < 0)
		return stream_error(reader, (int)got, error);
	if (got < length)
		return block_error(reader, error, "the file ends inside a block");
	*size = length;
	return 1;
}

int ks_pcapng_next(struct ks_pcapng *reader, struct ks_capture_frame *frame, char error[KS_CAPTURE_ERROR])
{
	const __u8 *block;
	__u32 size = 0, type;
	int err;

	for (;;) {
		struct block_body body;

		err = block_peek(reader, &block, &size, error);
		if (err <= 0)
			return err;
		type = section_get32(reader, block);
		body.data = block + BLOCK_HEAD;
		body.size = size - BLOCK_HEAD - BLOCK_TAIL;
		err = 0;
		if (type == BLOCK_PACKET || type == BLOCK_PACKET_OLD)
			err = packet_read(reader, &body, type == BLOCK_PACKET_OLD, frame, error);
		else if (type == BLOCK_PACKET_SIMPLE)
			err = packet_simple_read(reader, &body, frame, error);
		else if (type == BLOCK_INTERFACE)
			err = interface_read(reader, &body, error);
		ks_stream_skip(reader->stream, size);
		if (err)
			return err;
	}
}
