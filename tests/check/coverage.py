#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Counts the lines that unit tests and scenarios run, natively, and prints it as one line: a figure, not a threshold,
so no part of `make test`: `make coverage`.

  coverage.py BUILD [--lines]      builds in BUILD-coverage; --lines prints each line that was not run as well
"""
import collections
import json
import subprocess
import sys
from pathlib import Path

import common

OPTIONS = ["-Db_coverage=true", "-Doptimization=0", "-Ddebug=true", "-Db_pie=false"]


def do(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")


def build_and_run(directory):
    if not (directory / "build.ninja").exists():
        do("meson", "setup", directory, common.ROOT, *OPTIONS)
    do("ninja", "-C", directory)
    for data in directory.rglob("*.gcda"):
        data.unlink()
    # Slow programs, maybe on processors that others use: what hangs is ended by the limit of the whole check.
    do("meson", "test", "-C", directory, "--no-rebuild", "--timeout-multiplier", "20", "--suite", "unit", "--suite", "cases")


def counts(directory):
    """How often each line of each of our files ran, over all programs."""
    lines = collections.defaultdict(collections.Counter)

    def read(data):
        return subprocess.run([common.tool("gcov"), "--json-format", "--stdout", data], cwd=directory,
                              capture_output=True, text=True, check=True).stdout

    for text in common.at_once(read, sorted(directory.rglob("*.gcda"))):
        for report in map(json.loads, text.splitlines()):
            for file in report["files"]:
                if path := common.ours(report["current_working_directory"], file["file"]):
                    for line in file["lines"]:
                        lines[path][line["line_number"]] += line["count"]
    return lines


def share(lines, is_wanted):
    wanted = [count for path, counted in lines.items() if is_wanted(path) for count in counted.values()]
    return f"{100 * sum(map(bool, wanted)) / len(wanted):.1f}% of {len(wanted):,} lines"


def main():
    build = Path(sys.argv[1]).resolve()
    directory = build.with_name(build.name + "-coverage")
    build_and_run(directory)
    lines = counts(directory)
    if "--lines" in sys.argv:
        for path, counted in sorted(lines.items()):
            print(*(f"{path}:{number}" for number, count in sorted(counted.items()) if not count), sep="\n")
    # The daemon and the kernel's side run in end-to-end tests, the tests themselves are no measure.
    print("unit tests and scenarios run", share(lines, lambda path: path.parts[0] == "core"), "of core/ and",
          share(lines, lambda path: path.parts[0] not in ("core", "tests", "bench")), "of the rest")


if __name__ == "__main__":
    main()
