/* SPDX-License-Identifier: BSD-2-Clause */
/* See web.h: answers and their headers, the cookie. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/types.h"
#include "page/web.h"
#include "text/json.h"
#include "text/scoped.h"

#define KS_STREAM_BLOCK 65536
#define KS_COOKIE "keepstate" /* behind it the port: cookies know no ports, and several pages may be on one host */

static const struct {
	const char *name, *value;
} headers[] = {
	{ "Content-Security-Policy",
	  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
	  "form-action 'none'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'" },
	{ "X-Content-Type-Options", "nosniff" },
	{ "X-Frame-Options", "DENY" },
	{ "Referrer-Policy", "no-referrer" },
	{ "Cross-Origin-Opener-Policy", "same-origin" },
	{ "Cross-Origin-Resource-Policy", "same-origin" },
	{ "Permissions-Policy", "camera=(), geolocation=(), microphone=()" },
	{ "Cache-Control", "no-store" },
};

KS_SCOPED(auto_response, struct MHD_Response *, MHD_destroy_response)

const char *ks_web_header(const struct ks_web_request *request, const char *name)
{
	const char *value = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);

	return value ? value : "";
}

/* Sends a response, whose reference it takes. */
static enum MHD_Result respond(struct ks_web_request *request, unsigned status, const char *type,
			       struct MHD_Response *owned)
{
	ks_scoped(auto_response) struct MHD_Response *response = owned;

	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < KS_ARRAY_SIZE(headers); i++)
		MHD_add_response_header(response, headers[i].name, headers[i].value);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return MHD_queue_response(request->connection, status, response);
}

enum MHD_Result ks_web_text(struct ks_web_request *request, unsigned status, const char *type, char *text)
{
	if (!text)
		return MHD_NO;
	return respond(request, status, type,
		       MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
}

enum MHD_Result ks_web_bytes(struct ks_web_request *request, const char *type, const void *data, size_t size)
{
	return respond(request, MHD_HTTP_OK, type,
		       MHD_create_response_from_buffer(size, (void *)(uintptr_t)data, MHD_RESPMEM_PERSISTENT));
}

enum MHD_Result ks_web_answer(struct ks_web_request *request, unsigned status, json_t *value)
{
	ks_auto_json json_t *owned = value;

	return ks_web_text(request, status, "application/json",
			   owned ? json_dumps(owned, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL);
}

enum MHD_Result ks_web_refuse(struct ks_web_request *request, unsigned status, const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return ks_web_answer(request, status, json_pack("{s:o}", "error", ks_json_text(text)));
}

enum MHD_Result ks_web_stream(struct ks_web_request *request, unsigned status, const char *type,
			      MHD_ContentReaderCallback reader, void *state, MHD_ContentReaderFreeCallback destroy)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, KS_STREAM_BLOCK, reader, state, destroy);

	if (!response)
		destroy(state);
	return respond(request, status, type, response);
}

/* The name has the port by which the browser came. */
static void cookie_name(const struct ks_web_request *request, char *name, size_t size)
{
	const char *host = ks_web_header(request, MHD_HTTP_HEADER_HOST), *colon = strrchr(host, ':');
	const char *port = colon && !strchr(colon, ']') ? colon + 1 : "";

	snprintf(name, size, "%s" KS_COOKIE "%s%.5s", request->page->opts->https ? "__Host-" : "", *port ? "-" : "",
		 port);
}

enum MHD_Result ks_web_answer_cookie(struct ks_web_request *request, const char *id, json_t *value)
{
	ks_auto_json json_t *owned = value;
	char *text = owned ? json_dumps(owned, JSON_COMPACT) : NULL;
	struct MHD_Response *response =
		text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) : NULL;
	char name[32], cookie[160];

	if (!response)
		return MHD_NO;
	cookie_name(request, name, sizeof(name));
	snprintf(cookie, sizeof(cookie), "%s=%s; Path=/; HttpOnly; SameSite=Strict%s%s", name, id,
		 request->page->opts->https ? "; Secure" : "", *id ? "" : "; Max-Age=0");
	MHD_add_response_header(response, MHD_HTTP_HEADER_SET_COOKIE, cookie);
	return respond(request, MHD_HTTP_OK, "application/json", response);
}

void ks_web_cookie(const struct ks_web_request *request, struct ks_token *id)
{
	const char *value;
	char name[32];

	cookie_name(request, name, sizeof(name));
	value = MHD_lookup_connection_value(request->connection, MHD_COOKIE_KIND, name);
	snprintf(id->text, sizeof(id->text), "%s", value && strlen(value) == KS_TOKEN_LENGTH ? value : "");
}

json_t *ks_web_body(struct ks_web_request *request, enum MHD_Result *result)
{
	ks_auto_json json_t *root = NULL;
	json_error_t error;

	root = json_loadb(request->body ? request->body : "", request->body_size, JSON_REJECT_DUPLICATES, &error);
	if (json_is_object(root))
		return TAKE(root);
	*result = ks_web_refuse(request, MHD_HTTP_BAD_REQUEST, "the body must be a JSON object%s%s", root ? "" : ": ",
				root ? "" : error.text);
	return NULL;
}
