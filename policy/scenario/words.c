/* SPDX-License-Identifier: BSD-2-Clause */
/* See words.h. */
#include <stdio.h>
#include <string.h>

#include "core/track/dccp.h"
#include "text/names.h"
#include "policy/diag.h"
#include "policy/scenario/words.h"

#define X(id, word, arg, lo, hi, where, text) [KS_MOD_##id] = { word, KS_ARG_##arg, lo, hi, where, text },
const struct ks_mod_info ks_mod_infos[KS_MOD_MAX] = { KS_MODS(X) };
#undef X

struct named_number {
	const char *name;
	int v4, v6; /* -1: not in this family */
};

static const struct named_number tcp_flags[] = {
	{ "none", 0, 0 },	  { "fin", KS_TCP_FIN, 0 }, { "syn", KS_TCP_SYN, 0 },
	{ "rst", KS_TCP_RST, 0 }, { "psh", KS_TCP_PSH, 0 }, { "ack", KS_TCP_ACK, 0 },
	{ "urg", KS_TCP_URG, 0 }, { "ece", 0x40, 0 },	    { "cwr", 0x80, 0 },
};

/* RFC 792, 950, 1256; RFC 4443, 4861, 2710, 3810. */
static const struct named_number icmp_types[] = {
	{ "echo-reply", 0, 129 },	{ "echo-request", 8, 128 },	  { "unreachable", 3, 1 },
	{ "source-quench", 4, -1 },	{ "redirect", 5, 137 },		  { "time-exceeded", 11, 3 },
	{ "parameter-problem", 12, 4 }, { "packet-too-big", -1, 2 },	  { "timestamp-request", 13, -1 },
	{ "timestamp-reply", 14, -1 },	{ "info-request", 15, -1 },	  { "info-reply", 16, -1 },
	{ "mask-request", 17, -1 },	{ "mask-reply", 18, -1 },	  { "router-solicit", 10, 133 },
	{ "router-advert", 9, 134 },	{ "neighbour-solicit", -1, 135 }, { "neighbour-advert", -1, 136 },
	{ "mld-query", -1, 130 },	{ "mld-report", -1, 131 },	  { "mld-done", -1, 132 },
	{ "mld2-report", -1, 143 },
};

static const struct named_number icmp_codes[] = {
	{ "net", 0, 0 },  { "no-route", -1, 0 },    { "host", 1, -1 },	{ "address", -1, 3 },	{ "protocol", 2, -1 },
	{ "port", 3, 4 }, { "frag-needed", 4, -1 }, { "admin", 13, 1 }, { "reassembly", 1, 1 },
};

static const struct named_number extensions[] = {
	{ "hop-by-hop", -1, KS_PROTO_HOPOPTS },	  { "router-alert", -1, KS_PROTO_HOPOPTS },
	{ "dest-options", -1, KS_PROTO_DSTOPTS }, { "routing", -1, KS_PROTO_ROUTING },
	{ "fragment", -1, KS_PROTO_FRAGMENT },	  { "auth", -1, KS_PROTO_AH },
	{ "mobility", -1, KS_PROTO_MOBILITY },	  { "hip", -1, KS_PROTO_HIP },
	{ "shim6", -1, KS_PROTO_SHIM6 },
};

/* RFC 791, 2113. A length of 0 ends the table. */
static const struct {
	const char *name;
	size_t length;
	__u8 data[11];
} ip_options[] = {
	{ "end", 1, { 0 } },
	{ "nop", 1, { 1 } },
	{ "record-route", 7, { 7, 7, 4 } },
	{ "timestamp", 8, { 68, 8, 5 } },
	{ "security", 11, { 130, 11 } },
	{ "loose-route", 7, { 131, 7, 4, 192, 0, 2, 77 } },
	{ "strict-route", 7, { 137, 7, 4, 192, 0, 2, 77 } },
	{ "router-alert", 4, { 148, 4 } },
};

/* Types of SCTP chunks that have a word (text/names.c): not those of congestion notification. */
#define CHUNK_WORDS_END 12 /* 0 to 11, and */
#define CHUNK_SHUTDOWN_COMPLETE 14

static const struct named_number kinds[] = {
	{ "aliases", KS_KIND_FLOW, 0 },	      { "mappings", KS_KIND_MAPPING_OUT, 0 },
	{ "permits", KS_KIND_PERMIT, 0 },     { "expectations", KS_KIND_EXPECT, 0 },
	{ "fragments", KS_KIND_FRAGMENT, 0 }, { "helpers", KS_KIND_HELPER_ORIGINAL, 0 },
	{ "questions", KS_KIND_QUESTION, 0 }, { "tallies", KS_KIND_TALLY, 0 },
};

static int number_find(const struct named_number *table, size_t count, const char *word, unsigned family)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(table[i].name, word) == 0)
			return family == KS_IPV6 ? table[i].v6 : table[i].v4;
	}
	return -1;
}

int ks_mod_from_word(const char *word)
{
	for (int i = 0; i < KS_MOD_MAX; i++) {
		if (strcmp(ks_mod_infos[i].word, word) == 0)
			return i;
	}
	return -1;
}

int ks_tcp_flag_from_word(const char *word)
{
	return number_find(tcp_flags, KS_ARRAY_SIZE(tcp_flags), word, KS_IPV4);
}

int ks_icmp_type_from_word(const char *word, unsigned family)
{
	return number_find(icmp_types, KS_ARRAY_SIZE(icmp_types), word, family);
}

int ks_icmp_code_from_word(const char *word, unsigned family)
{
	return number_find(icmp_codes, KS_ARRAY_SIZE(icmp_codes), word, family);
}

int ks_extension_from_word(const char *word)
{
	return number_find(extensions, KS_ARRAY_SIZE(extensions), word, KS_IPV6);
}

int ks_chunk_from_word(const char *word)
{
	for (unsigned type = 0; type < CHUNK_WORDS_END; type++) {
		if (strcmp(ks_sctp_chunk_name(type), word) == 0)
			return (int)type;
	}
	return strcmp(ks_sctp_chunk_name(CHUNK_SHUTDOWN_COMPLETE), word) == 0 ? CHUNK_SHUTDOWN_COMPLETE : -1;
}

int ks_dccp_type_from_word(const char *word)
{
	for (unsigned type = 0; type < KS_DCCP_TYPES; type++) {
		if (strcmp(ks_dccp_type_text(type), word) == 0)
			return (int)type;
	}
	return -1;
}

int ks_kind_from_word(const char *word)
{
	return number_find(kinds, KS_ARRAY_SIZE(kinds), word, KS_IPV4);
}

size_t ks_ip_option_from_word(const char *word, const __u8 **data)
{
	for (size_t i = 0; i < KS_ARRAY_SIZE(ip_options); i++) {
		if (strcmp(ip_options[i].name, word) == 0) {
			*data = ip_options[i].data;
			return ip_options[i].length;
		}
	}
	return 0;
}

static size_t names_add(const char **names, size_t count, const struct named_number *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		names[count++] = table[i].name;
	return count;
}

const char *ks_packet_word_nearest(const char *word)
{
	const char *names[KS_MOD_MAX + KS_ARRAY_SIZE(tcp_flags) + KS_ARRAY_SIZE(icmp_types) +
			  KS_ARRAY_SIZE(icmp_codes) + CHUNK_WORDS_END + 1 + KS_DCCP_TYPES + 1];
	size_t count = 0;

	for (int i = 0; i < KS_MOD_MAX; i++)
		names[count++] = ks_mod_infos[i].word;
	count = names_add(names, count, tcp_flags, KS_ARRAY_SIZE(tcp_flags));
	count = names_add(names, count, icmp_types, KS_ARRAY_SIZE(icmp_types));
	count = names_add(names, count, icmp_codes, KS_ARRAY_SIZE(icmp_codes));
	for (unsigned type = 0; type < CHUNK_WORDS_END; type++)
		names[count++] = ks_sctp_chunk_name(type);
	names[count++] = ks_sctp_chunk_name(CHUNK_SHUTDOWN_COMPLETE);
	for (unsigned type = 0; type < KS_DCCP_TYPES; type++)
		names[count++] = ks_dccp_type_text(type);
	names[count++] = "quoting";
	return ks_nearest(word, names, count);
}

void ks_test_words_print(FILE *out)
{
	static const char *const arguments[] = {
		[KS_ARG_NONE] = "",
		[KS_ARG_NUMBER] = " N",
		[KS_ARG_BAD] = " N|bad",
		[KS_ARG_SEQ] = " N",
		[KS_ARG_SEQ_RANGE] = " N-N",
		[KS_ARG_PAIR] = " N N",
		[KS_ARG_BYTES] = " BYTES",
		[KS_ARG_OPTION] = " NAME",
		[KS_ARG_EXTENSION] = " NAME [N]",
		[KS_ARG_ADDRESS] = " ADDRESS",
		[KS_ARG_RANGE] = " N-N",
		[KS_ARG_DSCP] = " NAME",
		[KS_ARG_MAC] = " MAC",
		[KS_ARG_CGROUP] = " PATH",
	};

	for (int i = 0; i < KS_MOD_MAX; i++) {
		const struct ks_mod_info *info = &ks_mod_infos[i];
		int width = fprintf(out, "  %s%s", info->word, arguments[info->arg]);

		fprintf(out, "%*s%s\n", width < 24 ? 24 - width : 1, "", info->text);
	}
}
