/* SPDX-License-Identifier: BSD-2-Clause */
/* The tests in a policy. A policy whose tests fail does not come into force. Runs in the thread that loads the policy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "proof/assertion.h"
#include "text/scoped.h"
#include "text/plural.h"

int ks_daemon_test(const struct ks_policy *policy, struct ks_load_outcome *outcome)
{
	struct ks_tests_summary summary = { 0 };
	ks_auto_free char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int err;

	if (!out)
		return -ENOMEM;
	err = ks_policy_tests_run(policy, ks_assertion_prove, out, &summary);
	if (fclose(out) && !err)
		err = -ENOMEM;
	if (!err)
		return 0;
	outcome->tests = TAKE(text);
	if (err == -EBADMSG)
		err = asprintf(&outcome->message, "%u of its %u test%s fail%s", summary.failed,
			       summary.failed + summary.passed, ks_plural(summary.failed + summary.passed),
			       ks_plural_verb(summary.failed)) < 0
			      ? -ENOMEM
			      : -EBADMSG;
	else if (asprintf(&outcome->message, "cannot run its tests: %s", strerror(-err)) < 0)
		err = -ENOMEM;
	return err;
}
