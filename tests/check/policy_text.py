# SPDX-License-Identifier: BSD-2-Clause
"""Policies as text: to tokens as policy/lex.h says, variables put in, and tokens back to text in many layouts."""
import re

from ebnf import Token

LEXEMES = re.compile(r"""
    (?P<blank>(?:[ \t\r]|\\\r?\n|\#[^\n]*)+)
  | (?P<newline>\n)
  | (?P<string>"(?:\\["\\]|[^"\x00-\x1f\x7f])*")
  | (?P<mark>=>|[{},=>])
  | (?P<word>[^\s{},"=>\#\\\x00-\x1f\x7f]+)
""", re.VERBOSE)
VARIABLE = re.compile(r"\$([A-Za-z0-9_-]*)(.*)", re.DOTALL)
NAME_CHARACTER = re.compile(r"[A-Za-z0-9_-]")


class TextError(Exception):
    """A text that has no tokens."""


def raw_tokens(text):
    """All tokens; newlines also where they do not count. The texts of strings are without quotes."""
    at, line = 0, 1
    while at < len(text):
        found = LEXEMES.match(text, at)
        if not found:
            raise TextError(f"line {line}: cannot read '{text[at:at + 20]}'")
        kind, part = found.lastgroup, found[0]
        if kind == "string":
            part = re.sub(r'\\(["\\])', r"\1", part[1:-1])
        if kind != "blank":
            yield Token(kind, part, line)
        line += found[0].count("\n")
        at = found.end()


def counted_newlines(tokens):
    """Leaves out newlines that do not count: behind commas and newlines, and in braces other than those of a test."""
    braces, last, statement = [], Token("newline", "\n"), []
    for token in tokens:
        if token.kind == "newline":
            if last.text == "," and last.kind == "mark" or last.kind == "newline" or "list" in braces:
                continue
            statement = []
            last = token
            yield token
            continue
        if token.kind == "mark" and token.text == "{":
            of_test = [word.text for word in statement[:1]] == ["test"] and len(statement) == 2 and not braces
            braces.append("test" if of_test else "list")
        elif token.kind == "mark" and token.text == "}" and braces:
            braces.pop()
        statement.append(token)
        last = token
        yield token


class Variables:
    """Puts the values of variables in their places."""

    def __init__(self):
        self.values = {}

    def put_in(self, tokens):
        result, start, first, depth = [], True, 0, 0
        for token in tokens:
            if token.kind == "word" and token.text.startswith("$") and not start:
                result += self.value(token)
            else:
                result.append(token)
            if token.kind == "mark":
                depth += {"{": 1, "}": -1}.get(token.text, 0)
            start = token.kind == "newline" and not depth
            if start:
                self.define(result[first:-1])
                first = len(result)
        self.define(result[first:])
        return result

    def value(self, token):
        name, rest = VARIABLE.fullmatch(token.text).groups()
        if name not in self.values:
            raise TextError(f"line {token.origin}: unknown variable ${name}")
        value = [part._replace(origin=token.origin) for part in self.values[name]]
        if not rest:
            return value
        if len(value) != 1 or value[0].kind != "word":
            raise TextError(f"line {token.origin}: ${name} is not a word")
        return [value[0]._replace(text=value[0].text + rest)]

    def define(self, statement):
        if len(statement) > 2 and statement[0].kind == "word" and statement[0].text.startswith("$"):
            self.values.setdefault(statement[0].text[1:], statement[2:])


def tokens(text):
    """The tokens of a policy that the grammar is about."""
    if text.startswith("\ufeff"):
        text = text[1:]
    return Variables().put_in(counted_newlines(raw_tokens(text)))


# --- writing ---


def spell(token):
    if token.kind == "string":
        return '"' + re.sub(r'(["\\])', r"\\\1", token.text) + '"'
    return token.text


def needs_blank(left, right):
    if left.kind == "newline" or right.kind == "newline":
        return False
    if left.kind == right.kind == "word":
        return True
    return left.kind == "mark" and left.text == "=" and right.kind == "mark" and right.text[0] == ">"


def write(parts, random=None):
    """A text of the tokens; with `random`, one of the many layouts that mean the same."""
    text, lists = "", list_depths(parts)
    for at, token in enumerate(parts):
        gap = " "
        if not at or token.kind == "newline" or parts[at - 1].kind == "newline":
            gap = ""
        elif random:
            gaps = [" "] * 12 + ["\t", "  ", " \\\n  "] + ([] if needs_blank(parts[at - 1], token) else [""] * 3)
            if lists[at] or parts[at - 1].text == "," and parts[at - 1].kind == "mark":
                gaps += ["\n", " # why\n\n"]
            gap = random.choice(gaps)
        text += gap + spell(token)
    return text


def list_depths(parts):
    """For each token whether it stands in the braces of a list."""
    depths, braces = [], []
    for at, token in enumerate(parts):
        if token.kind == "mark" and token.text == "}" and braces:
            depths.append("list" in braces)
            braces.pop()
            continue
        depths.append("list" in braces)
        if token.kind == "mark" and token.text == "{":
            of_test = at == 2 and parts[0].text == "test"
            braces.append("test" if of_test else "list")
    return depths


def with_variable(parts, random, name):
    """A definition and the tokens with a variable in them, or None if these have no place for one."""
    braces = [at for at, token in enumerate(parts) if token.kind == "mark" and token.text == "{"]
    test = 2 if parts[0].text == "test" else None
    spans = [(at, at + 1) for at in range(1, len(parts)) if parts[at].kind in ("word", "string")]
    spans += [(at, closing(parts, at)) for at in braces if at != test]
    if not spans:
        return None
    start, end = random.choice(spans)
    value, use = parts[start:end], Token("word", "$" + name)
    cuts = [at for at in range(1, len(value[0].text)) if not NAME_CHARACTER.match(value[0].text[at])]
    if value[0].kind == "word" and cuts and random.random() < 0.5:
        at = random.choice(cuts)
        use = Token("word", f"${name}{value[0].text[at:]}")
        value = [Token("word", value[0].text[:at])]
    definition = [Token("word", "$" + name), Token("mark", "="), *value]
    return definition, [*parts[:start], use, *parts[end:]]


def closing(parts, at):
    """Behind the brace that closes the one at `at`."""
    depth = 0
    for end in range(at, len(parts)):
        if parts[end].kind == "mark":
            depth += {"{": 1, "}": -1}.get(parts[end].text, 0)
        if not depth:
            return end + 1
    return len(parts)
