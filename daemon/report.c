/* SPDX-License-Identifier: BSD-2-Clause */
/* See report.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/manager.h"
#include "daemon/report.h"
#include "text/utf8.h"

static bool detached;

/* A priority of syslog as the journal reads it at the beginning of a line, "" if nobody would. */
static const char *prefix(int priority, char buf[8])
{
	static int has_journal = -1;

	if (has_journal < 0)
		has_journal = ks_manager_has_journal();
	if (!has_journal)
		return "";
	snprintf(buf, 8, "<%d>", priority);
	return buf;
}

/* One line at a time, because each has a priority of its own. */
static void print_lines(int priority, char *text)
{
	const char *name = "keepstate: ";
	char *save = NULL, buf[8];

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		fprintf(stderr, "%s%s%s\n", prefix(priority, buf), name, line);
		name = "";
	}
}

void ks_report_to_syslog(void)
{
	openlog("keepstate", LOG_PID, LOG_DAEMON);
	detached = true;
}

bool ks_report_is_detached(void)
{
	return detached;
}

/* Names of interfaces may hold anything, and must not reach a terminal so. */
static void clean(char *text)
{
	for (size_t size; *text; text++) {
		size = *text == '\n' || *text == '\t' ? 0 : ks_control_size(text);
		if (size)
			memset(text, '?', size);
	}
}

__attribute__((format(printf, 2, 0))) static void report(int priority, const char *format, va_list args)
{
	char text[4096];

	vsnprintf(text, sizeof(text), format, args);
	clean(text);
	if (detached)
		syslog(priority, "%s", text);
	else
		print_lines(priority, text);
}

__attribute__((format(printf, 2, 3))) static void report_line(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	report(priority, format, args);
	va_end(args);
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

static void report_diag(const struct ks_diag *diag)
{
	report_line(diag->warning ? LOG_WARNING : LOG_ERR, "%s:%u:%u: %s: %s", diag->place.file, diag->place.line,
		    diag->place.column, diag->warning ? "warning" : "error", diag->message);
}

void ks_report_diags(const struct ks_diags *diags)
{
	if (!detached && !ks_manager_has_journal()) {
		ks_diags_print(diags, stderr, false);
		return;
	}
	for (size_t i = 0; i < diags->count; i++)
		report_diag(&diags->list[i]);
}
