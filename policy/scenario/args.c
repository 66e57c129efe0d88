/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the argument of a word of the packet language: numbers, bytes, names; one function for each enum ks_mod_arg. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "policy/cgroup.h"
#include "policy/condition.h"
#include "policy/value.h"
#include "policy/scenario/args.h"
#include "policy/scenario/reader.h"
#include "policy/scenario/words.h"

/* Takes a word that numbers count from off a text. Returns false if it does not begin so. */
static bool base_take(const char **text, const char *word, enum ks_seq_base base, struct ks_mod *mod)
{
	size_t length = strlen(word);

	if (strncmp(*text, word, length) != 0)
		return false;
	mod->base = base;
	*text += length;
	return true;
}

int ks_seq_value(const char *text, struct ks_mod *mod)
{
	bool minus;
	__u64 number = 0;

	mod->base = KS_SEQ_ISN;
	if (base_take(&text, "next", KS_SEQ_NEXT, mod) || base_take(&text, "challenge", KS_SEQ_CHALLENGE, mod)) {
		if (!*text) {
			mod->value = 0;
			return 0;
		}
		if (*text != '+' && *text != '-')
			return -EINVAL;
	}
	minus = *text == '-';
	if (*text == '+' || *text == '-')
		text++;
	if (ks_value_number(text, 0, UINT32_MAX, &number))
		return -EINVAL;
	mod->value = minus ? -(__s64)number : (__s64)number;
	return 0;
}

static int seq_parse(struct ks_reader *reader, struct ks_mod *mod)
{
	__u64 number;

	if (ks_reader_accept(reader, KS_TOKEN_EQUALS)) {
		mod->base = KS_SEQ_ABSOLUTE;
		if (ks_reader_number(reader, 0, UINT32_MAX, "a number of 32 bits", &number))
			return -EINVAL;
		mod->value = (__s64)number;
		return 0;
	}
	if (ks_reader_peek(reader)->kind != KS_TOKEN_WORD || ks_seq_value(ks_reader_peek(reader)->text, mod))
		return ks_reader_expected(reader,
					  "a sequence number: 101, next, next+5, challenge, or =N as on the wire");
	ks_reader_next(reader);
	return 0;
}

static int seq_range_parse(struct ks_reader *reader, struct ks_mod *mod)
{
	const struct ks_token *token = ks_reader_peek(reader);
	char left[32], *dash;
	__u64 lo, hi;

	if (token->kind != KS_TOKEN_WORD || token->length >= sizeof(left))
		return ks_reader_expected(reader, "a block such as 101-201");
	strcpy(left, token->text);
	dash = strchr(left, '-');
	if (dash)
		*dash = 0;
	if (!dash || ks_value_number(left, 0, UINT32_MAX, &lo) || ks_value_number(dash + 1, 0, UINT32_MAX, &hi))
		return ks_reader_expected(reader, "a block such as 101-201");
	mod->value = (__s64)lo;
	mod->value2 = (__s64)hi;
	ks_reader_next(reader);
	return 0;
}

static int option_parse(struct ks_reader *reader, struct ks_mod *mod)
{
	const struct ks_token *token = ks_reader_peek(reader);
	const __u8 *data;

	if (token->kind == KS_TOKEN_WORD && strcmp(token->text, "hex") != 0) {
		mod->length = ks_ip_option_from_word(token->text, &data);
		if (!mod->length)
			return ks_reader_expected(reader, "record-route, loose-route, strict-route, timestamp, "
							  "security, router-alert, nop, end or hex \"...\"");
		mod->data = ks_arena_alloc(reader->arena, mod->length);
		if (!mod->data)
			return ks_reader_no_memory(reader);
		memcpy(mod->data, data, mod->length);
		ks_reader_next(reader);
		return 0;
	}
	return ks_reader_bytes(reader, &mod->data, &mod->length);
}

/* value is the number of the header; value2 the number behind it, -1 without one. */
static int extension_parse(struct ks_reader *reader, struct ks_mod *mod)
{
	const struct ks_token *token = ks_reader_peek(reader);
	int number = token->kind == KS_TOKEN_WORD ? ks_extension_from_word(token->text) : -1;
	__u64 argument;

	if (number < 0)
		return ks_reader_expected(reader,
					  "hop-by-hop, router-alert, dest-options, routing TYPE, fragment, auth, "
					  "mobility, hip or shim6");
	mod->value = number;
	mod->value2 = ks_reader_accept_word(reader, "router-alert") ? KS_EXT_ALERT : -1;
	if (mod->value2 == KS_EXT_ALERT)
		return 0;
	ks_reader_next(reader);
	token = ks_reader_peek(reader);
	if (number != KS_PROTO_ROUTING &&
	    (token->kind != KS_TOKEN_WORD || token->text[0] < '0' || token->text[0] > '9'))
		return 0;
	if (ks_reader_number(reader, 0, UINT8_MAX, "a number, 0 to 255", &argument))
		return -EINVAL;
	mod->value2 = (__s64)argument;
	return 0;
}

static int address_parse(struct ks_reader *reader, struct ks_mod *mod)
{
	struct ks_addr addr;
	__u8 family;

	if (ks_reader_peek(reader)->kind != KS_TOKEN_WORD ||
	    ks_value_addr(ks_reader_peek(reader)->text, &addr, &family))
		return ks_reader_expected(reader, "an address");
	ks_reader_next(reader);
	mod->length = sizeof(addr);
	mod->data = ks_arena_alloc(reader->arena, sizeof(addr));
	if (!mod->data)
		return ks_reader_no_memory(reader);
	memcpy(mod->data, &addr, sizeof(addr));
	return 0;
}

static int range_parse(struct ks_reader *reader, const struct ks_mod_info *info, struct ks_mod *mod)
{
	const struct ks_token *token = ks_reader_peek(reader);
	__u32 low, high;

	if (token->kind != KS_TOKEN_WORD || ks_value_number_range(token->text, (__u32)info->hi, &low, &high))
		return ks_reader_expected(reader, "two numbers such as 0-480");
	mod->value = low;
	mod->value2 = high;
	ks_reader_next(reader);
	return 0;
}

static int number_parse(struct ks_reader *reader, const struct ks_mod_info *info, struct ks_mod *mod)
{
	char what[64];
	__u64 number;

	snprintf(what, sizeof(what), "a number, %llu to %llu", info->lo, info->hi);
	if (ks_reader_number(reader, info->lo, info->hi, what, &number))
		return -EINVAL;
	mod->value = (__s64)number;
	if (info->arg == KS_ARG_PAIR) {
		if (ks_reader_number(reader, info->lo, info->hi, what, &number))
			return -EINVAL;
		mod->value2 = (__s64)number;
	}
	return 0;
}

static int dscp_parse(struct ks_reader *reader, struct ks_mod *mod)
{
	const struct ks_token *token = ks_reader_peek(reader);
	int value = token->kind == KS_TOKEN_WORD ? ks_dscp_from_text(token->text) : -1;

	if (value < 0)
		return ks_reader_expected(reader, "a code point such as ef, or a number, 0 to 63");
	mod->value = value;
	ks_reader_next(reader);
	return 0;
}

static int mac_parse(struct ks_reader *reader, struct ks_mod *mod)
{
	const struct ks_token *token = ks_reader_peek(reader);
	__u8 mac[6];

	if (token->kind != KS_TOKEN_WORD || ks_value_mac(token->text, mac))
		return ks_reader_expected(reader, "a MAC address such as 02:00:5e:10:00:01");
	ks_reader_next(reader);
	mod->length = sizeof(mac);
	mod->data = ks_arena_alloc(reader->arena, sizeof(mac));
	if (!mod->data)
		return ks_reader_no_memory(reader);
	memcpy(mod->data, mac, sizeof(mac));
	return 0;
}

static int cgroup_parse(struct ks_reader *reader, struct ks_mod *mod)
{
	const struct ks_token *token = ks_reader_peek(reader);
	char *text =
		token->kind == KS_TOKEN_STRING ? ks_arena_strndup(reader->arena, token->text, token->length) : NULL;
	const char *path = text ? ks_cgroup_path(text) : NULL;

	if (token->kind == KS_TOKEN_STRING && !text)
		return ks_reader_no_memory(reader);
	if (!path)
		return ks_reader_expected(reader, "the path of a control group in quotes, such as "
						  "\"system.slice/nginx.service\"");
	ks_reader_next(reader);
	mod->data = (__u8 *)text + (path - text);
	mod->length = strlen(path) + 1;
	return 0;
}

int ks_mod_argument_parse(struct ks_reader *reader, const struct ks_mod_info *info, struct ks_mod *mod)
{
	switch (info->arg) {
	case KS_ARG_BAD:
		mod->bad = ks_reader_accept_word(reader, "bad");
		return mod->bad ? 0 : number_parse(reader, info, mod);
	case KS_ARG_NUMBER:
	case KS_ARG_PAIR:
		return number_parse(reader, info, mod);
	case KS_ARG_RANGE:
		return range_parse(reader, info, mod);
	case KS_ARG_SEQ:
		return seq_parse(reader, mod);
	case KS_ARG_SEQ_RANGE:
		return seq_range_parse(reader, mod);
	case KS_ARG_BYTES:
		return ks_reader_bytes(reader, &mod->data, &mod->length);
	case KS_ARG_OPTION:
		return option_parse(reader, mod);
	case KS_ARG_EXTENSION:
		return extension_parse(reader, mod);
	case KS_ARG_ADDRESS:
		return address_parse(reader, mod);
	case KS_ARG_MAC:
		return mac_parse(reader, mod);
	case KS_ARG_CGROUP:
		return cgroup_parse(reader, mod);
	case KS_ARG_DSCP:
		return dscp_parse(reader, mod);
	default:
		return 0;
	}
}
