#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""A file that a comment or a document names must be there: by its path from the root, from core/, or from the folder of
the file that names it. A document may use the bare name of any file."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NAME = re.compile(r"(?<![\w./<-])((?:[\w-]+/)*[\w-]+(?:\.bpf)?\.(?:[ch]|py|md))\b(?![\w./])")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
NOT_OURS = re.compile(r"(?:^|/)(?:linux|netinet|sys|net|npf_state_test|npf_conn|bpf_helpers|keepstate\.skel|bench\.skel)\b")


def texts():
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split():
        path = ROOT / name
        if name.endswith((".c", ".h")):
            text = path.read_text()
            for comment in COMMENT.finditer(text):
                yield path, text.count("\n", 0, comment.start()) + 1, comment[0]
        elif name.endswith(".md") and name != "CHANGELOG.md":
            yield path, 1, path.read_text()


def is_there(path, name, names):
    return (any((folder / name).exists() for folder in (ROOT, path.parent, ROOT / "core"))
            or (path.suffix == ".md" and name in names))


def main():
    names = {path.name for path in ROOT.rglob("*.*")}
    wrong = [f"{path.relative_to(ROOT)}:{first + text.count(chr(10), 0, found.start())}: there is no {found[1]}"
             for path, first, text in texts() for found in NAME.finditer(text)
             if not NOT_OURS.search(found[1]) and not is_there(path, found[1], names)]
    print(*wrong, sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
