/* SPDX-License-Identifier: BSD-2-Clause */
/* Asks the daemon for its figures: see metrics.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/http.h"
#include "cli/metrics.h"
#include "daemon/api/exposition.h"
#include "text/memory_file.h"
#include "text/scoped.h"

#define ANSWER_MAX (64U << 20)
#define WAITS_MAX 10 /* of KS_HTTP_PATIENCE_MS without a byte: a scraper gives up no later */

static int wait_for_daemon(void *arg)
{
	unsigned *waits = arg;

	return ++*waits < WAITS_MAX ? 0 : -ETIMEDOUT;
}

static int connect_to(const char *path, int *fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	ks_auto_fd int new = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (new < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(new, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	*fd = TAKE_FD(new);
	return 0;
}

/* By the socket that can change nothing. Who may not use it may not use the other one either. */
static int connect_to_daemon(const struct ks_instance *instance, int *fd)
{
	int err = connect_to(instance->read_socket, fd);

	return err == -ENOENT || err == -ECONNREFUSED ? connect_to(instance->socket, fd) : err;
}

static int read_body(struct ks_http *http, FILE *out, unsigned *waits)
{
	size_t total = 0;
	char data[16384];
	ssize_t n;

	while ((n = ks_http_read_body(http, data, sizeof(data))) > 0) {
		*waits = 0;
		total += (size_t)n;
		if (total > ANSWER_MAX)
			return -EMSGSIZE;
		fwrite(data, 1, (size_t)n, out);
	}
	return (int)n;
}

int ks_metrics_fetch(const struct ks_instance *instance, bool open, char **text, size_t *size)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free struct ks_http *http = calloc(1, sizeof(*http));
	ks_auto_fd int fd = -1;
	unsigned waits = 0;
	int status, err = http ? ks_memory_file_open(&file) ?: connect_to_daemon(instance, &fd) : -ENOMEM;

	if (err)
		return err;
	ks_http_begin(http, fd, wait_for_daemon, &waits);
	http->accept = ks_exposition_type(open);
	err = ks_http_send(http, "GET", "/metrics", NULL);
	if (!err)
		err = ks_http_read_head(http, &status);
	if (!err && status != 200)
		err = -EPROTO;
	if (!err)
		err = read_body(http, file.out, &waits);
	if (err)
		return err;
	*text = ks_memory_file_take(&file);
	if (!*text)
		return -ENOMEM;
	*size = strlen(*text);
	return 0;
}
