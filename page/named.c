/* SPDX-License-Identifier: BSD-2-Clause */
/* See named.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/http.h"
#include "page/named.h"
#include "text/memory_file.h"
#include "text/scoped.h"

#define KS_PATIENCE 30 /* seconds */
#define KS_STATUS_OK 200

static int waits(void *arg)
{
	unsigned *waited = arg;

	return ++*waited >= KS_PATIENCE ? -ETIMEDOUT : 0;
}

/* Reads the answer's text. */
static int read_answer(struct ks_http *http, char **text)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	int status = 0, err = ks_memory_file_open(&file) ?: ks_http_read_head(http, &status);
	char buf[4096];
	ssize_t n = 0;

	while (!err && (n = ks_http_read_body(http, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, file.out);
	if (err || n < 0)
		return err ? err : (int)n;
	if (status != KS_STATUS_OK)
		return -EPROTO;
	*text = ks_memory_file_take(&file);
	return *text ? 0 : -ENOMEM;
}

int ks_named_policy(int fd, char path[PATH_MAX], bool *on_trial)
{
	ks_auto_free struct ks_http *http = calloc(1, sizeof(*http));
	ks_auto_json json_t *status = NULL;
	ks_auto_free char *text = NULL;
	const char *policy;
	unsigned waited = 0;
	int err;

	if (!http)
		return -ENOMEM;
	ks_http_begin(http, fd, waits, &waited);
	err = ks_http_send(http, "GET", "/v1/status", NULL) ?: read_answer(http, &text);
	if (err)
		return err;
	status = json_loads(text, 0, NULL);
	*on_trial = json_is_object(json_object_get(status, "unconfirmed"));
	policy = json_string_value(json_object_get(status, "policy"));
	if (!policy || policy[0] != '/')
		return -ENOENT;
	return snprintf(path, PATH_MAX, "%s", policy) >= PATH_MAX ? -ENAMETOOLONG : 0;
}
