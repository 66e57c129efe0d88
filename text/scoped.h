/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pointers and descriptors that are freed when their name goes out of scope,
 * so that a reader checks one function and no error path can forget one:
 *
 *	int ks_thing_read(const char *path, struct ks_thing **thing)
 *	{
 *		ks_auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
 *		ks_auto_free char *text = NULL;
 *		...
 *		*thing = TAKE(made);   the caller's from here
 *		return 0;
 *	}
 *
 * A scoped variable is initialised where it is declared. TAKE() gives the
 * pointer that it holds away, TAKE_FD() a descriptor, TAKE_STRUCT() a structure;
 * given away in another way it is freed twice. A type of ours gets its word
 * beside its destructor:
 *
 *	KS_SCOPED(ks_auto_policy, struct ks_policy *, ks_policy_destroy)
 *	#define ks_auto_policy ks_scoped(ks_auto_policy)
 */
#ifndef KS_TEXT_SCOPED_H
#define KS_TEXT_SCOPED_H

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ks_scoped(name) __attribute__((cleanup(name##_end)))

/* Defines how a scoped pointer of a type ends: by `destroy`, unless it is NULL. */
#define KS_SCOPED(name, type, destroy)              \
	static inline void name##_end(type *scoped) \
	{                                           \
		if (*scoped)                        \
			destroy(*scoped);           \
	}

KS_SCOPED(ks_auto_file, FILE *, fclose)
KS_SCOPED(ks_auto_json, json_t *, json_decref)

/* The same for a structure: by `fini`, which takes its address and accepts one that is all zeroes. */
#define KS_SCOPED_STRUCT(name, type, fini)          \
	static inline void name##_end(type *scoped) \
	{                                           \
		fini(scoped);                       \
	}

/* Works for any pointer type, so it takes the address of the variable as void *. */
static inline void ks_auto_free_end(void *scoped)
{
	free(*(void **)scoped);
}

static inline void ks_auto_fd_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define ks_auto_free ks_scoped(ks_auto_free)
#define ks_auto_fd ks_scoped(ks_auto_fd)
#define ks_auto_file ks_scoped(ks_auto_file)
#define ks_auto_json ks_scoped(ks_auto_json)

/* Returns the pointer, which is the taker's from now on; NULL is left. */
#define TAKE(pointer)                                   \
	({                                              \
		__typeof__(pointer) taken_ = (pointer); \
		(pointer) = NULL;                       \
		taken_;                                 \
	})

/* The same for a descriptor; -1 is left. */
#define TAKE_FD(fd)                \
	({                         \
		int taken_ = (fd); \
		(fd) = -1;         \
		taken_;            \
	})

/* The same for a structure; zeroes are left. */
#define TAKE_STRUCT(whole)                          \
	({                                          \
		__typeof__(whole) taken_ = (whole); \
		(whole) = (__typeof__(whole)){ 0 }; \
		taken_;                             \
	})

#endif
