#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Prints how editors colour policies. Usage: syntax.py PAGE vim|textmate, where PAGE is keepstate.conf(5).

The words are those of the page's grammar, which the tests hold against the parser: so the build makes these files, and no
word is missing. textmate is the grammar that VS Code, Sublime Text, Zed and others share.
"""
import json
import re
import sys

WORD = r"[A-Za-z][A-Za-z0-9_./-]*"
EDGE = r"A-Za-z0-9_./-"


def productions(page):
    """Productions of the grammar by name, and the words that stand in tables of the page."""
    grammar = page[page.index("\n.Sh GRAMMAR"):page.index("\n.Sh DIAGNOSTICS")]
    parts = re.split(r"^([a-z][a-z0-9-]*(?:\( x \))?) +=\s", re.sub(r"^\.[^\n]*\n", "", grammar, flags=re.MULTILINE),
                     flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def literals(text):
    return set(re.findall(f'"({WORD})"', text))


def first_words(text):
    """The words that a production begins with: one, or several between which there is a choice."""
    begin = re.compile(r'(?:\A|\n\s*\|)\s*\(?\s*("[a-z0-9]+"(?:\s*\|\s*"[a-z0-9]+")*)')
    outside = (found for found in begin.finditer(text) if text.count("(", 0, found.start()) == text.count(")", 0, found.start()))
    return set().union(*(literals(found[1]) for found in outside))


def rows(page, title):
    """The words in the first column of the tables below a heading."""
    section = page[page.index(title) + 1:]
    section = section[:re.search(r"^\.S[hs] ", section[3:], re.MULTILINE).start() + 3]
    return set(re.findall(r"^\.It Cm ([a-z][a-z0-9._-]*) Ta ", section, re.MULTILINE))


def words(page):
    """The words of the language by kind, each once."""
    grammar = productions(page)
    names = re.findall(r"[a-z][a-z-]*", re.sub(r'"[^"]*"', "", grammar["statement"]))
    kinds = {"Statement": set().union(*(first_words(grammar[name]) for name in names))}
    kinds["Protocol"] = literals(grammar["protocol-name"]) | literals(grammar["icmp-name"]) \
        | literals(grammar["icmp4-name"]) | literals(grammar["icmp6-name"])
    kinds["Service"] = rows(page, "\n.Ss Services")
    kinds["Timeout"] = rows(page, "\n.Sh TIMEOUTS, LIMITS AND OPTIONS")
    kinds["Constant"] = {word for text in grammar.values() for word in literals(text) if word.isupper()}
    kinds["Keyword"] = set().union(*(literals(text) for text in grammar.values()))
    seen = set()
    for kind in kinds:
        kinds[kind] -= seen
        seen |= kinds[kind]
    return {kind: sorted(found) for kind, found in kinds.items()}


VIM = r"""" Vim syntax file of keepstate.conf(5), made by packaging/editors/syntax.py.
" Put it into ~/.vim/syntax, and into ~/.vim/ftdetect/keepstate.vim the line
"   autocmd BufNewFile,BufRead */keepstate/*.conf,keepstate.conf,*.ks setfiletype keepstate
if exists("b:current_syntax")
  finish
endif
syntax iskeyword @,48-57,_,-,.,/
syntax match keepstateVariable "\$[A-Za-z_][A-Za-z0-9_-]*"
syntax match keepstateSet "@[A-Za-z_][A-Za-z0-9_-]*"
syntax match keepstateNumber "\<[0-9][0-9a-fA-F.:/-]*\(%\|[kMG]\|ms\|[dhms]\)\=\>"
syntax match keepstateNumber "\<[0-9a-fA-F]*:[0-9a-fA-F:.]*\(/[0-9]\+\)\=\>"
syntax region keepstateString start=+"+ skip=+\\\\\|\\"+ end=+"+ oneline
syntax match keepstateComment "#.*$" contains=keepstateTodo
syntax keyword keepstateTodo TODO FIXME XXX contained
"""
VIM_LINKS = {"Statement": "Statement", "Keyword": "Keyword", "Protocol": "Type", "Service": "Identifier",
             "Timeout": "Identifier", "Constant": "Constant", "Variable": "PreProc", "Set": "PreProc",
             "Number": "Number", "String": "String", "Comment": "Comment", "Todo": "Todo"}
TEXTMATE = {"Statement": "keyword.control", "Keyword": "keyword.other", "Protocol": "support.type",
            "Service": "support.constant", "Timeout": "support.variable", "Constant": "constant.language"}


def vim(kinds):
    lines = [f"syntax keyword keepstate{kind} {word}" for kind, found in kinds.items() for word in found]
    links = [f"highlight default link keepstate{kind} {group}" for kind, group in VIM_LINKS.items()]
    return VIM + "\n".join([*lines, *links, 'let b:current_syntax = "keepstate"']) + "\n"


def textmate(kinds):
    patterns = [{"name": "comment.line.number-sign.keepstate", "match": "#.*$"},
                {"name": "string.quoted.double.keepstate", "begin": '"', "end": '"|$',
                 "patterns": [{"name": "constant.character.escape.keepstate", "match": r'\\[\\"]'}]},
                {"name": "variable.other.keepstate", "match": r"[$@][A-Za-z_][A-Za-z0-9_-]*"}]
    for kind, found in kinds.items():
        choice = "|".join(re.escape(word) for word in found)
        patterns.append({"name": f"{TEXTMATE[kind]}.keepstate", "match": f"(?<![{EDGE}])(?:{choice})(?![{EDGE}])"})
    patterns.append({"name": "constant.numeric.keepstate",
                     "match": r"(?<![\w.:])[0-9a-fA-F]*[0-9:][0-9a-fA-F.:/-]*(?:%|[kMG]|ms|[dhms])?(?![\w])"})
    return json.dumps({"$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
                       "name": "Keepstate policy", "scopeName": "source.keepstate", "fileTypes": ["ks", "keepstate.conf"],
                       "patterns": patterns}, indent=2) + "\n"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        kinds = words(file.read())
    sys.stdout.write({"vim": vim, "textmate": textmate}[sys.argv[2]](kinds))


if __name__ == "__main__":
    main()
