/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Events that are sent elsewhere as they come: to systemd's journal with fields and priorities, to a syslog (RFC 5424 over UDP, or
 * the local one), as IPFIX to a collector (ipfix.h), and as lines of JSON into a file. Descriptors are opened before the rights go;
 * sockets of the machine's own logs come from the opener, again if they are gone. Nothing waits: what a socket does not take is lost and counted.
 */
#ifndef KS_JOURNAL_EXPORTS_H
#define KS_JOURNAL_EXPORTS_H

#include <stdbool.h>

#include "journal/ipfix.h"

#define KS_EXPORT_TEXT 512

/* A sink; fd -1: it is not wished, or not open now. */
struct ks_exports {
	const char *syslog, *ipfix_to,
		*lines; /* as they were named: "192.0.2.1:514" or "local", "192.0.2.1:4739", a path; NULL: not wished */
	bool journald;
	bool syslog_is_local;
	int journald_fd, syslog_fd, lines_fd;
	bool lines_cut; /* the last line was not written whole */
	int64_t reopen; /* steady ms: not before */
	struct ks_ipfix ipfix;
	char host[64];
	uint64_t unsent;
};

/* Opens what is wished. Returns 0, or -errno after complaining. */
int ks_exports_open(struct ks_exports *exports);

/* Sends an event, with its line as it came. */
void ks_exports_send(struct ks_exports *exports, const json_t *event, const char *line, size_t size);

/* Twice a second: what is gathered goes. */
void ks_exports_flush(struct ks_exports *exports);

/* An event in words, as one line: "deny no rule: wan 192.0.2.1:53 > lan 10.0.0.5:40000 udp, rule a.conf:4". Returns its priority of syslog. */
int ks_export_words(const json_t *event, char text[KS_EXPORT_TEXT]);

#endif
