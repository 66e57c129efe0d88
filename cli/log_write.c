/* SPDX-License-Identifier: BSD-2-Clause */
/* See log_write.h. */
#include "cli/log_write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture/pcapng_write.h"
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

/* "deny, no rule: wan 192.0.2.1:1000 > lan 10.0.0.1:22 tcp syn; gateway.conf:4 "label"". */
static void comment_make(const json_t *event, char comment[COMMENT_MAX])
{
	const json_t *rule = json_object_get(event, "rule");
	const char *file = ks_member_text(rule, "file"), *label = ks_member_text(rule, "label");
	size_t used;

	snprintf(comment, COMMENT_MAX, "%s, %s: %s", ks_member_text(event, "verdict"), ks_member_text(event, "reason"),
		 ks_member_text(event, "packet"));
	used = strlen(comment);
	if (*file)
		snprintf(comment + used, COMMENT_MAX - used, "; %s:%d", file, (int)ks_member_number(rule, "line"));
	used = strlen(comment);
	if (*label)
		snprintf(comment + used, COMMENT_MAX - used, " \"%s\"", label);
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

int ks_log_write_event(struct ks_log_write *file, const json_t *event)
{
	const char *octets = ks_member_text(event, "octets");
	enum ks_link link = strcmp(ks_member_text(event, "link"), "ip") ? KS_LINK_ETHERNET : KS_LINK_IP;
	char comment[COMMENT_MAX];
	__u8 bytes[KS_EVENT_OCTETS];
	struct ks_pcapng_packet packet = { .time = time_parse(ks_member_text(event, "time")),
					   .data = bytes,
					   .captured = hex_parse(octets, bytes),
					   .length = (__u32)ks_member_number(event, "length"),
					   .comment = comment };
	int err;

	if (!*octets)
		return 0;
	packet.length = KS_MAX(packet.length, packet.captured);
	comment_make(event, comment);
	err = interface_find(file, link, &packet.interface) ?: ks_pcapng_write_packet(file->out, &packet);
	if (!err && fflush(file->out)) /* for readers who follow, and an interruption loses nothing */
		err = -errno;
	return err ?: 1;
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
