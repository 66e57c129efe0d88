/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Those who are logged in, and those who try. A session is a number that nobody can guess, in a cookie, and a second one that a request must
 * carry besides if it acts: another site can make a browser send the cookie, and another port of our host is even given it (cookies know no
 * ports), but neither can read the number, which is told once, to who logs in.
 *
 * The right token always enters: 160 bits are not guessed at any pace, and nobody may keep others out by wrong ones.
 * Wrong tokens are slow all the same: after five of one address a try every five seconds; all addresses together have sixty, and one a second.
 * A network of IPv6 with a /64 prefix counts as one address. May be used by several threads.
 */
#ifndef KS_PAGE_SESSIONS_H
#define KS_PAGE_SESSIONS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <time.h>

#include "page/tokens.h"

struct ks_session {
	struct ks_token id, csrf;
	bool may_act;
	time_t begun, seen; /* on the monotonic clock; begun 0: no session */
};

struct ks_sessions;

/* The time that the functions below are told. */
time_t ks_sessions_now(void);

struct ks_sessions *ks_sessions_create(const struct ks_tokens *tokens);
void ks_sessions_destroy(struct ks_sessions *sessions);

/*
 * A try to log in. Returns 0 with *session, -EACCES for a wrong token, -EAGAIN if there were too many wrong ones.
 * `from` is the browser's address.
 */
int ks_sessions_login(struct ks_sessions *sessions, const struct sockaddr *from, const char *token, time_t now,
		      struct ks_session *session);

/* Finds a session by its number. Returns false if there is none (any more). */
bool ks_sessions_find(struct ks_sessions *sessions, const char *id, time_t now, struct ks_session *session);

/* The same for somebody who does not count as a request of the session: it ends all the same. */
bool ks_sessions_look(struct ks_sessions *sessions, const char *id, time_t now, struct ks_session *session);

void ks_sessions_logout(struct ks_sessions *sessions, const char *id);

#endif
