/* SPDX-License-Identifier: BSD-2-Clause */
/* Four homes side by side; see agree.h. */
#include "tests/bpf/agree.h"

#include <errno.h>
#include <string.h>

#include "text/names.h"
#include "tests/bpf/kernel_home.h"

#define BYTES_SHOWN 256
#define BYTES_A_LINE 32

int agreement_open(struct agreement *agreement)
{
	int err;

	memset(agreement, 0, sizeof(*agreement));
	err = kernel_home_open(HOOK_TC, &agreement->homes[1]);
	if (!err)
		err = kernel_home_open(HOOK_XDP, &agreement->homes[2]);
	return err ? err : kernel_home_open(HOOK_FRONT, &agreement->homes[3]);
}

static void policy_end(struct agreement *agreement)
{
	if (!agreement->policy)
		return;
	ks_native_home_destroy(&agreement->homes[0]);
	for (int i = 1; i < AGREE_HOMES; i++)
		kernel_home_forget_policy(&agreement->homes[i]);
	ks_policy_destroy(agreement->policy);
	agreement->policy = NULL;
}

void agreement_close(struct agreement *agreement)
{
	policy_end(agreement);
	for (int i = 1; i < AGREE_HOMES; i++)
		kernel_home_close(&agreement->homes[i]);
	for (int i = 0; i < AGREE_HOMES; i++)
		flow_list_fini(&agreement->flows[i]);
}

int agreement_begin(struct agreement *agreement, const char *text)
{
	struct ks_diags diags;
	int err;

	policy_end(agreement);
	err = ks_policy_load_text(text, strlen(text), "agreement", NULL, &agreement->policy, &diags);
	ks_diags_print(&diags, stdout, false);
	ks_diags_fini(&diags);
	if (!err)
		err = ks_native_home_create(agreement->policy, &agreement->homes[0]);
	for (int i = 0; !err && i < AGREE_HOMES; i++) {
		struct ks_home *home = &agreement->homes[i];

		err = home->ops->set_policy(home->self, agreement->policy);
		if (!err)
			err = home->ops->reset(home->self);
	}
	return err;
}

static void frame_print(const struct ks_frame *frame)
{
	printf("# frame of %u bytes from zone %u to %u:\n#  ", frame->length, frame->from, frame->to);
	for (__u32 i = 0; i < frame->length && i < BYTES_SHOWN; i++)
		printf("%s%02x", i && i % BYTES_A_LINE == 0 ? "\n#  " : " ", frame->data[i]);
	printf("\n");
}

void frame_mend(__u8 *frame, __u32 length)
{
	__u32 header = (frame[14] & 15U) * 4, sum = 0;

	if (length < 34 || frame[12] != 8 || frame[13] != 0 || header < 20 || 14 + header > length)
		return;
	frame[24] = frame[25] = 0;
	for (__u32 i = 0; i < header; i += 2)
		sum += (__u32)frame[14 + i] << 8 | frame[15 + i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	frame[24] = (__u8)(~sum >> 8);
	frame[25] = (__u8)~sum;
}

static bool is_refused(const struct agreement *agreement, const struct ks_frame *frame)
{
	for (int i = 0; i < AGREE_HOMES; i++) {
		const struct ks_home *home = &agreement->homes[i];

		if (home->ops->refuses && home->ops->refuses(home->self, frame))
			return true;
	}
	return false;
}

static bool is_changed(const struct ks_frame *frame, const struct ks_passage *passage)
{
	return passage->output_len && passage->output_len <= sizeof(passage->output) &&
	       (passage->output_len != frame->length || memcmp(passage->output, frame->data, frame->length) != 0);
}

int agreement_frame(struct agreement *agreement, const struct ks_frame *frame, const char *what, unsigned number)
{
	char text[DIFFERENCE_TEXT], got[KS_SCENARIO_TEXT];
	struct ks_passage *passages = agreement->passages;

	if (is_refused(agreement, frame))
		return -EAGAIN;
	for (int i = 0; i < AGREE_HOMES; i++) {
		const struct ks_home *home = &agreement->homes[i];
		int err = home->ops->inspect(home->self, frame, &passages[i]);

		if (err) {
			printf("# %s %u: %s: %s\n", what, number, home->ops->name, strerror(-err));
			frame_print(frame);
			return 1;
		}
	}
	agreement->reasons[passages[0].insp.verdict.reason]++;
	agreement->changed += is_changed(frame, &passages[0]);
	for (int i = 1; i < AGREE_HOMES; i++) {
		if (!passages_differ(&passages[0], &passages[i], text))
			continue;
		printf("# %s %u: native and %s differ in %s\n", what, number, agreement->homes[i].ops->name, text);
		printf("#   native %s\n", ks_passage_text(agreement->policy, &passages[0], got));
		printf("#   %s %s\n", agreement->homes[i].ops->name,
		       ks_passage_text(agreement->policy, &passages[i], got));
		frame_print(frame);
		return 1;
	}
	return 0;
}

int agreement_tables(struct agreement *agreement, const char *what, unsigned number)
{
	char text[DIFFERENCE_TEXT];

	for (int i = 0; i < AGREE_HOMES; i++) {
		if (flow_list_take(&agreement->flows[i], &agreement->homes[i]))
			return 1;
		if (i && flow_lists_differ(&agreement->flows[0], &agreement->flows[i], text)) {
			printf("# after %s %u the tables of native and %s differ: %s\n", what, number,
			       agreement->homes[i].ops->name, text);
			return 1;
		}
	}
	return 0;
}

void agreement_advance(struct agreement *agreement, __u64 ns)
{
	for (int i = 0; i < AGREE_HOMES; i++)
		agreement->homes[i].ops->advance(agreement->homes[i].self, ns);
}

void agreement_summary(const struct agreement *agreement)
{
	printf("# %u left changed; the front dropped %u, express sent on %u;", agreement->changed,
	       kernel_home_front(&agreement->homes[3])->refused, kernel_home_front(&agreement->homes[3])->sent);
	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		if (agreement->reasons[i])
			printf(" %s %u;", ks_reason_name(i), agreement->reasons[i]);
	}
	printf("\n");
}
