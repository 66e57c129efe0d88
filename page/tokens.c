/* SPDX-License-Identifier: BSD-2-Clause */
/* See tokens.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/types.h"
#include "page/tokens.h"
#include "text/scoped.h"

#define KS_LETTER_BITS 5
#define KS_LETTER_MASK 31U

/* Without letters and digits that look alike. */
static const char letters[] = "abcdefghjkmnpqrstuvwxyz023456789";

int ks_token_make(struct ks_token *token)
{
	unsigned char bytes[KS_TOKEN_BYTES];
	unsigned bits = 0, value = 0;
	size_t at = 0;

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		value = value << 8 | bytes[i];
		for (bits += 8; bits >= KS_LETTER_BITS; bits -= KS_LETTER_BITS)
			token->text[at++] = letters[value >> (bits - KS_LETTER_BITS) & KS_LETTER_MASK];
	}
	token->text[at] = '\0';
	return 0;
}

bool ks_token_is(const struct ks_token *token, const char *text)
{
	char given[KS_TOKEN_LENGTH] = { 0 };
	volatile unsigned char differs = 0;
	size_t length = strnlen(text, KS_TOKEN_LENGTH + 1);

	memcpy(given, text, KS_MIN(length, (size_t)KS_TOKEN_LENGTH));
	for (size_t i = 0; i < KS_TOKEN_LENGTH; i++)
		differs |= (unsigned char)(given[i] ^ token->text[i]);
	return !differs && length == KS_TOKEN_LENGTH && token->text[0];
}

static int token_write(int directory, const char *name, const struct ks_token *token)
{
	ks_auto_fd int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	return dprintf(fd, "%s\n", token->text) < 0 ? -EIO : 0;
}

static int token_read(int directory, const char *name, struct ks_token *token)
{
	ks_auto_fd int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[KS_TOKEN_LENGTH + 2] = "";
	ssize_t n;
	int err;

	if (fd < 0 && errno == ENOENT) {
		err = ks_token_make(token);
		return err ?: token_write(directory, name, token);
	}
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) != KS_TOKEN_LENGTH || strspn(text, letters) != KS_TOKEN_LENGTH)
		return -EINVAL;
	memcpy(token->text, text, sizeof(token->text));
	return 0;
}

int ks_tokens_read(const char *directory, bool may_act, struct ks_tokens *tokens)
{
	ks_auto_fd int fd = -1;
	int err;

	if (mkdir(directory, 0700) && errno != EEXIST)
		return -errno;
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = token_read(fd, "view", &tokens->view);
	return err || !may_act ? err : token_read(fd, "act", &tokens->act);
}
