/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request of a browser, and answers to it. Every answer has headers that forbid scripts and styles but our own, frames, and guesses
 * about its type; text of the network comes only as JSON, which the scripts of the page show as text.
 */
#ifndef KS_PAGE_WEB_H
#define KS_PAGE_WEB_H

#include <jansson.h>
#include <microhttpd.h>
#include <stdbool.h>

#include "page/names.h"
#include "page/opener.h"
#include "page/page.h"
#include "page/sampler.h"
#include "page/sessions.h"

struct ks_page {
	const struct ks_page_opts *opts;
	int opener;
	struct ks_sessions *sessions;
	struct ks_sampler *sampler;
	struct ks_names *names;
};

struct ks_web_request {
	const struct ks_page *page;
	struct MHD_Connection *connection;
	const char *method;
	char *target; /* as it came: path and query */
	char *body; /* with a zero behind it */
	size_t body_size, body_room;
	size_t body_most; /* as the head of the request entitles to */
	bool too_long;
	struct ks_session session; /* of who asks, where the route needs one */
};

typedef enum MHD_Result ks_web_handler_fn(struct ks_web_request *request);

/* Handlers of the routes in server.c. */
ks_web_handler_fn ks_web_proxy, ks_web_proxy_control, ks_web_proxy_journal; /* proxy.c */
ks_web_handler_fn ks_web_log, ks_web_journal_log, ks_web_live; /* stream.c */
ks_web_handler_fn ks_web_history; /* sampler.c */
ks_web_handler_fn ks_web_names; /* names.c */
ks_web_handler_fn ks_web_policy_source, ks_web_policy_try, ks_web_policy_apply, ks_web_policy_keep,
	ks_web_policy_reload; /* draft.c */

/* A header of the request, "" if it is not there. */
const char *ks_web_header(const struct ks_web_request *request, const char *name);

/* Answers with a JSON value, whose reference it takes; NULL: out of memory. */
enum MHD_Result ks_web_answer(struct ks_web_request *request, unsigned status, json_t *value);

/* Answers {"error": "..."}. */
__attribute__((format(printf, 3, 4))) enum MHD_Result ks_web_refuse(struct ks_web_request *request, unsigned status,
								    const char *format, ...);

/* Answers with the text, which it takes. */
enum MHD_Result ks_web_text(struct ks_web_request *request, unsigned status, const char *type, char *text);

/* Answers with bytes that stay where they are. */
enum MHD_Result ks_web_bytes(struct ks_web_request *request, const char *type, const void *data, size_t size);

/* The same with a cookie: `id` empty ends it. */
enum MHD_Result ks_web_answer_cookie(struct ks_web_request *request, const char *id, json_t *value);

/* Answers with a stream; `destroy` gets `state` at the end, also when this fails. */
enum MHD_Result ks_web_stream(struct ks_web_request *request, unsigned status, const char *type,
			      MHD_ContentReaderCallback reader, void *state, MHD_ContentReaderFreeCallback destroy);

/* The session's number in the cookie of the request, "" if there is none. */
void ks_web_cookie(const struct ks_web_request *request, struct ks_token *id);

/* The body as a JSON object, or NULL with *result set after answering what is wrong. */
json_t *ks_web_body(struct ks_web_request *request, enum MHD_Result *result);

#endif
