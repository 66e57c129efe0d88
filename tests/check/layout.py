#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fails where C is laid out otherwise than clang-format-19 does it with our .clang-format, and shows the difference."""
import difflib
import re
import subprocess

import common

BATCH = 50  # files of one run: to begin takes the program longer than to read a file
WARNING = re.compile(r"^(.+?):\d+:\d+: warning: ", re.MULTILINE)


def main():
    program = common.tool("clang-format-19")

    def wrong(paths):
        done = subprocess.run([program, "--dry-run", *paths], cwd=common.ROOT, capture_output=True, text=True, check=True)
        return set(WARNING.findall(done.stderr))

    def difference(path):
        text = (common.ROOT / path).read_text()
        laid = subprocess.run([program, f"--assume-filename={path}"], input=text, cwd=common.ROOT, capture_output=True,
                              text=True, check=True).stdout
        return list(difflib.unified_diff(text.splitlines(), laid.splitlines(), str(path), f"{path} as it should be", "", "",
                                         1, ""))

    paths = common.our_files(".c", ".h")
    found = sorted(set().union(*common.at_once(wrong, [paths[at:at + BATCH] for at in range(0, len(paths), BATCH)])))
    common.end(["\n".join(diff) for diff in common.at_once(difference, found)], "Right: clang-format-19 -i FILE")


if __name__ == "__main__":
    main()
