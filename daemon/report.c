/* SPDX-License-Identifier: BSD-2-Clause */
/* See report.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/report.h"
#include "text/scoped.h"

static bool detached;

void ks_report_to_syslog(void)
{
	openlog("keepstate", LOG_PID, LOG_DAEMON);
	detached = true;
}

bool ks_report_is_detached(void)
{
	return detached;
}

__attribute__((format(printf, 2, 0))) static void report(int priority, const char *format, va_list args)
{
	char text[4096];

	vsnprintf(text, sizeof(text), format, args);
	if (detached)
		syslog(priority, "%s", text);
	else
		fprintf(stderr, "keepstate: %s\n", text);
}

void ks_report(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(LOG_INFO, format, args);
	va_end(args);
}

void ks_report_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(LOG_ERR, format, args);
	va_end(args);
}

void ks_report_diags(const struct ks_diags *diags)
{
	if (!detached) {
		ks_diags_print(diags, stderr, false);
		return;
	}
	for (size_t i = 0; i < diags->count; i++) {
		const struct ks_diag *diag = &diags->list[i];

		syslog(diag->warning ? LOG_WARNING : LOG_ERR, "%s:%u:%u: %s: %s", diag->place.file, diag->place.line,
		       diag->place.column, diag->warning ? "warning" : "error", diag->message);
	}
}

void ks_report_to_manager(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = path ? strlen(path) : 0;
	ks_auto_fd int fd = -1;

	if (length < 2 || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@') /* the abstract namespace */
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
		ks_report_error("cannot tell the service manager '%s'", state);
}
