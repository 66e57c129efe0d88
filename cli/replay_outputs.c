/* SPDX-License-Identifier: BSD-2-Clause */
/* Keeps keepstate replay from writing over a file that it reads, or two files into one; see cli/replay.h. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/replay.h"
#include "core/types.h"

#define PATH_KEPT 4096

/* The target of a path: a file that is there, or a name in a directory. */
struct path_target {
	bool there, directory_there;
	struct stat file, directory;
	const char *name; /* the last part of the path */
};

/* `standard` is the descriptor that "-" stands for. */
static void target_find(struct path_target *target, const char *path, int standard)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_KEPT];
	size_t length = slash ? (size_t)(slash - path) + 1 : 0;

	*target = (struct path_target){ .name = path + length };
	if (strcmp(path, "-") == 0) {
		target->there = fstat(standard, &target->file) == 0;
		return;
	}
	target->there = stat(path, &target->file) == 0;
	if (length >= sizeof(directory))
		return;
	memcpy(directory, path, length);
	directory[length] = '\0';
	target->directory_there = stat(length ? directory : ".", &target->directory) == 0;
}

static bool same_inode(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Devices such as /dev/null may be written twice; a file holds one capture. */
static bool same_target(const struct path_target *a, const struct path_target *b)
{
	if (a->there && b->there)
		return !S_ISCHR(a->file.st_mode) && same_inode(&a->file, &b->file);
	return !a->there && !b->there && a->directory_there && b->directory_there &&
	       same_inode(&a->directory, &b->directory) && strcmp(a->name, b->name) == 0;
}

static int collides_with_input(const char *option, const char *path, const char *input, const char *what)
{
	struct path_target out, in;

	target_find(&out, path, STDOUT_FILENO);
	target_find(&in, input, STDIN_FILENO);
	if (!same_target(&out, &in) || !in.there)
		return KS_EXIT_OK;
	fprintf(stderr, "keepstate: --%s: '%s' is the %s '%s', which would be lost; name another file\n", option, path,
		what, input);
	return KS_EXIT_USAGE;
}

static int collides_with_output(const char *option, const char *path, const char *other_option, const char *other_path)
{
	struct path_target out, other;

	target_find(&out, path, STDOUT_FILENO);
	target_find(&other, other_path, STDOUT_FILENO);
	if (!same_target(&out, &other))
		return KS_EXIT_OK;
	fprintf(stderr, "keepstate: --%s: '%s' is the file of --%s too; name another one\n", option, path,
		other_option);
	return KS_EXIT_USAGE;
}

int ks_replay_outputs_check(const struct ks_replay_outputs *outputs, const char *policy, char **captures)
{
	static const char *const options[] = { "passed", "dropped", "answers" };
	const char *const paths[] = { outputs->passed, outputs->dropped, outputs->answers };
	int code = KS_EXIT_OK;

	for (size_t i = 0; i < KS_ARRAY_SIZE(paths) && code == KS_EXIT_OK; i++) {
		if (!paths[i])
			continue;
		code = collides_with_input(options[i], paths[i], policy, "policy");
		for (size_t j = 0; captures[j] && code == KS_EXIT_OK; j++)
			code = collides_with_input(options[i], paths[i], captures[j], "capture");
		for (size_t j = 0; j < i && code == KS_EXIT_OK; j++) {
			if (paths[j])
				code = collides_with_output(options[i], paths[i], options[j], paths[j]);
		}
	}
	return code;
}
