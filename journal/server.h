/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The journal's own API, on a socket of its own: GET only, see docs/api.md. Four threads of libmicrohttpd answer; each inquiry has a
 * connection of its own to the file, and reads it in steps, so that none holds the WAL for long and a slow client costs nothing.
 */
#ifndef KS_JOURNAL_SERVER_H
#define KS_JOURNAL_SERVER_H

#include <microhttpd.h>
#include <pthread.h>

#include "journal/keeper.h"
#include "journal/where.h"

#define KS_SERVER_WISHES 64

struct ks_stream;

struct ks_server {
	struct ks_keeper *keeper;
	struct MHD_Daemon *http;
	const char *path; /* of the file */
	pthread_mutex_t mutex; /* of what follows */
	uint64_t commits;
	struct ks_stream *streams; /* that follow */
	unsigned followers;
	bool ended;
};

/* A inquiry with its parameters. */
struct ks_inquiry {
	struct ks_server *server;
	struct MHD_Connection *connection;
	struct ks_wish wish[KS_SERVER_WISHES];
	size_t count;
	bool too_many;
};

void ks_server_init(struct ks_server *server, struct ks_keeper *keeper, const char *path);

/* Serves on a listening socket, which it closes at the end. The keeper runs. */
int ks_server_start(struct ks_server *server, int listen_fd);
void ks_server_stop(struct ks_server *server);

/* To be called when entries were committed: followers get them. */
void ks_server_committed(void *arg);

/* Every five seconds: followers get an empty line, so that those that are gone are noticed. */
void ks_server_beat(struct ks_server *server);

/* A parameter, NULL if it is not there. */
const char *ks_inquiry_wish(const struct ks_inquiry *inquiry, const char *name);

/* Answers. Each returns what libmicrohttpd wants to hear. */
enum MHD_Result ks_inquiry_answer(struct ks_inquiry *inquiry, unsigned status, json_t *value);
enum MHD_Result ks_inquiry_text(struct ks_inquiry *inquiry, char *text);
__attribute__((format(printf, 3, 4))) enum MHD_Result ks_inquiry_refuse(struct ks_inquiry *inquiry, unsigned status,
									const char *format, ...);

/* The routes. */
enum MHD_Result ks_answer_history(struct ks_inquiry *inquiry);
enum MHD_Result ks_answer_flows(struct ks_inquiry *inquiry);
enum MHD_Result ks_answer_figures(struct ks_inquiry *inquiry);
enum MHD_Result ks_answer_policies(struct ks_inquiry *inquiry);

#endif
