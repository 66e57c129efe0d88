/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keepstate metrics: the figures of the running firewall for Prometheus, printed once or served over TCP, because it cannot
 * scrape a unix socket. The server (metrics_server.c) is a process of its own that has no right but to ask the read-only
 * socket, so that nothing of the network ever speaks with the daemon.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/metrics.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "daemon/presence.h"
#include "text/scoped.h"

static void complain(const struct ks_instance *instance, int err)
{
	struct ks_presence presence;

	fputs("keepstate: ", stderr);
	if (err == -EACCES) {
		fputs("only root and the group keepstate may ask the firewall", stderr);
	} else if (err == -ENOENT || err == -ECONNREFUSED || err == -ETIMEDOUT) {
		ks_presence_find(instance, &presence);
		ks_presence_describe(&presence, instance, stderr);
	} else if (err == -EPROTO) {
		fputs("the daemon answers without metrics: is it of another version?", stderr);
	} else {
		fprintf(stderr, "the firewall cannot be asked: %s", strerror(-err));
	}
	fputc('\n', stderr);
}

static int print_once(const struct ks_instance *instance, bool open)
{
	ks_auto_free char *text = NULL;
	size_t size;
	int err = ks_metrics_fetch(instance, open, &text, &size);

	if (err) {
		complain(instance, err);
		return KS_EXIT_SYSTEM;
	}
	fwrite(text, 1, size, stdout);
	return ks_cli_finish(KS_EXIT_OK);
}

int ks_cmd_metrics(int argc, char **argv)
{
	const char *listen = NULL;
	bool open = false;
	const struct ks_option options[] = {
		{ .name = "listen",
		  .argument = "ADDRESS:PORT",
		  .help = "serve them there, such as at " KS_METRICS_ADDRESS ", and stay",
		  .take = ks_take_text,
		  .target = &listen },
		{ .name = "openmetrics",
		  .help = "print the format of OpenMetrics; without, that of Prometheus",
		  .take = ks_take_flag,
		  .target = &open },
	};
	const struct ks_usage usage = {
		"keepstate metrics [OPTION]...",
		"Prints the figures of the running firewall once, for the textfile collector of Prometheus'\n"
		"node exporter and the like. With --listen a server answers GET /metrics in either format, as a\n"
		"user without rights who can only ask the read-only socket; whoever reaches that port can read\n"
		"them, so give a loopback address, or let the policy say who may. keepstate(8) and docs/metrics.md\n"
		"tell more.",
		options, KS_ARRAY_SIZE(options)
	};
	struct ks_instance instance;
	int err, code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (first != argc)
		return ks_usage_error(&usage, "metrics takes no operands");
	if (listen && open)
		return ks_usage_error(&usage,
				      "--openmetrics is for printing: a server speaks what its client asks for");
	err = ks_instance_find(&instance);
	if (err) {
		fprintf(stderr, "keepstate: cannot tell the network namespace: %s\n", strerror(-err));
		return KS_EXIT_SYSTEM;
	}
	return listen ? ks_metrics_serve(&usage, &instance, listen) : print_once(&instance, open);
}
