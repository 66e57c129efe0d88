/* SPDX-License-Identifier: BSD-2-Clause */
/* See keeper.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/types.h"
#include "daemon/report.h"
#include "journal/bound.h"
#include "journal/entries.h"
#include "journal/farewell.h"
#include "journal/flows.h"
#include "journal/keeper.h"
#include "journal/opener.h"
#include "journal/when.h"

#define BATCH_MS 500
#define SECOND_MS 1000
#define MINUTE_MS 60000
#define RETRY_MS 10000
#define RECONNECT_US 300000
#define LOST_MS 10000 /* so long after lost events the states are listed again ... */
#define LIST_PAUSE_MS 300000 /* ... but no sooner than this after the last time: a list of a large table is work */
#define LISTED_MS 3000 /* events of flows that ended before the list was made have come by then */
#define TRIMS_MAX 4 /* a second */
#define HEARD "heard" /* its name in the file */
#define GAP_MS 1500 /* a shorter absence of the daemon is none to speak of */

/* --- what both threads see --- */

static void set_state(struct ks_keeper *keeper, enum ks_keeper_state state, const char *why)
{
	bool other;

	pthread_mutex_lock(&keeper->mutex);
	other = state != keeper->state || strcmp(why, keeper->why);
	keeper->state = state;
	keeper->follows = state == KS_KEEPER_WRITING;
	if (why != keeper->why)
		snprintf(keeper->why, sizeof(keeper->why), "%s", why);
	pthread_cond_broadcast(&keeper->changed);
	pthread_mutex_unlock(&keeper->mutex);
	if (other && state == KS_KEEPER_STOPPED)
		ks_report_error("journal: stopped, the firewall is not concerned: %s", why);
	else if (other && state == KS_KEEPER_WRITING)
		ks_report("journal: writing");
}

static void set_connected(struct ks_keeper *keeper, bool connected)
{
	pthread_mutex_lock(&keeper->mutex);
	keeper->connected = connected;
	pthread_mutex_unlock(&keeper->mutex);
}

static void set_heard(struct ks_keeper *keeper, int64_t time)
{
	pthread_mutex_lock(&keeper->mutex);
	keeper->heard = time;
	pthread_mutex_unlock(&keeper->mutex);
}

static bool is_wanted(struct ks_keeper *keeper)
{
	bool wanted;

	pthread_mutex_lock(&keeper->mutex);
	wanted = keeper->follows && !keeper->quit;
	pthread_mutex_unlock(&keeper->mutex);
	return wanted;
}

static bool is_quitting(struct ks_keeper *keeper)
{
	bool quit;

	pthread_mutex_lock(&keeper->mutex);
	quit = keeper->quit;
	pthread_mutex_unlock(&keeper->mutex);
	return quit;
}

/* --- the thread that follows --- */

static int follow_waits(void *arg)
{
	return is_wanted(arg) ? 0 : -ECANCELED;
}

static int follow_take(const char *line, size_t size, void *arg)
{
	struct ks_keeper *keeper = arg;

	if (size)
		ks_queue_put(&keeper->queue, KS_LINE_EVENT, line, size);
	return !is_wanted(keeper);
}

/* Waits until the events are wanted. Returns false at the end. */
static bool await_wish(struct ks_keeper *keeper)
{
	bool quit;

	pthread_mutex_lock(&keeper->mutex);
	while (!keeper->follows && !keeper->quit)
		pthread_cond_wait(&keeper->changed, &keeper->mutex);
	quit = keeper->quit;
	pthread_mutex_unlock(&keeper->mutex);
	return !quit;
}

/* A daemon of an earlier version refuses a parameter that it does not know. */
static enum ks_source other_source(enum ks_source source)
{
	return source == KS_SOURCE_EVENTS ? KS_SOURCE_EVENTS_ALONE : KS_SOURCE_EVENTS;
}

static void *follow(void *arg)
{
	struct ks_keeper *keeper = arg;
	enum ks_source source = KS_SOURCE_EVENTS;

	while (await_wish(keeper)) {
		ks_auto_fd int fd = ks_opener_ask(source);

		if (fd >= 0) {
			set_connected(keeper, true);
			ks_queue_put(&keeper->queue, KS_LINE_CONNECTED, NULL, 0);
			source = ks_answer_lines(fd, follow_waits, follow_take, keeper) == -EPROTO
					 ? other_source(source)
					 : KS_SOURCE_EVENTS;
			set_connected(keeper, false);
			ks_queue_put(&keeper->queue, KS_LINE_AWAY, NULL, 0);
		}
		usleep(RECONNECT_US);
	}
	return NULL;
}

/* --- the thread that writes --- */

static const char *sentence_of(int err)
{
	if (err == -ENOSPC)
		return "the disk is full; it goes on by itself when there is room";
	if (err == -EROFS)
		return "the file system is read-only";
	return strerror(-err);
}

static void lose(struct ks_keeper *keeper, uint64_t count)
{
	if (!count)
		return;
	keeper->unwritten += count;
	pthread_mutex_lock(&keeper->mutex);
	keeper->lost += count;
	pthread_mutex_unlock(&keeper->mutex);
}

/*
 * Whatever was in the batch is not in the file: its events are lost, its policy is to be asked for again, and its figures are written
 * again, as far as they are in memory.
 */
static void halt(struct ks_keeper *keeper, int err)
{
	if (keeper->store.db && keeper->store.open_batch)
		ks_store_give_up(&keeper->store);
	ks_store_close(&keeper->store);
	lose(keeper, keeper->pending);
	keeper->pending = keeper->told = 0;
	keeper->policies = (struct ks_policies){ 0 };
	ks_figures_settle(&keeper->figures, false);
	keeper->listed = 0; /* the list is in a table of the connection */
	keeper->stopped = keeper->stopped ?: ks_when_now();
	keeper->retry = ks_when_steady() + RETRY_MS;
	set_state(keeper, KS_KEEPER_STOPPED, sentence_of(err));
}

/* A file that is no journal, or is damaged, is put aside: there is nothing else to be done with it. */
static int open_store(struct ks_keeper *keeper)
{
	char aside[64];
	int err = ks_store_open(keeper->path, &keeper->store);

	if (err != -EUCLEAN)
		return err;
	ks_report_error("journal: the file is damaged or of another version: it is put aside as %s.old", keeper->path);
	snprintf(aside, sizeof(aside), "%s.old", keeper->path);
	if (rename(keeper->path, aside))
		return -errno;
	snprintf(aside, sizeof(aside), "%s-wal", keeper->path);
	unlink(aside);
	return ks_store_open(keeper->path, &keeper->store);
}

static int commit(struct ks_keeper *keeper)
{
	bool any = keeper->store.open_batch;
	int err = ks_store_commit(&keeper->store);

	if (err || !any)
		return err;
	keeper->unwritten -= keeper->told;
	keeper->pending = keeper->told = 0;
	ks_figures_settle(&keeper->figures, true);
	keeper->committed(keeper->arg);
	return 0;
}

static int begin(struct ks_keeper *keeper)
{
	if (!keeper->store.open_batch)
		keeper->batch = ks_when_steady();
	return ks_store_begin(&keeper->store);
}

static int commit_if_due(struct ks_keeper *keeper)
{
	return keeper->store.open_batch && ks_when_steady() - keeper->batch >= BATCH_MS ? commit(keeper) : 0;
}

/* A list of states on its way. */
struct listing {
	struct ks_keeper *keeper;
	int64_t asked;
	int err;
};

static int take_state(const char *line, size_t size, void *arg)
{
	struct listing *listing = arg;
	const struct ks_flows_asked when = { listing->asked, ks_when_now() };
	ks_auto_json json_t *state = json_loadb(line, size, 0, NULL);

	if (!json_is_object(state))
		return 0;
	listing->err = begin(listing->keeper) ?: ks_flows_state(&listing->keeper->store, state, &when);
	listing->err = listing->err ?: commit_if_due(listing->keeper);
	return listing->err;
}

/* Asks for the flows that live now. The daemon may be gone again by then: the next connection does it. */
static int list_states(struct ks_keeper *keeper)
{
	struct listing listing = { .keeper = keeper, .asked = ks_when_now() };
	ks_auto_fd int fd = ks_opener_ask(KS_SOURCE_STATES);
	int err;

	if (fd < 0)
		return 0;
	keeper->listed = 0; /* the list before is forgotten, also if this one breaks off */
	keeper->list_again = 0;
	err = begin(keeper) ?: ks_flows_begin(&keeper->store, &keeper->listed_last);
	if (err)
		return err;
	err = ks_answer_lines(fd, follow_waits, take_state, &listing);
	keeper->listed_at = ks_when_steady();
	if (err || listing.err)
		return listing.err;
	keeper->listed = listing.asked;
	keeper->listed_heard = keeper->heard ?: listing.asked;
	return 0;
}

/* Events that are lost may have told that flows began or ended. */
static void miss_events(struct ks_keeper *keeper)
{
	if (!keeper->list_again)
		keeper->list_again = KS_MAX(ks_when_steady() + LOST_MS, keeper->listed_at + LIST_PAUSE_MS);
}

static int list_again(struct ks_keeper *keeper)
{
	return keeper->list_again && ks_when_steady() >= keeper->list_again ? list_states(keeper) : 0;
}

static int end_unlisted(struct ks_keeper *keeper)
{
	if (!keeper->listed || ks_when_now() - keeper->listed < LISTED_MS)
		return 0;
	keeper->listed = 0;
	return begin(keeper) ?: ks_flows_end(&keeper->store, keeper->listed_heard, keeper->listed_last);
}

static int write_connected(struct ks_keeper *keeper, int64_t time)
{
	int64_t away = keeper->heard ? time - keeper->heard : 0;
	int err = list_states(keeper);

	if (!err && away >= GAP_MS)
		err = begin(keeper) ?: ks_entry_gap(&keeper->store, time, away);
	set_heard(keeper, ks_when_now());
	keeper->hears = true;
	return err;
}

static int write_line(struct ks_keeper *keeper, const struct ks_line *line)
{
	ks_auto_json json_t *event = NULL;

	if (line->kind == KS_LINE_CONNECTED)
		return write_connected(keeper, line->time);
	if (line->kind == KS_LINE_AWAY) {
		keeper->listed = 0; /* the next connection asks anew */
		keeper->hears = false;
		return 0;
	}
	event = json_loadb(line->text, line->size, 0, NULL);
	if (!json_is_object(event))
		return 0;
	ks_exports_send(keeper->exports, event, line->text, line->size);
	if (json_object_get(event, "lost"))
		miss_events(keeper);
	keeper->pending++;
	return begin(keeper) ?: ks_farewell_send(&keeper->store, keeper->exports, event, line->time)
			     ?: ks_entry_write(&keeper->store, event, line->time);
}

static int write_lost(struct ks_keeper *keeper)
{
	int err;

	if (keeper->unwritten == keeper->told)
		return 0;
	err = begin(keeper) ?: ks_entry_lost(&keeper->store, ks_when_now(), keeper->unwritten - keeper->told);
	if (!err)
		keeper->told = keeper->unwritten;
	return err;
}

void ks_keeper_write(struct ks_keeper *keeper, const struct ks_line *lines, uint64_t lost)
{
	int err = 0;

	lose(keeper, lost);
	if (lost)
		miss_events(keeper);
	for (; lines; lines = lines->next) {
		if (lines->kind != KS_LINE_CONNECTED) /* that asks how long ago the daemon was heard */
			set_heard(keeper, lines->time);
		if (!keeper->store.db || keeper->state == KS_KEEPER_OFF) {
			lose(keeper, lines->kind == KS_LINE_EVENT);
			continue;
		}
		err = write_line(keeper, lines) ?: commit_if_due(keeper);
		if (err)
			halt(keeper, err);
	}
}

/* --- every second --- */

static void take_settings(struct ks_keeper *keeper, const json_t *totals)
{
	const json_t *journal = json_object_get(totals, "journal");

	pthread_mutex_lock(&keeper->mutex);
	keeper->limit = json_integer_value(json_object_get(journal, "size"));
	keeper->age = json_integer_value(json_object_get(journal, "age"));
	pthread_mutex_unlock(&keeper->mutex);
}

static int measure(struct ks_keeper *keeper)
{
	int64_t size = 0;
	int err = ks_bound_size(keeper->store.db, &size);

	pthread_mutex_lock(&keeper->mutex);
	keeper->size = size;
	pthread_mutex_unlock(&keeper->mutex);
	return err;
}

static int keep_bounds(struct ks_keeper *keeper)
{
	bool more = true;
	int err = 0;

	for (int i = 0; i < TRIMS_MAX && more && !err; i++)
		err = ks_bound_trim(&keeper->store, keeper->limit, &more);
	if (!err && ks_when_steady() >= keeper->minute) {
		err = ks_bound_age(&keeper->store, ks_when_now() - keeper->age * SECOND_MS, &more);
		keeper->minute = ks_when_steady() + (more ? SECOND_MS : MINUTE_MS);
	}
	return err ?: measure(keeper);
}

/* Until when the daemon was heard is noted with the figures, so that the next journal knows how long there was none. */
static int note_heard(struct ks_keeper *keeper)
{
	sqlite3_stmt *stmt = ks_store_use(&keeper->store, meta_set);

	sqlite3_bind_text(stmt, 1, HEARD, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, keeper->heard);
	return ks_store_run(&keeper->store, stmt);
}

/* The newest entry may be newer, if the journal before has died. */
static int recall_heard(struct ks_keeper *keeper)
{
	int64_t noted = 0, newest = 0;
	int err = ks_store_ask(keeper->store.db, "SELECT CAST(value AS INTEGER) FROM meta WHERE name = '" HEARD "'",
			       &noted);

	err = err ?: ks_store_ask(keeper->store.db, "SELECT time FROM entry ORDER BY id DESC LIMIT 1", &newest);
	set_heard(keeper, KS_MAX(noted, newest));
	return err;
}

static int write_figures(struct ks_keeper *keeper)
{
	int64_t now = ks_when_now();

	if (!ks_figures_are_due(&keeper->figures, now))
		return 0;
	return begin(keeper) ?: note_heard(keeper) ?: ks_figures_write(&keeper->figures, &keeper->store, now);
}

/* Opens the file if it is not, and says that it writes. */
static int resume(struct ks_keeper *keeper)
{
	int err = keeper->store.db ? 0 : open_store(keeper);

	if (!err && keeper->stopped)
		err = begin(keeper) ?: ks_entry_gap(&keeper->store, ks_when_now(), ks_when_now() - keeper->stopped);
	err = err ?: commit(keeper);
	if (err)
		return err;
	keeper->stopped = 0;
	set_state(keeper, KS_KEEPER_WRITING, "");
	return 0;
}

static void work_second(struct ks_keeper *keeper, const json_t *totals)
{
	int err = 0;

	if (keeper->state == KS_KEEPER_STOPPED && ks_when_steady() < keeper->retry)
		return;
	if (keeper->state != KS_KEEPER_WRITING)
		err = resume(keeper);
	err = err ?: ks_policies_follow(&keeper->policies, &keeper->store, totals, keeper->heard);
	err = err ?: list_again(keeper) ?: end_unlisted(keeper) ?: write_lost(keeper) ?: write_figures(keeper) ?: commit(keeper);
	err = err ?: keep_bounds(keeper);
	if (err)
		halt(keeper, err);
}

/* The policy that turns it off is the last thing that is noted. */
static void turn_off(struct ks_keeper *keeper, const json_t *totals)
{
	int err = 0;

	if (keeper->state == KS_KEEPER_WRITING)
		err = ks_policies_follow(&keeper->policies, &keeper->store, totals, keeper->heard) ?: commit(keeper);
	if (err)
		halt(keeper, err);
	set_state(keeper, KS_KEEPER_OFF, "");
}

/* No daemon answers. The file is open unless it could not be written. */
static void look_away(struct ks_keeper *keeper)
{
	int err = 0;

	ks_figures_pause(&keeper->figures);
	if (keeper->state == KS_KEEPER_WRITING && !keeper->connected)
		set_state(keeper, KS_KEEPER_WAITING, "no daemon answers");
	if (keeper->state == KS_KEEPER_WAITING)
		err = ks_absence_look(&keeper->absence, &keeper->store, keeper->heard) ?: commit(keeper);
	if (err)
		halt(keeper, err);
}

static void tell_unsent(struct ks_keeper *keeper)
{
	pthread_mutex_lock(&keeper->mutex);
	keeper->unsent = keeper->exports->unsent;
	pthread_mutex_unlock(&keeper->mutex);
}

void ks_keeper_second(struct ks_keeper *keeper)
{
	ks_auto_json json_t *totals = NULL;
	int err = commit(keeper);

	tell_unsent(keeper);

	if (err)
		halt(keeper, err);
	if (ks_answer_json(KS_SOURCE_TOTALS, &totals)) {
		look_away(keeper);
		return;
	}
	ks_absence_end(&keeper->absence, ks_when_now());
	if (keeper->connected && keeper->hears)
		set_heard(keeper, ks_when_now());
	ks_figures_take(&keeper->figures, totals, ks_when_now());
	take_settings(keeper, totals);
	if (keeper->limit)
		work_second(keeper, totals);
	else
		turn_off(keeper, totals);
}

static void *keep(void *arg)
{
	struct ks_keeper *keeper = arg;

	while (!is_quitting(keeper)) {
		int64_t now = ks_when_steady(), next = keeper->second;
		struct ks_line *lines;
		uint64_t lost;
		int err;

		if (keeper->store.open_batch)
			next = KS_MIN(next, keeper->batch + BATCH_MS);
		lines = ks_queue_take(&keeper->queue, next - now, &lost);
		ks_keeper_write(keeper, lines, lost);
		ks_lines_free(lines);
		err = commit_if_due(keeper);
		if (err)
			halt(keeper, err);
		ks_exports_flush(keeper->exports);
		if (ks_when_steady() < keeper->second)
			continue;
		keeper->second = KS_MAX(keeper->second + SECOND_MS, ks_when_steady());
		ks_keeper_second(keeper);
	}
	return NULL;
}

int ks_keeper_init(struct ks_keeper *keeper, const char *path, struct ks_exports *exports, void (*committed)(void *arg),
		   void *arg)
{
	int err;

	memset(keeper, 0, sizeof(*keeper));
	keeper->path = path;
	keeper->exports = exports;
	keeper->committed = committed;
	keeper->arg = arg;
	ks_queue_init(&keeper->queue);
	pthread_mutex_init(&keeper->mutex, NULL);
	pthread_cond_init(&keeper->changed, NULL);
	err = ks_figures_init(&keeper->figures) ?: open_store(keeper) ?: recall_heard(keeper);
	if (err)
		return err;
	ks_figures_load(&keeper->figures, &keeper->store);
	measure(keeper);
	set_state(keeper, KS_KEEPER_WAITING, "no daemon answers");
	return 0;
}

int ks_keeper_start(struct ks_keeper *keeper, const char *path, struct ks_exports *exports,
		    void (*committed)(void *arg), void *arg)
{
	int err = ks_keeper_init(keeper, path, exports, committed, arg);

	if (err)
		return err;
	if (pthread_create(&keeper->writer, NULL, keep, keeper))
		return -EAGAIN;
	return pthread_create(&keeper->follower, NULL, follow, keeper) ? -EAGAIN : 0;
}

void ks_keeper_fini(struct ks_keeper *keeper)
{
	if (keeper->store.db && keeper->state != KS_KEEPER_STOPPED) {
		commit(keeper);
		if (!begin(keeper) && !note_heard(keeper) &&
		    !ks_figures_write(&keeper->figures, &keeper->store, ks_when_now()))
			commit(keeper);
	}
	ks_store_close(&keeper->store);
	ks_figures_fini(&keeper->figures);
	ks_queue_fini(&keeper->queue);
	pthread_cond_destroy(&keeper->changed);
	pthread_mutex_destroy(&keeper->mutex);
}

void ks_keeper_stop(struct ks_keeper *keeper)
{
	pthread_mutex_lock(&keeper->mutex);
	keeper->quit = true;
	pthread_cond_broadcast(&keeper->changed);
	pthread_mutex_unlock(&keeper->mutex);
	ks_queue_end(&keeper->queue);
	pthread_join(keeper->writer, NULL);
	pthread_join(keeper->follower, NULL);
	ks_keeper_fini(keeper);
}
