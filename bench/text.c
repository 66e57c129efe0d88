// SPDX-License-Identifier: BSD-2-Clause
/* The policies of the benchmarks, and how long they take to load. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "kernel/kernel.h"

static void set_print(FILE *out, __u32 prefixes)
{
	/* Every second /24: neighbours would be joined to one range. */
	fputs("set many {\n", out);
	for (__u32 i = 0; i < prefixes; i++) {
		__u32 net = 0x0b000000U + (i << 9);

		fprintf(out, "  %u.%u.%u.0/24%s\n", net >> 24, net >> 16 & 0xff, net >> 8 & 0xff,
			i + 1 < prefixes ? "," : "");
	}
	fputs("}\ndeny from lan to wan source @many\n", out);
}

/* Rules that differ and that no packet of the benchmarks meets: each names a port and a network of its own. */
static void rules_print(FILE *out, __u32 rules)
{
	for (__u32 i = 0; i + 1 < rules; i++)
		fprintf(out, "allow from lan to wan udp port %u destination 10.%u.%u.0/24\n", 1000 + i % 50000,
			i >> 8 & 0xff, i & 0xff);
	fputs("allow from lan to wan\n", out);
}

char *bench_policy_text_make(__u32 rules, __u32 flows, __u32 prefixes)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fprintf(out,
		"zone lan { lan0, challenge never }\nzone wan { wan0, challenge never }\n"
		"limit states %u, half-open %u, adaptive off\noption state-checksum off\n",
		flows, flows);
	if (prefixes)
		set_print(out, prefixes);
	rules_print(out, rules);
	if (fclose(out)) {
		free(text);
		return NULL;
	}
	return text;
}

static int text_load(const char *text, struct ks_policy **policy)
{
	struct ks_diags diags;
	int err = ks_policy_load_text(text, strlen(text), "bench", NULL, policy, &diags);

	if (err)
		ks_diags_print(&diags, stderr, false);
	ks_diags_fini(&diags);
	return err;
}

int bench_policy_make(__u32 rules, __u32 flows, __u32 prefixes, struct ks_policy **policy)
{
	char *text = bench_policy_text_make(rules, KS_MAX(flows, KS_LIMIT_STATES_MIN), prefixes);
	int err = text ? text_load(text, policy) : -ENOMEM;

	free(text);
	return err;
}

int bench_policy_text(const struct bench_opts *opts)
{
	char *text = bench_policy_text_make(opts->rules, KS_MAX(opts->flows, KS_LIMIT_STATES_MIN), opts->prefixes);

	if (!text)
		return bench_fail(-ENOMEM, "policy");
	fputs(text, stdout);
	free(text);
	return 0;
}

/* Text to tables, and tables into a kernel that is running another policy. */
static int load_once(const char *text, struct ks_kernel *kernel)
{
	__u64 start = bench_wall_time(), loaded, installed;
	struct ks_policy *policy;
	int err = text_load(text, &policy);

	if (err)
		return bench_fail(err, "policy");
	loaded = installed = bench_wall_time();
	if (kernel) {
		err = ks_kernel_set_policy(kernel, policy);
		installed = bench_wall_time();
	}
	ks_policy_destroy(policy);
	if (err)
		return bench_fail(err, "%s", ks_kernel_complaint());
	printf("{\"load_ms\": %.3f, \"install_ms\": ", (double)(loaded - start) / 1e6);
	if (kernel)
		printf("%.3f}\n", (double)(installed - loaded) / 1e6);
	else
		puts("null}");
	return 0;
}

int bench_policy(const struct bench_opts *opts)
{
	char *text = bench_policy_text_make(opts->rules, KS_LIMIT_STATES_MIN, opts->prefixes);
	struct ks_kernel *kernel = NULL;
	struct ks_policy *first = NULL;
	int err = text ? bench_policy_make(1, KS_LIMIT_STATES_MIN, 0, &first) : -ENOMEM;

	/* Without rights only the first half is measured. */
	if (!err && ks_kernel_load(first, NULL, &kernel))
		kernel = NULL;
	for (__u32 i = 0; !err && i < opts->runs; i++)
		err = load_once(text, kernel);
	ks_kernel_close(kernel);
	ks_policy_destroy(first);
	free(text);
	return err;
}
