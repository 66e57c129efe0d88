#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Comments name the rules of bpf/VERIFIER.md: a name that has no rule, and a rule that no comment names, are wrong."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = re.compile(r"\((V\d+(?:, V\d+)*)\)")


def named():
    """(rule, where) of every name in a comment."""
    for folder in ("core", "bpf", "engine"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                for names in NAMES.findall(line):
                    yield from ((name, f"{path.relative_to(ROOT)}:{number}") for name in names.split(", "))


def main():
    rules = set(re.findall(r"^\*\*(V\d+)\.", (ROOT / "bpf/VERIFIER.md").read_text(), re.MULTILINE))
    names = list(named())
    wrong = [f"{where}: bpf/VERIFIER.md has no rule {name}" for name, where in names if name not in rules]
    wrong += [f"bpf/VERIFIER.md: no comment names {rule}" for rule in sorted(rules - {name for name, _ in names})]
    print(*wrong, sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
