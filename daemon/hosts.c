/* SPDX-License-Identifier: BSD-2-Clause */
/* See hosts.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/daemon.h"
#include "daemon/hosts.h"
#include "daemon/report.h"
#include "text/json.h"
#include "text/scoped.h"

#define SECONDS_MIN 30U /* between two questions for a name */
#define SECONDS_MAX 3600U
#define QUERIES_MAX 8U /* at once */

const struct ks_host *ks_hosts_find(const struct ks_hosts *hosts, const char *name)
{
	for (size_t i = 0; i < hosts->count; i++) {
		if (strcasecmp(hosts->list[i].name, name) == 0)
			return &hosts->list[i];
	}
	return NULL;
}

static void host_fini(struct ks_host *host)
{
	ks_host_query_end(&host->query);
	for (unsigned family = 0; family < 2; family++) {
		free(host->address[family]);
		free(host->gone[family]);
	}
	*host = (struct ks_host){ 0 };
}

void ks_hosts_fini(struct ks_hosts *hosts)
{
	for (size_t i = 0; i < hosts->count; i++)
		host_fini(&hosts->list[i]);
	free(hosts->list);
	*hosts = (struct ks_hosts){ 0 };
}

/* --- the names of the policy --- */

static void fill_all(struct ks_daemon *daemon)
{
	for (size_t i = 0; i < daemon->policy->set_info_count; i++) {
		if (daemon->policy->set_infos[i].host_count)
			ks_host_set_fill(daemon, &daemon->policy->set_infos[i]);
	}
}

/* Adds a name, with what was known of it. */
static void host_add(struct ks_hosts *to, struct ks_hosts *from, const char *name)
{
	const struct ks_host *known = ks_hosts_find(from, name);
	struct ks_host *host = &to->list[to->count];

	if (ks_hosts_find(to, name))
		return;
	if (known) {
		struct ks_host *old = &from->list[known - from->list];

		*host = *old;
		*old = (struct ks_host){ 0 }; /* a name that none is */
	} else {
		snprintf(host->name, sizeof(host->name), "%s", name);
	}
	to->count++;
}

static size_t count_names(const struct ks_policy *policy)
{
	size_t count = 0;

	for (size_t i = 0; i < policy->set_info_count; i++)
		count += policy->set_infos[i].host_count;
	return count;
}

/* Returns 0 or -ENOMEM: then it is tried again in the next second. */
static int names_take(struct ks_hosts *hosts, const struct ks_policy *policy)
{
	struct ks_hosts next = { .list = calloc(count_names(policy) + 1, sizeof(*next.list)) };

	if (!next.list)
		return -ENOMEM;
	for (size_t i = 0; i < policy->set_info_count; i++) {
		const struct ks_set_info *info = &policy->set_infos[i];

		for (size_t j = 0; j < info->host_count; j++)
			host_add(&next, hosts, info->hosts[j].name);
	}
	ks_hosts_fini(hosts);
	*hosts = next;
	return 0;
}

void ks_hosts_follow(struct ks_daemon *daemon)
{
	struct ks_hosts *hosts = &daemon->hosts;
	__u32 generation = ks_kernel_config(daemon->kernel)->generation;

	if (hosts->generation == generation)
		return;
	if (!hosts->count && !count_names(daemon->policy))
		return;
	if (names_take(hosts, daemon->policy))
		return;
	hosts->generation = generation;
	fill_all(daemon);
}

/* --- answers --- */

/* Without memory the former addresses stay. */
static void family_take(struct ks_host *host, unsigned family, const struct ks_host_addresses *from)
{
	struct ks_prefix *copy = malloc((from->count + 1) * sizeof(*copy));

	if (!copy)
		return;
	memcpy(copy, from->list, from->count * sizeof(*copy));
	host->gone[family] = host->address[family];
	host->gone_count[family] = host->count[family];
	host->address[family] = copy;
	host->count[family] = from->count;
}

static void gone_forget(struct ks_host *host)
{
	for (unsigned family = 0; family < 2; family++) {
		free(host->gone[family]);
		host->gone[family] = NULL;
		host->gone_count[family] = 0;
	}
}

/* Takes what is good of an answer. Returns true if all of it is: a family that failed keeps what it had. */
static bool addresses_take(struct ks_host *host, const struct ks_host_answer *answer)
{
	bool good = answer->outcome[0] == KS_HOST_FOUND || answer->outcome[1] == KS_HOST_FOUND;
	bool all = good;

	host->ttl = SECONDS_MAX;
	for (unsigned i = 0; i < 2; i++) {
		all = all && answer->outcome[i] != KS_HOST_FAILED;
		if (!good || answer->outcome[i] == KS_HOST_FAILED)
			continue;
		family_take(host, i, &answer->of[i]);
		if (answer->of[i].count)
			host->ttl = KS_MIN(host->ttl, answer->of[i].ttl);
	}
	host->ttl = KS_MAX(host->ttl, SECONDS_MIN);
	host->answered |= all;
	return all;
}

void ks_host_take(struct ks_host *host, const struct ks_host_answer *answer, __u64 now)
{
	gone_forget(host);
	if (addresses_take(host, answer)) {
		if (host->failed)
			ks_report("the host name %s is resolved again", host->name);
		host->resolved = time(NULL);
		host->failed = 0;
		host->why[0] = '\0';
	} else {
		if (!host->failed)
			ks_report_error("the host name %s cannot be resolved: %s; it is tried again every %u s",
					host->name, answer->why, SECONDS_MIN);
		host->failed = host->failed ?: time(NULL);
		snprintf(host->why, sizeof(host->why), "%s", answer->why);
		host->ttl = SECONDS_MIN;
	}
	host->next = now + host->ttl * KS_NSEC_PER_SEC;
}

/* Brings the sets of a name in line. */
static void fill_sets_of(struct ks_daemon *daemon, const struct ks_host *host)
{
	for (size_t i = 0; i < daemon->policy->set_info_count; i++) {
		const struct ks_set_info *info = &daemon->policy->set_infos[i];

		for (size_t j = 0; j < info->host_count; j++) {
			if (strcasecmp(info->hosts[j].name, host->name) != 0)
				continue;
			ks_host_set_fill(daemon, info);
			break;
		}
	}
}

/* --- every second --- */

static void host_ask(struct ks_host *host, __u64 now)
{
	struct ks_host_answer answer = { 0 };
	int err = ks_host_query_begin(host->name, now, &host->query);

	if (!err)
		return;
	snprintf(answer.why, sizeof(answer.why), "no process can be made: %.30s", strerror(-err));
	ks_host_take(host, &answer, now);
}

void ks_hosts_second(struct ks_daemon *daemon)
{
	struct ks_hosts *hosts = &daemon->hosts;
	__u64 now = ks_kernel_clock();
	struct ks_host_answer answer;
	unsigned running = 0;

	ks_hosts_follow(daemon);
	for (size_t i = 0; i < hosts->count; i++) {
		struct ks_host *host = &hosts->list[i];

		if (host->query.pid && ks_host_query_poll(&host->query, now, &answer)) {
			ks_host_take(host, &answer, now);
			fill_sets_of(daemon, host);
		}
		running += host->query.pid != 0;
	}
	for (size_t i = 0; i < hosts->count && running < QUERIES_MAX; i++) {
		if (hosts->list[i].query.pid || now < hosts->list[i].next)
			continue;
		host_ask(&hosts->list[i], now);
		running += hosts->list[i].query.pid != 0;
	}
}

/* --- what is known --- */

static json_t *time_json(time_t when)
{
	return when ? json_integer((json_int_t)when) : json_null();
}

static json_t *host_json(const struct ks_host *host)
{
	return json_pack("{s:s, s:i, s:o, s:o, s:s}", "name", host->name, "addresses",
			 (int)(host->count[0] + host->count[1]), "resolved", time_json(host->resolved), "failed",
			 time_json(host->failed), "why", host->why);
}

json_t *ks_hosts_json(const struct ks_daemon *daemon, const struct ks_set_info *info)
{
	json_t *list = json_array();

	for (size_t i = 0; i < info->host_count; i++) {
		const struct ks_host *host = ks_hosts_find(&daemon->hosts, info->hosts[i].name);

		if (host)
			ks_json_append(&list, host_json(host));
	}
	return list;
}

void ks_hosts_add_warnings(const struct ks_daemon *daemon, json_t *warnings)
{
	for (size_t i = 0; i < daemon->hosts.count; i++) {
		const struct ks_host *host = &daemon->hosts.list[i];

		if (host->failed)
			json_array_append_new(warnings,
					      json_sprintf("the host name %s cannot be resolved: %s; %s", host->name,
							   host->why,
							   host->resolved ? "its last good addresses stay"
									  : "its set has what there was before"));
	}
}
