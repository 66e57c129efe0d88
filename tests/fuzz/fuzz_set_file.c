/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes files of sets, which people take from others: blocklists, lists of ports, hosts files. The first byte says which
 * kind of set the rest is for. Any file is taken or refused with a complaint, and a set that is taken prints as text that
 * loads to the same ranges.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The policy around the file. */
static const char *const forms[] = {
	"set s file \"/proc/self/fd/%d\"\nallow source @s\n",
	"set s port file \"/proc/self/fd/%d\"\nallow tcp port @s\n",
	"set s file \"/proc/self/fd/%d\" dynamic\nallow source @s\n",
	"set s file \"/proc/self/fd/%d\" optional\nallow source not @s\n",
};

static void check(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static void check_round_trip(const struct ks_policy *policy)
{
	struct ks_policy *reloaded = NULL;
	struct ks_diags diags;
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	check(out != NULL, "no memory");
	ks_policy_print(policy, out);
	fclose(out);
	check(ks_policy_load_text(text, length, "normal form", NULL, &reloaded, &diags) == 0,
	      "the normal form does not load");
	check(policy->config.ranges == reloaded->config.ranges &&
		      (!policy->config.ranges ||
		       memcmp(policy->ranges, reloaded->ranges, policy->config.ranges * sizeof(*policy->ranges)) == 0),
	      "other ranges");
	ks_diags_fini(&diags);
	ks_policy_destroy(reloaded);
	free(text);
}

static void check_file(int fd, const char *form)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	char text[128];
	int err;

	snprintf(text, sizeof(text), form, fd);
	err = ks_policy_load_text(text, strlen(text), "fuzz", ".", &policy, &diags);
	check((err == 0) == (diags.errors == 0), "an error without a complaint, or the other way round");
	for (size_t i = 0; i < diags.count; i++)
		check(diags.list[i].message && diags.list[i].place.line, "a complaint without a text or place");
	if (policy)
		check_round_trip(policy);
	ks_policy_destroy(policy);
	ks_diags_fini(&diags);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd;

	if (!size)
		return 0;
	fd = memfd_create("set", MFD_CLOEXEC);
	check(fd >= 0 && write(fd, data + 1, size - 1) == (ssize_t)(size - 1), "no file in memory");
	check_file(fd, forms[data[0] % (sizeof(forms) / sizeof(*forms))]);
	close(fd);
	return 0;
}
