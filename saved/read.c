/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a file of saved states. Nothing of it counts before all of it was looked at: the checksum, the lists of names, and
 * each entry with all its numbers. The bytes are the caller's; names are copied.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "saved/fields.h"
#include "saved/names.h"

struct ks_saved {
	struct ks_saved_moment moment;
	char *zones[KS_ZONE_MAX];
	char *rules[KS_SAVED_NUMBER_MAX];
	__u8 maps[KS_SAVED_ZONES][256]; /* of states, helpers and classes to this build's numbers */
	const __u8 *entries; /* the first one */
	size_t size; /* bytes from there to the end of the file */
	__u64 unknown;
};

/* Bytes that are being read. */
struct source {
	const __u8 *at;
	size_t left;
	bool is_short;
	char *error; /* KS_SAVED_ERROR */
};

__attribute__((format(printf, 2, 3))) static int refuse(struct source *source, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(source->error, KS_SAVED_ERROR, format, args);
	va_end(args);
	return -EBADMSG;
}

static const __u8 *get(struct source *source, size_t size)
{
	const __u8 *at = source->at;

	if (source->left < size) {
		source->is_short = true;
		source->left = 0;
		return NULL;
	}
	source->at += size;
	source->left -= size;
	return at;
}

static __u64 get_number(struct source *source, unsigned bytes)
{
	const __u8 *at = get(source, bytes);
	__u64 value = 0;

	for (unsigned i = 0; at && i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

static int read_head(struct source *source, struct ks_saved *saved)
{
	const __u8 *magic = get(source, KS_SAVED_MAGIC_SIZE), *boot;
	unsigned form = (unsigned)get_number(source, 2);

	if (!magic || memcmp(magic, KS_SAVED_MAGIC, KS_SAVED_MAGIC_SIZE))
		return refuse(source, "it is no file of saved states");
	if (form != KS_SAVED_FORM)
		return refuse(source, "it has form %u, and this version of Keepstate reads form %u", form,
			      KS_SAVED_FORM);
	saved->moment.quiet = get_number(source, 2) & KS_SAVED_QUIET;
	saved->moment.wall = get_number(source, 8);
	saved->moment.boottime = get_number(source, 8);
	boot = get(source, KS_SAVED_BOOT_ID);
	if (!boot)
		return refuse(source, "it ends in its head");
	memcpy(saved->moment.boot, boot, KS_SAVED_BOOT_ID);
	return 0;
}

/* The checksum stands at the end and is over everything before it. */
static int check_sum(struct source *source)
{
	const __u8 *sum = source->at + source->left - KS_SAVED_CRC_SIZE;
	__u32 stated = 0;

	if (source->left < KS_SAVED_HEAD_SIZE + KS_SAVED_CRC_SIZE)
		return refuse(source, "it is too short: %zu bytes", source->left);
	for (unsigned i = 0; i < KS_SAVED_CRC_SIZE; i++)
		stated = stated << 8 | sum[i];
	if (ks_saved_crc(0, source->at, source->left - KS_SAVED_CRC_SIZE) != stated)
		return refuse(source, "it is damaged: its checksum is wrong");
	source->left -= KS_SAVED_CRC_SIZE;
	return 0;
}

/* --- names --- */

/* This build's number of a name, or KS_SAVED_NO_NAME. */
static __u8 own_number(enum ks_saved_list list, const char *name)
{
	for (unsigned i = 0; i < ks_saved_name_count(list); i++) {
		const char *own = ks_saved_name(list, i);

		if (own && !strcmp(own, name))
			return (__u8)i;
	}
	return KS_SAVED_NO_NAME;
}

/* Notes a name, and owns it unless it is of a list of this build's. Returns false for a number that cannot be. */
static bool note_name(struct ks_saved *saved, enum ks_saved_list list, __u64 number, char **name)
{
	char **place = NULL;

	if (list < KS_SAVED_ZONES) {
		if (number > 0xff || saved->maps[list][number] != KS_SAVED_NO_NAME)
			return false;
		saved->maps[list][number] = own_number(list, *name);
		return true;
	}
	if (list == KS_SAVED_ZONES && number < KS_ZONE_MAX)
		place = &saved->zones[number];
	if (list == KS_SAVED_RULES && number < KS_SAVED_NUMBER_MAX)
		place = &saved->rules[number];
	if (!place || *place)
		return false;
	*place = TAKE(*name);
	return true;
}

static int read_name(struct source *source, struct ks_saved *saved, enum ks_saved_list list)
{
	__u64 number = get_number(source, 4);
	size_t length = (size_t)get_number(source, 2);
	const __u8 *text = get(source, length);
	ks_auto_free char *name = NULL;

	if (source->is_short || !length || memchr(text, '\0', length))
		return refuse(source, "it is damaged: a name is not whole");
	name = malloc(length + 1);
	if (!name)
		return -ENOMEM;
	memcpy(name, text, length);
	name[length] = '\0';
	if (!note_name(saved, list, number, &name))
		return refuse(source, "it is damaged: the number %llu is given to two names, or cannot be", number);
	return 0;
}

static int read_names(struct source *source, struct ks_saved *saved)
{
	int err = 0;

	memset(saved->maps, KS_SAVED_NO_NAME, sizeof(saved->maps));
	for (unsigned list = 0; !err && list < KS_SAVED_LISTS; list++) {
		__u64 count = get_number(source, 4);

		for (__u64 i = 0; !err && i < count; i++)
			err = read_name(source, saved, (enum ks_saved_list)list);
	}
	if (!err && source->is_short)
		return refuse(source, "it ends in its names");
	return err;
}

/* --- entries --- */

static bool is_zone(const struct ks_saved *saved, unsigned number)
{
	return number < KS_ZONE_MAX && saved->zones[number];
}

static bool has_zones(const struct ks_saved *saved, const struct ks_flow_key *key, const __u8 *zone)
{
	struct ks_saved_link link = ks_saved_link_of(key);

	return is_zone(saved, link.zone[0]) && is_zone(saved, link.zone[1]) &&
	       (!zone || (is_zone(saved, zone[0]) && is_zone(saved, zone[1])));
}

/* Returns true if every zone that the entry names has a name. */
static bool zones_are_named(const struct ks_saved *saved, const struct ks_saved_entry *entry)
{
	const struct ks_transplant *of = &entry->of;
	bool memory = of->key.kind == KS_KIND_HELPER_ORIGINAL || of->key.kind == KS_KIND_HELPER_REPLY;

	if (!has_zones(saved, &of->key, memory ? NULL : of->flow.zone) ||
	    (of->key.kind == KS_KIND_EXPECT && !has_zones(saved, &entry->control, NULL)))
		return false;
	for (unsigned side = 0; side < 2; side++) {
		if (of->has_alias[side] && !has_zones(saved, &of->alias_key[side], of->alias[side].zone))
			return false;
	}
	return true;
}

/* Returns true if an entry of this kind can be in this state. */
static bool state_fits(const struct ks_saved_entry *entry)
{
	__u8 state = entry->of.flow.state;

	switch (entry->of.key.kind) {
	case KS_KIND_FLOW:
		return state != KS_STATE_NONE && state != KS_STATE_ALIAS && state != KS_STATE_MAPPING &&
		       state != KS_STATE_EXPECTED && state != KS_STATE_FRAGMENTS && state != KS_STATE_HELPER &&
		       state != KS_STATE_ASKED;
	case KS_KIND_EXPECT:
		return state == KS_STATE_EXPECTED;
	case KS_KIND_HELPER_ORIGINAL:
	case KS_KIND_HELPER_REPLY:
		return state == KS_STATE_HELPER;
	case KS_KIND_QUESTION:
		return state == KS_STATE_ASKED;
	default:
		return state == KS_STATE_MAPPING;
	}
}

/* Reads an entry. Sets *known unless this build cannot take it. Returns 0, 1 at the end of the entries, or -EBADMSG. */
static int read_entry(struct source *source, const struct ks_saved *saved, struct ks_saved_entry *entry, bool *known)
{
	unsigned kind = (unsigned)get_number(source, 1);
	size_t size = kind == KS_SAVED_END ? 0 : (size_t)get_number(source, 2);
	struct ks_saved_io io = { .in = get(source, size), .size = size };
	int own = ks_saved_kind_in(kind);

	if (source->is_short)
		return refuse(source, "it is damaged: it ends within an entry");
	*known = false;
	if (kind == KS_SAVED_END || own < 0)
		return kind == KS_SAVED_END;
	for (unsigned list = 0; list < KS_SAVED_ZONES; list++)
		io.maps[list] = saved->maps[list];
	*entry = (struct ks_saved_entry){ .of.key.kind = (unsigned)own & (KS_KIND_MAX - 1) };
	ks_saved_fields(&io, entry);
	if (io.is_unknown)
		return 0;
	if (io.is_wrong || io.at != io.size || !state_fits(entry) || !zones_are_named(saved, entry))
		return refuse(source, "it is damaged: an entry of kind %u cannot be read", kind);
	*known = true;
	return 0;
}

/* Looks at all entries, and at their number behind the last one. */
static int check_entries(struct source source, struct ks_saved *saved)
{
	struct ks_saved_entry entry;
	__u64 count = 0;
	bool known = false;
	int result;

	while (!(result = read_entry(&source, saved, &entry, &known))) {
		count++;
		saved->unknown += !known;
	}
	if (result < 0)
		return result;
	if (get_number(&source, 8) != count || source.is_short || source.left)
		return refuse(&source, "it is damaged: it does not have as many entries as it says");
	return 0;
}

static int read_all(struct source *source, struct ks_saved *saved)
{
	int err = check_sum(source) ?: read_head(source, saved) ?: read_names(source, saved);

	saved->entries = source->at;
	saved->size = source->left;
	return err ?: check_entries(*source, saved);
}

int ks_saved_open(const void *bytes, size_t size, struct ks_saved **saved, char error[KS_SAVED_ERROR])
{
	ks_auto_saved struct ks_saved *new = calloc(1, sizeof(*new));
	struct source source = { .at = bytes, .left = size, .error = error };
	int err = new ? read_all(&source, new) : -ENOMEM;

	if (err)
		return err;
	*saved = TAKE(new);
	return 0;
}

void ks_saved_close(struct ks_saved *saved)
{
	if (!saved)
		return;
	for (unsigned i = 0; i < KS_ZONE_MAX; i++)
		free(saved->zones[i]);
	for (unsigned i = 0; i < KS_SAVED_NUMBER_MAX; i++)
		free(saved->rules[i]);
	free(saved);
}

const struct ks_saved_moment *ks_saved_moment(const struct ks_saved *saved)
{
	return &saved->moment;
}

const char *ks_saved_zone(const struct ks_saved *saved, unsigned number)
{
	return number < KS_ZONE_MAX ? saved->zones[number] : NULL;
}

const char *ks_saved_rule(const struct ks_saved *saved, unsigned number)
{
	return number < KS_SAVED_NUMBER_MAX ? saved->rules[number] : NULL;
}

int ks_saved_each(const struct ks_saved *saved, int (*fn)(const struct ks_saved_entry *entry, void *arg), void *arg)
{
	char error[KS_SAVED_ERROR];
	struct source source = { .at = saved->entries, .left = saved->size, .error = error };
	struct ks_saved_entry entry;
	bool known = false;
	int result = 0;

	while (!result && !read_entry(&source, saved, &entry, &known))
		result = known ? fn(&entry, arg) : 0;
	return result;
}

__u64 ks_saved_unknown(const struct ks_saved *saved)
{
	return saved->unknown;
}
