/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes seeds for fuzz_packet from scenarios: the frames of a test, in its
 * zones and with its pauses, one file a test. corpus/packet was made so:
 *   packet_seeds tests/fuzz/corpus/packet 3 tests/cases/X.ks...
 * (the directory, how many tests of each file, the files).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario/craft.h"
#include "tests/fuzz/packet_records.h"

static void frame_write(FILE *out, const struct ks_frame *frame, unsigned *wait)
{
	struct packet_record head = {
		.zones = (uint8_t)(frame->from | frame->to << 4),
		.flags = frame->link == KS_LINK_IP ? RECORD_LAYER3 : 0,
		.wait = (uint8_t)*wait,
		.length = { (uint8_t)(frame->captured >> 8), (uint8_t)frame->captured },
	};

	if (frame->captured > RECORD_LENGTH_MAX)
		return;
	fwrite(&head, sizeof(head), 1, out);
	fwrite(frame->data, frame->captured, 1, out);
	*wait = 0;
}

/* The shortest wait that a record can hold (a square of seconds) and that is long enough. */
static unsigned wait_of(unsigned long long ms)
{
	unsigned wait = 0;

	while (wait < 255 && 1000ULL * wait * wait < ms)
		wait++;
	return wait;
}

static int test_write(const struct ks_test *test, FILE *out)
{
	struct ks_crafter *crafter;
	struct ks_frame frame;
	unsigned wait = 0;
	int err = ks_crafter_create(&crafter);

	for (size_t i = 0; !err && i < test->step_count; i++) {
		const struct ks_step *step = &test->steps[i];

		if (step->kind == KS_STEP_AFTER)
			wait = wait_of(step->number);
		if (step->kind != KS_STEP_PACKET || ks_crafter_craft(crafter, &step->packet, &frame))
			continue;
		frame_write(out, &frame, &wait);
		if (step->expect.action == KS_ALLOW)
			ks_crafter_delivered(crafter, frame.data, frame.length, KS_ZONE_UNKNOWN);
	}
	ks_crafter_destroy(crafter);
	return err;
}

static int file_write(const char *directory, size_t most, const char *path)
{
	const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	struct ks_policy *policy;
	struct ks_diags diags;
	char target[4096];
	int err = ks_policy_load(path, &policy, &diags);

	ks_diags_print(&diags, stderr, false);
	ks_diags_fini(&diags);
	for (size_t i = 0; !err && i < policy->test_count && i < most; i++) {
		FILE *out;

		snprintf(target, sizeof(target), "%s/%.*s-%zu", directory, (int)strcspn(name, "."), name, i + 1);
		out = fopen(target, "w");
		if (!out) {
			perror(target);
			return 1;
		}
		err = test_write(&policy->tests[i], out);
		fclose(out);
	}
	if (!err)
		ks_policy_destroy(policy);
	return err;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr, "usage: packet_seeds DIRECTORY TESTS-A-FILE FILE.ks...\n");
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		if (file_write(argv[1], strtoul(argv[2], NULL, 10), argv[i]))
			return 1;
	}
	return 0;
}
