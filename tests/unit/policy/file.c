/* SPDX-License-Identifier: BSD-2-Clause */
/* Includes and set files: where they are looked for, what stops them, and that large ones load. */
#include "tests/unit/policy/support.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/keepstate-policy-XXXXXX";

static int set_up(void **state)
{
	return mkdtemp(directory) && chdir(directory) == 0 && mkdir("sub", 0700) == 0 ? 0 : -1;
}

static void write_file(const char *name, const char *text)
{
	FILE *out = fopen(name, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static int tear_down(void **state)
{
	static const char *const files[] = { "main.conf", "sub/one.conf", "sub/two.conf", "sub/list.txt",
					     "loop.conf", "deep.conf",	  "big.txt" };

	for (size_t i = 0; i < KS_ARRAY_SIZE(files); i++)
		unlink(files[i]);
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "deep%d.conf", i);
		unlink(name);
	}
	return rmdir("sub") == 0 && chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

/* Loads main.conf, which must fail with one error that says this. */
static void check_error(const char *file, unsigned line, unsigned column, const char *says)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	assert_int_equal(ks_policy_load("main.conf", &policy, &diags), -EINVAL);
	assert_int_equal(diags.errors, 1);
	assert_string_equal(diags.list[0].place.file, file);
	assert_int_equal(diags.list[0].place.line, line);
	assert_int_equal(diags.list[0].place.column, column);
	if (!strstr(diags.list[0].message, says))
		fail_msg("'%s' does not say '%s'", diags.list[0].message, says);
	ks_diags_fini(&diags);
}

static struct ks_policy *load_main(const char *path)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;
	int err = ks_policy_load(path, &policy, &diags);

	if (err)
		ks_diags_print(&diags, stderr, false);
	ks_diags_fini(&diags);
	assert_int_equal(err, 0);
	return policy;
}

static void test_include(void **state)
{
	char path[sizeof(directory) + 16];
	struct ks_policy *policy;

	write_file("main.conf", "$a = 10.0.0.1\ninclude \"sub/one.conf\"\nallow source @list port $p udp\n");
	write_file("sub/one.conf", "include \"two.conf\"\nset list file \"list.txt\"");
	write_file("sub/two.conf", "$p = 53\nallow source $a\n");
	write_file("sub/list.txt", "# networks\r\n 192.0.2.0/24 # one\r\n\r\n\tfd00::/64\n10.9.9.9-10.9.9.12");
	snprintf(path, sizeof(path), "%s/main.conf", directory);
	assert_int_equal(chdir("/"), 0);
	policy = load_main(path);
	assert_int_equal(chdir(directory), 0);
	assert_int_equal(policy->info_count, 2);
	assert_string_equal(policy->infos[0].text, "allow source 10.0.0.1");
	assert_int_equal(policy->infos[0].place.line, 2);
	assert_non_null(strstr(policy->infos[0].place.file, "sub/two.conf"));
	assert_int_equal(policy->infos[1].place.line, 3);
	assert_int_equal(policy->sets[policy->rules[1].src_set].count4, 2);
	assert_int_equal(policy->sets[policy->rules[1].src_set].count6, 1);
	ks_policy_destroy(policy);
}

static void test_set_file_errors(void **state)
{
	write_file("main.conf", "set a file \"sub/list.txt\"\nallow source @a\n");
	write_file("sub/list.txt", "10.0.0.1\n  10.0.0.999 # bad\n");
	check_error("sub/list.txt", 2, 3, "'10.0.0.999' is no address");
	write_file("sub/list.txt", "10.0.0.1\n@b\n");
	check_error("sub/list.txt", 2, 1, "expected one address, prefix or range on each line");
	write_file("sub/list.txt", "# hosts\n0.0.0.0  ads.example.com # one\n0.0.0.0 tracker.example\n");
	check_error("sub/list.txt", 2, 1,
		    "this file is a list of names, such as '0.0.0.0  ads.example.com', and a set holds");
	write_file("sub/list.txt", "192.0.2.1\nads-1.example.com\nb.example.com\n");
	check_error("sub/list.txt", 2, 1, "this file is a list of names, such as 'ads-1.example.com'");
	write_file("sub/list.txt", "192.0.2.1 192.0.2.2\n");
	check_error("sub/list.txt", 1, 1, "'192.0.2.1 192.0.2.2' is no address");
	write_file("main.conf", "set a port file \"sub/list.txt\"\nallow tcp port @a\n");
	write_file("sub/list.txt", "80\n90-80\n");
	check_error("sub/list.txt", 2, 1, "'90-80' is no range of ports");
}

/* Lists as they are handed out: comments of two kinds, ends of lines of two kinds, a mark of UTF-8 before all. */
static void test_blocklist(void **state)
{
	struct ks_policy *policy;
	char *text;

	write_file("main.conf",
		   "set a file \"sub/list.txt\"\nset p port file \"sub/two.conf\"\ndeny tcp source @a port @p\n");
	write_file("sub/list.txt",
		   "\xef\xbb\xbf; Spamhaus DROP List 2026/11/30\r\n; Expires: soon\r\n192.0.2.0/24 ; SBL1\r\n"
		   "198.51.100.0/24; SBL2\r\n\r\n2001:db8::/32 ; SBL3 # and more\n#end\n203.0.113.1-203.0.113.2");
	write_file("sub/two.conf", "ssh ; remote\n;8080\n80-90\n");
	policy = load_main("main.conf");
	text = print_text(policy);
	assert_non_null(
		strstr(text, "set a { 192.0.2.0/24, 198.51.100.0/24, 203.0.113.1-203.0.113.2, 2001:db8::/32 }\n"));
	assert_non_null(strstr(text, "set p port { 22, 80-90 }\n"));
	free(text);
	ks_policy_destroy(policy);
}

static void test_missing(void **state)
{
	struct ks_policy *policy = NULL;
	struct ks_diags diags;

	write_file("main.conf", "include \"nowhere.conf\"\n");
	check_error("main.conf", 1, 9, "cannot read 'nowhere.conf': No such file or directory");
	write_file("main.conf", "include \"sub\"\n");
	check_error("main.conf", 1, 9, "cannot read 'sub': Is a directory");
	write_file("main.conf", "set a file \"/dev/zero\"\nallow source @a\n");
	check_error("main.conf", 1, 12, "expected an ordinary file");
	assert_int_equal(ks_policy_load("nowhere.conf", &policy, &diags), -ENOENT);
	assert_int_equal(diags.count, 0);
	ks_diags_fini(&diags);
	assert_int_equal(ks_policy_load("sub", &policy, &diags), -EISDIR);
	ks_diags_fini(&diags);
}

static void test_loop(void **state)
{
	write_file("main.conf", "include \"loop.conf\"\n");
	write_file("loop.conf", "allow tcp\ninclude \"sub/../main.conf\"\n");
	check_error("loop.conf", 2, 9, "'sub/../main.conf' includes itself");
}

static void test_depth(void **state)
{
	char name[32], text[64];

	write_file("main.conf", "include \"deep0.conf\"\n");
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "deep%d.conf", i);
		snprintf(text, sizeof(text), i < 14 ? "include \"deep%d.conf\"\n" : "allow\n", i + 1);
		write_file(name, text);
	}
	ks_policy_destroy(load_main("main.conf"));
	write_file("deep14.conf", "include \"deep15.conf\"\n");
	check_error("deep14.conf", 1, 9, "files are included more than 16 deep");
}

static void test_large(void **state)
{
	struct ks_policy *policy;
	FILE *out = fopen("big.txt", "w");

	assert_non_null(out);
	for (unsigned i = 0; i < 100000; i++) {
		unsigned v = i * 40503 & 0x1ffff; /* a permutation: not sorted */

		fprintf(out, "10.%u.%u.%u/31\n", v >> 14, v >> 6 & 255, (v & 63) << 2);
	}
	fclose(out);
	out = fopen("main.conf", "w");
	assert_non_null(out);
	fputs("zone lan { eth1 }\nset big file \"big.txt\"\ndeny source @big\n", out);
	for (unsigned i = 0; i < 10000; i++)
		fprintf(out, "allow from lan tcp port %u source @big destination 192.0.%u.%u\n", i + 1, i >> 8,
			i & 255);
	fclose(out);
	policy = load_main("main.conf");
	assert_int_equal(policy->sets[policy->rules[0].src_set].count4, 100000);
	assert_int_equal(policy->info_count, 10001);
	ks_policy_destroy(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_include),	  cmocka_unit_test(test_set_file_errors),
		cmocka_unit_test(test_blocklist), cmocka_unit_test(test_missing),
		cmocka_unit_test(test_loop),	  cmocka_unit_test(test_depth),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
