/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The page: a web server for people, which shows what the firewall does. It is a process of its own that has no rights.
 *
 *	browser --HTTP--> page (server.c) --asks--> opener (opener.c) --connects--> read.sock, the journal, control.sock
 *
 * Two processes. The opener stays with the user who started it, without capabilities: it connects to the daemon's sockets and hands
 * the connections over, so that the page needs no right to any file, and finds the daemon again when it was started anew. The page has
 * the user keepstate-page (else nobody), no capability, and no file at all (Landlock). It gets connections to the control socket only if
 * it was started with the wish to act, and uses them only for a session that has shown the token for actions.
 *
 * Threads of the page. One for each connection of a browser (libmicrohttpd), which may wait for the daemon; the first one takes a sample
 * of the counters every second (sampler.h). What they share has a lock of its own in each file.
 *
 *   opener.c   connections, and the policy's file     sessions.c  who is logged in
 *   rights.c   giving up rights                       tokens.c    the secrets that let in
 *   server.c   the listening sockets, the routes      answer.c    answers and their headers
 *   proxy.c    paths of the control API               stream.c    server-sent events
 *   sampler.c  the last 15 minutes, day and month     draft.c     a policy that is being changed
 *   host.c     names by which the page is asked for   named.c     where the policy's file is
 *   names.c    names of hosts                         leases.c    what a DHCP server has written
 *   reverse.c  messages of the DNS                    assets.c    what the browser gets (static/)
 */
#ifndef KS_PAGE_PAGE_H
#define KS_PAGE_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/instance.h"

#define KS_PAGE_PORT 8674
#define KS_PAGE_LISTENS_MAX 8
#define KS_PAGE_NAMES_MAX 16
#define KS_PAGE_LEASES_MAX 8
#define KS_PAGE_DNS_MAX 3

struct ks_page_opts {
	struct ks_instance instance;
	const char *listen[KS_PAGE_LISTENS_MAX]; /* ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT; none: both loopbacks */
	size_t listen_count;
	const char *names[KS_PAGE_NAMES_MAX]; /* by which browsers ask for it, besides addresses and localhost */
	size_t name_count;
	const char *leases[KS_PAGE_LEASES_MAX]; /* files of a DHCP server; none: the usual ones */
	size_t lease_count;
	const char *dns[KS_PAGE_DNS_MAX]; /* servers for reverse DNS, as in `listen`; none: those of the system */
	size_t dns_count;
	bool no_dns; /* nobody may ask for names by DNS */
	const char *tokens; /* the directory of the tokens; NULL: they are made anew, and printed */
	bool https; /* a proxy in front speaks TLS */
	bool may_act;
};

/* Serves until it is ended by a signal. Returns an exit code of cli/command.h. */
int ks_page_run(const struct ks_page_opts *opts);

#endif
