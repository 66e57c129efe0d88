/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of the text of `nft list ruleset`. */
#include <string.h>

#include "import/nft_list.h"

#define MARKS "{}(),;"
#define HANDLE "# handle "

static bool is_blank(const struct ks_nft_scan *scan)
{
	const char c = *scan->at;

	return c == ' ' || c == '\t' || c == '\r' || (c == '\n' && !scan->lines);
}

/*
 * Goes past a comment: a line of its own, or the handle that `nft -a` prints. Other comments in the middle of a line are what
 * programs know of a rule that nft does not.
 */
static bool comment_skip(struct ks_nft_scan *scan)
{
	const size_t left = (size_t)(scan->end - scan->at), size = strlen(HANDLE);
	const char *end = memchr(scan->at, '\n', left);
	const char *at;

	end = end ? end : scan->end;
	if (scan->behind) {
		if (left < size || memcmp(scan->at, HANDLE, size) != 0)
			return false;
		at = scan->at + size;
		while (at < end && *at >= '0' && *at <= '9')
			at++;
		if (at < end)
			return false;
	}
	scan->at = end;
	return true;
}

static void blanks_skip(struct ks_nft_scan *scan)
{
	for (; scan->at < scan->end; scan->at++) {
		while (scan->at < scan->end && *scan->at == '#' && comment_skip(scan))
			;
		if (scan->at == scan->end || !is_blank(scan))
			return;
		if (*scan->at == '\n') {
			scan->line++;
			scan->behind = false;
		}
	}
}

static bool ends_word(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '"' || strchr(MARKS, c);
}

/* A text in quotes; without the second of them it is a word that nobody knows. */
static struct ks_nft_token quoted_take(struct ks_nft_scan *scan)
{
	const char *begin = scan->at + 1, *end = begin;

	while (end < scan->end && *end != '"' && *end != '\n')
		end++;
	if (end == scan->end || *end == '\n') {
		scan->at = end;
		return (struct ks_nft_token){ begin - 1, (size_t)(end - begin) + 1, false };
	}
	scan->at = end + 1;
	return (struct ks_nft_token){ begin, (size_t)(end - begin), true };
}

struct ks_nft_token ks_nft_token_next(struct ks_nft_scan *scan)
{
	const char *begin;

	blanks_skip(scan);
	begin = scan->at;
	if (begin == scan->end)
		return (struct ks_nft_token){ 0 };
	scan->behind = *begin != '\n';
	if (*begin == '"')
		return quoted_take(scan);
	scan->line += *begin == '\n';
	do
		scan->at++;
	while (!ends_word(*begin) && scan->at < scan->end && !ends_word(*scan->at));
	return (struct ks_nft_token){ begin, (size_t)(scan->at - begin), false };
}

struct ks_nft_token ks_nft_token_peek(const struct ks_nft_scan *scan)
{
	struct ks_nft_scan copy = *scan;

	return ks_nft_token_next(&copy);
}

bool ks_nft_token_is(struct ks_nft_token token, const char *word)
{
	return token.text && !token.quoted && token.length == strlen(word) && !memcmp(token.text, word, token.length);
}

bool ks_nft_token_comes(struct ks_nft_scan *scan, const char *word)
{
	if (!ks_nft_token_is(ks_nft_token_peek(scan), word))
		return false;
	ks_nft_token_next(scan);
	return true;
}
