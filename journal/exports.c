/* SPDX-License-Identifier: BSD-2-Clause */
/* See exports.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <syslog.h>
#include <unistd.h>

#include "core/types.h"
#include "daemon/report.h"
#include "explain/json.h"
#include "journal/exports.h"
#include "journal/opener.h"
#include "journal/when.h"
#include "text/plural.h"

#define LOCAL "local"
#define SYSLOG_PORT "514"
#define IPFIX_PORT "4739"
#define REOPEN_MS 1000
#define DATAGRAM 2048

/* --- words --- */

struct words {
	char *text;
	size_t used;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(words->text + words->used, KS_EXPORT_TEXT - words->used, format, args);
	va_end(args);
	if (n > 0)
		words->used = KS_MIN(words->used + (size_t)n, (size_t)KS_EXPORT_TEXT - 1);
}

/* " id 77": ICMP has an identifier instead of ports. */
static void say_id(struct words *words, const json_t *object, const char *name)
{
	const json_t *id = json_object_get(object, name);

	if (id)
		say(words, " id %lld", json_integer_value(id));
}

static void say_end(struct words *words, const json_t *object, const char *name)
{
	const char *address = ks_member_text(object, name);
	char port_name[32];
	const json_t *port;

	snprintf(port_name, sizeof(port_name), "%s_port", name);
	port = json_object_get(object, port_name);
	if (port)
		say(words, strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address, json_integer_value(port));
	else
		say(words, "%s", address);
}

/* The destination of a packet is where it goes; that of a flow by which the other side is known. */
static void say_translation(struct words *words, const json_t *nat, const char *destination_word)
{
	if (*ks_member_text(nat, "source")) {
		say(words, " as ");
		say_end(words, nat, "source");
		say_id(words, nat, "source_id");
	}
	if (*ks_member_text(nat, "destination")) {
		say(words, " %s ", destination_word);
		say_end(words, nat, "destination");
	}
}

static long long number_at(const json_t *event, const char *name, size_t index)
{
	return json_integer_value(json_array_get(json_object_get(event, name), index));
}

static void say_carried(struct words *words, const json_t *event)
{
	say(words, ", %lld s, %lld+%lld packets, %lld+%lld octets", ks_member_number(event, "duration"),
	    number_at(event, "packets", 0), number_at(event, "packets", 1), number_at(event, "bytes", 0),
	    number_at(event, "bytes", 1));
}

static void say_flow(struct words *words, const json_t *event)
{
	bool is_end = *ks_member_text(event, "why");

	say(words, "%s", ks_member_text(event, "event"));
	if (is_end)
		say(words, " (%s)", ks_member_text(event, "why"));
	say(words, ": %s ", ks_member_text(event, "from"));
	say_end(words, event, "source");
	say_id(words, event, "icmp_id");
	say(words, " > %s ", ks_member_text(event, "to"));
	say_end(words, event, "destination");
	say(words, " %s", ks_member_text(event, "proto"));
	say_translation(words, json_object_get(event, "nat"), "via");
	if (is_end)
		say_carried(words, event);
}

static void say_rule(struct words *words, const json_t *rule)
{
	if (*ks_member_text(rule, "file"))
		say(words, ", rule %s:%lld", ks_member_text(rule, "file"), ks_member_number(rule, "line"));
	if (*ks_member_text(rule, "label"))
		say(words, " \"%s\"", ks_member_text(rule, "label"));
}

/* A label may have any characters; a log has lines. */
static void make_one_line(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ')
			*text = ' ';
	}
}

int ks_export_words(const json_t *event, char text[KS_EXPORT_TEXT])
{
	const char *verdict = ks_member_text(event, "verdict");
	struct words words = { text, 0 };
	int priority = LOG_INFO;

	text[0] = '\0';
	if (json_object_get(event, "lost")) {
		say(&words, "%lld event%s lost", ks_member_number(event, "lost"),
		    ks_member_number(event, "lost") == 1 ? " was" : "s were");
		return LOG_ERR;
	}
	if (!strcmp(ks_member_text(event, "event"), "stop")) {
		say(&words, "stop: the firewall was taken away, and every flow ended");
		return LOG_WARNING;
	}
	if (*verdict) {
		priority = !strcmp(verdict, "deny") ? LOG_WARNING : !strcmp(verdict, "reject") ? LOG_NOTICE : LOG_INFO;
		say(&words, "%s %s: %s", verdict, ks_member_text(event, "reason"), ks_member_text(event, "packet"));
		say_translation(&words, json_object_get(event, "nat"), "to");
		if (ks_member_number(event, "folded"))
			say(&words, ", and %lld more", ks_member_number(event, "folded"));
	} else {
		say_flow(&words, event);
	}
	say_rule(&words, json_object_get(event, "rule"));
	make_one_line(text);
	return priority;
}

/* --- sinks --- */

static int open_udp(const char *to, const char *port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *found;
	char host[80];
	const char *colon = strrchr(to, ':');
	size_t length = strlen(to);
	int fd;

	if (*to == '[' && strchr(to, ']')) { /* [2001:db8::1]:4739 */
		length = (size_t)(strchr(to, ']') - to - 1);
		colon = to[length + 2] == ':' ? to + length + 2 : NULL;
		to++;
	} else if (colon && strchr(to, ':') == colon) {
		length = (size_t)(colon - to);
	} else {
		colon = NULL;
	}
	snprintf(host, sizeof(host), "%.*s", (int)length, to);
	if (getaddrinfo(host, colon ? colon + 1 : port, &hints, &found))
		return -EINVAL;
	fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen)) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	return fd < 0 ? -errno : fd;
}

static int complain(const char *what, const char *value, int err)
{
	ks_report_error("journal: --%s: %s: %s", what, value,
			err == -EINVAL ? "expected an address with a port, such as 192.0.2.1:4739" : strerror(-err));
	return err;
}

int ks_exports_open(struct ks_exports *exports)
{
	int fd = -1;

	exports->journald_fd = exports->syslog_fd = exports->lines_fd = -1;
	exports->syslog_is_local = exports->syslog && !strcmp(exports->syslog, LOCAL);
	gethostname(exports->host, sizeof(exports->host) - 1);
	if (exports->syslog && !exports->syslog_is_local)
		exports->syslog_fd = open_udp(exports->syslog, SYSLOG_PORT);
	if (exports->syslog && !exports->syslog_is_local && exports->syslog_fd < 0)
		return complain("syslog", exports->syslog, exports->syslog_fd);
	if (exports->ipfix_to)
		fd = open_udp(exports->ipfix_to, IPFIX_PORT);
	if (exports->ipfix_to && fd < 0)
		return complain("ipfix", exports->ipfix_to, fd);
	ks_ipfix_init(&exports->ipfix, fd);
	if (exports->lines)
		exports->lines_fd =
			open(exports->lines, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	return exports->lines && exports->lines_fd < 0 ? complain("lines", exports->lines, -errno) : 0;
}

/* The machine's own logs are asked for when they are needed, and again when they are gone. */
static int local_socket(struct ks_exports *exports, int *fd, enum ks_source source)
{
	if (*fd >= 0 || ks_when_steady() < exports->reopen)
		return *fd;
	*fd = ks_opener_ask(source);
	if (*fd < 0)
		exports->reopen = ks_when_steady() + REOPEN_MS;
	return *fd;
}

/* The first try may only tell of an earlier one that nobody was there. */
static bool send_twice(int fd, const char *text, size_t size)
{
	return send(fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	       (errno == ECONNREFUSED && send(fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0);
}

static void send_datagram(struct ks_exports *exports, int *fd, bool is_local, const char *text, size_t size)
{
	if (*fd >= 0 && send_twice(*fd, text, size))
		return;
	exports->unsent++;
	if (*fd >= 0 && is_local && errno != EAGAIN && errno != EMSGSIZE && errno != ENOBUFS) {
		close(*fd);
		*fd = -1;
	}
}

/* Adds "KEEPSTATE_FIELD=VALUE" and a newline, if the event has that and there is room. */
static void add_field(char text[DATAGRAM], size_t *used, const char *field, const json_t *value)
{
	char line[256];
	int size = 0;

	if (json_is_string(value) && *json_string_value(value))
		size = snprintf(line, sizeof(line), "KEEPSTATE_%s=%.200s", field, json_string_value(value));
	else if (json_is_integer(value))
		size = snprintf(line, sizeof(line), "KEEPSTATE_%s=%lld", field, json_integer_value(value));
	if (size <= 0 || *used + (size_t)size + 2 > DATAGRAM)
		return;
	make_one_line(line);
	*used += (size_t)snprintf(text + *used, DATAGRAM - *used, "%s\n", line);
}

/* NAME=VALUE lines; no value has a newline (systemd.io/JOURNAL_NATIVE_PROTOCOL). */
static void send_journald(struct ks_exports *exports, const json_t *event, const char *words, int priority)
{
	static const struct {
		const char *field, *parent, *member;
	} fields[] = {
		{ "EVENT", NULL, "event" },
		{ "VERDICT", NULL, "verdict" },
		{ "REASON", NULL, "reason" },
		{ "WHY", NULL, "why" },
		{ "FROM", NULL, "from" },
		{ "TO", NULL, "to" },
		{ "PROTO", NULL, "proto" },
		{ "SOURCE", NULL, "source" },
		{ "SOURCE_PORT", NULL, "source_port" },
		{ "DESTINATION", NULL, "destination" },
		{ "DESTINATION_PORT", NULL, "destination_port" },
		{ "NAT_SOURCE", "nat", "source" },
		{ "NAT_SOURCE_PORT", "nat", "source_port" },
		{ "NAT_DESTINATION", "nat", "destination" },
		{ "NAT_DESTINATION_PORT", "nat", "destination_port" },
		{ "RULE", "rule", "text" },
		{ "LABEL", "rule", "label" },
		{ "FLOW", NULL, "id" },
		{ "TIME", NULL, "time" },
	};
	char text[DATAGRAM];
	size_t used;

	used = (size_t)snprintf(text, sizeof(text), "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=keepstate\n", words,
				priority);
	for (size_t i = 0; i < KS_ARRAY_SIZE(fields); i++) {
		const json_t *in = fields[i].parent ? json_object_get(event, fields[i].parent) : event;

		add_field(text, &used, fields[i].field, json_object_get(in, fields[i].member));
	}
	local_socket(exports, &exports->journald_fd, KS_SOURCE_JOURNALD);
	send_datagram(exports, &exports->journald_fd, true, text, used);
}

static void send_syslog(struct ks_exports *exports, const json_t *event, const char *words, int priority)
{
	const char *time = ks_member_text(event, "time"), *kind = ks_member_text(event, "event");
	char text[DATAGRAM];
	int size;

	if (exports->syslog_is_local) /* the local one stamps and names by itself */
		size = snprintf(text, sizeof(text), "<%d>keepstate: %s", LOG_DAEMON | priority, words);
	else
		size = snprintf(text, sizeof(text), "<%d>1 %s %s keepstate %d %s - %s", LOG_DAEMON | priority,
				*time ? time : "-", *exports->host ? exports->host : "-", (int)getpid(),
				*kind ? kind : "-", words);
	if (exports->syslog_is_local)
		local_socket(exports, &exports->syslog_fd, KS_SOURCE_SYSLOG);
	send_datagram(exports, &exports->syslog_fd, exports->syslog_is_local, text, (size_t)size);
}

/* A line of which only a part was written ends before the next one begins. Whoever does not read a pipe holds nobody up. */
static void write_line(struct ks_exports *exports, const char *line, size_t size)
{
	char end[] = "\n";
	const struct iovec parts[] = { { end, exports->lines_cut }, { (void *)(uintptr_t)line, size }, { end, 1 } };
	ssize_t whole = (ssize_t)size + 1 + exports->lines_cut;
	ssize_t written = writev(exports->lines_fd, parts, KS_ARRAY_SIZE(parts));

	if (written > 0)
		exports->lines_cut = written != whole;
	exports->unsent += written != whole;
}

void ks_exports_send(struct ks_exports *exports, const json_t *event, const char *line, size_t size)
{
	char words[KS_EXPORT_TEXT];
	int priority;

	ks_ipfix_take(&exports->ipfix, event, ks_when_now());
	if (exports->lines_fd >= 0)
		write_line(exports, line, size);
	if (!exports->journald && !exports->syslog)
		return;
	priority = ks_export_words(event, words);
	if (exports->journald)
		send_journald(exports, event, words, priority);
	if (exports->syslog)
		send_syslog(exports, event, words, priority);
}

void ks_exports_flush(struct ks_exports *exports)
{
	ks_ipfix_flush(&exports->ipfix, ks_when_now());
}
