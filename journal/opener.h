/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The half of the journal that stays root, without any capability: it opens what the other half may not open itself, and hands the
 * descriptor over. The other half is another user in an empty root, and may ask for exactly these things. Of the control
 * API, which could take the firewall away, it gets an answer and no connection to ask something else by: the request is sent
 * here, and is the last one of its connection.
 */
#ifndef KS_JOURNAL_OPENER_H
#define KS_JOURNAL_OPENER_H

#include <jansson.h>
#include <sys/types.h>

#include "daemon/instance.h"

/* X(name, the request to the control API) */
#define KS_SOURCES(X)                                                                            \
	X(EVENTS, "/v1/log?flows=1&backlog=1") /* for ever, with what came before it is asked */ \
	X(EVENTS_ALONE, "/v1/log?flows=1") /* of a daemon that knows no backlog */               \
	X(STATES, "/v1/states")                                                                  \
	X(TOTALS, "/v1/totals")                                                                  \
	X(POLICY, "/v1/policy")

enum ks_source {
#define X(name, path) KS_SOURCE_##name,
	KS_SOURCES(X)
#undef X
		KS_SOURCE_JOURNALD, /* datagram sockets of the machine's logs */
	KS_SOURCE_SYSLOG,
	KS_SOURCE_PRESENCE, /* no descriptor: -ENOENT if no firewall is there, with or without a daemon; else -EEXIST */
	KS_SOURCE_MAX
};

/* Serves the other half, a process, until it ends. Returns its exit code. */
int ks_opener_serve(int fd, const struct ks_instance *instance, pid_t child);

/* The other half's end of the connection. To be called once. */
void ks_opener_use(int fd);

/* Asks for a descriptor. Returns it, or -errno. Any thread may. */
int ks_opener_ask(enum ks_source source);

/* Called with each line of an answer; returns nonzero to end it. */
typedef int ks_answer_fn(const char *line, size_t size, void *arg);

/* Called every second without an answer; returns nonzero, -errno, to give up. */
typedef int ks_patience_fn(void *arg);

/* Reads an answer of lines. Returns 0 at its end, or if the caller ended it. */
int ks_answer_lines(int fd, ks_patience_fn *waits, ks_answer_fn *take, void *arg);

/* Asks for an object, and waits for it for ten seconds. */
int ks_answer_json(enum ks_source source, json_t **value);

#endif
