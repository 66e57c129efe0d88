/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * GET /metrics. Flows are counted while the answer is sent: each piece of what is written already goes with a slice of the
 * census (daemon/census.h), so that other clients and the daemon's own work come in between, however many flows there are.
 */
#include "daemon/api/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/api/api.h"
#include "daemon/rule_peaks.h"
#include "text/names.h"
#include "text/scoped.h"

#define RULES_SHOWN 1000U /* so many rules have series of their own */
#define NUMBER_TEXT 12

void ks_metrics_print(struct ks_scrape *scrape, const struct ks_metric *metrics, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		ks_metric_begin(&scrape->exposition, &metrics[i].family);
		metrics[i].print(scrape);
	}
}

/* --- states --- */

/* The protocol of which a state is always shown, 0 if it is shown where there is one. */
static unsigned protocol_of(unsigned state)
{
	if (state >= KS_STATE_TCP_SYN_SENT && state <= KS_STATE_TCP_CLOSE)
		return KS_PROTO_TCP;
	if (state == KS_STATE_UDP_SINGLE || state == KS_STATE_UDP_STREAM)
		return KS_PROTO_UDP;
	if (state == KS_STATE_ICMP_REQUEST || state == KS_STATE_ICMP_REPLIED)
		return KS_PROTO_ICMP;
	return 0;
}

static void print_states(struct ks_scrape *scrape)
{
	char name[8];

	for (unsigned proto = 0; proto < KS_CENSUS_PROTOCOLS; proto++) {
		for (unsigned state = KS_STATE_NONE + 1; state < KS_STATE_MAX; state++) {
			__u32 flows = scrape->census->flows[proto][state];

			if (flows || (proto && protocol_of(state) == proto))
				ks_metric_count(&scrape->exposition, flows, "protocol",
						ks_proto_name(proto, name, sizeof(name)), "state", ks_state_name(state),
						NULL);
		}
	}
}

/* --- rules --- */

/* Those with a label come first: their number is the reader's choice. */
static bool rule_is_of(const struct ks_rule_info *info, bool labelled)
{
	return !!info->label == labelled;
}

static void rules_each(struct ks_scrape *scrape,
		       void (*print)(struct ks_scrape *scrape, const struct ks_rule_info *info, __u64 value),
		       __u64 (*value)(struct ks_scrape *scrape, const struct ks_rule_info *info))
{
	const struct ks_policy *policy = scrape->daemon->policy;
	unsigned shown = 0;

	for (int labelled = 1; labelled >= 0; labelled--) {
		for (size_t i = 0; i < policy->info_count && shown < RULES_SHOWN; i++) {
			if (!rule_is_of(&policy->infos[i], labelled))
				continue;
			print(scrape, &policy->infos[i], value(scrape, &policy->infos[i]));
			shown++;
		}
	}
}

static void print_rule(struct ks_scrape *scrape, const struct ks_rule_info *info, __u64 value)
{
	char id[NUMBER_TEXT], line[NUMBER_TEXT];

	snprintf(id, sizeof(id), "%u", info->id);
	snprintf(line, sizeof(line), "%u", info->place.line);
	ks_metric_count(&scrape->exposition, value, "id", id, "label", info->label ? info->label : "", "file",
			info->place.file, "line", line, "action", ks_rule_verb(info), NULL);
}

/* Its flows that have ended, before the census counts those that live: one that ends meanwhile is missing once, not counted twice. */
static void rule_begin(struct ks_scrape *scrape, const struct ks_rule_info *info, __u64 unused)
{
	struct ks_rule_count *sum = &scrape->census->rules[info->id], ended = { 0 };

	ks_kernel_rule_count(scrape->daemon->kernel, info->id, &ended);
	sum->packets = ended.packets;
	sum->bytes = ended.bytes;
}

/* Both together. The sum never goes down. */
static void rule_complete(struct ks_scrape *scrape, const struct ks_rule_info *info, __u64 unused)
{
	ks_rule_peaks_raise(scrape->daemon->rule_peaks, info->id, &scrape->census->rules[info->id]);
}

static __u64 nothing(struct ks_scrape *scrape, const struct ks_rule_info *info)
{
	return 0;
}

static __u64 rule_matches(struct ks_scrape *scrape, const struct ks_rule_info *info)
{
	struct ks_rule_count count = { 0 };

	ks_kernel_rule_count(scrape->daemon->kernel, info->id, &count);
	return count.matches;
}

static __u64 rule_packets(struct ks_scrape *scrape, const struct ks_rule_info *info)
{
	return scrape->census->rules[info->id].packets;
}

static __u64 rule_bytes(struct ks_scrape *scrape, const struct ks_rule_info *info)
{
	return scrape->census->rules[info->id].bytes;
}

static __u64 rule_flows(struct ks_scrape *scrape, const struct ks_rule_info *info)
{
	return scrape->census->rules[info->id].matches;
}

static void print_rule_matches(struct ks_scrape *scrape)
{
	rules_each(scrape, print_rule, rule_matches);
}

static void print_rule_packets(struct ks_scrape *scrape)
{
	rules_each(scrape, print_rule, rule_packets);
}

static void print_rule_bytes(struct ks_scrape *scrape)
{
	rules_each(scrape, print_rule, rule_bytes);
}

static void print_rule_flows(struct ks_scrape *scrape)
{
	rules_each(scrape, print_rule, rule_flows);
}

static void print_rules_left_out(struct ks_scrape *scrape)
{
	size_t count = scrape->daemon->policy->info_count;

	ks_metric_count(&scrape->exposition, count - KS_MIN(count, (size_t)RULES_SHOWN), NULL);
}

static void print_busy(struct ks_scrape *scrape)
{
	ks_metric_real(&scrape->exposition, (double)scrape->busy / (double)KS_NSEC_PER_SEC, NULL);
}

static const struct ks_metric late[] = {
	{ { "keepstate_states", KS_METRIC_GAUGE, "", "Live flows, by protocol and state." }, print_states },
	{ { "keepstate_rule_matches", KS_METRIC_COUNTER, "",
	    "Packets that the rule decided: openings, and what it dropped; of a nat rule the flows that have their "
	    "source "
	    "from it." },
	  print_rule_matches },
	{ { "keepstate_rule_packets", KS_METRIC_COUNTER, "",
	    "Packets of the flows that the rule allowed, both directions." },
	  print_rule_packets },
	{ { "keepstate_rule_bytes", KS_METRIC_COUNTER, "bytes",
	    "Bytes of the flows that the rule allowed, both directions." },
	  print_rule_bytes },
	{ { "keepstate_rule_flows", KS_METRIC_GAUGE, "", "Live flows that the rule allowed." }, print_rule_flows },
	{ { "keepstate_rules_left_out", KS_METRIC_GAUGE, "",
	    "Rules without series of their own: the first 1000 have some, those with a label before others." },
	  print_rules_left_out },
	{ { "keepstate_scrape_busy_seconds", KS_METRIC_GAUGE, "seconds",
	    "Processor time of the daemon that this answer has taken, in slices of some milliseconds." },
	  print_busy },
};

/* --- the answer --- */

static void scrape_destroy(void *state)
{
	struct ks_scrape *scrape = state;

	scrape->places->taken--;
	if (scrape->exposition.out)
		fclose(scrape->exposition.out);
	free(scrape->text);
	free(scrape->census);
	free(scrape);
}

KS_SCOPED(auto_scrape, struct ks_scrape *, scrape_destroy)

static __u64 processor_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (__u64)now.tv_sec * KS_NSEC_PER_SEC + (__u64)now.tv_nsec;
}

/* Makes what was written readable. */
static int text_take(struct ks_scrape *scrape)
{
	return fflush(scrape->exposition.out) || ferror(scrape->exposition.out) ? -ENOMEM : 0;
}

/* All flows are counted. */
static int scrape_complete(struct ks_scrape *scrape)
{
	rules_each(scrape, rule_complete, nothing);
	ks_metrics_print(scrape, late, KS_ARRAY_SIZE(late));
	ks_exposition_end(&scrape->exposition);
	scrape->complete = true;
	return text_take(scrape);
}

static int scrape_go_on(struct ks_scrape *scrape)
{
	__u64 begin = processor_time();
	int err = ks_census_go_on(scrape->census, scrape->daemon->kernel);

	scrape->busy += processor_time() - begin;
	return err == -ENODATA ? scrape_complete(scrape) : err;
}

/* How much is sent now: while flows are counted a part, so that something is left for each slice that is to come. */
static size_t piece(const struct ks_scrape *scrape, size_t max)
{
	size_t left = scrape->size - scrape->sent;

	return KS_MIN(scrape->complete ? left : left / (ks_census_left(scrape->census) + 2), max);
}

static ssize_t scrape_read(void *state, uint64_t position, char *buf, size_t max)
{
	struct ks_scrape *scrape = state;
	size_t n;

	if (!scrape->complete && scrape_go_on(scrape))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = piece(scrape, max);
	if (!n)
		return scrape->complete ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
	memcpy(buf, scrape->text + scrape->sent, n);
	scrape->sent += n;
	return (ssize_t)n;
}

/* Prepares an answer. Returns 0 or -errno. */
static int scrape_begin(struct ks_scrape *scrape)
{
	struct ks_daemon *daemon = scrape->daemon;
	__u64 begin = processor_time();
	int err;

	if (!daemon->rule_peaks)
		daemon->rule_peaks = ks_rule_peaks_create();
	scrape->census = ks_census_begin(daemon->kernel);
	scrape->exposition.out = open_memstream(&scrape->text, &scrape->size);
	if (!daemon->rule_peaks || !scrape->census || !scrape->exposition.out)
		return -ENOMEM;
	rules_each(scrape, rule_begin, nothing);
	err = ks_metrics_print_now(scrape) ?: text_take(scrape);
	scrape->busy = processor_time() - begin;
	return err;
}

enum MHD_Result ks_api_metrics(struct ks_request *request)
{
	ks_scoped(auto_scrape) struct ks_scrape *scrape = NULL;
	const char *type;
	int err;

	if (request->scrapes->taken >= request->scrapes->max)
		return ks_api_refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "%u clients are told the metrics already",
				     request->scrapes->max);
	scrape = calloc(1, sizeof(*scrape));
	if (!scrape)
		return MHD_NO;
	scrape->daemon = request->daemon;
	scrape->places = request->scrapes;
	scrape->places->taken++;
	scrape->exposition.open = ks_exposition_negotiate(
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	err = scrape_begin(scrape);
	if (err)
		return ks_api_refuse(request, MHD_HTTP_INTERNAL_SERVER_ERROR, "cannot read the counters: %s",
				     strerror(-err));
	type = ks_exposition_type(scrape->exposition.open);
	return ks_api_stream(request, type, scrape_read, TAKE(scrape), scrape_destroy);
}
