/* SPDX-License-Identifier: BSD-2-Clause */
/* Targets of iptables(8) rules: iptables-extensions(8). */
#include <errno.h>
#include <string.h>

#include "core/header/packet.h"
#include "import/iptables.h"
#include "policy/value.h"

#define PART 128

/* --- translations --- */

/* "10.0.0.5", "10.0.0.5-10.0.0.9" and "[2001:db8::5]" with ":80" or ":80-90" behind, or ports alone. */
static int target_parse(struct ks_import *import, const char *value, struct ks_import_target *target)
{
	char text[PART];
	char *ports, *end;
	__u32 low, high;

	snprintf(text, sizeof(text), "%s", value);
	end = text[0] == '[' ? strchr(text, ']') : NULL;
	ports = end ? strchr(end, ':') : strchr(text, ':');
	if (!end && ports && strchr(ports + 1, ':')) /* an address of IPv6 alone */
		ports = NULL;
	if (ports) {
		*ports++ = '\0';
		if (ks_word_ports(ports, '-', KS_PORT_MAX, &low, &high) || !low)
			return -EINVAL;
		target->port = (__u16)low;
		target->port_last = (__u16)high;
	}
	if (end)
		*end = '\0';
	if (!*text)
		return 0;
	if (ks_value_range(text + (end != NULL), &target->range, &target->family))
		return -EINVAL;
	target->address = ks_import_copy(import, text + (end != NULL), strlen(text + (end != NULL)));
	return target->address ? 0 : -ENOMEM;
}

const char *ks_iptables_option(const struct ks_iptables *ipt, const char *option, bool alone)
{
	for (unsigned i = ipt->words.at; i < ipt->words.count; i++) {
		if (!strcmp(ipt->words.word[i], option))
			return alone ? option : i + 1 < ipt->words.count ? ipt->words.word[i + 1] : NULL;
	}
	return NULL;
}

static int translate(struct ks_iptables *ipt, enum ks_verdict_kind kind, const char *option)
{
	struct ks_import_rule *rule = &ipt->draft.rule;
	const char *value = ks_iptables_option(ipt, option, false);
	char ports[PART];
	int err = 0;

	rule->kind = kind;
	rule->target.random =
		ks_iptables_option(ipt, "--random", true) || ks_iptables_option(ipt, "--random-fully", true);
	if (value && option[5] == 'p') { /* --to-ports */
		snprintf(ports, sizeof(ports), ":%s", value);
		value = ports;
	}
	if (value)
		err = target_parse(ipt->import, value, &rule->target);
	if (err == -EINVAL)
		return ks_import_fail(ipt->import, "line %u: '%.60s' is no address to translate to", ipt->import->line,
				      value);
	if (!err && !rule->target.address && (kind == KS_IMPORT_FORWARD || kind == KS_IMPORT_SOURCE))
		rule->trouble = "only the port becomes another one";
	return err;
}

static int read_dnat(struct ks_iptables *ipt)
{
	return translate(ipt, KS_IMPORT_FORWARD, "--to-destination");
}

static int read_snat(struct ks_iptables *ipt)
{
	return translate(ipt, KS_IMPORT_SOURCE, "--to-source");
}

static int read_masquerade(struct ks_iptables *ipt)
{
	return translate(ipt, KS_IMPORT_MASQUERADE, "--to-ports");
}

static int read_redirect(struct ks_iptables *ipt)
{
	return translate(ipt, KS_IMPORT_REDIRECT, "--to-ports");
}

static int read_netmap(struct ks_iptables *ipt)
{
	ipt->draft.rule.kind = KS_IMPORT_FORWARD;
	ipt->draft.rule.trouble = "a network becomes another one: 'binat' may say it";
	return 0;
}

/* --- others --- */

static int label_read(struct ks_iptables *ipt, const char *option)
{
	const char *label = ks_iptables_option(ipt, option, false);

	ipt->draft.rule.kind = KS_IMPORT_LOG;
	ipt->draft.rule.label = label;
	return 0;
}

static int read_log(struct ks_iptables *ipt)
{
	return label_read(ipt, "--log-prefix");
}

static int read_nflog(struct ks_iptables *ipt)
{
	return label_read(ipt, "--nflog-prefix");
}

static int read_ulog(struct ks_iptables *ipt)
{
	return label_read(ipt, "--ulog-prefix");
}

static int read_ct(struct ks_iptables *ipt)
{
	static const char *const helpers[] = { "ftp", "irc", "pptp", "rtsp", "sip", "tftp" };
	const char *helper = ks_iptables_option(ipt, "--helper", false);

	ipt->draft.rule.kind = KS_IMPORT_SKIPPED;
	if (ks_iptables_option(ipt, "--notrack", true))
		ipt->draft.rule.kind = KS_IMPORT_UNTRACK;
	for (size_t i = 0; helper && i < KS_ARRAY_SIZE(helpers); i++) {
		if (!strcmp(helpers[i], helper)) {
			ipt->draft.rule.kind = KS_IMPORT_HELPER;
			ipt->draft.rule.label = helpers[i];
			return 0;
		}
	}
	return ipt->draft.rule.kind == KS_IMPORT_SKIPPED ? ks_import_note(ipt->import, "nothing here does this") : 0;
}

static int read_untrack(struct ks_iptables *ipt)
{
	ipt->draft.rule.kind = KS_IMPORT_UNTRACK;
	return 0;
}

/* "--set-mss 1360", "--clamp-mss-to-pmtu" */
static int read_mss(struct ks_iptables *ipt)
{
	const char *value = ks_iptables_option(ipt, "--set-mss", false);
	__u64 mss = KS_IMPORT_MSS_MTU;

	ipt->draft.rule.kind = KS_IMPORT_SKIPPED;
	if (value ? ks_value_number(value, 536, 65495, &mss) != 0
		  : !ks_iptables_option(ipt, "--clamp-mss-to-pmtu", true))
		return ks_import_note(ipt->import, "this is no MSS here");
	ks_import_match_mss(ipt->import, &ipt->draft.match[0], (unsigned)mss);
	return 0;
}

/* Adds to a set. Nothing here does it for all packets that a rule of the original sees. */
static int read_set(struct ks_iptables *ipt)
{
	static const char *const options[] = { "--add-set", "--del-set", "--map-set" };
	int err = 0;

	ipt->draft.rule.kind = KS_IMPORT_SKIPPED;
	for (size_t i = 0; !err && i < KS_ARRAY_SIZE(options); i++) {
		const char *name = ks_iptables_option(ipt, options[i], false);

		if (name)
			err = ks_import_fill(ipt->import, name);
	}
	return err ? err
		   : ks_import_note(ipt->import, "a rule here fills sets with what it decides: 'deny ... add source "
						 "to @set'");
}

static int read_skipped(struct ks_iptables *ipt)
{
	ipt->draft.rule.kind = KS_IMPORT_SKIPPED;
	return ks_import_note(ipt->import, "nothing here does this");
}

static const struct {
	const char *name;
	int (*read)(struct ks_iptables *ipt);
} others[] = {
	{ "DNAT", read_dnat },
	{ "SNAT", read_snat },
	{ "MASQUERADE", read_masquerade },
	{ "REDIRECT", read_redirect },
	{ "NETMAP", read_netmap },
	{ "LOG", read_log },
	{ "NFLOG", read_nflog },
	{ "ULOG", read_ulog },
	{ "NOTRACK", read_untrack },
	{ "CT", read_ct },
	{ "MARK", ks_iptables_mark },
	{ "CONNMARK", ks_iptables_connmark },
	{ "CONNSECMARK", read_skipped },
	{ "SECMARK", read_skipped },
	{ "TCPMSS", read_mss },
	{ "TRACE", read_skipped },
	{ "AUDIT", read_skipped },
	{ "CHECKSUM", read_skipped },
	{ "CLASSIFY", read_skipped },
	{ "DSCP", ks_iptables_dscp },
	{ "TOS", ks_iptables_tos },
	{ "TTL", read_skipped },
	{ "HL", read_skipped },
	{ "SET", read_set },
	{ "TCPOPTSTRIP", read_skipped },
	{ "TEE", read_skipped },
	{ "LED", read_skipped },
	{ "IDLETIMER", read_skipped },
	{ "RATEEST", read_skipped },
	{ "ECN", read_skipped },
};

static const struct {
	const char *name;
	enum ks_verdict_kind kind;
} verdicts[] = {
	{ "ACCEPT", KS_IMPORT_ACCEPT },
	{ "DROP", KS_IMPORT_DROP },
	{ "REJECT", KS_IMPORT_REJECT },
	{ "RETURN", KS_IMPORT_RETURN },
};

static bool is_known_chain(const struct ks_iptables *ipt, const char *name)
{
	char full[PART];

	snprintf(full, sizeof(full), "%s/%s", ipt->table, name);
	for (const struct ks_import_chain *chain = ipt->import->chains; chain; chain = chain->next) {
		if (!strcmp(chain->name, full))
			return true;
	}
	return false;
}

static int target_read(struct ks_iptables *ipt, const char *name)
{
	struct ks_import_rule *rule = &ipt->draft.rule;

	for (size_t i = 0; i < KS_ARRAY_SIZE(verdicts); i++) {
		if (!strcmp(verdicts[i].name, name)) {
			rule->kind = verdicts[i].kind;
			return 0;
		}
	}
	for (size_t i = 0; i < KS_ARRAY_SIZE(others); i++) {
		if (!strcmp(others[i].name, name))
			return others[i].read(ipt);
	}
	if (is_known_chain(ipt, name)) {
		rule->kind = ipt->is_goto ? KS_IMPORT_GOTO : KS_IMPORT_JUMP;
		return ks_iptables_chain(ipt, name, &rule->chain);
	}
	rule->kind = KS_IMPORT_DROP;
	rule->trouble = ks_import_format(ipt->import, "nobody here knows what %.60s does with them", name);
	return rule->trouble ? 0 : -ENOMEM;
}

int ks_iptables_target(struct ks_iptables *ipt, const char *name)
{
	int err = target_read(ipt, name);

	ipt->words.at = ipt->words.count; /* options of the target come last */
	return err;
}
