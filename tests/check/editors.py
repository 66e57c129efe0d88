#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds the syntax files of editors against the grammar of keepstate.conf(5), which grammar.py holds against the parser.
Usage: editors.py SOURCE-ROOT VIM-FILE TEXTMATE-FILE. Speaks TAP."""
import json
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays as it is

import ebnf
from material import Page

CASELESS = set()
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")


def expected(page):
    """Every word of the grammar, and of the tables that it speaks of."""
    grammar = ebnf.Grammar(*page.grammar(), CASELESS, CASELESS)
    found = set().union(*(grammar.literals(name) for name in grammar.rules))
    words = {word for word in found if WORD.fullmatch(word)}
    return words | set(page.timeouts()) | {row[0] for row in page.services()}


def vim_words(text):
    lines = [line.split() for line in text.splitlines() if line.startswith("syntax keyword")]
    return {word for line in lines if line[2] != "keepstateTodo" for word in line[3:]}


def check_vim(text, words):
    yield from (f"'{word}' is not coloured" for word in sorted(words - vim_words(text)))
    yield from (f"'{word}' is no word of the language" for word in sorted(vim_words(text) - words))
    groups = set(re.findall(r"^syntax \w+ (keepstate\w+)", text, re.MULTILINE))
    linked = set(re.findall(r"^highlight default link (keepstate\w+)", text, re.MULTILINE))
    yield from (f"{group} has no colour, or is none" for group in sorted(groups ^ linked))


def scope_of(grammar, line, at):
    """The scope of a place in a line: the pattern that begins first wins, and of those the first in the file."""
    start = 0
    while start < len(line):
        found = [(match.start(), number, match, pattern["name"]) for number, pattern in enumerate(grammar["patterns"])
                 if (match := re.compile(pattern.get("match", '"[^"]*"')).search(line, start)) and match.group()]
        if not found:
            return None
        _, _, match, name = min(found, key=lambda entry: entry[:2])
        if match.start() <= at < match.end():
            return name if match.end() - match.start() else None
        if match.start() > at:
            return None
        start = match.end()
    return None


def check_textmate(text, words):
    grammar = json.loads(text)
    for word in sorted(words):
        scope = scope_of(grammar, f"x {word} y", 2) or ""
        if not scope.startswith(("keyword", "support", "constant.language")):
            yield f"'{word}' is not coloured, but {scope or 'nothing'}"
    samples = {"from": ('allow from lan # from', 6, "keyword"), "a comment": ("allow # from", 9, "comment"),
               "a string": ('log "from"', 6, "string"), "a set": ("source @from", 8, "variable"),
               "an address": ("source 10.0.0.0/8", 9, "constant.numeric"), "IPv6": ("source fd00::/8", 8, "constant.numeric"),
               "a zone": ("from fromage", 7, ""), "a statement": ("allow", 0, "keyword.control")}
    for name, (line, at, scope) in samples.items():
        got = scope_of(grammar, line, at) or ""
        if not got.startswith(scope) or (not scope and got):
            yield f"{name} in '{line}' is '{got}'"


def main():
    words = expected(Page(Path(sys.argv[1]) / "docs" / "keepstate.conf.5"))
    good = len(words) > 300
    print(f"{'ok' if good else 'not ok'} 1 - the grammar has {len(words)} words")
    for number, (check, path) in enumerate([(check_vim, sys.argv[2]), (check_textmate, sys.argv[3])], 2):
        complaints = list(check(Path(path).read_text(), words))
        for complaint in complaints[:20]:
            print(f"# {complaint}")
        print(f"{'not ok' if complaints else 'ok'} {number} - {Path(path).name} has every word of the grammar")
        good &= not complaints
    print("1..3")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
