/* SPDX-License-Identifier: BSD-2-Clause */
/* See sets.h. */
#include "saved/sets.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "policy/value.h"
#include "saved/form.h"

#define MAGIC "keepstate-sets"
#define FORM 1U
#define LINE_MAX_TEXT 160U
#define PREFIX_TEXT 64
#define CRC_DIGITS 8U
#define BOOT_DIGITS (2 * KS_SAVED_BOOT_ID)

/* --- writing --- */

struct sink {
	FILE *out;
	const struct ks_saved_sets *sets;
	__u32 crc;
	__u64 entries;
};

__attribute__((format(printf, 2, 3))) static int put(struct sink *sink, const char *format, ...)
{
	char line[LINE_MAX_TEXT];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	sink->crc = ks_saved_crc(sink->crc, line, (size_t)length);
	if (fwrite(line, 1, (size_t)length, sink->out) != (size_t)length)
		return errno ? -errno : -EIO;
	return 0;
}

static int put_head(struct sink *sink, const struct ks_saved_moment *moment)
{
	char boot[BOOT_DIGITS + 1];

	for (unsigned i = 0; i < KS_SAVED_BOOT_ID; i++)
		snprintf(boot + (size_t)2 * i, 3, "%02x", moment->boot[i]);
	return put(sink, MAGIC " %u %llu %llu %s\n", FORM, moment->wall, moment->boottime, boot);
}

static int put_member(const struct ks_member *member, void *arg)
{
	const struct ks_prefix prefix = { .addr = member->addr, .family = member->family, .length = member->length };
	struct sink *sink = arg;
	char text[PREFIX_TEXT], left[24] = "-";

	if (member->flags & KS_MEMBER_POLICY)
		return 0;
	if (member->expires)
		snprintf(left, sizeof(left), "%llu", (member->expires - sink->sets->now) / KS_NSEC_PER_MSEC);
	sink->entries++;
	return put(sink, "%s %s %llu %llu\n", ks_prefix_text(&prefix, text, sizeof(text)), left, member->packets,
		   member->bytes);
}

static int put_set(struct sink *sink, const struct ks_stored_set *set)
{
	int err = put(sink, "set %s\n", set->name);

	return err ?: ks_members_each(&set->memory, sink->sets->now, put_member, sink);
}

static int put_all(struct sink *sink)
{
	const struct ks_set_store *store = sink->sets->store;
	int err = 0;

	for (__u32 i = 0; !err && i < store->count; i++)
		err = put_set(sink, &store->set[i]);
	return err;
}

static bool is_kept(const struct ks_policy *policy, const struct ks_set_info *info)
{
	return info->dynamic && policy->config.dynamic[info->number].flags & KS_DYNAMIC_KEEP;
}

static int put_kept(struct sink *sink)
{
	const struct ks_policy *policy = sink->sets->policy;
	int err = 0;

	for (size_t i = 0; !err && i < policy->set_info_count; i++) {
		const struct ks_set_info *info = &policy->set_infos[i];
		const struct ks_stored_set *set =
			is_kept(policy, info) ? ks_set_store_find(sink->sets->store, info->name) : NULL;

		err = set ? put_set(sink, set) : 0;
	}
	return err;
}

int ks_saved_sets_write(FILE *out, const struct ks_saved_sets *sets, const struct ks_saved_moment *moment,
			__u64 *entries)
{
	struct sink sink = { .out = out, .sets = sets };
	int err = put_head(&sink, moment);

	if (!err)
		err = sets->all ? put_all(&sink) : put_kept(&sink);
	if (!err)
		err = put(&sink, "end %llu ", sink.entries);
	if (!err && (fprintf(out, "%08x\n", sink.crc) < 0 || fflush(out)))
		err = errno ? -errno : -EIO;
	if (!err)
		*entries = sink.entries;
	return err;
}

/* --- reading --- */

struct source {
	char *at;
	char *end; /* where the last line begins */
	size_t line; /* from 1 */
	char *error; /* KS_SAVED_ERROR */
	const struct ks_saved_sets *sets;
	struct ks_saved_sets_outcome *outcome;
	struct ks_saved_moment moment;
	struct ks_engine *engine; /* on the present set; NULL: its entries are left out */
	const struct ks_stored_set *set;
	__u32 number, limit; /* of it */
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct source *source, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(source->error, KS_SAVED_ERROR, format, args);
	va_end(args);
	return -EBADMSG;
}

/* Takes the last line. It ends in the checksum of all before. */
static int read_end(struct source *source, char *bytes, size_t size)
{
	size_t sum = size - CRC_DIGITS - 1; /* where it begins */
	unsigned long long entries;
	unsigned crc;
	char *last;

	if (size < CRC_DIGITS + 1 || bytes[size - 1] != '\n')
		return refuse(source, "it is not whole: it does not end in a line");
	bytes[size - 1] = '\0';
	for (last = bytes + sum; last > bytes && last[-1] != '\n'; last--)
		;
	if (sscanf(last, "end %llu %8x", &entries, &crc) != 2)
		return refuse(source, "it is not whole: its last line is missing");
	if (ks_saved_crc(0, bytes, sum) != crc)
		return refuse(source, "it is damaged: its checksum is wrong");
	source->at = bytes;
	source->end = last;
	return 0;
}

/* The next line without its newline, NULL at the end. */
static char *next_line(struct source *source)
{
	char *line = source->at, *newline;

	if (line >= source->end)
		return NULL;
	newline = memchr(line, '\n', (size_t)(source->end - line));
	*newline = '\0'; /* the checksum was right, so the lines are whole */
	source->at = newline + 1;
	source->line++;
	return line;
}

static int read_head(struct source *source)
{
	char boot[BOOT_DIGITS + 1] = "";
	const char *line = next_line(source);
	unsigned form;

	if (!line || sscanf(line, MAGIC " %u %llu %llu %32[0-9a-f]", &form, &source->moment.wall,
			    &source->moment.boottime, boot) != 4)
		return refuse(source, "it is no file of saved sets");
	if (form != FORM)
		return refuse(source, "it has form %u, and this version of Keepstate reads form %u", form, FORM);
	for (unsigned i = 0; i < KS_SAVED_BOOT_ID; i++)
		source->moment.boot[i] = (__u8)(ks_hex_digit(boot[2 * i]) << 4 | ks_hex_digit(boot[2 * i + 1]));
	return 0;
}

/* The set that takes back the entries of a name, NULL if none does. */
static const struct ks_stored_set *taker_find(const struct ks_saved_sets *sets, const struct ks_set_info *info)
{
	const struct ks_stored_set *set = info ? ks_set_store_find(sets->store, info->name) : NULL;

	if (!set)
		return NULL;
	return (sets->all ? set->is_made : is_kept(sets->policy, info)) ? set : NULL;
}

static int begin_set(struct source *source, const char *name)
{
	const struct ks_policy *policy = source->sets->policy;
	const struct ks_set_info *info = ks_policy_dynamic(policy, name);

	ks_engine_destroy(TAKE(source->engine));
	source->set = taker_find(source->sets, info);
	if (!source->set)
		return 0;
	source->number = info->number;
	source->limit = policy->config.dynamic[info->number].limit;
	return ks_members_open(&source->set->memory, source->sets->now, NULL, &source->engine);
}

/* Carries the counters of an entry that was put into its set. */
static void carry_counters(const struct source *source, const struct ks_prefix *prefix, __u64 packets, __u64 bytes)
{
	struct ks_member *member = ks_members_get(&source->set->memory, prefix);

	if (!member)
		return;
	member->packets = packets;
	member->bytes = bytes;
}

static void put_entry(struct source *source, const struct ks_prefix *prefix, __u64 left, __u64 packets, __u64 bytes)
{
	struct ks_saved_sets_outcome *outcome = source->outcome;
	struct ks_member_entry entry;
	__u32 added;

	ks_member_entry_make(prefix, &entry);
	entry.limit = source->limit;
	entry.expires = left ? source->sets->now + (left - outcome->elapsed) * KS_NSEC_PER_MSEC : 0;
	added = ks_member_add(ks_engine_env(source->engine), &entry);
	if (added != KS_MEMBER_ADDED && added != KS_MEMBER_RENEWED) {
		outcome->no_room++;
		outcome->no_room_in[source->number]++;
		return;
	}
	outcome->taken++;
	carry_counters(source, prefix, packets, bytes);
}

static int read_entry(struct source *source, char *line)
{
	char prefix_text[PREFIX_TEXT], left_text[24];
	__u64 left = 0, packets, bytes;
	struct ks_prefix prefix;

	if (sscanf(line, "%63s %23s %llu %llu", prefix_text, left_text, &packets, &bytes) != 4 ||
	    ks_value_prefix(prefix_text, &prefix) ||
	    (strcmp(left_text, "-") && ks_value_number(left_text, 0, KS_DYNAMIC_TIMEOUT_MAX_MS, &left)))
		return refuse(source, "line %zu is no entry of a set", source->line);
	if (!source->engine)
		source->outcome->gone++;
	else if (strcmp(left_text, "-") && left <= source->outcome->elapsed)
		source->outcome->expired++;
	else
		put_entry(source, &prefix, left, packets, bytes);
	return 0;
}

static int read_lines(struct source *source)
{
	char *line;
	int err = 0;

	while (!err && (line = next_line(source)))
		err = strncmp(line, "set ", 4) ? read_entry(source, line) : begin_set(source, line + 4);
	ks_engine_destroy(TAKE(source->engine));
	return err;
}

int ks_saved_sets_restore(char *bytes, size_t size, const struct ks_saved_sets *sets, const struct ks_saved_moment *now,
			  struct ks_saved_sets_outcome *outcome, char error[KS_SAVED_ERROR])
{
	struct source source = { .error = error, .sets = sets, .outcome = outcome };
	int err;

	*outcome = (struct ks_saved_sets_outcome){ 0 };
	err = read_end(&source, bytes, size) ?: read_head(&source);
	if (err)
		return err;
	outcome->elapsed = ks_saved_elapsed(&source.moment, now);
	return read_lines(&source);
}
