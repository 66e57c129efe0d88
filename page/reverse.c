/* SPDX-License-Identifier: BSD-2-Clause */
/* See reverse.h. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "page/reverse.h"

#define HEADER 12
#define TYPE_PTR 12
#define CLASS_IN 1
#define FLAGS_RECURSE 0x0100
#define FLAGS_ANSWER 0x8000
#define FLAGS_OPCODE 0x7800
#define FLAGS_TRUNCATED 0x0200
#define FLAGS_CODE 0x000f
#define LABEL_MAX 63
#define POINTER 0xc0
#define POINTERS_MAX 16 /* followed in one name */
#define ANSWERS_MAX 32 /* looked at */

/* --- asking --- */

static void put16(unsigned char **at, unsigned value)
{
	*(*at)++ = (unsigned char)(value >> 8);
	*(*at)++ = (unsigned char)value;
}

static void put_label(unsigned char **at, const char *text)
{
	size_t length = strlen(text);

	*(*at)++ = (unsigned char)length;
	memcpy(*at, text, length);
	*at += length;
}

static void put_name(unsigned char **at, const struct in6_addr *addr)
{
	bool v4 = IN6_IS_ADDR_V4MAPPED(addr);
	char label[8];

	for (int i = 15; i >= (v4 ? 12 : 0); i--) {
		unsigned byte = addr->s6_addr[i];

		snprintf(label, sizeof(label), v4 ? "%u" : "%x", v4 ? byte : byte & 15);
		put_label(at, label);
		if (v4)
			continue;
		snprintf(label, sizeof(label), "%x", byte >> 4);
		put_label(at, label);
	}
	put_label(at, v4 ? "in-addr" : "ip6");
	put_label(at, "arpa");
	put_label(at, "");
}

size_t ks_reverse_ask(const struct in6_addr *addr, uint16_t id, unsigned char message[KS_DNS_MESSAGE])
{
	unsigned char *at = message;

	put16(&at, id);
	put16(&at, FLAGS_RECURSE);
	put16(&at, 1);
	for (int i = 0; i < 3; i++)
		put16(&at, 0);
	put_name(&at, addr);
	put16(&at, TYPE_PTR);
	put16(&at, CLASS_IN);
	return (size_t)(at - message);
}

/* --- reading --- */

struct reader {
	const unsigned char *message;
	size_t size, at;
};

static int get16(struct reader *reader, unsigned *value)
{
	if (reader->size - reader->at < 2)
		return -EBADMSG;
	*value = (unsigned)reader->message[reader->at] << 8 | reader->message[reader->at + 1];
	reader->at += 2;
	return 0;
}

static int skip(struct reader *reader, size_t size)
{
	if (reader->size - reader->at < size)
		return -EBADMSG;
	reader->at += size;
	return 0;
}

static int add_byte(unsigned char c, char name[KS_DNS_NAME], size_t *used)
{
	if (*used + sizeof("\\000") > KS_DNS_NAME)
		return -EBADMSG;
	if (isalnum(c) || c == '-' || c == '_' || c == '.')
		name[(*used)++] = (char)c;
	else
		*used += (size_t)snprintf(name + *used, KS_DNS_NAME - *used, "\\%03u", (unsigned)c);
	name[*used] = '\0';
	return 0;
}

/* Adds a label to the text, with a dot before it. Returns 0, or -EBADMSG if there is no room. */
static int add_label(const unsigned char *label, size_t length, char name[KS_DNS_NAME], size_t *used)
{
	int err = *used ? add_byte('.', name, used) : 0;

	for (size_t i = 0; i < length && !err; i++)
		err = add_byte(label[i], name, used);
	return err;
}

/* Reads a name, whose end may stand elsewhere in the message (RFC 1035, 4.1.4). */
static int get_name(struct reader *reader, char name[KS_DNS_NAME])
{
	size_t at = reader->at, used = 0;
	bool jumped = false;

	name[0] = '\0';
	for (int pointers = 0; pointers <= POINTERS_MAX;) {
		unsigned length = at < reader->size ? reader->message[at++] : POINTER - 1;

		if (length >= POINTER) {
			if (at >= reader->size)
				return -EBADMSG;
			if (!jumped)
				reader->at = at + 1;
			jumped = true;
			at = (size_t)(length & ~(unsigned)POINTER) << 8 | reader->message[at];
			pointers++;
			continue;
		}
		if (length > LABEL_MAX || reader->size - at < length)
			return -EBADMSG;
		if (!length) {
			if (!jumped)
				reader->at = at;
			return 0;
		}
		if (add_label(reader->message + at, length, name, &used))
			return -EBADMSG;
		at += length;
	}
	return -EBADMSG;
}

/* Returns 0 if the message repeats our question, and *answers. */
static int read_head(struct reader *reader, const struct in6_addr *addr, uint16_t id, unsigned *flags,
		     unsigned *answers)
{
	unsigned char question[KS_DNS_MESSAGE];
	size_t size = ks_reverse_ask(addr, id, question);
	unsigned got_id, questions, others;

	if (get16(reader, &got_id) || get16(reader, flags) || get16(reader, &questions) || get16(reader, answers) ||
	    get16(reader, &others) || get16(reader, &others))
		return -EBADMSG;
	if (got_id != id || questions != 1 || (*flags & (FLAGS_ANSWER | FLAGS_OPCODE)) != FLAGS_ANSWER)
		return -EBADMSG;
	if (reader->size < size)
		return -EBADMSG;
	for (size_t i = HEADER; i < size; i++) {
		if (tolower(reader->message[i]) != tolower(question[i]))
			return -EBADMSG;
	}
	return skip(reader, size - HEADER);
}

/* Reads a record. Returns 0 if it is a name, -EAGAIN if it is something else (such as an alias of RFC 2317), or -EBADMSG. */
static int read_record(struct reader *reader, char name[KS_DNS_NAME])
{
	unsigned type, class, length;
	struct reader data;

	if (get_name(reader, name) || get16(reader, &type) || get16(reader, &class) || skip(reader, 4) ||
	    get16(reader, &length) || reader->size - reader->at < length)
		return -EBADMSG;
	data = *reader;
	reader->at += length;
	if (type != TYPE_PTR || class != CLASS_IN)
		return -EAGAIN;
	return get_name(&data, name) ?: *name ? 0 : -ENOENT;
}

int ks_reverse_read(const unsigned char *message, size_t size, const struct in6_addr *addr, uint16_t id,
		    char name[KS_DNS_NAME])
{
	struct reader reader = { .message = message, .size = size };
	char found[KS_DNS_NAME];
	unsigned flags, answers;
	int err = read_head(&reader, addr, id, &flags, &answers);

	if (err)
		return err;
	if (flags & (FLAGS_CODE | FLAGS_TRUNCATED))
		return -ENOENT;
	for (unsigned i = 0; i < answers && i < ANSWERS_MAX; i++) {
		err = read_record(&reader, found);
		if (err == -EAGAIN)
			continue;
		if (!err)
			memcpy(name, found, KS_DNS_NAME);
		return err ? -ENOENT : 0;
	}
	return -ENOENT;
}
