/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See failing_memory.h. The program's own malloc() comes before that of the C library, or of AddressSanitizer, for
 * every library of the process; it asks the next one in the order of the linker.
 */
#include "tests/unit/failing_memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
	void *(*malloc)(size_t size);
	void *(*calloc)(size_t count, size_t size);
	void *(*realloc)(void *memory, size_t size);
	void *(*aligned_alloc)(size_t alignment, size_t size);
	void (*free)(void *memory);
} next;

static bool is_armed, was_refused;
static unsigned pauses;
static enum memory_shortage shortage;
static size_t refused_at, allocations;
static long live;

/* The linker may allocate while it looks the functions up. */
static char early[4096];
static size_t early_used;

static void *early_alloc(size_t size)
{
	void *memory = early + early_used;

	early_used += (size + 15) & ~(size_t)15;
	return early_used <= sizeof(early) ? memory : NULL;
}

static bool is_early(const void *memory)
{
	return (const char *)memory >= early && (const char *)memory < early + sizeof(early);
}

/* Returns false while the functions are looked up. */
static bool find_next(void)
{
	static bool is_looking;

	if (next.free)
		return true;
	if (is_looking)
		return false;
	is_looking = true;
	next.malloc = dlsym(RTLD_NEXT, "malloc");
	next.calloc = dlsym(RTLD_NEXT, "calloc");
	next.realloc = dlsym(RTLD_NEXT, "realloc");
	next.aligned_alloc = dlsym(RTLD_NEXT, "aligned_alloc");
	next.free = dlsym(RTLD_NEXT, "free");
	return true;
}

static bool refuse(void)
{
	if (!is_armed || pauses)
		return false;
	allocations++;
	if (allocations != refused_at && (shortage == MEMORY_ONCE || !refused_at || allocations < refused_at))
		return false;
	was_refused = true;
	errno = ENOMEM;
	return true;
}

static void *count(void *memory)
{
	live += memory != NULL;
	return memory;
}

void *malloc(size_t size)
{
	if (!find_next())
		return early_alloc(size);
	return refuse() ? NULL : count(next.malloc(size));
}

void *calloc(size_t number, size_t size)
{
	if (!find_next())
		return early_alloc(number * size);
	return refuse() ? NULL : count(next.calloc(number, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return refuse() || !find_next() ? NULL : count(next.aligned_alloc(alignment, size));
}

void *realloc(void *memory, size_t size)
{
	if (!memory)
		return malloc(size);
	return refuse() ? NULL : next.realloc(memory, size);
}

void *reallocarray(void *memory, size_t number, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(number, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(memory, bytes);
}

void free(void *memory)
{
	if (!memory || is_early(memory) || !find_next())
		return;
	live--;
	next.free(memory);
}

/* AddressSanitizer has its own, which would not come back to us. */
char *strndup(const char *text, size_t length)
{
	size_t copied = strnlen(text, length);
	char *copy = malloc(copied + 1);

	if (!copy)
		return NULL;
	copy[copied] = '\0';
	return memcpy(copy, text, copied);
}

char *strdup(const char *text)
{
	return strndup(text, strlen(text));
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
	return refuse() ? MAP_FAILED : (void *)syscall(SYS_mmap, at, length, protection, flags, fd, offset);
}

void memory_begin(size_t n, enum memory_shortage kind)
{
	refused_at = n;
	shortage = kind;
	allocations = 0;
	was_refused = false;
	is_armed = true;
}

bool memory_end(void)
{
	is_armed = false;
	return was_refused;
}

void memory_pause(bool pause)
{
	pauses = pause ? pauses + 1 : pauses - 1;
}

long memory_live(void)
{
#ifdef __SANITIZE_ADDRESS__
	return 0; /* it tells of leaks itself, and what it allocates for the C library passes us by */
#else
	return live;
#endif
}
