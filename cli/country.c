/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program keepstate-country: the networks of countries from a database in MaxMind's format, one on each line, for a set
 * file. It is a program of its own, which anybody may run, so that the daemon, which is root, reads no such file.
 *
 * The database is a binary tree of the bits of addresses; IPv4 lies in it below ::/96, and once more, by the same nodes,
 * where IPv6 has addresses of IPv4 in it, which no packet bears.
 */
#include <errno.h>
#include <maxminddb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "core/types.h"
#include "policy/value.h"
#include "text/plural.h"

#define IPV6_BITS 128U
#define IPV4_BITS 32U
#define MAPPED_BITS 96U /* before an address of IPv4 */
#define COUNTRIES_MAX 256

struct walk_ctx {
	MMDB_s database;
	char (*codes)[3]; /* upper case */
	unsigned long *found; /* networks of each */
	size_t count;
	unsigned long visited;
	unsigned bits; /* of an address in this database */
	struct ks_addr addr; /* the bits on the way to here */
};

/* A place in the tree that is still to be looked at. */
struct place {
	__u64 value;
	__u8 type;
	__u8 depth;
	MMDB_entry_s entry;
	struct ks_addr addr;
};

static bool is_text(const MMDB_entry_data_s *data, const char *code)
{
	return data->has_data && data->type == MMDB_DATA_TYPE_UTF8_STRING && data->data_size == 2 &&
	       !memcmp(data->utf8_string, code, 2);
}

/* The country of an entry among those that are wanted, or `count`. The code stands in country.iso_code, or in country. */
static size_t country_of(const struct walk_ctx *ctx, MMDB_entry_s *entry)
{
	MMDB_entry_data_s data = { 0 };
	size_t i = 0;

	if (MMDB_get_value(entry, &data, "country", "iso_code", NULL) != MMDB_SUCCESS &&
	    MMDB_get_value(entry, &data, "country", NULL) != MMDB_SUCCESS)
		return ctx->count;
	while (i < ctx->count && !is_text(&data, ctx->codes[i]))
		i++;
	return i;
}

static void print_network(struct walk_ctx *ctx, const struct place *place)
{
	MMDB_entry_s entry = place->entry;
	size_t country = country_of(ctx, &entry);
	struct ks_prefix prefix = { .addr = place->addr, .family = KS_IPV6, .length = place->depth };
	char text[64];

	if (country == ctx->count)
		return;
	ctx->found[country]++;
	if (ctx->bits == IPV4_BITS || (place->depth >= MAPPED_BITS && !(place->addr.d[0] | place->addr.w[2]))) {
		prefix.family = KS_IPV4;
		prefix.length = (__u8)(place->depth - (ctx->bits == IPV4_BITS ? 0 : MAPPED_BITS));
	}
	printf("%s # %s\n", ks_prefix_text(&prefix, text, sizeof(text)), ctx->codes[country]);
}

/* Returns true if a node is the tree of IPv4, in a place that is not its own. */
static bool is_alias(const struct walk_ctx *ctx, const struct place *place)
{
	return ctx->bits == IPV6_BITS && place->depth && place->value == ctx->database.ipv4_start_node.node_value &&
	       ctx->database.ipv4_start_node.netmask == MAPPED_BITS &&
	       (place->depth != MAPPED_BITS || place->addr.d[0] | place->addr.w[2]);
}

static struct place place_below(const struct walk_ctx *ctx, const struct place *from, const MMDB_search_node_s *node,
				bool right)
{
	struct place place = {
		.value = right ? node->right_record : node->left_record,
		.type = right ? node->right_record_type : node->left_record_type,
		.depth = (__u8)(from->depth + 1),
		.entry = right ? node->right_record_entry : node->left_record_entry,
		.addr = from->addr,
	};
	unsigned bit = from->depth + (ctx->bits == IPV4_BITS ? MAPPED_BITS : 0);

	if (right)
		place.addr.b[bit / 8] |= (__u8)(0x80 >> bit % 8);
	return place;
}

/* Walks the tree, the lower half first. Each node is met once, so a tree with more to meet is none. */
static int walk(struct walk_ctx *ctx)
{
	struct place stack[IPV6_BITS + 2] = { { .type = MMDB_RECORD_TYPE_SEARCH_NODE } };
	size_t depth = 1;

	while (depth) {
		const struct place place = stack[--depth];
		MMDB_search_node_s node;

		if (place.type == MMDB_RECORD_TYPE_DATA)
			print_network(ctx, &place);
		if (place.type != MMDB_RECORD_TYPE_SEARCH_NODE || is_alias(ctx, &place))
			continue;
		if (place.depth >= ctx->bits || ++ctx->visited > ctx->database.metadata.node_count ||
		    MMDB_read_node(&ctx->database, (uint32_t)place.value, &node) != MMDB_SUCCESS)
			return -EINVAL;
		stack[depth++] = place_below(ctx, &place, &node, true);
		stack[depth++] = place_below(ctx, &place, &node, false);
	}
	return 0;
}

/* Reads the codes of countries. Returns 0, or -EINVAL after a complaint. */
static int read_codes(struct walk_ctx *ctx, const struct ks_usage *usage, char **words, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < 2 || words[i][j]; j++) {
			char letter = (char)(words[i][j] & ~0x20);

			if (j >= 2 || letter < 'A' || letter > 'Z') {
				ks_usage_error(usage, "'%s' is no country: expected two letters such as DE", words[i]);
				return -EINVAL;
			}
			ctx->codes[i][j] = letter;
		}
	}
	ctx->count = count;
	return 0;
}

/* Says which countries have no network, which is a slip of the pen most often. */
static int report(const struct walk_ctx *ctx, const char *path)
{
	int code = KS_EXIT_OK;

	for (size_t i = 0; i < ctx->count; i++) {
		fprintf(stderr, "%s: %lu network%s\n", ctx->codes[i], ctx->found[i], ks_plural(ctx->found[i]));
		if (ctx->found[i])
			continue;
		fprintf(stderr,
			"keepstate-country: %s has no network of %s: expected a code as in ISO 3166, such as DE\n",
			path, ctx->codes[i]);
		code = KS_EXIT_NO;
	}
	return code;
}

static int print_countries(struct walk_ctx *ctx, const char *path)
{
	int err = MMDB_open(path, MMDB_MODE_MMAP, &ctx->database), walked;

	if (err != MMDB_SUCCESS) {
		fprintf(stderr, "keepstate-country: %s: %s\n", path, MMDB_strerror(err));
		return err == MMDB_FILE_OPEN_ERROR || err == MMDB_OUT_OF_MEMORY_ERROR ? KS_EXIT_SYSTEM : KS_EXIT_USAGE;
	}
	ctx->bits = ctx->database.metadata.ip_version == 4 ? IPV4_BITS : IPV6_BITS;
	printf("# %s, made at %llu s of the epoch\n", ctx->database.metadata.database_type,
	       (unsigned long long)ctx->database.metadata.build_epoch);
	walked = walk(ctx);
	MMDB_close(&ctx->database);
	if (walked)
		fprintf(stderr, "keepstate-country: %s is damaged: its tree does not end\n", path);
	return walked ? KS_EXIT_USAGE : report(ctx, path);
}

int main(int argc, char **argv)
{
	const struct ks_usage usage = {
		"keepstate-country DATABASE COUNTRY...",
		"Prints the networks of countries, by their codes of two letters, from a database in\n"
		"MaxMind's format, for a file of a set:\n"
		"    keepstate-country GeoLite2-Country.mmdb de at > /etc/keepstate/dach.txt\n"
		"Returns 0, 1 if a country has none, 2 for a bad database, 3 if the system refuses.",
		NULL, 0
	};
	char codes[COUNTRIES_MAX][3] = { 0 };
	unsigned long found[COUNTRIES_MAX] = { 0 };
	struct walk_ctx ctx = { .codes = codes, .found = found };
	int code, first = ks_options_parse(&usage, argc, argv, &code);

	if (first < 0)
		return code;
	if (argc - first < 2 || argc - first > COUNTRIES_MAX)
		return ks_usage_error(&usage, "expected a database and 1 to %d countries", COUNTRIES_MAX - 1);
	if (read_codes(&ctx, &usage, argv + first + 1, (size_t)(argc - first - 1)))
		return KS_EXIT_USAGE;
	code = print_countries(&ctx, argv[first]);
	if (fflush(stdout) || ferror(stdout)) {
		perror("keepstate-country: cannot write the output");
		return KS_EXIT_SYSTEM;
	}
	return code;
}
