#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs clang-tidy-19, with the list of .clang-tidy, over everything that runs in user space, the core included.

  lint.py BUILD [--deep] [--changed[=REVISION]]

The analyzer gives up on a function after NODES states of it, a tenth of its default: it finds the same in a tenth of
the time, but where a function is very long. --deep leaves it all the time that it wants, some minutes.
--changed: only what differs from the main branch, or from the revision, and what includes such a file.
"""
import re
import subprocess
import sys

import common

NODES = 20000
BATCH = 10  # files of one run: the program takes a fifth of the time of one file to begin
FINDING = re.compile(r"^(\S+):(\d+):\d+: (?:warning|error): (.*)$")


def main():
    build, program = sys.argv[1], common.tool("clang-tidy-19")
    bound = [] if "--deep" in sys.argv else [f"--extra-arg={word}" for word in (
        "-Xclang", "-analyzer-config", "-Xclang", f"max-nodes={NODES}")]

    def examine(paths):
        done = subprocess.run([program, "--quiet", "-p", build, *bound, *[str(common.ROOT / path) for path in paths]],
                              capture_output=True, text=True, check=False)
        return done.stdout

    paths = [path for path, _ in common.chosen(build) if common.is_held(path, "lint")]
    found = set()
    for line in "".join(common.at_once(examine, [paths[at:at + BATCH] for at in range(0, len(paths), BATCH)])).splitlines():
        if (match := FINDING.match(line)) and (path := common.ours(build, match[1])):
            found.add(f"{path}:{match[2]}: {match[3]}")
    common.end(sorted(found), "Where the code is right, it says so: /* NOLINT(check): why */. See .clang-tidy.")


if __name__ == "__main__":
    main()
