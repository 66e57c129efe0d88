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

#include "policy/ast.h"

bool ks_source_same(const struct ks_source *a, const struct ks_source *b)
{
	return a == b || (a->inode && a->inode == b->inode && a->device == b->device);
}

/* Reads to the end, at most KS_FILE_SIZE_MAX bytes. Returns 0 or -errno. */
static int read_all(int fd, char **text, size_t *length)
{
	size_t size = 1 << 16, used = 0;
	char *buf = malloc(size), *larger;
	ssize_t got;

	while (buf) {
		got = read(fd, buf + used, size - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || used + (size_t)got > KS_FILE_SIZE_MAX)
			break;
		used += (size_t)got;
		if (used < size)
			continue;
		larger = realloc(buf, size * 2);
		if (!larger) {
			free(buf);
			return -ENOMEM;
		}
		buf = larger;
		size *= 2;
	}
	if (!buf)
		return -ENOMEM;
	if (got) {
		int err = got < 0 ? -errno : -EFBIG;

		free(buf);
		return err;
	}
	*text = buf;
	*length = used;
	return 0;
}

static int open_path(const char *path, bool main, struct stat *st)
{
	int fd = strcmp(path, "-") == 0 && main ? dup(STDIN_FILENO)
						: open(path, O_RDONLY | O_CLOEXEC | (main ? 0 : O_NONBLOCK));

	if (fd < 0)
		return -errno;
	if (fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || (main && !S_ISDIR(st->st_mode) && !S_ISBLK(st->st_mode))))
		return fd;
	close(fd);
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
	struct ks_source *source = calloc(1, sizeof(*source));

	if (!source)
		return NULL;
	source->name = ks_arena_strndup(p->arena, name, strlen(name));
	source->dir = dir;
	source->text = text;
	source->length = length;
	source->next = p->complaints.sources;
	p->complaints.sources = source;
	if (!source->name)
		p->complaints.no_memory = true;
	return source->name ? source : NULL;
}

int ks_source_load(struct ks_parser *p, const char *path, bool main, const struct ks_source **result)
{
	struct ks_source *source;
	const char *dir;
	struct stat st;
	size_t length = 0;
	char *text = NULL;
	int err, fd = open_path(path, main, &st);

	if (fd < 0)
		return fd;
	err = read_all(fd, &text, &length);
	close(fd);
	if (err)
		return err;
	dir = ks_path_dir(p, path);
	source = dir ? ks_source_add(p, main && strcmp(path, "-") == 0 ? "stdin" : path, dir, text, length) : NULL;
	if (!source) {
		free(text);
		return -ENOMEM;
	}
	source->owned = text;
	source->device = st.st_dev;
	source->inode = st.st_ino;
	*result = source;
	return 0;
}

/* The path seen from the working directory. */
static const char *resolve(struct ks_parser *p, const char *path)
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

int ks_source_open(struct ks_parser *p, const struct ks_token *path, const struct ks_source **source)
{
	const char *full;
	int err = check_bounds(p, path);

	if (err)
		return err;
	full = resolve(p, path->text);
	if (!full)
		return ks_parser_no_memory(p);
	err = ks_source_load(p, full, false, source);
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
