/* SPDX-License-Identifier: BSD-2-Clause */
/* See ledger.h. The file is ours, but is read as carefully as any input: a damaged one must not stop a takeover. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "daemon/ledger.h"
#include "text/json.h"

void ks_ledger_fini(struct ks_ledger *ledger)
{
	ks_ids_fini(&ledger->ids);
	free(ledger->qdiscs);
	*ledger = (struct ks_ledger){ 0 };
}

static int read_rules(const json_t *list, struct ks_ids *ids)
{
	size_t count = json_array_size(list);

	ids->rules = calloc(count + 1, sizeof(*ids->rules));
	if (!ids->rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const json_t *entry = json_array_get(list, i);
		json_int_t id = json_integer_value(json_object_get(entry, "id"));
		const char *text = json_string_value(json_object_get(entry, "text"));

		if (id <= KS_RULE_DEFAULT || id >= KS_RULE_ID_MAX || !text)
			return -EINVAL;
		ids->rules[i].id = (__u32)id;
		ids->rules[i].text = strdup(text);
		if (!ids->rules[i].text)
			return -ENOMEM;
		ids->rule_count++;
	}
	return 0;
}

static int read_zones(const json_t *list, struct ks_ids *ids)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		json_int_t id = json_integer_value(json_object_get(entry, "id"));
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (id < KS_ZONE_FIRST || id >= KS_ZONE_MAX || !name || ids->zones[id])
			return -EINVAL;
		ids->zones[id] = strdup(name);
		if (!ids->zones[id])
			return -ENOMEM;
	}
	return 0;
}

static int read_qdiscs(const json_t *list, struct ks_ledger *ledger)
{
	int err = 0;

	for (size_t i = 0; !err && i < json_array_size(list); i++)
		err = ks_ledger_add_qdisc(ledger, (unsigned)json_integer_value(json_array_get(list, i)));
	return err;
}

static bool json_lacks_memory;

static void *watched_malloc(size_t size)
{
	void *memory = malloc(size);

	json_lacks_memory |= !memory;
	return memory;
}

/*
 * Without memory for all of a string the JSON library leaves out a byte of it and goes on: a rule of that text would
 * lose its id. So its allocations are watched. Only a daemon that starts reads a ledger, when it has one thread yet.
 */
static int load_json(const char *path, json_t **root)
{
	json_malloc_t was_malloc;
	json_free_t was_free;
	ks_auto_json json_t *loaded = NULL;

	json_get_alloc_funcs(&was_malloc, &was_free);
	json_set_alloc_funcs(watched_malloc, free);
	json_lacks_memory = false;
	errno = 0;
	loaded = json_load_file(path, 0, NULL);
	json_set_alloc_funcs(was_malloc, was_free);
	if (json_lacks_memory || (!loaded && errno == ENOMEM))
		return -ENOMEM;
	if (!loaded)
		return -EINVAL;
	*root = TAKE(loaded);
	return 0;
}

static void read_settled(const json_t *object, struct ks_settled *settled)
{
	settled->since = (unsigned long long)json_integer_value(json_object_get(object, "since"));
	settled->conntrack = (unsigned)json_integer_value(json_object_get(object, "conntrack"));
	settled->sockets = (unsigned)json_integer_value(json_object_get(object, "sockets"));
	settled->denied = (unsigned)json_integer_value(json_object_get(object, "denied"));
	settled->full = (unsigned)json_integer_value(json_object_get(object, "full"));
}

int ks_ledger_read(const char *path, struct ks_ledger *ledger)
{
	ks_auto_ledger struct ks_ledger made = { 0 };
	ks_auto_json json_t *root = NULL;
	int err;

	if (access(path, R_OK))
		return -errno;
	err = load_json(path, &root);
	if (err)
		return err;
	made.since = json_integer_value(json_object_get(root, "since"));
	made.cookie = (unsigned long long)json_integer_value(json_object_get(root, "netns_cookie"));
	read_settled(json_object_get(root, "settled"), &made.settled);
	err = read_rules(json_object_get(root, "rules"), &made.ids);
	if (!err)
		err = read_zones(json_object_get(root, "zones"), &made.ids);
	if (!err)
		err = read_qdiscs(json_object_get(root, "qdiscs"), &made);
	made.changed = false;
	if (!err)
		*ledger = TAKE_STRUCT(made);
	return err;
}

static json_t *settled_json(const struct ks_settled *settled)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "since", (json_int_t)settled->since, "conntrack",
			 (json_int_t)settled->conntrack, "sockets", (json_int_t)settled->sockets, "denied",
			 (json_int_t)settled->denied, "full", (json_int_t)settled->full);
}

static json_t *rules_json(const struct ks_ids *ids)
{
	json_t *rules = json_array();

	for (size_t i = 0; i < ids->rule_count; i++)
		ks_json_append(&rules,
			       json_pack("{s:i, s:s}", "id", (int)ids->rules[i].id, "text", ids->rules[i].text));
	return rules;
}

static json_t *zones_json(const struct ks_ids *ids)
{
	json_t *zones = json_array();

	for (int id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		if (ids->zones[id])
			ks_json_append(&zones, json_pack("{s:i, s:s}", "id", id, "name", ids->zones[id]));
	}
	return zones;
}

static json_t *qdiscs_json(const struct ks_ledger *ledger)
{
	json_t *qdiscs = json_array();

	for (unsigned i = 0; i < ledger->qdisc_count; i++)
		ks_json_append(&qdiscs, json_integer(ledger->qdiscs[i]));
	return qdiscs;
}

/* NULL without memory: a ledger that lacks something would give its id away. */
static json_t *ledger_json(const struct ks_ledger *ledger)
{
	return json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "since", (json_int_t)ledger->since, "netns_cookie",
			 (json_int_t)ledger->cookie, "settled", settled_json(&ledger->settled), "rules",
			 rules_json(&ledger->ids), "zones", zones_json(&ledger->ids), "qdiscs", qdiscs_json(ledger));
}

/* Buffered: json_dumpfd() makes a system call for every word. */
static int write_json(const json_t *root, const char *path)
{
	ks_auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ks_auto_file FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	if (!out)
		return -errno;
	fd = -1; /* the stream's */
	errno = 0;
	if (json_dumpf(root, out, JSON_INDENT(1) | JSON_ENSURE_ASCII) || fflush(out) || fsync(fileno(out)))
		return errno ? -errno : -EIO;
	return 0;
}

int ks_ledger_write(const struct ks_ledger *ledger, const char *path)
{
	ks_auto_json json_t *root = ledger_json(ledger);
	char beside[PATH_MAX];
	int err;

	if (!root)
		return -ENOMEM;
	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	err = write_json(root, beside);
	if (!err && rename(beside, path))
		err = -errno;
	if (err)
		unlink(beside);
	return err;
}

int ks_ledger_add_qdisc(struct ks_ledger *ledger, unsigned ifindex)
{
	unsigned *qdiscs;

	if (ks_ledger_has_qdisc(ledger, ifindex))
		return 0;
	qdiscs = reallocarray(ledger->qdiscs, ledger->qdisc_count + 1, sizeof(*qdiscs));
	if (!qdiscs)
		return -ENOMEM;
	qdiscs[ledger->qdisc_count++] = ifindex;
	ledger->qdiscs = qdiscs;
	ledger->changed = true;
	return 0;
}

void ks_ledger_drop_qdisc(struct ks_ledger *ledger, unsigned ifindex)
{
	for (unsigned i = 0; i < ledger->qdisc_count; i++) {
		if (ledger->qdiscs[i] != ifindex)
			continue;
		ledger->qdiscs[i--] = ledger->qdiscs[--ledger->qdisc_count];
		ledger->changed = true;
	}
}

bool ks_ledger_has_qdisc(const struct ks_ledger *ledger, unsigned ifindex)
{
	for (unsigned i = 0; i < ledger->qdisc_count; i++) {
		if (ledger->qdiscs[i] == ifindex)
			return true;
	}
	return false;
}

int ks_ledger_adopt(const struct ks_ledger *old, struct ks_policy *policy, struct ks_ledger *new)
{
	ks_auto_ledger struct ks_ledger made = { .since = old->since, .cookie = old->cookie, .settled = old->settled };
	int err = 0;

	for (unsigned i = 0; !err && i < old->qdisc_count; i++)
		err = ks_ledger_add_qdisc(&made, old->qdiscs[i]);
	if (!err)
		err = ks_ids_adopt(&old->ids, policy, &made.ids);
	made.changed = true;
	if (!err)
		*new = TAKE_STRUCT(made);
	return err;
}
