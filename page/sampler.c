/* SPDX-License-Identifier: BSD-2-Clause */
/* See sampler.h. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/types.h"
#include "core/verdict.h"
#include "page/sampler.h"
#include "page/upstream.h"
#include "page/web.h"
#include "text/memory_file.h"
#include "text/names.h"
#include "text/scoped.h"

#define KS_SAMPLE_WAIT_NS 1500000000ULL

/* Totals as the daemon tells them. */
struct totals {
	double packets[2], bytes[2]; /* dropped, passed */
	double created;
	double reasons[KS_REASON_MAX]; /* packets dropped */
};

/* A point of a plot: numbers of a second. */
struct point {
	long long time; /* seconds of the epoch, the begin */
	struct totals rates;
	double flows, half_open; /* at its end */
};

/* Points of one span, the oldest first from `next` on. */
struct ring {
	const char *name;
	long long step; /* seconds */
	size_t room;
	struct point *points;
	size_t count, next;
	struct totals sums; /* of the point that is being made */
	unsigned added; /* seconds in it */
	long long began;
};

#define KS_RINGS 3

struct ks_sampler {
	pthread_mutex_t lock;
	pthread_cond_t came;
	int opener;
	unsigned long long number; /* of the latest sample */
	char *latest; /* as JSON */
	struct ring rings[KS_RINGS];
	struct totals before; /* of the sampler's thread alone, as is what follows */
	double before_at; /* 0: none */
	long long before_started; /* of the daemon: another one may count from zero */
};

static const struct ring shapes[KS_RINGS] = {
	{ .name = "15m", .step = 1, .room = 900 },
	{ .name = "24h", .step = 60, .room = 1440 },
	{ .name = "28d", .step = 3600, .room = 672 },
};

struct ks_sampler *ks_sampler_create(int opener)
{
	struct ks_sampler *sampler = calloc(1, sizeof(*sampler));
	pthread_condattr_t attributes;

	if (!sampler)
		return NULL;
	pthread_mutex_init(&sampler->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&sampler->came, &attributes);
	sampler->opener = opener;
	for (size_t i = 0; i < KS_RINGS; i++) {
		sampler->rings[i] = shapes[i];
		sampler->rings[i].points = calloc(shapes[i].room, sizeof(struct point));
		if (!sampler->rings[i].points)
			return NULL; /* the process ends */
	}
	return sampler;
}

/* --- reading the daemon --- */

static double number(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

static void take_reason(const json_t *one, struct totals *totals)
{
	const char *name = json_string_value(json_object_get(one, "reason"));
	bool passes = json_is_true(json_object_get(one, "passes"));
	double packets = number(one, "packets");

	totals->packets[passes] += packets;
	totals->bytes[passes] += number(one, "bytes");
	for (unsigned i = 0; name && !passes && i < KS_REASON_MAX; i++) {
		if (!strcmp(ks_reason_name(i), name))
			totals->reasons[i] += packets;
	}
}

static json_t *ask(const struct ks_sampler *sampler, const char *target, int *err)
{
	const struct ks_upstream_call call = { .socket = KS_OPEN_READ, .method = "GET", .target = target };
	ks_auto_json json_t *answer = NULL;
	int status = 0;

	*err = ks_upstream_json(sampler->opener, &call, &status, &answer);
	return *err || status != MHD_HTTP_OK ? NULL : TAKE(answer);
}

static void read_totals(const json_t *status, const json_t *counters, struct totals *totals)
{
	const json_t *reasons = json_object_get(counters, "reasons"), *one;
	size_t i;

	memset(totals, 0, sizeof(*totals));
	totals->created = number(json_object_get(status, "table"), "created");
	json_array_foreach(reasons, i, one) take_reason(one, totals);
}

static double rate(double now, double before, double seconds)
{
	return now > before ? (now - before) / seconds : 0;
}

static void make_rates(const struct totals *now, const struct totals *before, double seconds, struct totals *rates)
{
	for (unsigned i = 0; i < 2; i++) {
		rates->packets[i] = rate(now->packets[i], before->packets[i], seconds);
		rates->bytes[i] = rate(now->bytes[i], before->bytes[i], seconds);
	}
	rates->created = rate(now->created, before->created, seconds);
	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		rates->reasons[i] = rate(now->reasons[i], before->reasons[i], seconds);
}

/* --- keeping --- */

static void sums_add(struct totals *sums, const struct totals *more)
{
	for (unsigned i = 0; i < 2; i++) {
		sums->packets[i] += more->packets[i];
		sums->bytes[i] += more->bytes[i];
	}
	sums->created += more->created;
	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		sums->reasons[i] += more->reasons[i];
}

static void ring_put(struct ring *ring, const struct point *point)
{
	ring->points[ring->next] = *point;
	ring->next = (ring->next + 1) % ring->room;
	if (ring->count < ring->room)
		ring->count++;
}

static void ring_add(struct ring *ring, const struct point *point)
{
	long long began = point->time - point->time % ring->step;
	const struct totals zero = { 0 };
	struct point whole = *point;

	if (ring->added && began == ring->began)
		sums_add(&ring->sums, &point->rates);
	else
		ring->sums = point->rates;
	ring->added = ring->added && began == ring->began ? ring->added + 1 : 1;
	whole.time = began;
	make_rates(&ring->sums, &zero, ring->added, &whole.rates);
	if (ring->count && ring->added > 1) { /* the last one goes on */
		ring->next = (ring->next + ring->room - 1) % ring->room;
		ring->count--;
	}
	ring->began = began;
	ring_put(ring, &whole);
}

/* --- telling --- */

static void print_point(const struct point *point, FILE *out)
{
	const char *between = "";

	fprintf(out,
		"{\"t\":%lld,\"pp\":%.1f,\"pb\":%.0f,\"dp\":%.1f,\"db\":%.0f,\"nf\":%.1f,\"fl\":%.0f,\"ho\":%.0f,\"r\":"
		"{",
		point->time, point->rates.packets[1], point->rates.bytes[1], point->rates.packets[0],
		point->rates.bytes[0], point->rates.created, point->flows, point->half_open);
	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		if (point->rates.reasons[i] < 0.005)
			continue;
		fprintf(out, "%s\"%s\":%.2f", between, ks_reason_name(i), point->rates.reasons[i]);
		between = ",";
	}
	fputs("}}", out);
}

static void print_ring(const struct ring *ring, FILE *out)
{
	fprintf(out, "{\"step\":%lld,\"samples\":[", ring->step);
	for (size_t i = 0; i < ring->count; i++) {
		if (i)
			fputc(',', out);
		print_point(&ring->points[(ring->next + ring->room - ring->count + i) % ring->room], out);
	}
	fputs("]}", out);
}

char *ks_sampler_history(struct ks_sampler *sampler, const char *span)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	const struct ring *ring = NULL;

	for (size_t i = 0; i < KS_RINGS; i++) {
		if (!strcmp(sampler->rings[i].name, span))
			ring = &sampler->rings[i];
	}
	if (!ring || ks_memory_file_open(&file))
		return NULL;
	pthread_mutex_lock(&sampler->lock);
	print_ring(ring, file.out);
	pthread_mutex_unlock(&sampler->lock);
	return ks_memory_file_take(&file);
}

/* The firewall's state, which every view shows besides the numbers. */
static json_t *state_json(const json_t *status, const json_t *counters)
{
	static const char *const members[] = { "policy_in_force", "fallback", "unconfirmed", "warnings",
					       "table",		  "since",    "generation",  "instance",
					       "version",	  "now",      "events_lost", "started" };
	json_t *state = json_object();

	for (size_t i = 0; i < KS_ARRAY_SIZE(members); i++) {
		json_t *value = json_object_get(status, members[i]);

		if (value)
			json_object_set(state, members[i], value);
	}
	if (json_object_get(counters, "zones"))
		json_object_set(state, "zones", json_object_get(counters, "zones"));
	return state;
}

/* `point` is NULL for the first sample of a daemon, of which there are no rates yet. */
static char *sample_text(const struct point *point, const json_t *status, const json_t *counters)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_json json_t *state = state_json(status, counters);

	if (ks_memory_file_open(&file))
		return NULL;
	fputs("{\"state\":", file.out);
	if (json_dumpf(state, file.out, JSON_COMPACT))
		return NULL;
	fputs(",\"point\":", file.out);
	if (point)
		print_point(point, file.out);
	else
		fputs("null", file.out);
	fputc('}', file.out);
	return ks_memory_file_take(&file);
}

static void publish(struct ks_sampler *sampler, const struct point *point, char *text)
{
	pthread_mutex_lock(&sampler->lock);
	free(sampler->latest);
	sampler->latest = text;
	sampler->number++;
	for (size_t i = 0; point && i < KS_RINGS; i++)
		ring_add(&sampler->rings[i], point);
	pthread_cond_broadcast(&sampler->came);
	pthread_mutex_unlock(&sampler->lock);
}

/* The daemon does not answer: so it is said, and the plots have a gap. */
static void publish_silence(struct ks_sampler *sampler, int err)
{
	json_t *text = json_pack("{s:s}", "away", ks_upstream_complaint(KS_OPEN_READ, err));

	sampler->before_at = 0;
	publish(sampler, NULL, text ? json_dumps(text, JSON_COMPACT) : NULL);
	json_decref(text);
}

static double monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void take_sample(struct ks_sampler *sampler)
{
	struct point point = { .time = (long long)time(NULL) };
	struct totals totals;
	int err, counters_err;
	ks_auto_json json_t *status = ask(sampler, "/v1/status", &err);
	ks_auto_json json_t *counters = ask(sampler, "/v1/counters?part=reasons", &counters_err);
	double at = monotonic();
	bool is_first;

	if (!status || !counters) {
		publish_silence(sampler, err ? err : counters_err);
		return;
	}
	read_totals(status, counters, &totals);
	is_first = sampler->before_at <= 0 || sampler->before_started != (long long)number(status, "started");
	if (!is_first)
		make_rates(&totals, &sampler->before, at - sampler->before_at, &point.rates);
	point.flows = number(json_object_get(status, "table"), "flows");
	point.half_open = number(json_object_get(status, "table"), "half_open");
	sampler->before = totals;
	sampler->before_at = at;
	sampler->before_started = (long long)number(status, "started");
	publish(sampler, is_first ? NULL : &point, sample_text(is_first ? NULL : &point, status, counters));
}

void ks_sampler_run(struct ks_sampler *sampler)
{
	while (!ks_opener_is_gone(sampler->opener)) {
		double began = monotonic(), rest;
		struct timespec pause;

		take_sample(sampler);
		rest = 1 - (monotonic() - began);
		rest = rest < 0.1 ? 0.1 : rest;
		pause.tv_sec = (time_t)rest;
		pause.tv_nsec = (long)((rest - floor(rest)) * 1e9);
		nanosleep(&pause, NULL);
	}
}

char *ks_sampler_wait(struct ks_sampler *sampler, unsigned long long *seen)
{
	struct timespec until;
	char *text = NULL;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(KS_SAMPLE_WAIT_NS % 1000000000ULL);
	until.tv_sec += (time_t)(KS_SAMPLE_WAIT_NS / 1000000000ULL) + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&sampler->lock);
	while (!err && sampler->number == *seen)
		err = pthread_cond_timedwait(&sampler->came, &sampler->lock, &until);
	if (sampler->number != *seen && sampler->latest)
		text = strdup(sampler->latest);
	*seen = sampler->number;
	pthread_mutex_unlock(&sampler->lock);
	return text;
}

enum MHD_Result ks_web_history(struct ks_web_request *request)
{
	const char *span = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, "span");
	char *text = ks_sampler_history(request->page->sampler, span ? span : "15m");

	if (!text)
		return ks_web_refuse(request, MHD_HTTP_BAD_REQUEST, "span: give 15m, 24h or 28d");
	return ks_web_text(request, MHD_HTTP_OK, "application/json", text);
}
