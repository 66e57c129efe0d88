/* SPDX-License-Identifier: BSD-2-Clause */
/* keepstate import: a policy from what another firewall is configured by. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/confine.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "import/import.h"
#include "text/memory_file.h"
#include "text/plural.h"

#define PIECE 65536

/* Reads all of a file. Returns 0 or -errno; -EFBIG beyond the bound of an import. */
static int text_read(int fd, char **text, size_t *length)
{
	ks_auto_free char *read_so_far = NULL;
	size_t used = 0, room = 0;
	ssize_t got;

	do {
		if (used + PIECE > room) {
			char *grown = realloc(read_so_far, room = 2 * room + PIECE);

			if (!grown)
				return -ENOMEM;
			read_so_far = grown;
		}
		got = read(fd, read_so_far + used, PIECE);
		if (got < 0 && errno != EINTR)
			return -errno;
		used += got > 0 ? (size_t)got : 0;
		if (used > KS_IMPORT_SIZE_MAX)
			return -EFBIG;
	} while (got);
	*text = TAKE(read_so_far);
	*length = used;
	return 0;
}

static int file_read(const char *path, char **text, size_t *length)
{
	ks_auto_fd int fd = -1;

	if (!strcmp(path, "-"))
		return text_read(STDIN_FILENO, text, length);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : text_read(fd, text, length);
}

/* A file that the text names. What is no plain file, such as a device, is not read. */
static int named_read(const char *path, char **text, size_t *length)
{
	ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat is;

	if (fd < 0 || fstat(fd, &is))
		return -errno;
	return S_ISREG(is.st_mode) ? text_read(fd, text, length) : -EINVAL;
}

/* The policy, to standard output or into a new file. Returns an exit status. */
static int policy_write(const char *path, const char *policy)
{
	ks_auto_file FILE *out = NULL;

	if (!path) {
		fputs(policy, stdout);
		return KS_EXIT_OK;
	}
	out = fopen(path, "we");
	if (!out || fputs(policy, out) < 0 || fflush(out)) {
		fprintf(stderr, "keepstate: cannot write %s: %s\n", path, strerror(errno));
		return KS_EXIT_SYSTEM;
	}
	return KS_EXIT_OK;
}

static int text_import(enum ks_import_form form, const char *path, const char *text, size_t length, const char *output)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *policy = NULL;
	struct ks_import_outcome outcome;
	char error[KS_IMPORT_ERROR], origin[128];
	int err;

	if (ks_memory_file_open(&file))
		return ks_cli_no_memory();
	snprintf(origin, sizeof(origin), "%s", ks_import_form_name(form));
	err = ks_import(form, text, length, named_read, origin, file.out, &outcome, error);
	if (err == -ENOMEM)
		return ks_cli_no_memory();
	if (err) {
		fprintf(stderr, "keepstate: cannot import %s: %s\n", path, error);
		return KS_EXIT_USAGE;
	}
	policy = ks_memory_file_take(&file);
	if (!policy)
		return ks_cli_no_memory();
	fprintf(stderr,
		"keepstate: %u rule%s as %s, %u that den%s more, %u left out, %u line%s without a rule; "
		"the comments in the policy say which and why\n",
		outcome.exact, ks_plural(outcome.exact), outcome.exact == 1 ? "it was" : "they were", outcome.broader,
		outcome.broader == 1 ? "ies" : "y", outcome.left_out, outcome.notes, ks_plural(outcome.notes));
	return policy_write(output, policy);
}

static int form_find(const char *name)
{
	int form = ks_import_form(name);

	if (form >= 0)
		return form;
	fprintf(stderr, "keepstate: '%.40s' is no form that is imported: expected one of", name);
	for (unsigned i = 0; ks_import_form_name(i); i++)
		fprintf(stderr, " %s", ks_import_form_name(i));
	fputc('\n', stderr);
	return -1;
}

int ks_cmd_import(int argc, char **argv)
{
	const char *output = NULL;
	const struct ks_option options[] = {
		{ .name = "output",
		  .letter = 'o',
		  .argument = "FILE",
		  .help = "write the policy to FILE, not to standard output",
		  .take = ks_take_text,
		  .target = &output },
	};
	const struct ks_usage usage = {
		"keepstate import [OPTION]... FORM FILE",
		"Makes a policy of another firewall's rules, as iptables-save prints them ('-' for standard\n"
		"input). What the policy lets pass the original let pass, too: a rule that cannot be said\n"
		"exactly is left out if it allows, and denies more if it denies. Comments say where and why.\n"
		"\n"
		"  iptables-save | keepstate import iptables-save - > imported.conf\n"
		"  nft list ruleset | keepstate import nft - > imported.conf\n"
		"  keepstate check imported.conf\n"
		"\n"
		"Returns 0, 2 for a text that cannot be read as one of this form.",
		options, KS_ARRAY_SIZE(options)
	};
	ks_auto_free char *text = NULL;
	size_t length = 0;
	int code, form, err, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first != 2)
		return ks_usage_error(&usage, "import needs a form and a file");
	form = form_find(argv[first]);
	if (form < 0)
		return KS_EXIT_USAGE;
	ks_cli_confine(output != NULL);
	err = file_read(argv[first + 1], &text, &length);
	if (err) {
		fprintf(stderr, "keepstate: cannot read %s: %s\n", argv[first + 1], strerror(-err));
		return KS_EXIT_USAGE;
	}
	return ks_cli_finish(text_import((enum ks_import_form)form, argv[first + 1], text, length, output));
}
