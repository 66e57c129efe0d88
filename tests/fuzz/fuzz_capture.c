/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fuzzes capture files: any bytes are read to their end or refused with a
 * message, no frame claims bytes that are not there, and every frame that is
 * replayed gets one verdict that fits its reason. Rejected frames get their
 * answer built, which is never larger than what provoked it. The first frames
 * are also explained, with the flows that they left.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/reject.h"
#include "explain/explain.h"
#include "capture/replay.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] = "zone lan { eth1, network 10.0.0.0/8, network fd00::/8, mac 02:00:00:00:00:01 }\n"
				  "zone wan { eth0 }\n"
				  "limit states 64, half-open 16\n"
				  "option pickup on\n"
				  "bypass from lan udp port 4789\n"
				  "reject from wan to lan\n"
				  "allow from any to any\n";

static void check(int good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

#define EXPLAINED 4 /* frames of a capture: an explanation costs as much as many frames */

/* The context of look(); the replay is made after it. */
struct context {
	const struct ks_policy *policy;
	struct ks_replay *replay;
};

static void explain(const struct context *context, const struct ks_frame *frame)
{
	json_t *explanation = ks_explain_json(context->policy, ks_replay_engine(context->replay), frame, true);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	check(explanation != NULL && out != NULL, "no explanation");
	check(json_array_size(json_object_get(explanation, "steps")) >= 2, "an explanation without steps");
	check(json_is_string(json_object_get(explanation, "verdict")), "an explanation without a verdict");
	ks_explain_print(explanation, out, false, false);
	fclose(out);
	free(text);
	json_decref(explanation);
}

static int look(const struct ks_replay_frame *frame, void *arg)
{
	const struct ks_inspection *insp = frame->insp;
	__u8 head[KS_HEAD_SIZE] = { 0 }, answer[KS_REJECT_MAX];
	volatile __u8 sum = 0;

	for (__u32 i = 0; i < frame->captured->captured; i++)
		sum ^= frame->captured->data[i];
	for (__u32 i = 0; i < frame->frame->captured; i++)
		sum ^= frame->frame->data[i];
	check(frame->captured->captured <= frame->captured->length, "more captured than there was");
	check(insp->verdict.reason < KS_REASON_MAX && insp->verdict.class < KS_CLASS_MAX &&
		      insp->verdict.state < KS_STATE_MAX,
	      "numbers out of range");
	check(ks_reason_is_pass(insp->verdict.reason) ==
		      (insp->verdict.action != KS_DENY && insp->verdict.action != KS_REJECT),
	      "a verdict that contradicts its reason");
	if (frame->number <= EXPLAINED)
		explain(arg, frame->frame);
	if (insp->verdict.action != KS_REJECT)
		return 0;
	memcpy(head, frame->frame->data, KS_MIN(frame->frame->captured, KS_HEAD_MAX));
	check(ks_reject_build(head, &insp->pkt, NULL, answer) <= KS_MAX(insp->pkt.wire_len, 54U),
	      "an answer larger than the packet");
	return 0;
}

static void run(const struct ks_policy *policy, const struct ks_zone_map *map, const uint8_t *data, size_t size)
{
	struct context context = { .policy = policy };
	const struct ks_replay_config config = {
		.policy = policy, .zones = map, .connections = 8, .each = look, .arg = &context
	};
	char error[KS_CAPTURE_ERROR] = "";
	struct ks_capture *capture = NULL;
	struct ks_replay *replay;
	int err = ks_capture_open_memory(data, size, &capture, error);

	check((err == 0) == (capture != NULL), "a capture in spite of an error, or none without");
	check(err == 0 || *error, "an error without a message");
	if (err)
		return;
	*error = 0;
	check(ks_replay_create(&config, &replay) == 0, "no memory");
	context.replay = replay;
	err = ks_replay_capture(replay, capture, "fuzz", error);
	check(err == 0 || *error, "an error without a message");
	ks_replay_destroy(replay);
	ks_capture_close(capture);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ks_policy *policy;
	static struct ks_zone_map *map;

	if (!policy) {
		struct ks_diags diags;

		check(ks_policy_load_text(policy_text, strlen(policy_text), "fuzz", NULL, &policy, &diags) == 0,
		      "the policy does not load");
		ks_diags_fini(&diags);
		check(ks_zone_map_create(policy, &map) == 0, "no memory");
	}
	run(policy, map, data, size);
	return 0;
}
