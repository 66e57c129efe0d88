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

void ks_ledger_fini(struct ks_ledger *ledger)
{
	for (size_t i = 0; i < ledger->rule_count; i++)
		free(ledger->rules[i].text);
	free(ledger->rules);
	for (unsigned i = 0; i < KS_ZONE_MAX; i++)
		free(ledger->zones[i]);
	free(ledger->qdiscs);
	memset(ledger, 0, sizeof(*ledger));
}

static int read_rules(const json_t *list, struct ks_ledger *ledger)
{
	size_t count = json_array_size(list);

	ledger->rules = calloc(count + 1, sizeof(*ledger->rules));
	if (!ledger->rules)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const json_t *entry = json_array_get(list, i);
		json_int_t id = json_integer_value(json_object_get(entry, "id"));
		const char *text = json_string_value(json_object_get(entry, "text"));

		if (id <= KS_RULE_DEFAULT || id >= KS_RULE_ID_MAX || !text)
			return -EINVAL;
		ledger->rules[i].id = (__u32)id;
		ledger->rules[i].text = strdup(text);
		if (!ledger->rules[i].text)
			return -ENOMEM;
		ledger->rule_count++;
	}
	return 0;
}

static int read_zones(const json_t *list, struct ks_ledger *ledger)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);
		json_int_t id = json_integer_value(json_object_get(entry, "id"));
		const char *name = json_string_value(json_object_get(entry, "name"));

		if (id < KS_ZONE_FIRST || id >= KS_ZONE_MAX || !name || ledger->zones[id])
			return -EINVAL;
		ledger->zones[id] = strdup(name);
		if (!ledger->zones[id])
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

int ks_ledger_read(const char *path, struct ks_ledger *ledger)
{
	struct ks_ledger new = { 0 };
	json_t *root;
	int err;

	if (access(path, R_OK))
		return -errno;
	root = json_load_file(path, 0, NULL);
	if (!root)
		return -EINVAL;
	new.since = json_integer_value(json_object_get(root, "since"));
	new.cookie = (unsigned long long)json_integer_value(json_object_get(root, "netns_cookie"));
	err = read_rules(json_object_get(root, "rules"), &new);
	if (!err)
		err = read_zones(json_object_get(root, "zones"), &new);
	if (!err)
		err = read_qdiscs(json_object_get(root, "qdiscs"), &new);
	json_decref(root);
	if (err)
		ks_ledger_fini(&new);
	else
		*ledger = new;
	return err;
}

static json_t *ledger_json(const struct ks_ledger *ledger)
{
	json_t *rules = json_array(), *zones = json_array(), *qdiscs = json_array();

	for (size_t i = 0; i < ledger->rule_count; i++)
		json_array_append_new(
			rules, json_pack("{s:i, s:s}", "id", (int)ledger->rules[i].id, "text", ledger->rules[i].text));
	for (int i = KS_ZONE_FIRST; i < KS_ZONE_MAX; i++) {
		if (ledger->zones[i])
			json_array_append_new(zones, json_pack("{s:i, s:s}", "id", i, "name", ledger->zones[i]));
	}
	for (unsigned i = 0; i < ledger->qdisc_count; i++)
		json_array_append_new(qdiscs, json_integer(ledger->qdiscs[i]));
	return json_pack("{s:I, s:I, s:o, s:o, s:o}", "since", (json_int_t)ledger->since, "netns_cookie",
			 (json_int_t)ledger->cookie, "rules", rules, "zones", zones, "qdiscs", qdiscs);
}

int ks_ledger_write(const struct ks_ledger *ledger, const char *path)
{
	char beside[PATH_MAX];
	json_t *root = ledger_json(ledger);
	int fd, err = 0;

	if (!root)
		return -ENOMEM;
	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside)) {
		json_decref(root);
		return -ENAMETOOLONG;
	}
	fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		err = -errno;
	else if (json_dumpfd(root, fd, JSON_INDENT(1) | JSON_ENSURE_ASCII) || fsync(fd) || rename(beside, path))
		err = errno ? -errno : -EIO;
	if (fd >= 0)
		close(fd);
	json_decref(root);
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
	return 0;
}

void ks_ledger_drop_qdisc(struct ks_ledger *ledger, unsigned ifindex)
{
	for (unsigned i = 0; i < ledger->qdisc_count; i++) {
		if (ledger->qdiscs[i] == ifindex)
			ledger->qdiscs[i--] = ledger->qdiscs[--ledger->qdisc_count];
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

static int adopt_rules(const struct ks_ledger *old, struct ks_policy *policy)
{
	__u32 *ids = calloc(old->rule_count + 1, sizeof(*ids));
	const char **texts = calloc(old->rule_count + 1, sizeof(*texts));
	int err = ids && texts ? 0 : -ENOMEM;

	for (size_t i = 0; !err && i < old->rule_count; i++) {
		ids[i] = old->rules[i].id;
		texts[i] = old->rules[i].text;
	}
	if (!err)
		err = ks_policy_adopt_ids(policy, ids, texts, old->rule_count);
	free(ids);
	free(texts);
	return err;
}

static int find_zone(char *const zones[KS_ZONE_MAX], const char *name)
{
	for (int i = KS_ZONE_FIRST; i < KS_ZONE_MAX; i++) {
		if (zones[i] && !strcmp(zones[i], name))
			return i;
	}
	return -ENOENT;
}

/* A zone takes its old id; a new one takes an id that nobody has, at best one that nobody had. */
static void map_zones(const struct ks_ledger *old, const struct ks_policy *policy, __u8 map[KS_ZONE_MAX])
{
	bool taken[KS_ZONE_MAX] = { [KS_ZONE_NONE] = true, [KS_ZONE_SELF] = true };
	bool mapped[KS_ZONE_MAX] = { [KS_ZONE_NONE] = true, [KS_ZONE_SELF] = true };

	map[KS_ZONE_NONE] = KS_ZONE_NONE;
	map[KS_ZONE_SELF] = KS_ZONE_SELF;
	for (size_t i = 0; i < policy->zone_count; i++) {
		int id = find_zone(old->zones, policy->zones[i].name);

		if (id >= 0) {
			map[policy->zones[i].id] = (__u8)id;
			mapped[policy->zones[i].id] = taken[id] = true;
		}
	}
	for (int id = KS_ZONE_FIRST; id < KS_ZONE_MAX; id++) {
		int to = KS_ZONE_FIRST;

		if (mapped[id])
			continue;
		while (to < KS_ZONE_MAX && (taken[to] || old->zones[to]))
			to++;
		for (int any = KS_ZONE_FIRST; to == KS_ZONE_MAX && any < KS_ZONE_MAX; any++) {
			if (!taken[any])
				to = any;
		}
		map[id] = (__u8)to;
		taken[to] = true;
	}
}

static __u64 map_mask(__u64 mask, const __u8 map[KS_ZONE_MAX])
{
	__u64 result = 0;

	for (unsigned i = 0; i < KS_ZONE_MAX; i++) {
		if (mask >> i & 1)
			result |= 1ULL << map[i];
	}
	return result;
}

/* The tables that go by the number of a zone: targets, zones' own addresses and networks, whose sources are checked. */
static void renumber_tables(struct ks_policy *policy, const __u8 map[KS_ZONE_MAX])
{
	struct ks_addr address[KS_ZONE_MAX][2];

	for (__u32 i = 0; i < policy->config.entries; i++) {
		policy->rules[i].from_zones = map_mask(policy->rules[i].from_zones, map);
		policy->rules[i].to_zones = map_mask(policy->rules[i].to_zones, map);
	}
	for (__u32 i = 0; i < policy->config.targets; i++) {
		if (policy->targets[i].zone < KS_ZONE_MAX)
			policy->targets[i].zone = map[policy->targets[i].zone];
	}
	for (size_t i = 0; i < policy->address_set_count; i++)
		policy->address_sets[i].zone = map[policy->address_sets[i].zone];
	memcpy(address, policy->config.address, sizeof(address));
	for (unsigned i = 0; i < KS_ZONE_MAX; i++)
		memcpy(policy->config.address[map[i]], address[i], sizeof(address[i]));
	policy->config.addressed = map_mask(policy->config.addressed, map);
	policy->config.antispoof = map_mask(policy->config.antispoof, map);
	ks_config_renumber_networks(&policy->config, map);
}

/* The map is a permutation, so that "any zone" stays any zone. */
static void adopt_zones(const struct ks_ledger *old, struct ks_policy *policy)
{
	__u8 map[KS_ZONE_MAX];

	map_zones(old, policy, map);
	for (size_t i = 0; i < policy->zone_count; i++)
		policy->zones[i].id = map[policy->zones[i].id];
	renumber_tables(policy, map);
}

static int add_rule(struct ks_ledger *ledger, __u32 id, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	ledger->rules[ledger->rule_count++] = (struct ks_ledger_rule){ .id = id, .text = copy };
	return 0;
}

/* The policy's rules, then those of the old ledger that are no more in it. */
static int ledger_rules(const struct ks_ledger *old, const struct ks_policy *policy, struct ks_ledger *new)
{
	bool *present = calloc(KS_RULE_ID_MAX, sizeof(*present));
	size_t limit = policy->info_count + KS_RECORD_GONE_MAX;
	int err = 0;

	new->rules = calloc(limit, sizeof(*new->rules));
	if (!present || !new->rules)
		err = -ENOMEM;
	for (size_t i = 0; !err && i < policy->info_count; i++) {
		err = add_rule(new, policy->infos[i].id, policy->infos[i].text);
		present[policy->infos[i].id] = true;
	}
	for (size_t i = 0; !err && i < old->rule_count && new->rule_count < limit; i++) {
		if (!present[old->rules[i].id])
			err = add_rule(new, old->rules[i].id, old->rules[i].text);
	}
	free(present);
	return err;
}

static int ledger_zones(const struct ks_ledger *old, const struct ks_policy *policy, struct ks_ledger *new)
{
	for (size_t i = 0; i < policy->zone_count; i++) {
		new->zones[policy->zones[i].id] = strdup(policy->zones[i].name);
		if (!new->zones[policy->zones[i].id])
			return -ENOMEM;
	}
	for (unsigned i = KS_ZONE_FIRST; i < KS_ZONE_MAX; i++) {
		if (old->zones[i] && !new->zones[i])
			new->zones[i] = strdup(old->zones[i]);
	}
	return 0;
}

int ks_ledger_adopt(const struct ks_ledger *old, struct ks_policy *policy, struct ks_ledger *new)
{
	struct ks_ledger made = { .since = old->since, .cookie = old->cookie };
	int err = adopt_rules(old, policy);

	if (err)
		return err;
	adopt_zones(old, policy);
	err = ledger_rules(old, policy, &made);
	if (!err)
		err = ledger_zones(old, policy, &made);
	for (unsigned i = 0; !err && i < old->qdisc_count; i++)
		err = ks_ledger_add_qdisc(&made, old->qdiscs[i]);
	if (err)
		ks_ledger_fini(&made);
	else
		*new = made;
	return err;
}
