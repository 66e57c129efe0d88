/* SPDX-License-Identifier: BSD-2-Clause */
/* The output of keepstate replay for people: a line for each frame, the summary, the progress line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/output.h"
#include "cli/replay.h"
#include "cli/words.h"
#include "text/names.h"
#include "text/plural.h"

#define NSEC 1e-9

double ks_replay_seconds(const struct ks_replay_run *run)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - run->started.tv_sec) + (double)(now.tv_nsec - run->started.tv_nsec) * NSEC;
}

void ks_replay_print_frame(const struct ks_replay_run *run, const struct ks_replay_frame *frame)
{
	const struct ks_inspection *insp = frame->insp;
	char packet[KS_PACKET_TEXT], zones[KS_ZONES_TEXT], rule[KS_PLACE_TEXT];
	const struct ks_rule_info *staged;

	printf("%7llu %11.6f  %s%-6s%s  %-9s  %-54s  %s%s%s", frame->number, (double)frame->since * NSEC,
	       ks_colour(run->colour, ks_action_colour(insp->verdict.action)), ks_action_name(insp->verdict.action),
	       ks_colour(run->colour, KS_COLOUR_PLAIN), ks_zones_text(run->policy, frame->frame, zones),
	       ks_packet_text(&insp->pkt, packet), ks_class_name(insp->verdict.class),
	       insp->verdict.state == KS_STATE_NONE ? "" : " ",
	       insp->verdict.state == KS_STATE_NONE ? "" : ks_state_name(insp->verdict.state));
	if (!ks_reason_is_pass(insp->verdict.reason))
		printf(", %s", ks_reason_name(insp->verdict.reason));
	ks_place_text(run->policy, insp, rule);
	if (*rule)
		printf(", %s%s%s", ks_colour(run->colour, KS_COLOUR_DIM), rule,
		       ks_colour(run->colour, KS_COLOUR_PLAIN));
	staged = ks_policy_rule(run->policy, insp->verdict.staged);
	if (staged)
		printf(", staged %s %s:%u", ks_action_name(staged->action), staged->place.file, staged->place.line);
	putchar('\n');
}

static void print_reason_counts(const struct ks_replay_run *run)
{
	const struct ks_count *counts = ks_engine_reasons(ks_replay_engine(run->replay));
	ks_auto_grid struct ks_grid *grid = ks_grid_create("lrrll");
	char packets[KS_NUMBER_TEXT], bytes[KS_NUMBER_TEXT];

	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		if (!counts[i].packets)
			continue;
		ks_grid_cell(grid, "  %s",
			     i == KS_REASON_OK_HELD ? "held"
			     : ks_reason_is_pass(i) ? "passed"
						    : "dropped");
		ks_grid_cell(grid, "%s", ks_number_text(counts[i].packets, packets));
		ks_grid_cell(grid, "%s", ks_bytes_text(counts[i].bytes, bytes));
		ks_grid_cell(grid, "%s", ks_reason_name(i));
		ks_grid_cell(grid, "%s", ks_reason_text(i));
	}
	puts("\nby reason:");
	ks_grid_print(grid, stdout);
}

static void print_rule_counts(const struct ks_replay_run *run)
{
	struct ks_engine *engine = ks_replay_engine(run->replay);
	ks_auto_grid struct ks_grid *grid = ks_grid_create("rll");
	char matches[KS_NUMBER_TEXT];
	bool any = false;

	for (size_t i = 0; i < run->policy->info_count; i++) {
		const struct ks_rule_info *info = &run->policy->infos[i];
		const struct ks_rule_count *count = ks_engine_rule_count(engine, info->id);

		if (!count || !count->matches)
			continue;
		any = true;
		ks_grid_cell(grid, "  %s", ks_number_text(count->matches, matches));
		ks_grid_cell(grid, "%s:%u", info->place.file, info->place.line);
		ks_grid_cell(grid, "%s", info->text);
	}
	if (any) {
		puts("\nby rule (packets that it decided, or would have if it is staged):");
		ks_grid_print(grid, stdout);
	}
}

static int by_bytes(const void *a, const void *b)
{
	const struct ks_replay_connection *x = *(const struct ks_replay_connection *const *)a;
	const struct ks_replay_connection *y = *(const struct ks_replay_connection *const *)b;
	__u64 p = x->bytes[0] + x->bytes[1], q = y->bytes[0] + y->bytes[1];

	if (p != q)
		return p < q ? 1 : -1;
	return x < y ? -1 : x > y;
}

static int by_beginning(const void *a, const void *b)
{
	const struct ks_replay_connection *x = *(const struct ks_replay_connection *const *)a;
	const struct ks_replay_connection *y = *(const struct ks_replay_connection *const *)b;

	return x < y ? -1 : x > y;
}

int ks_replay_pick(const struct ks_replay_run *run, const struct ks_replay_connection ***picked, size_t *count)
{
	const struct ks_replay_connection *list, **pointers;
	size_t total;

	list = ks_replay_connections(run->replay, &total);
	pointers = calloc(total + 1, sizeof(const struct ks_replay_connection *));
	if (!pointers)
		return -ENOMEM;
	for (size_t i = 0; i < total; i++)
		pointers[i] = &list[i];
	if (total > run->shown) {
		qsort(pointers, total, sizeof(*pointers), by_bytes);
		qsort(pointers, run->shown, sizeof(*pointers), by_beginning);
	}
	*picked = pointers;
	*count = KS_MIN(total, run->shown);
	return 0;
}

static void connection_cells(const struct ks_replay_run *run, const struct ks_replay_connection *conn,
			     struct ks_grid *grid)
{
	const struct ks_rule_info *rule = ks_policy_rule(run->policy, conn->rule);
	char flow[KS_PACKET_TEXT], proto[8], number[KS_NUMBER_TEXT];

	ks_grid_cell(grid, "  %.3f", (double)conn->first * NSEC);
	ks_grid_cell(grid, "%.3f", (double)conn->last * NSEC);
	ks_grid_cell(grid, "%s>%s", ks_policy_zone_name(run->policy, conn->from),
		     ks_policy_zone_name(run->policy, conn->to));
	ks_grid_cell(grid, "%s", ks_proto_name(conn->tuple.proto, proto, sizeof(proto)));
	ks_grid_cell(grid, "%s", ks_flow_text(&conn->tuple, flow));
	ks_grid_cell(grid, "%s", ks_state_name(conn->state));
	for (int dir = KS_ORIGINAL; dir <= KS_REPLY; dir++) {
		ks_grid_cell(grid, "%s", ks_number_text(conn->packets[dir], number));
		ks_grid_cell(grid, "%s", ks_bytes_text(conn->bytes[dir], number));
	}
	ks_grid_cell(grid, "%llu", conn->dropped);
	if (rule)
		ks_grid_cell(grid, "%s:%u", rule->place.file, rule->place.line);
	else
		ks_grid_cell(grid, "-");
}

static void print_connections(const struct ks_replay_run *run)
{
	static const char *const titles[] = { "  first", "last", "zones", "proto",    "originator > other",
					      "state",	 "sent", "",	  "received", "",
					      "dropped", "rule" };
	ks_auto_free const struct ks_replay_connection **picked = NULL;
	ks_auto_grid struct ks_grid *grid = NULL;
	char a[KS_NUMBER_TEXT], b[KS_NUMBER_TEXT];
	size_t total, count;

	if (ks_replay_pick(run, &picked, &count)) {
		ks_cli_no_memory();
		return;
	}
	if (!count)
		return;
	ks_replay_connections(run->replay, &total);
	if (count < total)
		printf("\nconnections (the %s of %s with the most octets):\n", ks_number_text(count, a),
		       ks_number_text(total, b));
	else
		puts("\nconnections:");
	grid = ks_grid_create("rrllllrrrrrl");
	for (size_t i = 0; i < KS_ARRAY_SIZE(titles); i++)
		ks_grid_cell(grid, "%s", titles[i]);
	for (size_t i = 0; i < count; i++)
		connection_cells(run, picked[i], grid);
	ks_grid_print(grid, stdout);
}

static void print_midstream(const struct ks_replay_totals *totals)
{
	char packets[KS_NUMBER_TEXT], flows[KS_NUMBER_TEXT];
	__u64 p = totals->midstream, n = totals->midstream_flows;

	printf("\n%s TCP packet%s of %s%s connection%s neither belong%s to a flow nor may open one: the capture begins "
	       "in\n"
	       "the middle of it, or it was never allowed. --pickup takes up connections in their middle.\n",
	       ks_number_text(p, packets), ks_plural(p), n == KS_REPLAY_MIDSTREAM_MAX ? "at least " : "",
	       ks_number_text(n, flows), ks_plural(n), p == 1 ? "s" : "");
}

/* A number of frames and what happened to them. */
static void print_note(__u64 count, const char *one, const char *many)
{
	char number[KS_NUMBER_TEXT];

	if (count)
		printf("\n%s %s\n", ks_number_text(count, number), count == 1 ? one : many);
}

static void print_notes(const struct ks_replay_totals *totals)
{
	if (totals->midstream)
		print_midstream(totals);
	print_note(totals->outside,
		   "frame has no end in any zone but the outside one; --inside, --zone or --interface tell where it "
		   "belongs.",
		   "frames have no end in any zone but the outside one; --inside, --zone or --interface tell where "
		   "they belong.");
	print_note(totals->cut,
		   "frame was cut by the capture's snap length: judged by its headers, counted as long as on the wire.",
		   "frames were cut by the capture's snap length: judged by their headers, counted as long as on the "
		   "wire.");
	print_note(totals->lost,
		   "fragment was held and never went on: the first one of its datagram did not come in time, or was "
		   "denied.",
		   "fragments were held and never went on: the first ones of their datagrams did not come in time, or "
		   "were "
		   "denied.");
	print_note(totals->backwards, "frame is older than its predecessor: the clock stood still for it.",
		   "frames are older than their predecessors: the clock stood still for them.");
	print_note(totals->skipped, "frame on its way out was left out (--arriving).",
		   "frames on their way out were left out (--arriving).");
	print_note(totals->forgotten, "more connection was judged but not remembered.",
		   "more connections were judged but not remembered.");
}

void ks_replay_print_summary(const struct ks_replay_run *run)
{
	const struct ks_replay_totals *totals = ks_replay_totals(run->replay);
	char frames[KS_NUMBER_TEXT], bytes[KS_NUMBER_TEXT], time[KS_NUMBER_TEXT], number[KS_NUMBER_TEXT];
	double seconds = ks_replay_seconds(run);

	printf("%s%s frame%s, %s, %s of traffic, %zu capture%s, judged in %.3f s\n", run->quiet ? "" : "\n",
	       ks_number_text(totals->frames, frames), ks_plural(totals->frames), ks_bytes_text(totals->bytes, bytes),
	       ks_span_text((totals->last - KS_MIN(totals->first, totals->last)) / KS_NSEC_PER_MSEC, time),
	       run->capture_count, ks_plural(run->capture_count), seconds);
	for (unsigned i = 0; i < KS_ARRAY_SIZE(totals->actions); i++) {
		if (totals->actions[i])
			printf("  %s%s%s %s", ks_colour(run->colour, ks_action_colour(i)), ks_action_name(i),
			       ks_colour(run->colour, KS_COLOUR_PLAIN), ks_number_text(totals->actions[i], number));
	}
	putchar('\n');
	if (totals->frames)
		print_reason_counts(run);
	print_rule_counts(run);
	print_connections(run);
	print_notes(totals);
}

void ks_replay_progress_draw(struct ks_replay_run *run)
{
	const struct ks_replay_totals *totals = ks_replay_totals(run->replay);
	char frames[KS_NUMBER_TEXT];
	struct timespec now;
	__u64 offset, size;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if ((now.tv_sec - run->drawn.tv_sec) * 1000 + (now.tv_nsec - run->drawn.tv_nsec) / 1000000 < 500)
		return;
	run->drawn = now;
	run->progress_shown = true;
	ks_replay_progress(run->replay, &offset, &size);
	fprintf(stderr, "\r%s: %s frames", run->path, ks_number_text(totals->frames, frames));
	if (size)
		fprintf(stderr, ", %u%%", (unsigned)KS_MIN(offset * 100 / size, 100));
	fprintf(stderr, ", %.1f M/s\033[K", (double)totals->frames / ks_replay_seconds(run) * 1e-6);
}

void ks_replay_progress_clear(struct ks_replay_run *run)
{
	if (run->progress_shown)
		fputs("\r\033[K", stderr);
	run->progress_shown = false;
}
