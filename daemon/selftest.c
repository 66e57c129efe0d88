/* SPDX-License-Identifier: BSD-2-Clause */
/* The tests that a policy carries: none whose tests fail comes into force. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "scenario/scenario.h"

int ks_daemon_test(const struct ks_policy *policy, struct ks_load_outcome *outcome)
{
	struct ks_tests_summary summary = { 0 };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int err;

	if (!out)
		return -ENOMEM;
	err = ks_policy_tests_run(policy, out, &summary);
	fclose(out);
	if (!err) {
		free(text);
		return 0;
	}
	outcome->tests = text;
	if (err == -EBADMSG)
		err = asprintf(&outcome->message, "%u of its %u tests fail", summary.failed,
			       summary.failed + summary.passed) < 0
			      ? -ENOMEM
			      : -EBADMSG;
	else if (asprintf(&outcome->message, "cannot run its tests: %s", strerror(-err)) < 0)
		err = -ENOMEM;
	return err;
}
