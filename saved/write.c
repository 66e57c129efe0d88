/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a file of saved states; form.h has the form. */
#include <errno.h>
#include <string.h>

#include "saved/collect.h"
#include "saved/fields.h"
#include "saved/names.h"

struct sink {
	FILE *out;
	__u32 crc;
	__u64 entries, flows;
};

static int put(struct sink *sink, const void *bytes, size_t size)
{
	sink->crc = ks_saved_crc(sink->crc, bytes, size);
	if (fwrite(bytes, 1, size, sink->out) != size)
		return errno ? -errno : -EIO;
	return 0;
}

static int put_number(struct sink *sink, __u64 value, unsigned bytes)
{
	__u8 text[sizeof(value)];

	for (unsigned i = 0; i < bytes; i++)
		text[i] = (__u8)(value >> 8 * (bytes - 1 - i));
	return put(sink, text, bytes);
}

static int put_head(struct sink *sink, const struct ks_saved_moment *moment)
{
	return put(sink, KS_SAVED_MAGIC, KS_SAVED_MAGIC_SIZE)
		       ?: put_number(sink, KS_SAVED_FORM, 2)
		       ?: put_number(sink, moment->quiet ? KS_SAVED_QUIET : 0, 2)
		       ?: put_number(sink, moment->wall, 8)
		       ?: put_number(sink, moment->boottime, 8)
		       ?: put(sink, moment->boot, sizeof(moment->boot));
}

/* --- names --- */

static int put_name(struct sink *sink, unsigned number, const char *name)
{
	size_t length = strlen(name);

	if (length > 0xffff)
		return -ENAMETOOLONG;
	return put_number(sink, number, 4) ?: put_number(sink, length, 2) ?: put(sink, name, length);
}

/* A list of this build's. */
static int put_own_names(struct sink *sink, enum ks_saved_list list)
{
	unsigned count = ks_saved_name_count(list), named = 0;
	int err;

	for (unsigned i = 0; i < count; i++)
		named += ks_saved_name(list, i) != NULL;
	err = put_number(sink, named, 4);
	for (unsigned i = 0; !err && i < count; i++) {
		if (ks_saved_name(list, i))
			err = put_name(sink, i, ks_saved_name(list, i));
	}
	return err;
}

/* Zone none and zone self have names that no policy can give. */
static const char *zone_name(const struct ks_ids *ids, unsigned id)
{
	return id == KS_ZONE_NONE ? "none" : id == KS_ZONE_SELF ? "self" : ids->zones[id];
}

static int put_zones(struct sink *sink, const struct ks_ids *ids)
{
	unsigned named = 0;
	int err;

	for (unsigned id = 0; id < KS_ZONE_MAX; id++)
		named += zone_name(ids, id) != NULL;
	err = put_number(sink, named, 4);
	for (unsigned id = 0; !err && id < KS_ZONE_MAX; id++) {
		if (zone_name(ids, id))
			err = put_name(sink, id, zone_name(ids, id));
	}
	return err;
}

/* A text of 64 KiB or more cannot be named: such a rule is left out, and its flows are asked about anew. */
static int put_rules(struct sink *sink, const struct ks_ids *ids)
{
	size_t named = 0;
	int err;

	for (size_t i = 0; i < ids->rule_count; i++)
		named += strlen(ids->rules[i].text) <= 0xffff;
	err = put_number(sink, named, 4);
	for (size_t i = 0; !err && i < ids->rule_count; i++) {
		if (strlen(ids->rules[i].text) <= 0xffff)
			err = put_name(sink, ids->rules[i].id, ids->rules[i].text);
	}
	return err;
}

static int put_names(struct sink *sink, const struct ks_ids *ids)
{
	return put_own_names(sink, KS_SAVED_STATES)
		       ?: put_own_names(sink, KS_SAVED_HELPERS)
		       ?: put_own_names(sink, KS_SAVED_CLASSES)
		       ?: put_zones(sink, ids)
		       ?: put_rules(sink, ids);
}

/* --- entries --- */

static int put_entry(const struct ks_saved_entry *entry, void *arg)
{
	struct sink *sink = arg;
	__u8 body[KS_SAVED_BODY_MAX];
	struct ks_saved_io io = { .out = body, .size = sizeof(body) };
	struct ks_saved_entry copy = *entry;

	ks_saved_fields(&io, &copy);
	if (io.is_wrong) /* an entry that was being changed can hold anything */
		return 0;
	sink->entries++;
	sink->flows += entry->of.key.kind == KS_KIND_FLOW;
	return put_number(sink, ks_saved_kind_of(entry->of.key.kind), 1)
		       ?: put_number(sink, io.at, 2)
		       ?: put(sink, body, io.at);
}

static int put_end(struct sink *sink)
{
	int err = put_number(sink, KS_SAVED_END, 1) ?: put_number(sink, sink->entries, 8);

	return err ?: put_number(sink, sink->crc, KS_SAVED_CRC_SIZE);
}

int ks_saved_write(FILE *out, const struct ks_saved_table *table, const struct ks_saved_moment *moment, __u64 *flows)
{
	struct sink sink = { .out = out };
	int err = put_head(&sink, moment) ?: put_names(&sink, table->ids);

	if (!err)
		err = ks_saved_collect(table, put_entry, &sink);
	if (!err)
		err = put_end(&sink);
	if (!err && fflush(out))
		err = -errno;
	if (!err)
		*flows = sink.flows;
	return err;
}
