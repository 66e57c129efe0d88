#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Has another compiler read everything that runs in user space, the core included, with all warnings as errors.

  compiler.py BUILD COMPILER [--changed[=REVISION]]

--changed: only what differs from the main branch, or from the revision, and what includes such a file.
The flags are those of the build, with more warnings. Nothing is generated: what a compiler sees only as it optimises is
seen by the build itself.
"""
import re
import subprocess
import sys

import common

WARNINGS = ["-Wsign-compare", "-Wconversion", "-Wno-sign-conversion"]
FINDING = re.compile(r"^([^\s:]+):(\d+):\d+: (?:error|warning|fatal error): (.*)$")


def main():
    build, compiler = sys.argv[1], common.tool(sys.argv[2])

    def read(compilation):
        path, flags = compilation
        more = WARNINGS if common.is_held(path, "conversions") else []
        command = [compiler, "-fsyntax-only", *flags, *more, "-Werror", str(common.ROOT / path)]
        return subprocess.run(command, cwd=build, capture_output=True, text=True, check=False).stderr

    found = set()
    for line in "".join(common.at_once(read, common.chosen(build))).splitlines():
        # A header of a folder that is not clean yet may be included by one that is.
        if (match := FINDING.match(line)) and (path := common.ours(build, match[1])):
            if common.is_held(path, "conversions") or "conversion" not in match[3]:
                found.add(f"{path}:{match[2]}: {match[3]}")
    common.end(sorted(found), "A better type is better than a cast; a cast says that the value fits.")


if __name__ == "__main__":
    main()
