/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control API: HTTP and JSON on the instance's unix sockets. The control socket
 * is root's; by the other one, which is for the group keepstate too, nothing can be changed. docs/api.md is the reference. libmicrohttpd is driven by the
 * daemon's poll loop and has no thread, so a handler may touch everything.
 *
 * Life cycle of a request. Its head arrives and makes a ks_request, its body is
 * gathered there, its end calls the handler of the route, which answers once. An
 * answer that needs memory and gets none closes the connection (MHD_NO). What takes
 * long is put off (ks_api_put_off()): the poll loop does it, and others are answered meanwhile.
 */
#ifndef KS_DAEMON_API_API_H
#define KS_DAEMON_API_API_H

#include <jansson.h>
#include <microhttpd.h>

#include "daemon/daemon.h"
#include "daemon/api/filter.h"

struct ks_api;

enum ks_door { /* a socket by which clients come */
	       KS_DOOR_CONTROL,
	       KS_DOOR_READ,
	       KS_DOORS,
};

/* Opens the sockets and listens. */
int ks_api_create(struct ks_daemon *daemon, struct ks_api **api);
void ks_api_destroy(struct ks_api *api);

/* Poll the descriptor for reading, for ks_api_timeout() ms at most (-1: no bound), then call ks_api_work() or ks_api_turn(). */
int ks_api_fd(const struct ks_api *api);
int ks_api_timeout(struct ks_api *api);
void ks_api_work(struct ks_api *api);

/* The same, and does what was put off, in its order. Called by the daemon's loop alone. */
void ks_api_turn(struct ks_api *api);

/* Refuses what was put off: the daemon ends. */
void ks_api_refuse_put_off(struct ks_api *api);

/* Makes a socket again if somebody has removed it. Returns 1 if it was made, 0 if nothing was missing, or -errno. */
int ks_api_mend(struct ks_api *api, enum ks_door which);

#define KS_REQUEST_BODY_MAX 65536U
#define KS_REQUEST_LARGE_MAX (128U << 20) /* where a body holds the entries of a set: some millions */

/* Places for clients that stay, such as those that follow the log, or whose answers take work or memory: fewer than there are for all. */
struct ks_places {
	unsigned taken, max;
};

/* A request whose body has arrived. */
struct ks_request {
	struct ks_daemon *daemon;
	struct MHD_Connection *connection;
	struct ks_places *followers, *scrapes, *groups; /* of the socket by which the client came */
	char *body; /* with a zero behind it */
	size_t body_size, body_room, body_max;
	void (*run)(struct ks_request *request); /* of one that is put off */
	struct ks_request *next; /* put off after it */
	json_t *wish; /* of it: what its body says */
	json_t *answer; /* to it, for its handler, which is called again */
	unsigned status;
};

typedef enum MHD_Result ks_handler_fn(struct ks_request *request);

/* Handlers of the routes in api.c. */
ks_handler_fn ks_api_status, ks_api_states, ks_api_states_kill, ks_api_log, ks_api_counters, ks_api_reload,
	ks_api_confirm, ks_api_limits, ks_api_mappings, ks_api_policy, ks_api_metrics, ks_api_explain, ks_api_stop,
	ks_api_sets, ks_api_sets_add, ks_api_sets_replace, ks_api_sets_remove, ks_api_totals;

/* `challenge` of the status: which zones challenge SYNs, and how often. NULL without memory. */
json_t *ks_challenge_json(const struct ks_daemon *daemon);

/* The counts of each pair of zones (daemon/zone_counts.h). NULL without memory, or if the counters cannot be read. */
json_t *ks_zone_counts_json(const struct ks_daemon *daemon);

/* Returns the zones that are challenged because half-open connections from there fill their budget, a bit per id. */
__u64 ks_challenge_zones(const struct ks_daemon *daemon);

/* Answers with a JSON value, whose reference it takes; NULL: out of memory. */
enum MHD_Result ks_api_answer(struct ks_request *request, unsigned status, json_t *value);

/*
 * Has `run` called by the daemon's loop, which is to do request->wish, whose reference this takes, and to set request->answer and
 * status. The handler is called again then, with request->run set.
 */
enum MHD_Result ks_api_put_off(struct ks_request *request, json_t *wish, void (*run)(struct ks_request *request));

/* Answers {"error": "..."}. */
__attribute__((format(printf, 3, 4))) enum MHD_Result ks_api_refuse(struct ks_request *request, unsigned status,
								    const char *format, ...);

/* Answers with a stream from a callback; `destroy` gets `state` at the end, also when this fails. */
enum MHD_Result ks_api_stream(struct ks_request *request, const char *type, MHD_ContentReaderCallback reader,
			      void *state, MHD_ContentReaderFreeCallback destroy);

/* The same of text that is made as it is sent; `stream` is the first member of the state that `destroy` gets. */
struct ks_text_stream;
enum MHD_Result ks_api_text(struct ks_request *request, const char *type, struct ks_text_stream *stream,
			    MHD_ContentReaderFreeCallback destroy);

/* Returns the body as a JSON object, an empty one without a body; or NULL with *result set after answering what is wrong. */
json_t *ks_api_body(struct ks_request *request, enum MHD_Result *result);

/*
 * Reads the query's parameters: those named in `others` (a NULL-terminated
 * list, may be NULL) are left to the handler, all else must be conditions of a
 * filter. Returns true; or false after answering what is wrong, with *result set.
 */
bool ks_api_filter(struct ks_request *request, unsigned kind, const char *const *others, struct ks_filter *filter,
		   enum MHD_Result *result);

/* A parameter of the query, NULL if it is not there. */
const char *ks_api_parameter(struct ks_request *request, const char *name);

#endif
