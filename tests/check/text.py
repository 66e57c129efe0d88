#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Rules of the house for every text: how comments open, how long a file is, and that no path of somebody's machine stands
in it."""
import ast
import io
import re
import sys
import tokenize

import common

LINES_MAX = 600
OPENINGS = re.compile(r"(what|whether|whoever|who|of which)\b", re.IGNORECASE)
C_COMMENT = re.compile(r"/\*+[\s*]*(.*)|//\s*(.*)")
SHELL_COMMENT = re.compile(r"(?:^|\s)#[#!\s]*(.*)")
HOMES = re.compile(r"(?<![\w.])/(?:home|Users|work)/\w")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def c_comments(text):
    """(line, text) of every comment of a C file. Strings hold none that would matter."""
    for number, line in enumerate(text.splitlines(), 1):
        if (match := C_COMMENT.search(line)) and not match[0].startswith("//") or match and match[2]:
            yield number, match[1] or match[2] or next_line(text, number)


def next_line(text, number):
    lines = text.splitlines()
    return lines[number].strip(" \t*") if number < len(lines) else ""


def python_comments(text):
    last = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != last + 1:  # else it goes on from the line above
                yield token.start[0], token.string.lstrip("#! ")
            last = token.start[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and (doc := ast.get_docstring(node)):
            yield node.body[0].lineno, doc.lstrip()


def shell_comments(text):
    goes_on = False
    for number, line in enumerate(text.splitlines(), 1):
        match = SHELL_COMMENT.search(line)
        if match and not goes_on:
            yield number, match[1]
        goes_on = bool(match) and line.lstrip().startswith("#")


def openings():
    kinds = [(c_comments, common.our_files(".c", ".h")),
             (python_comments, sorted({*common.our_files(".py"), *common.scripts("python3")})),
             (shell_comments, [*common.scripts("/sh", "/bash", " sh", " bash"), *common.our_files("meson.build", "Makefile", ".ks", ".conf")])]
    for comments, paths in kinds:
        for path in paths:
            if common.is_held(path, "comments"):
                for number, comment in comments((common.ROOT / path).read_text()):
                    if OPENINGS.match(comment):
                        yield f"{path}:{number}: a comment opens with '{comment[:60]}'"


def lengths():
    for path in sorted({*common.our_files(".c", ".h", ".py"), *common.scripts("python3")}):
        lines = len((common.ROOT / path).read_text().splitlines())
        if lines > LINES_MAX and common.is_held(path, "length"):
            yield f"{path}: {lines} lines"


def machines():
    for path in common.our_files():
        if "corpus" in path.parts or path.suffix in (".pcap", ".pcapng"):
            continue
        for number, line in enumerate((common.ROOT / path).read_text(errors="replace").splitlines(), 1):
            if match := HOMES.search(line):
                yield f"{path}:{number}: '{match[0]}...' is a path of one machine"


RULES = {
    "comments": (openings, "The subject comes first: 'Returns true if', 'The next free slot', not 'Whether' or 'What'."),
    "length": (lengths, f"A file holds one concept, in {LINES_MAX} lines at most."),
    "machines": (machines, "Right: a path from the root of the tree, an option, or the environment."),
}

if __name__ == "__main__":
    rule, right = RULES[sys.argv[1]]
    common.end(list(rule()), right)
