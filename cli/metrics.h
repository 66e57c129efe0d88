/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of `keepstate metrics`. */
#ifndef KS_CLI_METRICS_H
#define KS_CLI_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/options.h"
#include "daemon/instance.h"

#define KS_METRICS_ADDRESS "127.0.0.1:9617"

/*
 * Asks the daemon of an instance by the read-only socket, or by the control socket if there is no such. Returns 0 with *text,
 * which the caller frees, or -errno.
 */
int ks_metrics_fetch(const struct ks_instance *instance, bool open, char **text, size_t *size);

/* Serves them until the process is ended. Returns an enum ks_exit. */
int ks_metrics_serve(const struct ks_usage *usage, const struct ks_instance *instance, const char *address);

#endif
