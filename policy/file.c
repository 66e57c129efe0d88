/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of a policy: the main text, includes, set files. A path that is not
 * absolute starts at the directory of the file that names it. Sizes and
 * numbers are bounded, and only regular files (and, for the main text, pipes)
 * are read.
 */
#include "policy/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool ks_source_same(const struct ks_source *a, const struct ks_source *b)
{
	return a == b || (a->inode && a->inode == b->inode && a->device == b->device);
}

/* Makes room for as much again. */
static int double_room(char **text, size_t *room)
{
	char *larger = realloc(*text, *room * 2);

	if (!larger)
		return -ENOMEM;
	*text = larger;
	*room *= 2;
	return 0;
}

/* Reads to the end, at most KS_FILE_SIZE_MAX bytes. Returns 0 or -errno. */
static int read_all(int fd, char **text, size_t *length)
{
	size_t room = 1 << 16, used = 0;
	ks_auto_free char *data = malloc(room);

	if (!data)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, data + used, room - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		used += (size_t)got;
		if (used > KS_FILE_SIZE_MAX)
			return -EFBIG;
		if (used == room && double_room(&data, &room))
			return -ENOMEM;
	}
	*text = TAKE(data);
	*length = used;
	return 0;
}

/* Returns a descriptor or -errno. */
static int open_path(const char *path, bool main, struct stat *st)
{
	ks_auto_fd int fd = strcmp(path, "-") == 0 && main ? dup(STDIN_FILENO)
							   : open(path, O_RDONLY | O_CLOEXEC | (main ? 0 : O_NONBLOCK));

	if (fd < 0 || fstat(fd, st))
		return -errno;
	if (S_ISREG(st->st_mode) || (main && !S_ISDIR(st->st_mode) && !S_ISBLK(st->st_mode)))
		return TAKE_FD(fd);
	return S_ISDIR(st->st_mode) ? -EISDIR : -ENOTSUP;
}

const char *ks_path_dir(struct ks_parser *p, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return ".";
	return slash == path ? "/" : ks_arena_strndup(p->arena, path, (size_t)(slash - path));
}

struct ks_source *ks_source_add(struct ks_parser *p, const char *name, const char *dir, const char *text, size_t length)
{
	const char *kept = ks_arena_strndup(p->arena, name, strlen(name));
	struct ks_source *source = kept ? calloc(1, sizeof(*source)) : NULL;

	if (!source)
		return NULL;
	*source = (struct ks_source){
		.next = p->complaints.sources, .name = kept, .dir = dir, .text = text, .length = length
	};
	p->complaints.sources = source;
	return source;
}

int ks_source_load(struct ks_parser *p, const char *path, bool main, const struct ks_source **result)
{
	struct stat st;
	ks_auto_fd int fd = open_path(path, main, &st);
	ks_auto_free char *text = NULL;
	struct ks_source *source;
	const char *dir;
	size_t length = 0;
	int err;

	if (fd < 0)
		return fd;
	err = read_all(fd, &text, &length);
	if (err)
		return err;
	dir = ks_path_dir(p, path);
	source = dir ? ks_source_add(p, main && strcmp(path, "-") == 0 ? "stdin" : path, dir, text, length) : NULL;
	if (!source)
		return -ENOMEM;
	source->owned = TAKE(text);
	source->device = st.st_dev;
	source->inode = st.st_ino;
	*result = source;
	return 0;
}

/* The path seen from the working directory. */
static const char *path_from_here(struct ks_parser *p, const char *path)
{
	const char *dir = p->lexer->source->dir;

	if (path[0] == '/' || strcmp(dir, ".") == 0)
		return path;
	return ks_arena_printf(p->arena, "%s%s%s", dir, strcmp(dir, "/") == 0 ? "" : "/", path);
}

static int check_bounds(struct ks_parser *p, const struct ks_token *path)
{
	if (p->no_files)
		return ks_parser_error(p, path, 0, "this policy is read from memory: it cannot read files");
	if (!path->length || path->length > 4000)
		return ks_parser_error(p, path, 0, "expected the path of a file");
	if (p->files >= KS_FILES_MAX)
		return ks_parser_error(p, path, 0, "the policy reads more than %u files", KS_FILES_MAX);
	if (p->read >= KS_READ_MAX)
		return ks_parser_error(p, path, 0, "the policy's files are larger than %u MiB together",
				       KS_READ_MAX >> 20);
	return 0;
}

static int open_named(struct ks_parser *p, const struct ks_token *path, bool optional, const struct ks_source **source)
{
	const char *full;
	int err = check_bounds(p, path);

	if (err)
		return err;
	full = path_from_here(p, path->text);
	if (!full)
		return ks_parser_no_memory(p);
	err = ks_source_load(p, full, false, source);
	if (err == -ENOENT && optional) {
		ks_parser_warn_at(p, &path->place, "'%.200s' is not there: nothing is read from it", full);
		*source = NULL;
		return 0;
	}
	if (err == -ENOMEM)
		return ks_parser_no_memory(p);
	if (err == -EFBIG)
		return ks_parser_error(p, path, 0, "'%.200s' is larger than %u MiB", full, KS_FILE_SIZE_MAX >> 20);
	if (err)
		return ks_parser_error(p, path, 0, "cannot read '%.200s': %s", full,
				       err == -ENOTSUP ? "expected an ordinary file" : strerror(-err));
	p->files++;
	p->read += (*source)->length;
	return 0;
}

int ks_source_open(struct ks_parser *p, const struct ks_token *path, const struct ks_source **source)
{
	return open_named(p, path, false, source);
}

int ks_source_open_optional(struct ks_parser *p, const struct ks_token *path, const struct ks_source **source)
{
	return open_named(p, path, true, source);
}
