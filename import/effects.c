/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `set mark` and `set dscp` are for all packets of who opened a flow, `set reply` for all of the other side. The original asks its
 * rules about each packet; so what they do is said if they do the same with the first and with the later ones.
 */
#include "import/effects.h"

#include <string.h>

#include "policy/dscp.h"

/* Why the changes of a field cannot be said; NULL if they can, or there are none. */
static const char *field_trouble(const struct ks_piece *piece, enum ks_field field, enum ks_side side)
{
	const struct ks_field_bits *bits = &piece->fields[side][field];

	if (side == KS_SIDE_FIRST && memcmp(bits, &piece->fields[KS_SIDE_LATER][field], sizeof(*bits)) != 0)
		return "it is for some packets of a flow, and 'set' is for all";
	if (bits->unknown)
		return "what it sets is not in the text";
	if (bits->set && field == KS_FIELD_MARK && piece->routed)
		return "marks are set here before a packet is routed, and not of what the firewall sends itself";
	return NULL;
}

/* Takes away what cannot be said, with one of the rules and the reason in its place. */
static void field_settle(struct ks_piece *piece, enum ks_field field, enum ks_side side)
{
	const char *trouble = field_trouble(piece, field, side);

	if (!trouble)
		return;
	piece->unsaid =
		piece->changed[side][field] ? piece->changed[side][field] : piece->changed[KS_SIDE_LATER][field];
	piece->unsaid_why = trouble;
	piece->fields[side][field] = (struct ks_field_bits){ 0 };
	if (side == KS_SIDE_FIRST)
		piece->fields[KS_SIDE_LATER][field] = (struct ks_field_bits){ 0 };
}

static void piece_settle(struct ks_piece *piece)
{
	for (int field = 0; field < KS_FIELD_TAG; field++) {
		field_settle(piece, (enum ks_field)field, KS_SIDE_FIRST);
		field_settle(piece, (enum ks_field)field, KS_SIDE_ANSWER);
	}
}

static bool has_effects(const struct ks_piece *piece)
{
	bool any = false;

	for (unsigned side = 0; side < KS_SIDES; side++) {
		for (unsigned field = 0; field < KS_FIELD_TAG; field++)
			any |= piece->fields[side][field].set != 0;
	}
	return any;
}

/* A rule that has changed something. */
static struct ks_import_rule *any_rule(const struct ks_piece *piece)
{
	struct ks_import_rule *found = NULL;

	for (unsigned side = 0; side < KS_SIDES; side++) {
		for (unsigned field = 0; field < KS_FIELD_TAG; field++)
			found = piece->fields[side][field].set ? piece->changed[side][field] : found;
	}
	return found;
}

/* Returns true if the packets of a part come to one below that is changed alike, and to no other before. */
static bool is_repeated(struct ks_import *import, const struct ks_flat *parts, size_t at)
{
	const struct ks_piece *piece = &parts->list[at].piece;

	for (size_t i = at + 1; i < parts->count; i++) {
		const struct ks_piece *below = &parts->list[i].piece;

		if (!ks_regions_overlap(&piece->region, &below->region, &import->steps))
			continue;
		if (!ks_pieces_are_alike(piece, below))
			return false;
		if (ks_region_is_within(&piece->region, &below->region, &import->steps))
			return true;
	}
	return false;
}

/* Returns true if the first part is not all, of a rule that is one for its limits. */
static bool is_one(struct ks_import *import, const struct ks_flat_entry *whole, const struct ks_flat *parts)
{
	return whole->piece.limits && parts->count &&
	       !ks_region_is_within(&whole->piece.region, &parts->list[0].piece.region, &import->steps);
}

int ks_effects_add(struct ks_import *import, struct ks_flat_entry *whole, struct ks_flat *parts, struct ks_flat *flat)
{
	int err = 0;

	ks_flat_prune(import, parts);
	for (size_t i = 0; i < parts->count; i++) {
		struct ks_piece *piece = &parts->list[i].piece;

		piece_settle(piece);
		whole->piece.unsaid = piece->unsaid ? piece->unsaid : whole->piece.unsaid;
		whole->piece.unsaid_why = piece->unsaid ? piece->unsaid_why : whole->piece.unsaid_why;
	}
	while (parts->count && !has_effects(&parts->list[parts->count - 1].piece))
		parts->count--;
	if (is_one(import, whole, parts)) {
		whole->piece.unsaid = any_rule(&parts->list[0].piece);
		whole->piece.unsaid_why = "a rule with a limit stays one, for each of its parts would count for itself";
		parts->count = 0;
	}
	for (size_t i = 0; !err && i < parts->count; i++) {
		if (!is_repeated(import, parts, i))
			err = ks_flat_add(import, flat, &parts->list[i]);
	}
	return err ? err : ks_flat_add(import, flat, whole);
}

static void mark_write(FILE *out, const char *reply, const struct ks_field_bits *bits)
{
	fprintf(out, " set%s mark 0x%x", reply, bits->value);
	if (bits->set != KS_FIELD_ALL)
		fprintf(out, "/0x%x", bits->set);
}

void ks_effects_write(FILE *out, const struct ks_flat_entry *entry)
{
	static const struct {
		enum ks_side side;
		const char *reply;
	} sides[] = { { KS_SIDE_FIRST, "" }, { KS_SIDE_ANSWER, " reply" } };
	const struct ks_piece *piece = &entry->piece;
	char buf[KS_DSCP_TEXT];

	for (size_t i = 0; i < KS_ARRAY_SIZE(sides); i++) {
		const struct ks_field_bits *fields = piece->fields[sides[i].side];

		for (unsigned field = 0; field < KS_FIELD_TAG; field++) {
			if (fields[field].set && piece->changed[sides[i].side][field])
				piece->changed[sides[i].side][field]->told = true;
		}
		if (fields[KS_FIELD_MARK].set)
			mark_write(out, sides[i].reply, &fields[KS_FIELD_MARK]);
		if (fields[KS_FIELD_DSCP].set)
			fprintf(out, " set%s dscp %s", sides[i].reply, ks_dscp_text(fields[KS_FIELD_DSCP].value, buf));
	}
}
