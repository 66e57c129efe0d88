/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keeper: two threads. One follows the daemon's events and puts their lines into a queue; the other writes them in batches of half
 * a second, and asks the daemon every second for its totals.
 *
 *   waiting   no daemon has answered yet, or it is away
 *   off       the policy says `option journal off`: nothing is followed, so nothing is made
 *   writing
 *   stopped   the file cannot be written (a full disk): nothing is followed; it is tried again every ten seconds
 */
#ifndef KS_JOURNAL_KEEPER_H
#define KS_JOURNAL_KEEPER_H

#include <pthread.h>

#include "journal/absence.h"
#include "journal/exports.h"
#include "journal/figures.h"
#include "journal/policies.h"
#include "journal/queue.h"
#include "journal/store.h"

enum ks_keeper_state { KS_KEEPER_WAITING, KS_KEEPER_OFF, KS_KEEPER_WRITING, KS_KEEPER_STOPPED };

#define KS_KEEPER_WHY 200

struct ks_keeper {
	const char *path; /* of the file */
	void (*committed)(void *arg); /* new entries can be read */
	void *arg;
	struct ks_exports *exports;
	struct ks_queue queue;
	struct ks_store store;
	struct ks_figures figures;
	struct ks_policies policies;
	struct ks_absence absence;
	pthread_mutex_t mutex; /* of what follows up to `lost` */
	pthread_cond_t changed;
	enum ks_keeper_state state;
	char why[KS_KEEPER_WHY]; /* while it waits or is stopped */
	int64_t size, limit, age; /* bytes, bytes, seconds */
	int64_t heard; /* ms of the epoch: of the daemon. The writing thread's, who alone reads it without the mutex */
	uint64_t lost; /* events since the start */
	uint64_t unsent; /* messages that could not be sent elsewhere */
	bool connected; /* to the daemon's events */
	bool follows; /* the events are wanted */
	bool quit;
	/* of the writing thread */
	bool hears; /* the line that says so has been written, and how long there was no daemon before it */
	int64_t batch, second, retry; /* steady ms: the batch began; the next second, the next try */
	int64_t stopped; /* ms of the epoch: since then nothing was written, 0 if it is */
	int64_t listed,
		listed_heard; /* ms of the epoch: of the list of states, and of before; 0: nothing is to be ended */
	int64_t listed_last; /* the last row of before */
	int64_t list_again,
		listed_at; /* steady ms: when the states are to be listed again, 0: not; and when they were */
	int64_t minute; /* the next look at the age */
	uint64_t unwritten; /* lost events that no entry tells of, but one in the open batch: */
	uint64_t told; /* of so many of them */
	uint64_t pending; /* events in the open batch */
	pthread_t follower, writer;
};

/* Opens the file and starts both threads. */
int ks_keeper_start(struct ks_keeper *keeper, const char *path, struct ks_exports *exports,
		    void (*committed)(void *arg), void *arg);

/* Writes what is there, and ends. */
void ks_keeper_stop(struct ks_keeper *keeper);

/*
 * The steps of the writing thread, for tests without threads: opening the file, writing lines (`lost` did not fit into the queue), the work
 * of a second, and the end.
 */
int ks_keeper_init(struct ks_keeper *keeper, const char *path, struct ks_exports *exports, void (*committed)(void *arg),
		   void *arg);
void ks_keeper_write(struct ks_keeper *keeper, const struct ks_line *lines, uint64_t lost);
void ks_keeper_second(struct ks_keeper *keeper);
void ks_keeper_fini(struct ks_keeper *keeper);

/* Until when the journal knows which flows live, ms of the epoch: INT64_MAX while it follows a daemon. */
int64_t ks_keeper_known(struct ks_keeper *keeper);

/* The answer to GET /v1/journal. NULL without memory. */
json_t *ks_keeper_json(struct ks_keeper *keeper);

#endif
