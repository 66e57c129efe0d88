/* SPDX-License-Identifier: BSD-2-Clause */
/* See log_write.h. */
#include "cli/log_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture/pcapng_write.h"
#include "cli/log_rebuild.h"
#include "core/event.h"
#include "core/header/packet.h"
#include "explain/json.h"

#define LINKTYPE_RAW 101U /* DLT_RAW, as files number it */
#define LINKTYPE_ETHERNET 1U
#define COMMENT_MAX 1024U

int ks_log_write_open(struct ks_log_write *file, const char *path)
{
	int fd;

	*file = (struct ks_log_write){ .out = stdout };
	if (!strcmp(path, "-"))
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	file->out = fd < 0 ? NULL : fdopen(fd, "w");
	return file->out ? 0 : -errno;
}

int ks_log_write_begin(struct ks_log_write *file)
{
	if (file->begun)
		return 0;
	file->begun = true;
	if (file->out != stdout && ftruncate(fileno(file->out), 0) && errno != EINVAL) /* a pipe has nothing to lose */
		return -errno;
	return ks_pcapng_write_section(file->out, "keepstate " KS_VERSION);
}

/* "2026-01-31T12:00:00.123Z" in ns since the epoch; 0 if it is none. */
static __u64 time_parse(const char *text)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	__u64 fraction = 0, unit = KS_NSEC_PER_SEC;

	if (!rest)
		return 0;
	if (*rest == '.') {
		for (rest++; *rest >= '0' && *rest <= '9' && unit > 1; rest++) {
			unit /= 10;
			fraction += (__u64)(*rest - '0') * unit;
		}
	}
	return (__u64)timegm(&tm) * KS_NSEC_PER_SEC + fraction;
}

/* Returns the value of a hexadecimal digit, -1 if it is none. */
static int digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Returns how many bytes there are. */
static __u32 hex_parse(const char *text, __u8 bytes[KS_EVENT_OCTETS])
{
	__u32 count = 0;

	while (count < KS_EVENT_OCTETS && digit(text[0]) >= 0 && digit(text[1]) >= 0) {
		bytes[count++] = (__u8)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
	return count;
}

/* A comment as it grows. */
struct comment {
	char text[COMMENT_MAX];
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void say(struct comment *comment, const char *format, ...)
{
	size_t room = COMMENT_MAX - comment->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(comment->text + comment->used, room, format, args);
	va_end(args);
	if (n > 0)
		comment->used += KS_MIN((size_t)n, room - 1);
}

/* ", as 203.0.113.1:40000": one end of the translation, if it is there. */
static void say_translated(struct comment *comment, const json_t *nat, const char *word, const char *name,
			   const char *number)
{
	const char *address = ks_member_text(nat, name);
	const json_t *port = json_object_get(nat, number);

	if (!*address)
		return;
	say(comment, port && strchr(address, ':') ? ", %s [%s]" : ", %s %s", word, address);
	if (port)
		say(comment, ":%lld", (long long)json_integer_value(port));
}

static void say_translation(struct comment *comment, const json_t *nat)
{
	say_translated(comment, nat, "as", "source", json_object_get(nat, "source_id") ? "source_id" : "source_port");
	say_translated(comment, nat, "to", "destination", "destination_port");
}

/* "deny, no rule: wan 192.0.2.1:1000 > lan 10.0.0.1:22 tcp syn, to 10.0.0.5:22; gateway.conf:4 "label"". */
static void comment_make(const struct ks_log_write *file, const json_t *event, struct comment *comment)
{
	const json_t *rule = json_object_get(event, "rule");
	const char *path = ks_member_text(rule, "file"), *label = ks_member_text(rule, "label");

	*comment = (struct comment){ .used = 0 };
	say(comment, "%s, %s: %s", ks_member_text(event, "verdict"), ks_member_text(event, "reason"),
	    ks_member_text(event, "packet"));
	say_translation(comment, json_object_get(event, "nat"));
	if (*path)
		say(comment, "; %s:%d", path, (int)ks_member_number(rule, "line"));
	if (*label)
		say(comment, " \"%s\"", label);
	if (ks_member_number(event, "folded"))
		say(comment, "; and %lld more", ks_member_number(event, "folded"));
	if (file->rebuilds)
		say(comment, "; headers made anew of the journal's entry, the rest is not kept");
}

/* Sets *interface to that of a link in the file, which is written when its first packet comes. */
static int interface_find(struct ks_log_write *file, enum ks_link link, __u32 *interface)
{
	int err = 0;

	if (!file->interfaces[link]) {
		err = ks_pcapng_write_interface(file->out, link == KS_LINK_IP ? LINKTYPE_RAW : LINKTYPE_ETHERNET,
						KS_EVENT_OCTETS);
		file->interfaces[link] = ++file->count;
	}
	*interface = file->interfaces[link] - 1;
	return err;
}

static int packet_write(struct ks_log_write *file, enum ks_link link, const json_t *event,
			struct ks_pcapng_packet packet)
{
	struct comment comment;
	int err = interface_find(file, link, &packet.interface);

	comment_make(file, event, &comment);
	packet.time = time_parse(ks_member_text(event, "time"));
	packet.comment = comment.text;
	err = err ?: ks_pcapng_write_packet(file->out, &packet);
	if (!err && fflush(file->out)) /* for readers who follow, and an interruption loses nothing */
		err = -errno;
	return err ?: 1;
}

/* An entry of the journal. Returns as ks_log_write_event(). */
static int rebuilt_write(struct ks_log_write *file, const json_t *event)
{
	struct ks_rebuilt rebuilt;
	struct ks_pcapng_packet packet = { .data = rebuilt.bytes };

	if (!*ks_member_text(event, "verdict"))
		return 0;
	if (ks_log_rebuild(event, &rebuilt)) {
		file->left_out++;
		return 1;
	}
	packet.captured = rebuilt.captured;
	packet.length = rebuilt.length;
	return packet_write(file, KS_LINK_IP, event, packet);
}

int ks_log_write_event(struct ks_log_write *file, const json_t *event)
{
	const char *octets = ks_member_text(event, "octets");
	enum ks_link link = strcmp(ks_member_text(event, "link"), "ip") ? KS_LINK_ETHERNET : KS_LINK_IP;
	__u8 bytes[KS_EVENT_OCTETS];
	struct ks_pcapng_packet packet = { .data = bytes,
					   .captured = hex_parse(octets, bytes),
					   .length = (__u32)ks_member_number(event, "length") };

	if (file->rebuilds)
		return rebuilt_write(file, event);
	if (!*octets)
		return 0;
	packet.length = KS_MAX(packet.length, packet.captured);
	return packet_write(file, link, event, packet);
}

int ks_log_write_close(struct ks_log_write *file)
{
	int err = 0;

	if (file->out && (fflush(file->out) || ferror(file->out)))
		err = -EIO;
	if (file->out && file->out != stdout && fclose(file->out))
		err = -errno;
	file->out = NULL;
	return err;
}
