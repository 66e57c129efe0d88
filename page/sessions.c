/* SPDX-License-Identifier: BSD-2-Clause */
/* See sessions.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"
#include "page/sessions.h"

#define KS_SESSIONS 64 /* one more takes the place of the one that was silent longest */
#define KS_SESSION_IDLE (12 * 3600) /* seconds */
#define KS_SESSION_LIFE (7 * 24 * 3600)

#define KS_SOURCES 256 /* addresses that gave a wrong token; by hash, so that nobody can fill a list */
#define KS_SOURCE_BURST 5
#define KS_SOURCE_PACE 5 /* seconds for one more */
#define KS_ALL_BURST 60
#define KS_ALL_PACE 1
#define KS_PREFIX_V6 8 /* bytes of an address that count */

/* Wrong tokens: how many may still come. */
struct bucket {
	time_t full; /* when it is as if nobody had tried */
};

struct ks_sessions {
	pthread_mutex_t lock;
	struct ks_tokens tokens;
	struct ks_session list[KS_SESSIONS];
	struct bucket sources[KS_SOURCES], all;
};

time_t ks_sessions_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

struct ks_sessions *ks_sessions_create(const struct ks_tokens *tokens)
{
	struct ks_sessions *sessions = calloc(1, sizeof(*sessions));

	if (!sessions)
		return NULL;
	pthread_mutex_init(&sessions->lock, NULL);
	sessions->tokens = *tokens;
	return sessions;
}

void ks_sessions_destroy(struct ks_sessions *sessions)
{
	if (!sessions)
		return;
	pthread_mutex_destroy(&sessions->lock);
	free(sessions);
}

static struct bucket *bucket_of(struct ks_sessions *sessions, const struct sockaddr *from)
{
	const unsigned char *bytes = NULL;
	size_t length = 0;
	unsigned hash = 2166136261U; /* FNV-1a */

	if (from->sa_family == AF_INET) {
		bytes = (const unsigned char *)&((const struct sockaddr_in *)from)->sin_addr;
		length = sizeof(struct in_addr);
	} else if (from->sa_family == AF_INET6) {
		bytes = (const unsigned char *)&((const struct sockaddr_in6 *)from)->sin6_addr;
		length = KS_PREFIX_V6;
	}
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ bytes[i]) * 16777619U;
	return &sessions->sources[hash % KS_SOURCES];
}

static bool bucket_has(const struct bucket *bucket, time_t now, int burst, int pace)
{
	return bucket->full <= now + (burst - 1) * pace;
}

static void bucket_take(struct bucket *bucket, time_t now, int pace)
{
	bucket->full = KS_MAX(bucket->full, now) + pace;
}

static bool is_over(const struct ks_session *session, time_t now)
{
	return !session->begun || now - session->seen > KS_SESSION_IDLE || now - session->begun > KS_SESSION_LIFE;
}

/* The place for a new session: one that is over, else the one that was silent longest. */
static struct ks_session *find_place(struct ks_sessions *sessions, time_t now)
{
	struct ks_session *oldest = &sessions->list[0];

	for (size_t i = 0; i < KS_SESSIONS; i++) {
		struct ks_session *one = &sessions->list[i];

		if (is_over(one, now))
			return one;
		if (one->seen < oldest->seen)
			oldest = one;
	}
	return oldest;
}

static int begin(struct ks_sessions *sessions, bool may_act, time_t now, struct ks_session *session)
{
	struct ks_session new = { .may_act = may_act, .begun = now, .seen = now };
	int err = ks_token_make(&new.id) ?: ks_token_make(&new.csrf);

	if (err)
		return err;
	*find_place(sessions, now) = new;
	*session = new;
	return 0;
}

static int login(struct ks_sessions *sessions, const struct sockaddr *from, const char *token, time_t now,
		 struct ks_session *session)
{
	struct bucket *source = bucket_of(sessions, from);
	bool views = ks_token_is(&sessions->tokens.view, token);
	bool acts = ks_token_is(&sessions->tokens.act, token);

	if (views || acts)
		return begin(sessions, acts, now, session);
	if (!bucket_has(source, now, KS_SOURCE_BURST, KS_SOURCE_PACE) ||
	    !bucket_has(&sessions->all, now, KS_ALL_BURST, KS_ALL_PACE))
		return -EAGAIN;
	bucket_take(source, now, KS_SOURCE_PACE);
	bucket_take(&sessions->all, now, KS_ALL_PACE);
	return -EACCES;
}

int ks_sessions_login(struct ks_sessions *sessions, const struct sockaddr *from, const char *token, time_t now,
		      struct ks_session *session)
{
	int err;

	pthread_mutex_lock(&sessions->lock);
	err = login(sessions, from, token, now, session);
	pthread_mutex_unlock(&sessions->lock);
	return err;
}

static struct ks_session *find(struct ks_sessions *sessions, const char *id, time_t now)
{
	struct ks_session *found = NULL;

	for (size_t i = 0; i < KS_SESSIONS; i++) { /* all of them, whichever it is */
		if (!is_over(&sessions->list[i], now) && ks_token_is(&sessions->list[i].id, id))
			found = &sessions->list[i];
	}
	return found;
}

static bool find_session(struct ks_sessions *sessions, const char *id, time_t now, bool touch,
			 struct ks_session *session)
{
	struct ks_session *found;

	pthread_mutex_lock(&sessions->lock);
	found = find(sessions, id, now);
	if (found && touch)
		found->seen = now;
	if (found)
		*session = *found;
	pthread_mutex_unlock(&sessions->lock);
	return found;
}

bool ks_sessions_find(struct ks_sessions *sessions, const char *id, time_t now, struct ks_session *session)
{
	return find_session(sessions, id, now, true, session);
}

bool ks_sessions_look(struct ks_sessions *sessions, const char *id, time_t now, struct ks_session *session)
{
	return find_session(sessions, id, now, false, session);
}

void ks_sessions_logout(struct ks_sessions *sessions, const char *id)
{
	struct ks_session *found;

	pthread_mutex_lock(&sessions->lock);
	found = find(sessions, id, 0);
	if (found)
		memset(found, 0, sizeof(*found));
	pthread_mutex_unlock(&sessions->lock);
}
