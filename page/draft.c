/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy that is being changed. Its text is written beside the policy's file (opener.h) and read by the daemon from there, so that what it
 * includes is found. Then:
 *
 *   try     a dry run: complaints, tests, what would change. Nothing is in force.
 *   apply   in force on trial: without `keep` in time the file before comes back, by the daemon itself, also if page and browser die.
 *   keep    confirmed: the text takes the file's place, unless somebody has changed that meanwhile.
 *
 * One change at a time: between the draft and its reload nobody else may write another draft. While a draft is in force the opener writes none.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/types.h"
#include "page/upstream.h"
#include "page/web.h"
#include "text/json.h"
#include "text/scoped.h"

#define KS_VERSION_TEXT 80 /* of file_version() */
#define KS_CONFIRM_MIN 10 /* seconds */
#define KS_CONFIRM_MAX 3600
#define KS_CONFIRM_USUAL 60

static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

static enum MHD_Result refuse_file(struct ks_web_request *request, const char *what, int err)
{
	if (err == -ENOENT)
		return ks_web_refuse(
			request, MHD_HTTP_CONFLICT,
			"%s: the policy in force was not named by an absolute path, or its file is gone; change it "
			"by `keepstate reload --confirm 60s FILE`",
			what);
	if (err == -EPERM)
		return ks_web_refuse(request, MHD_HTTP_FORBIDDEN, "%s", ks_upstream_complaint(KS_OPEN_CONTROL, err));
	return ks_web_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "%s: %s", what, strerror(-err));
}

/* Reads a whole file. Returns its size, -EFBIG if it is larger than the buffer, or another -errno. */
static ssize_t read_file(int fd, char *buf, size_t room)
{
	size_t size = 0;
	ssize_t n;

	while ((n = read(fd, buf + size, room - size)) > 0) {
		size += (size_t)n;
		if (size == room)
			return -EFBIG;
	}
	return n < 0 ? -errno : (ssize_t)size;
}

/*
 * Reads a policy, or nothing of it: what is kept later takes the file's place, so none of it may be lost here. -EILSEQ: it is no UTF-8 text,
 * and would come back from the browser as another one.
 */
static int read_text(int fd, json_t **text)
{
	const size_t room = KS_POLICY_TEXT_MAX + 1;
	ks_auto_free char *buf = malloc(room);
	ssize_t size = buf ? read_file(fd, buf, room) : -ENOMEM;

	if (size < 0)
		return (int)size;
	if (!memchr(buf, '\0', (size_t)size))
		*text = json_stringn(buf, (size_t)size);
	return *text ? 0 : -EILSEQ;
}

static enum MHD_Result refuse_source(struct ks_web_request *request, const char *path, int err)
{
	if (err == -EFBIG)
		return ks_web_refuse(request, MHD_HTTP_CONTENT_TOO_LARGE,
				     "%s is larger than the %u KiB that can be changed here; change it by `keepstate "
				     "reload --confirm 60s FILE`",
				     path, KS_POLICY_TEXT_MAX >> 10);
	if (err == -EILSEQ)
		return ks_web_refuse(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
				     "%s is no UTF-8 text, so it cannot be changed here without loss; change it by "
				     "`keepstate reload --confirm 60s FILE`",
				     path);
	return refuse_file(request, "the policy's text cannot be read", err);
}

/* Another one whenever the file was written, or another file has its name. */
static int file_version(int fd, char version[KS_VERSION_TEXT])
{
	struct stat info;

	if (fstat(fd, &info))
		return -errno;
	snprintf(version, KS_VERSION_TEXT, "%llx-%llx-%llx.%lx", (unsigned long long)info.st_ino,
		 (unsigned long long)info.st_size, (unsigned long long)info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
	return 0;
}

enum MHD_Result ks_web_policy_source(struct ks_web_request *request)
{
	struct ks_opener_reply reply = { 0 };
	json_t *text = NULL;
	char version[KS_VERSION_TEXT] = "";
	ks_auto_fd int fd = -1;
	int err = ks_opener_ask(request->page->opener, KS_POLICY_SOURCE, -1, &fd, &reply) ?: read_text(fd, &text);

	if (!err && file_version(fd, version))
		err = -EIO;
	if (err) {
		json_decref(text);
		return refuse_source(request, reply.path, err);
	}
	return ks_web_answer(
		request, MHD_HTTP_OK,
		json_pack("{s:o, s:o, s:s}", "path", ks_json_text(reply.path), "text", text, "version", version));
}

/* Returns 0 if the file is that of which this version was told, else -ESTALE or another -errno. */
static int same_version(const struct ks_web_request *request, const char *told, struct ks_opener_reply *reply)
{
	char version[KS_VERSION_TEXT];
	ks_auto_fd int fd = -1;
	int err = ks_opener_ask(request->page->opener, KS_POLICY_SOURCE, -1, &fd, reply) ?: file_version(fd, version);

	return err || !strcmp(version, told) ? err : -ESTALE;
}

/* Writes the text of the body as the draft. */
static int write_draft(const struct ks_web_request *request, const char *text, struct ks_opener_reply *reply)
{
	ks_auto_fd int fd = memfd_create("draft", MFD_CLOEXEC);
	size_t size = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != (ssize_t)size)
		return -EIO;
	return ks_opener_ask(request->page->opener, KS_POLICY_DRAFT, fd, NULL, reply);
}

/* Calls and answers with the daemon's answer, whatever it is. */
static enum MHD_Result answer_reload(struct ks_web_request *request, json_t *wish)
{
	ks_auto_json json_t *owned = wish;
	ks_auto_json json_t *answer = NULL;
	ks_auto_free char *body = owned ? json_dumps(owned, JSON_COMPACT) : NULL;
	const struct ks_upstream_call call = {
		.socket = KS_OPEN_CONTROL, .method = "POST", .target = "/v1/reload", .body = body
	};
	int status = 0, err = body ? ks_upstream_json(request->page->opener, &call, &status, &answer) : -ENOMEM;

	if (err || !answer)
		return ks_web_refuse(request, MHD_HTTP_BAD_GATEWAY, "%s",
				     ks_upstream_complaint(KS_OPEN_CONTROL, err ? err : -EPROTO));
	return ks_web_answer(request, (unsigned)status, TAKE(answer));
}

/* The seconds of a trial that the body wishes; 0 if they are wrong. */
static json_int_t confirm_seconds(const json_t *body)
{
	const json_t *confirm = json_object_get(body, "confirm");
	json_int_t seconds = confirm ? json_integer_value(confirm) : KS_CONFIRM_USUAL;

	return seconds < KS_CONFIRM_MIN || seconds > KS_CONFIRM_MAX ? 0 : seconds;
}

static enum MHD_Result refuse_draft(struct ks_web_request *request, const char *draft, int err)
{
	if (err == -EBUSY)
		return ks_web_refuse(request, MHD_HTTP_CONFLICT, "a policy is on trial: keep it, or wait for its end");
	if (err == -EALREADY)
		return ks_web_refuse(request, MHD_HTTP_CONFLICT,
				     "%s is in force and was confirmed elsewhere: rename it to the file without .page "
				     "and say `keepstate reload FILE` first",
				     draft);
	return refuse_file(request, "the draft cannot be written", err);
}

static enum MHD_Result refuse_stale(struct ks_web_request *request, const char *file, const char *rest)
{
	return ks_web_refuse(request, MHD_HTTP_CONFLICT, "%s was changed by somebody else meanwhile: %s", file, rest);
}

/* Writes the draft and reloads it with this wish, which is its own from here. `version`: of the file that the text began from; NULL: any. */
static enum MHD_Result put_draft(struct ks_web_request *request, const char *text, const char *version, json_t *wish)
{
	ks_auto_json json_t *owned = wish;
	struct ks_opener_reply reply = { 0 };
	enum MHD_Result result;
	int err;

	pthread_mutex_lock(&changing);
	err = version ? same_version(request, version, &reply) : 0;
	if (!err)
		err = write_draft(request, text, &reply);
	if (err == -ESTALE) {
		result = refuse_stale(request, reply.path, "read it again, and edit that text");
	} else if (err) {
		result = refuse_draft(request, reply.path, err);
	} else {
		ks_json_set(&owned, "path", ks_json_text(reply.path));
		result = answer_reload(request, TAKE(owned));
	}
	pthread_mutex_unlock(&changing);
	return result;
}

/* Checks what is wished; `dry` or on trial. */
static enum MHD_Result reload_draft(struct ks_web_request *request, bool dry)
{
	enum MHD_Result result;
	ks_auto_json json_t *body = ks_web_body(request, &result);
	const char *text = json_string_value(json_object_get(body, "text"));
	json_int_t seconds = confirm_seconds(body);

	if (!body)
		return result;
	if (!text || !*text || strlen(text) > KS_POLICY_TEXT_MAX)
		return ks_web_refuse(request, MHD_HTTP_BAD_REQUEST, "text: give the policy's text, up to %u octets",
				     KS_POLICY_TEXT_MAX);
	if (!seconds)
		return ks_web_refuse(request, MHD_HTTP_BAD_REQUEST, "confirm: give a number of seconds from %d to %d",
				     KS_CONFIRM_MIN, KS_CONFIRM_MAX);
	if (dry)
		return put_draft(request, text, NULL, json_pack("{s:b}", "dry_run", 1));
	return put_draft(request, text, json_string_value(json_object_get(body, "version")),
			 json_pack("{s:I, s:b}", "confirm", seconds, "end_denied",
				   json_is_true(json_object_get(body, "end_denied"))));
}

enum MHD_Result ks_web_policy_try(struct ks_web_request *request)
{
	return reload_draft(request, true);
}

enum MHD_Result ks_web_policy_apply(struct ks_web_request *request)
{
	return reload_draft(request, false);
}

enum MHD_Result ks_web_policy_reload(struct ks_web_request *request)
{
	return answer_reload(request, json_object());
}

/* Says the word. Returns 0, -EALREADY if none was waited for, or another -errno. */
static int confirm(const struct ks_web_request *request)
{
	const struct ks_upstream_call call = { .socket = KS_OPEN_CONTROL, .method = "POST", .target = "/v1/confirm" };
	ks_auto_json json_t *answer = NULL;
	int status = 0, err = ks_upstream_json(request->page->opener, &call, &status, &answer);

	if (err)
		return err;
	return json_is_true(json_object_get(answer, "confirmed")) ? 0 : -EALREADY;
}

static enum MHD_Result keep(struct ks_web_request *request)
{
	struct ks_opener_reply reply = { 0 };
	int err = ks_opener_ask(request->page->opener, KS_POLICY_UNCHANGED, -1, NULL, &reply);

	if (err == -ESTALE)
		return refuse_stale(
			request, reply.path,
			"nothing is confirmed, so the policy before comes back; or say `keepstate confirm`, "
			"and what was on trial is in the file with .page behind its name");
	err = confirm(request);
	if (err == -EALREADY)
		return ks_web_refuse(
			request, MHD_HTTP_CONFLICT,
			"nothing waits to be confirmed: the time is over, and the policy before it is in force again");
	if (err)
		return ks_web_refuse(request, MHD_HTTP_BAD_GATEWAY, "%s", ks_upstream_complaint(KS_OPEN_CONTROL, err));
	err = ks_opener_ask(request->page->opener, KS_POLICY_KEEP, -1, NULL, &reply);
	if (err == -ENOENT) /* a policy that somebody else put on trial */
		return ks_web_answer(request, MHD_HTTP_OK, json_pack("{s:b}", "confirmed", 1));
	if (err)
		return refuse_file(request,
				   "it is confirmed and in force, but its file cannot take the place of the one before",
				   err);
	return answer_reload(request, json_pack("{s:o}", "path", ks_json_text(reply.path)));
}

enum MHD_Result ks_web_policy_keep(struct ks_web_request *request)
{
	enum MHD_Result result;

	pthread_mutex_lock(&changing);
	result = keep(request);
	pthread_mutex_unlock(&changing);
	return result;
}
