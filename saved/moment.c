/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The time between saving and taking back. Within one boot the boot clock tells it exactly. Over a reboot only the wall clock
 * can, which may have been set back meanwhile, or have lost its battery: the time since the boot is the least that has passed.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "saved/saved.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static __u64 clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (__u64)now.tv_sec * KS_MSEC_PER_SEC + (__u64)now.tv_nsec / KS_NSEC_PER_MSEC;
}

static unsigned hex_value(int digit)
{
	return (unsigned)(isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10);
}

/* The id is 32 hexadecimal digits with dashes between them. Zeros if it cannot be read: no boot is known to be the same then. */
static void read_boot(__u8 boot[KS_SAVED_BOOT_ID])
{
	ks_auto_file FILE *file = fopen(BOOT_ID, "re");
	unsigned digits = 0;
	int byte;

	memset(boot, 0, KS_SAVED_BOOT_ID);
	while (file && digits < 2 * KS_SAVED_BOOT_ID && (byte = getc(file)) != EOF) {
		if (!isxdigit(byte))
			continue;
		boot[digits / 2] = (__u8)(boot[digits / 2] << 4 | hex_value(byte));
		digits++;
	}
}

void ks_saved_now(struct ks_saved_moment *moment)
{
	*moment = (struct ks_saved_moment){ .wall = clock_ms(CLOCK_REALTIME), .boottime = clock_ms(CLOCK_BOOTTIME) };
	read_boot(moment->boot);
}

static bool is_same_boot(const struct ks_saved_moment *a, const struct ks_saved_moment *b)
{
	static const __u8 unknown[KS_SAVED_BOOT_ID];

	return memcmp(a->boot, unknown, sizeof(unknown)) && !memcmp(a->boot, b->boot, sizeof(unknown));
}

__u64 ks_saved_elapsed(const struct ks_saved_moment *from, const struct ks_saved_moment *to)
{
	__u64 by_wall = to->wall > from->wall ? to->wall - from->wall : 0;

	if (is_same_boot(from, to) && to->boottime >= from->boottime)
		return to->boottime - from->boottime;
	return KS_MAX(by_wall, to->boottime);
}
