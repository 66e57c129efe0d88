#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Files and names that a comment or a document mentions must be there.

A file: by its path from the root, from core/, or from the folder of the file that names it; a document may use the bare name
of any file. A function, constant or structure of ours (ks_..., env_..., KS_..., any_name()): somewhere in the code."""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FILE = re.compile(r"(?<![\w./<-])((?:[\w-]+/)*[\w-]+(?:\.bpf)?\.(?:[ch]|py|md))\b(?![\w./])")
NAME = re.compile(r"\b(ks_\w+|env_\w+|KS_[A-Z_0-9]+|\w+_\w+(?=\(\)))")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
NOT_OURS = re.compile(r"(?:^|/)(?:linux|netinet|sys|net|npf_state_test|npf_conn|bpf_helpers|keepstate\.skel|bench\.skel)\b")
OTHERS = re.compile(r"(?:bpf|nf|skb|NLMSG)_\w+|ks_(?:tc|xdp)_\w+|\w+_NAME|ks_thing\w*")  # the kernel's, made by a macro, examples


def sources():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [ROOT / name for name in names if (ROOT / name).exists()]


def texts(paths):
    """(path, first line, text) of every comment of C and of every document."""
    for path in paths:
        if path.suffix in (".c", ".h"):
            text = path.read_text()
            for comment in COMMENT.finditer(text):
                yield path, text.count("\n", 0, comment.start()) + 1, comment[0]
        elif path.suffix == ".md" and path.name != "CHANGELOG.md":
            yield path, 1, path.read_text()


def words(paths):
    """Every word of the code, without the comments of C."""
    code = (path.read_text() for path in paths if path.suffix in (".c", ".h", ".py", ".build") or path.parent.name == "tools")
    return set(re.findall(r"\w+", "\n".join(COMMENT.sub("", text) for text in code)))


def is_there(path, name, names):
    return (any((folder / name).exists() for folder in (ROOT, path.parent, ROOT / "core"))
            or (path.suffix == ".md" and name in names))


def missing():
    paths = sources()
    names, known = {path.name for path in paths}, words(paths)
    for path, first, text in texts(paths):
        gone = [found for found in FILE.finditer(text) if not NOT_OURS.search(found[1]) and not is_there(path, found[1], names)]
        gone += [found for found in NAME.finditer(text)
                 if found[1] not in known and not found[1].endswith("_") and not OTHERS.fullmatch(found[1])]
        for found in gone:
            yield f"{path.relative_to(ROOT)}:{first + text.count(chr(10), 0, found.start())}: there is no {found[1]}"


def main():
    wrong = list(missing())
    print(*wrong, sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
