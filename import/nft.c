/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads what `nft -j list ruleset` prints, where rules are numbered by their handles, or what `nft list ruleset` prints, by lines.
 * Chains of all tables that stand at a hook are asked one after the other, as the kernel does.
 */
#include "import/nft.h"

#include <errno.h>
#include <string.h>

#include "import/import.h"
#include "import/nft_list.h"

static const char *member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

int ks_nft_chain(struct ks_nft *nft, const char *name, struct ks_import_chain **chain)
{
	char full[256];

	if ((size_t)snprintf(full, sizeof(full), "%s %s %s", nft->family, nft->table_name, name) >= sizeof(full))
		return ks_import_fail(nft->import, "the name of a chain is too long");
	return ks_import_chain(nft->import, full, chain);
}

/* --- families --- */

/* Which families a table sees; false for tables whose packets no policy of ours sees. */
static bool families_of(const char *family, bool families[2])
{
	families[0] = !strcmp(family, "ip") || !strcmp(family, "inet") || !strcmp(family, "netdev");
	families[1] = !strcmp(family, "ip6") || !strcmp(family, "inet") || !strcmp(family, "netdev");
	return families[0] || families[1];
}

static void families_find(struct ks_import *import, const json_t *objects)
{
	const json_t *object;
	size_t i;

	json_array_foreach(objects, i, object)
	{
		const json_t *table = json_object_get(object, "table");
		bool families[2];

		if (!table || !strcmp(member(table, "family"), "netdev"))
			continue;
		if (families_of(member(table, "family"), families)) {
			import->families[0] |= families[0];
			import->families[1] |= families[1];
		}
	}
}

/* --- sets --- */

/* Returns true if rules or programs change a set while it is in force. */
static bool set_changes(const json_t *set)
{
	const json_t *flags = json_object_get(set, "flags"), *flag;
	size_t i;

	json_array_foreach(flags, i, flag)
	{
		const char *name = json_string_value(flag);

		if (name && (!strcmp(name, "dynamic") || !strcmp(name, "timeout")))
			return true;
	}
	return json_object_get(set, "timeout") != NULL;
}

static const json_t *set_find(const struct ks_nft *nft, const char *name)
{
	const json_t *object;
	size_t i;

	json_array_foreach(nft->objects, i, object)
	{
		const json_t *set = json_object_get(object, "set");

		set = set ? set : json_object_get(object, "map");
		if (set && !strcmp(member(set, "name"), name) && !strcmp(member(set, "table"), nft->table_name) &&
		    !strcmp(member(set, "family"), nft->family))
			return set;
	}
	return NULL;
}

const json_t *ks_nft_entries(const struct ks_nft *nft, const json_t *value, json_t **made)
{
	const char *name = json_string_value(value);
	const json_t *set;

	if (json_object_get(value, "set"))
		return json_object_get(value, "set");
	if (name && name[0] == '@') {
		set = set_find(nft, name + 1);
		if (!set || set_changes(set))
			return NULL;
		if (json_object_get(set, "elem"))
			return json_object_get(set, "elem");
		return *made = json_array();
	}
	if (json_is_array(value))
		return value;
	return *made = json_pack("[O]", value);
}

/* Returns true if a statement adds to the set, or a map or statement inside of it does. */
static bool adds_to(const json_t *rule, const char *name, const char *table)
{
	const json_t *list = json_object_get(rule, "expr"), *statement;
	size_t i;

	if (strcmp(member(rule, "table"), table) != 0)
		return false;
	json_array_foreach(list, i, statement)
	{
		const char *set = member(json_object_get(statement, "set"), "set");

		if (set[0] == '@' && !strcmp(set + 1, name))
			return true;
	}
	return false;
}

const json_t *ks_nft_dynamic(const struct ks_nft *nft, const json_t *value)
{
	const char *name = json_string_value(value), *type;
	const json_t *set = name && name[0] == '@' ? set_find(nft, name + 1) : NULL, *object;
	size_t i;

	if (!set || !set_changes(set) || strlen(name) >= KS_IMPORT_NAME - 2)
		return NULL;
	type = member(set, "type");
	if (strcmp(type, "ipv4_addr") != 0 && strcmp(type, "ipv6_addr") != 0)
		return NULL;
	json_array_foreach(nft->objects, i, object)
	{
		if (json_object_get(object, "rule") &&
		    adds_to(json_object_get(object, "rule"), name + 1, nft->table_name))
			return NULL;
	}
	return set;
}

/* --- chains --- */

static int hook_find(const char *hook)
{
	static const char *const hooks[KS_HOOKS] = { [KS_HOOK_PRE] = "prerouting",
						     [KS_HOOK_INPUT] = "input",
						     [KS_HOOK_FORWARD] = "forward",
						     [KS_HOOK_OUTPUT] = "output",
						     [KS_HOOK_POST] = "postrouting" };

	for (int i = 0; i < KS_HOOKS; i++) {
		if (!strcmp(hooks[i], hook))
			return i;
	}
	return !strcmp(hook, "ingress") ? (int)KS_HOOK_PRE : -1;
}

/* A chain of type nat that has no say in ours, or nothing to translate with: destinations of what the box gets. */
static bool is_idle(const json_t *chain, int hook)
{
	return !strcmp(member(chain, "type"), "nat") && hook == KS_HOOK_INPUT;
}

static int base_add(struct ks_nft *nft, const json_t *chain)
{
	const int hook = hook_find(member(chain, "hook"));
	struct ks_import_base base = { .chain = nft->chain, .policy = KS_IMPORT_ACCEPT };

	if (!json_object_get(chain, "hook") || is_idle(chain, hook))
		return 0;
	if (hook < 0)
		return ks_import_note(nft->import, "no packet of ours comes by this hook");
	if (nft->import->bases == KS_IMPORT_BASES)
		return -E2BIG;
	base.hook = (enum ks_hook)hook;
	base.priority = (int)json_integer_value(json_object_get(chain, "prio"));
	base.translates = !strcmp(member(chain, "type"), "nat");
	base.line = (unsigned)json_integer_value(json_object_get(chain, "handle"));
	if (!strcmp(member(chain, "policy"), "drop"))
		base.policy = KS_IMPORT_DROP;
	families_of(nft->family, base.families);
	nft->import->base[nft->import->bases++] = base;
	return 0;
}

/* An ingress chain sees one device alone: what comes by others goes on. */
static int device_restrict(struct ks_nft *nft, const json_t *chain)
{
	const json_t *devices = json_object_get(chain, "dev");
	ks_auto_json json_t *made = NULL;
	const json_t *list, *device;
	struct ks_draft draft;
	__u64 all = 0, zones;
	size_t i;

	if (!devices)
		return 0;
	list = ks_nft_entries(nft, devices, &made);
	json_array_foreach(list, i, device)
	{
		int err = ks_import_interface(nft->import, json_is_string(device) ? json_string_value(device) : "",
					      &zones);

		if (err)
			return err == -EINVAL ? ks_import_fail(nft->import, "a device has no name") : err;
		all |= zones;
	}
	ks_draft_begin(&draft, nft->import);
	ks_draft_zones(&draft, false, ~all);
	draft.rule.kind = KS_IMPORT_ACCEPT;
	return ks_draft_end(&draft, nft->chain);
}

/* Goes to the table, and the chain, of an object. Returns 1, 0 if no packet of ours comes there, or -errno. */
static int table_enter(struct ks_nft *nft, const json_t *object, const char *chain)
{
	bool families[2];
	int err;

	nft->family = member(object, "family");
	nft->table_name = member(object, "table");
	nft->import->line = (unsigned)json_integer_value(json_object_get(object, "handle"));
	nft->import->text =
		ks_import_format(nft->import, "table %.60s %.60s, chain %.60s", nft->family, nft->table_name, chain);
	if (!nft->import->text)
		return -ENOMEM;
	if (!families_of(nft->family, families))
		return 0;
	err = ks_nft_chain(nft, chain, &nft->chain);
	return err ? err : 1;
}

static int chain_read(struct ks_nft *nft, const json_t *chain)
{
	int err = table_enter(nft, chain, member(chain, "name"));

	if (err == 0)
		return ks_import_note(nft->import, "frames are no packets of IP: no rule of ours is asked about them");
	if (err < 0)
		return err;
	err = base_add(nft, chain);
	return err ? err : device_restrict(nft, chain);
}

static int rule_read(struct ks_nft *nft, const json_t *rule)
{
	const json_t *list = json_object_get(rule, "expr");
	struct ks_draft draft;
	int err = table_enter(nft, rule, member(rule, "chain"));

	if (err <= 0)
		return err;
	if (json_array_size(list) > KS_NFT_STATEMENTS)
		return ks_import_fail(nft->import, "rule %u has too many statements", nft->import->line);
	nft->import->text = nft->is_list ? ks_import_format(nft->import, "%s", member(rule, "as"))
					 : ks_nft_rule_text(nft->import, list);
	if (!nft->import->text)
		return -ENOMEM;
	ks_draft_begin(&draft, nft->import);
	if (!strcmp(nft->family, "ip"))
		ks_draft_family(&draft, KS_IPV4);
	if (!strcmp(nft->family, "ip6"))
		ks_draft_family(&draft, KS_IPV6);
	draft.rule.kind = KS_IMPORT_CONTINUE;
	nft->loops = 0;
	return ks_nft_statements(nft, &draft, list, 0);
}

static int objects_read(struct ks_nft *nft, const char *kind, int (*read)(struct ks_nft *, const json_t *))
{
	const json_t *object;
	int err = 0;
	size_t i;

	json_array_foreach(nft->objects, i, object)
	{
		const json_t *value = json_object_get(object, kind);

		if (value)
			err = read(nft, value);
		if (err)
			return err;
	}
	return 0;
}

static int json_read(struct ks_import *import, const char *text, size_t length, json_t **root)
{
	json_error_t wrong;

	import->numbered = "handle";
	*root = json_loadb(text, length, 0, &wrong);
	if (*root)
		return 0;
	if (json_error_code(&wrong) == json_error_out_of_memory)
		return -ENOMEM;
	return ks_import_fail(import, "line %d is no JSON as 'nft -j list ruleset' prints it", wrong.line);
}

/* Without -j: text of UTF-8, whose first octet that is no blank begins a word. */
static int list_read(struct ks_import *import, const char *text, size_t length, json_t **root)
{
	ks_auto_json json_t *probe = json_stringn(text, length);

	if (!probe || memchr(text, '\0', length))
		return ks_import_fail(import, "this is no text: expected what 'nft list ruleset' prints");
	return ks_nft_list(import, text, length, root);
}

/* Returns true if a text begins as JSON does. */
static bool is_json(const char *text, size_t length)
{
	size_t at = 0;

	while (at < length && text[at] && strchr(" \t\r\n", text[at]))
		at++;
	return at < length && (text[at] == '{' || text[at] == '[');
}

int ks_nft_read(struct ks_import *import, const char *text, size_t length)
{
	const bool json = is_json(text, length);
	ks_auto_json json_t *root = NULL;
	struct ks_nft nft = { .import = import, .is_list = !json };
	int err = json ? json_read(import, text, length, &root) : list_read(import, text, length, &root);

	if (err)
		return err;
	nft.objects = json_object_get(root, "nftables");
	if (!json_is_array(nft.objects))
		return ks_import_fail(import, "there is no \"nftables\" in it: expected what 'nft -j list ruleset' "
					      "prints");
	families_find(import, nft.objects);
	err = objects_read(&nft, "chain", chain_read);
	return err ? err : objects_read(&nft, "rule", rule_read);
}
