/* SPDX-License-Identifier: BSD-2-Clause */
/* See suggest.h. The text is made here; the words of one rule are in words.c. */
#include "suggest/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/header/packet.h"
#include "proof/assertion.h"
#include "proof/witness.h"
#include "suggest/hints.h"
#include "suggest/merge.h"
#include "suggest/words.h"
#include "text/memory_file.h"
#include "text/names.h"
#include "text/plural.h"

#define UNANSWERED_SHOWN 10U /* kinds of requests */
#define NAME_LENGTH 100 /* of a test */

void ks_suggestion_fini(struct ks_suggestion *suggestion)
{
	ks_atoms_fini(&suggestion->asked);
	ks_atoms_fini(&suggestion->unanswered);
	ks_forwards_fini(&suggestion->forwards);
}

int ks_suggestion_forward(struct ks_suggestion *suggestion, const struct ks_request *request, bool is_answered,
			  const struct ks_addr *to, __be16 port)
{
	int is = 0;

	if (is_answered || suggestion->takes_unanswered)
		is = ks_forwards_add(&suggestion->forwards, &suggestion->wish, request, to, port);
	suggestion->left[KS_LEFT_FORWARDED] += !is;
	return KS_MIN(is, 0);
}

int ks_suggestion_add(struct ks_suggestion *suggestion, const struct ks_request *request, bool is_answered)
{
	bool counts = is_answered || suggestion->takes_unanswered;
	struct ks_request own = *request;

	if (request->from == KS_ZONE_NONE || request->to == KS_ZONE_NONE || request->from >= KS_ZONE_MAX ||
	    request->to >= KS_ZONE_MAX) {
		suggestion->left[KS_LEFT_NOWHERE]++;
		return 0;
	}
	if (!ks_proto_has_ports(own.tuple.proto)) /* identifiers and types stand there */
		own.tuple.sport = own.tuple.dport = 0;
	return ks_atoms_add(counts ? &suggestion->asked : &suggestion->unanswered, &suggestion->wish, &own);
}

/* --- statements of the given policy --- */

static bool begins_with_one_of(const char *line, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strncmp(line, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

/* Returns true if a set is named in a text. */
static bool is_named(const char *line, const char *text)
{
	char name[64];
	const char *found = text;
	int length = 0;

	if (sscanf(line, "set %62s%n", name + 1, &length) != 1)
		return false;
	name[0] = '@';
	for (size_t size = strlen(name); (found = strstr(found, name)) != NULL; found += size) {
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", found[size]) ||
		    !found[size])
			return true;
	}
	return false;
}

/* Copies the statements that begin with one of some words; of sets, those that `named` names. */
static void statements_copy(const char *text, const char *const *words, size_t count, const char *named, FILE *out)
{
	bool copies = false;

	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		if (*line != '\t') /* else a statement goes on */
			copies = begins_with_one_of(line, words, count) && (!named || is_named(line, named));
		if (copies)
			fprintf(out, "%.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
}

static char *policy_text(const struct ks_policy *policy)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	if (ks_memory_file_open(&file))
		return NULL;
	ks_policy_print(policy, file.out);
	return ks_memory_file_take(&file);
}

static const char *const zone_words[] = { "zone ", "ignore " };
static const char *const set_words[] = { "set " };
static const char *const other_words[] = { "protect ", "timeout ", "limit ", "option ", "nat ", "binat ", "nptv6 " };
static const char *const watch_words[] = { "nat ", "binat ", "nptv6 ", "forward ", "redirect " };

/* Copies the zones of a policy, statements that begin with one of some words, and the sets that these name. */
static int settings_write(const struct ks_policy *policy, const char *const *words, size_t count, FILE *out)
{
	ks_auto_free char *text = policy_text(policy), *others = NULL;
	ks_auto_memory_file struct ks_memory_file file = { 0 };

	if (!text || ks_memory_file_open(&file))
		return -ENOMEM;
	statements_copy(text, words, count, NULL, file.out);
	others = ks_memory_file_take(&file);
	if (!others)
		return -ENOMEM;
	statements_copy(text, zone_words, KS_ARRAY_SIZE(zone_words), NULL, out);
	statements_copy(text, set_words, KS_ARRAY_SIZE(set_words), others, out);
	fputs(others, out);
	return 0;
}

int ks_suggest_watch(const struct ks_policy *policy, struct ks_policy **watch, struct ks_diags *diags)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	ks_auto_free char *text = NULL;

	*diags = (struct ks_diags){ 0 };
	if (ks_memory_file_open(&file) || settings_write(policy, watch_words, KS_ARRAY_SIZE(watch_words), file.out))
		return -ENOMEM;
	fputs("allow\n", file.out);
	text = ks_memory_file_take(&file);
	return text ? ks_policy_load_text(text, strlen(text), "zones", NULL, watch, diags) : -ENOMEM;
}

/* --- what is left out --- */

static void left_write(__u64 count, const char *one, const char *several, unsigned *lines, FILE *out)
{
	if (!count)
		return;
	fprintf(out, "#   %llu %s\n", count, count == 1 ? one : several);
	++*lines;
}

static void unanswered_write(const struct ks_suggestion *suggestion, struct ks_suggested_list *rules, FILE *out)
{
	unsigned shown = 0;

	for (size_t i = 0; i < rules->count; i++) {
		struct ks_suggested *twin;

		if (rules->list[i].is_printed)
			continue;
		if (shown++ == UNANSWERED_SHOWN) {
			fputs("#     and more\n", out);
			return;
		}
		fputs("#    ", out);
		ks_suggested_print(suggestion->wish.zones, rules, i, &twin, out);
		fputc('\n', out);
		if (twin)
			twin->is_printed = true;
	}
}

static void invalid_write(const struct ks_suggestion *suggestion, unsigned *lines, FILE *out)
{
	__u64 all = 0;
	const char *comma = "";

	for (unsigned i = 0; i < KS_REASON_MAX; i++)
		all += suggestion->dropped[i];
	if (!all)
		return;
	++*lines;
	fprintf(out, "#   %llu invalid packet%s: ", all, ks_plural(all));
	for (unsigned i = 0; i < KS_REASON_MAX; i++) {
		if (!suggestion->dropped[i])
			continue;
		fprintf(out, "%s%s (%llu)", comma, ks_reason_name(i), suggestion->dropped[i]);
		comma = ", ";
	}
	fputc('\n', out);
}

static void lefts_write(const struct ks_suggestion *suggestion, struct ks_suggested_list *unanswered, FILE *out)
{
	static const char *const words[][2] = {
#define X(id, one, several) { one, several },
		KS_LEFTS(X)
#undef X
	};
	unsigned lines = 0;
	__u64 requests = 0;

	for (size_t i = 0; i < unanswered->count; i++)
		requests += unanswered->list[i].count;
	fputs("#\n# Left out:\n", out);
	left_write(requests, "request that nobody answered:", "requests that nobody answered:", &lines, out);
	unanswered_write(suggestion, unanswered, out);
	for (unsigned i = 0; i < KS_LEFT_MAX; i++)
		left_write(suggestion->left[i], words[i][0], words[i][1], &lines, out);
	left_write(suggestion->asked.refused + suggestion->unanswered.refused, "request of too many kinds",
		   "requests of too many kinds", &lines, out);
	invalid_write(suggestion, &lines, out);
	if (!lines)
		fputs("#   nothing\n", out);
}

/* --- rules --- */

/* A rule that is written. */
struct written {
	char *words; /* its clauses, a blank before each */
	struct ks_suggested *rule, *twin;
};

struct text {
	struct ks_suggestion *suggestion;
	struct ks_suggested_list rules, unanswered;
	struct written *written;
	size_t count;
};

static void text_fini(struct text *text)
{
	for (size_t i = 0; i < text->count; i++)
		free(text->written[i].words);
	free(text->written);
	ks_suggested_fini(&text->rules);
	ks_suggested_fini(&text->unanswered);
}

KS_SCOPED_STRUCT(auto_text, struct text, text_fini)

static int words_make(struct text *text)
{
	text->written = calloc(text->rules.count + 1, sizeof(*text->written));
	if (!text->written)
		return -ENOMEM;
	for (size_t i = 0; i < text->rules.count; i++) {
		ks_auto_memory_file struct ks_memory_file file = { 0 };
		struct written *written = &text->written[text->count];

		if (text->rules.list[i].is_printed)
			continue;
		if (ks_memory_file_open(&file))
			return -ENOMEM;
		written->rule = &text->rules.list[i];
		ks_suggested_print(text->suggestion->wish.zones, &text->rules, i, &written->twin, file.out);
		written->words = ks_memory_file_take(&file);
		if (!written->words)
			return -ENOMEM;
		if (written->twin)
			written->twin->is_printed = true;
		text->count++;
	}
	return 0;
}

static void rules_write(const struct text *text, FILE *out)
{
	for (size_t i = 0; i < text->count; i++) {
		const struct written *written = &text->written[i];
		__u64 count = written->rule->count + (written->twin ? written->twin->count : 0);

		fprintf(out, "allow%s  # %llu connection%s\n", written->words, count, ks_plural(count));
	}
}

/* --- tests --- */

static void samples_write(const struct ks_policy *zones, const struct ks_suggested *rule, FILE *out)
{
	for (unsigned i = 0; i < rule->samples; i++) {
		const struct ks_request *request = &rule->sample[i];
		struct ks_witness packet = {
			.tuple = request->tuple, .icmp = request->icmp, .from = request->from, .to = request->to
		};

		ks_witness_write(zones, &packet);
		fprintf(out, "\t%s => allow\n", packet.text);
	}
}

static void test_write(const struct text *text, const struct written *written, FILE *out)
{
	const struct ks_policy *zones = text->suggestion->wish.zones;

	if (written->rule->is_untested)
		return;
	fprintf(out, "test \"%.*s\" {\n", NAME_LENGTH, written->words + 1);
	samples_write(zones, written->rule, out);
	if (written->twin)
		samples_write(zones, written->twin, out);
	fputs("}\n", out);
}

/* The zones, a bit each, to which no rule lets packets of a zone. */
static __u64 closed_to(const struct text *text, unsigned from)
{
	const struct ks_policy *zones = text->suggestion->wish.zones;
	__u64 closed = 1ULL << KS_ZONE_SELF;

	for (size_t i = 0; i < zones->zone_count; i++)
		closed |= 1ULL << zones->zones[i].id;
	if (from == KS_ZONE_SELF)
		closed &= ~(1ULL << KS_ZONE_SELF);
	for (size_t i = 0; i < text->rules.count; i++) {
		if (text->rules.list[i].region.from >> from & 1)
			closed &= ~text->rules.list[i].region.to;
	}
	return closed;
}

/* Returns true if some rule forwards packets of a zone, to a zone that only the routes tell. */
static bool is_forwarded(const struct text *text, unsigned from)
{
	for (size_t i = 0; i < text->suggestion->forwards.count; i++) {
		if (text->suggestion->forwards.list[i].from == from)
			return true;
	}
	return false;
}

static void never_write(const struct text *text, unsigned from, FILE *out)
{
	const struct ks_policy *zones = text->suggestion->wish.zones;
	__u64 closed = is_forwarded(text, from) ? 0 : closed_to(text, from);
	const bool many = closed & (closed - 1);
	const char *comma = "";

	if (!closed)
		return;
	fprintf(out, "\tnever %s > %s", ks_policy_zone_name(zones, from), many ? "{ " : "");
	for (; closed; closed &= closed - 1, comma = ", ")
		fprintf(out, "%s%s", comma, ks_policy_zone_name(zones, (unsigned)__builtin_ctzll(closed)));
	fputs(many ? " }\n" : "\n", out);
}

static void tests_write(const struct text *text, FILE *out)
{
	const struct ks_policy *zones = text->suggestion->wish.zones;

	fputs("\n", out);
	for (size_t i = 0; i < text->count; i++)
		test_write(text, &text->written[i], out);
	fputs("test \"nothing else\" {\n", out);
	for (size_t i = 0; i < zones->zone_count; i++)
		never_write(text, zones->zones[i].id, out);
	never_write(text, KS_ZONE_SELF, out);
	fputs("\tnever none > any\n}\n", out);
}

/* --- all of it --- */

static void head_write(const struct text *text, const char *origin, FILE *out)
{
	const struct ks_suggest_wish *wish = &text->suggestion->wish;
	__u64 count = 0;

	for (size_t i = 0; i < text->rules.count; i++)
		count += text->rules.list[i].count;
	fprintf(out, "# A policy that allows what was seen in %s: %llu connection%s.\n", origin, count,
		ks_plural(count));
	if (wish->exact)
		fputs("# Addresses stand for themselves, ports for their services.\n", out);
	else
		fputs("# Sources stand for the network of their zone, other addresses for themselves, ports for their "
		      "services.\n"
		      "# In zones without networks, ends are anybody.\n",
		      out);
	if (wish->join4 && !wish->exact)
		fprintf(out, "# Addresses of no network stand for their /%u, those of IPv6 for their /%u.\n",
			wish->join4, wish->join6);
}

static char *text_make(struct text *text, const char *origin)
{
	ks_auto_memory_file struct ks_memory_file file = { 0 };
	const struct ks_suggestion *suggestion = text->suggestion;
	const struct ks_policy *settings = suggestion->settings ? suggestion->settings : suggestion->wish.zones;

	if (ks_memory_file_open(&file))
		return NULL;
	for (size_t i = 0; i < text->unanswered.count; i++)
		text->unanswered.list[i].is_printed = false;
	head_write(text, origin, file.out);
	lefts_write(suggestion, &text->unanswered, file.out);
	fputc('\n', file.out);
	if (settings_write(settings, other_words, KS_ARRAY_SIZE(other_words), file.out))
		return NULL;
	fputc('\n', file.out);
	ks_forwards_write(&suggestion->forwards, suggestion->wish.zones, file.out);
	rules_write(text, file.out);
	ks_hints_write(&text->rules, suggestion->wish.zones, settings, file.out);
	tests_write(text, file.out);
	return ks_memory_file_take(&file);
}

/* Runs the tests of rules; those that fail are marked. Returns how many, or -errno. */
static int tests_try(struct text *text, const struct ks_policy *policy)
{
	ks_auto_native_home struct ks_home home = { 0 };
	ks_auto_free struct ks_test_result *result = malloc(sizeof(*result));
	int err = result ? ks_native_home_create(policy, &home) : -ENOMEM, failed = 0;
	size_t test = 0;

	home.prove = ks_assertion_prove;
	for (size_t i = 0; i < text->count && !err; i++) {
		if (text->written[i].rule->is_untested)
			continue;
		err = ks_scenario_run(policy, &policy->tests[test++], &home, NULL, NULL, result);
		if (!err && result->outcome == KS_OUTCOME_FAILED) {
			text->written[i].rule->is_untested = true;
			failed++;
		}
	}
	return err ? err : failed;
}

static int text_try(struct text *text, const char *made)
{
	ks_auto_policy struct ks_policy *policy = NULL;
	ks_auto_diags struct ks_diags diags = { 0 };
	int err = ks_policy_load_text(made, strlen(made), "suggestion", NULL, &policy, &diags);

	if (err)
		return err == -EINVAL ? -EPROTO : err;
	return tests_try(text, policy);
}

int ks_suggestion_write(struct ks_suggestion *suggestion, const char *origin, char **text)
{
	ks_scoped(auto_text) struct text made = { .suggestion = suggestion };
	ks_auto_free char *all = NULL;
	int err = ks_suggested_make(&suggestion->asked, &suggestion->wish, &made.rules);

	if (!err)
		err = ks_suggested_make(&suggestion->unanswered, &suggestion->wish, &made.unanswered);
	if (!err)
		err = words_make(&made);
	if (err)
		return err;
	all = text_make(&made, origin);
	err = all ? text_try(&made, all) : -ENOMEM;
	if (err > 0) {
		free(all);
		all = text_make(&made, origin);
	}
	if (!all)
		return -ENOMEM;
	if (err >= 0 || err == -EPROTO)
		*text = TAKE(all);
	return KS_MIN(err, 0);
}
