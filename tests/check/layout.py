#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Fails where C is laid out otherwise than clang-format-19 does it with our .clang-format, and shows the difference."""
import difflib
import subprocess

import common


def main():
    program = common.tool("clang-format-19")

    def difference(path):
        text = (common.ROOT / path).read_text()
        laid = subprocess.run([program, f"--assume-filename={path}"], input=text, cwd=common.ROOT, capture_output=True,
                              text=True, check=True).stdout
        return list(difflib.unified_diff(text.splitlines(), laid.splitlines(), str(path), f"{path} as it should be", "", "",
                                         1, ""))

    files = [diff for diff in common.at_once(difference, common.our_files(".c", ".h")) if diff]
    common.end(["\n".join(diff) for diff in files], "Right: clang-format-19 -i FILE")


if __name__ == "__main__":
    main()
