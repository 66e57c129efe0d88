# SPDX-License-Identifier: BSD-2-Clause
"""Grammars in the notation of keepstate.conf(5): reading them, recognising texts, generating sentences.

A production is a name, "=" and what it stands for: "text", name, name( x ), [ ], { }, ( ), |, bounds such as 1..255
or 1s..20d, and ? a description ?. Productions of a grammar's words are made of characters, all others of tokens.
"""
import functools
import re
from collections import namedtuple

# kind: word, string, mark or newline; origin: the line of a text, or the place of a node
Token = namedtuple("Token", "kind text origin", defaults=[None])
Node = namedtuple("Node", "kind value place")  # place: the production and the number of the node in it

LEXEMES = re.compile(r'\s*("[^"]*"|\?[^?]*\?|\w+\.\.\w+|[a-z][\w-]*\( |[a-z][\w-]*|[|()\[\]{}])')
HEAD = re.compile(r"^([a-z][\w-]*(?:\( x \))?)\s+=\s", re.MULTILINE)
UNITS = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")


class GrammarError(Exception):
    """The grammar itself is wrong."""


def number(text):
    """The value of a number, or None."""
    if re.fullmatch(r"[0-9]+", text):
        return int(text)
    return int(text, 16) if re.fullmatch(r"0[xX][0-9a-fA-F]+", text) else None


def duration(text):
    """Milliseconds of 1h30m, or None."""
    found = DURATION.fullmatch(text) if text else None
    sizes = (86400000, 3600000, 60000, 1000, 1)
    return sum(int(n) * size for n, size in zip(found.groups(), sizes) if n) if found else None


def size(text):
    """MiB of 512M or 2G, or None."""
    found = re.fullmatch(r"([0-9]+)([MG])", text)
    return int(found[1]) * (1024 if found[2] == "G" else 1) if found else None


class Bounds:
    """1..255, 1s..20d or 16M..1024G."""

    def __init__(self, text):
        low, high = text.split("..")
        self.text, self.sized = text, low[-1] in "MG"
        self.timed = not self.sized and not low.isdigit()
        self.read = size if self.sized else duration if self.timed else number
        self.low, self.high = self.read(low), self.read(high)
        if self.low is None or self.high is None or self.low > self.high:
            raise GrammarError(f"'{text}' are no bounds")

    def holds(self, text):
        value = self.read(text)
        return value is not None and self.low <= value <= self.high

    def write(self, value):
        """A value as text."""
        if self.sized:
            return f"{value}M" if value % 1024 else f"{value // 1024}G"
        if not self.timed:
            return str(value)
        unit = next(unit for unit in ("d", "h", "m", "s", "ms") if value % UNITS[unit] == 0)
        return f"{value // UNITS[unit]}{unit}"

    def edges(self):
        """The lowest and the highest number, and those just outside, as texts."""
        step = 1000 if self.timed else 1
        outside = [self.write(value) for value in (self.low - step, self.high + step) if value >= 0]
        return [self.write(self.low), self.write(self.high)], outside


class Reader:
    """One production's right side to nodes."""

    def __init__(self, grammar, name, text, argument=None):
        self.grammar, self.name, self.argument = grammar, name, argument
        self.lexemes = []
        self.at = self.nodes = 0
        rest = text
        while rest.strip():
            found = LEXEMES.match(rest)
            if not found:
                raise GrammarError(f"{name}: cannot read '{rest.strip()[:40]}'")
            self.lexemes.append(found[1])
            rest = rest[found.end():]

    def node(self, kind, value):
        self.nodes += 1
        return Node(kind, value, (self.name, self.nodes))

    def peek(self):
        return self.lexemes[self.at] if self.at < len(self.lexemes) else None

    def take(self, expected=None):
        lexeme = self.peek()
        if lexeme is None or (expected and lexeme != expected):
            raise GrammarError(f"{self.name}: expected {expected or 'more'}, found {lexeme or 'the end'}")
        self.at += 1
        return lexeme

    def whole(self):
        body = self.choice()
        if self.peek() is not None:
            raise GrammarError(f"{self.name}: '{self.peek()}' stands for nothing")
        return body

    def choice(self):
        parts = [self.sequence()]
        while self.peek() == "|":
            self.take()
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else self.node("choice", parts)

    def sequence(self):
        parts = [self.term()]
        while self.peek() not in (None, "|", ")", "]", "}"):
            parts.append(self.term())
        return parts[0] if len(parts) == 1 else self.node("sequence", parts)

    def term(self):
        lexeme = self.take()
        for opening, closing, kind in (("(", ")", None), ("[", "]", "optional"), ("{", "}", "repeat")):
            if lexeme == opening:
                inner = self.choice()
                self.take(closing)
                return self.node(kind, inner) if kind else inner
        if lexeme.startswith('"'):
            return self.node("literal", lexeme[1:-1])
        if lexeme.startswith("?"):
            return self.node("prose", lexeme[1:-1].strip())
        if ".." in lexeme:
            return self.node("bounds", Bounds(lexeme))
        if lexeme == "x" and self.argument:
            return self.node("name", self.argument)
        if lexeme.endswith("( "):
            argument = self.term()
            self.take(")")
            return self.node("name", self.grammar.instance(lexeme[:-2], argument.value))
        if not lexeme[0].isalpha():
            raise GrammarError(f"{self.name}: '{lexeme}' stands where something should begin")
        return self.node("name", lexeme)


class Grammar:
    """Productions by name. `syntax` and `words` are texts; literals of `caseless` and `loose` productions are compared
    without regard to capitals, and to - and _."""

    def __init__(self, syntax, words, caseless=(), loose=()):
        self.caseless, self.loose = set(caseless), set(loose)
        self.macros, self.rules, self.forms = {}, {}, {}
        texts = self.split(syntax)
        self.words = set(self.split(words, texts))
        for name, text in texts.items():
            if name.endswith("( x )"):
                self.macros[name[:-5]] = text
        for name, text in texts.items():
            if not name.endswith("( x )"):
                self.rules[name] = Reader(self, name, text).whole()
        self.check_names()

    def split(self, text, texts=None):
        texts = {} if texts is None else texts
        heads = list(HEAD.finditer(text))
        if not heads or text[:heads[0].start()].strip():
            raise GrammarError("a grammar begins with a production")
        for at, head in enumerate(heads):
            end = heads[at + 1].start() if at + 1 < len(heads) else len(text)
            if head[1] in texts:
                raise GrammarError(f"{head[1]} is defined twice")
            texts[head[1]] = text[head.end():end]
        return {head[1]: texts[head[1]] for head in heads}

    def instance(self, macro, argument):
        name = f"{macro}( {argument} )"
        if macro not in self.macros:
            raise GrammarError(f"{macro}( x ) is not defined")
        if name not in self.rules:
            self.rules[name] = None  # it may use itself
            self.rules[name] = Reader(self, name, self.macros[macro], argument).whole()
        return name

    def nodes(self, name):
        todo = [self.rules[name]]
        while todo:
            node = todo.pop()
            yield node
            if node.kind in ("choice", "sequence"):
                todo += node.value
            elif node.kind in ("optional", "repeat"):
                todo.append(node.value)

    @functools.cached_property
    def uses(self):
        """For each production the names that it uses itself. Complete when the grammar is read, and asked for only then."""
        return {name: {node.value for node in self.nodes(name) if node.kind == "name"} for name in self.rules}

    def check_names(self):
        for name in self.rules:
            for node in self.nodes(name):
                if node.kind == "name" and node.value not in self.rules:
                    raise GrammarError(f"{name} uses {node.value}, which is not defined")

    def form(self, place):
        """The same for all literals that stand for each other: their production, and the rest of their sequence. None
        for other nodes."""
        if not self.forms:
            for name in self.rules:
                for node in self.nodes(name):
                    self.note_forms(name, node.value if node.kind == "sequence" else [node])
        return self.forms.get(place)

    def note_forms(self, name, sequence):
        for at, part in enumerate(sequence):
            rest = tuple(other.place for other in sequence if other is not part)
            for literal in part.value if part.kind == "choice" else [part]:
                if literal.kind == "literal":
                    self.forms.setdefault(literal.place, (name, at, rest))

    def literals(self, name):
        return [node.value for node in self.nodes(name) if node.kind == "literal"]

    def reachable(self, starts):
        found, todo = set(), list(starts)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += [node.value for node in self.nodes(name) if node.kind == "name"]
        return found


# --- recognising ---


NOWHERE = frozenset()  # no end


class Recogniser:
    """Memoised descent: for a node and a position, all positions where it can end. `prose` says of a production that is
    a description which kind of token it is and whether a text is one."""

    def __init__(self, grammar, prose):
        self.grammar, self.prose = grammar, prose
        self.word_memo = {}
        self.word_parts = {}
        self.parts = {}
        self.tokens, self.memo = [], {}
        self.far, self.expected = 0, set()
        self.first = {}
        for name in grammar.rules:
            if name not in grammar.words:
                self.parts[name] = self.compile(name, grammar.rules[name])

    def read(self, start, tokens):
        """None if the tokens are a `start`, else the place of the first that is not, and what could stand there."""
        self.tokens, self.memo, self.far, self.expected = tokens, {}, 0, set()
        if len(tokens) in self.parts[start](0):
            return None
        return self.far, self.expected

    # Characters.

    def is_word(self, name, text):
        key = name, text
        if key not in self.word_memo:
            self.word_memo[key] = len(text) in self.word_ends(self.grammar.rules[name], text, 0, name)
        return self.word_memo[key]

    def word_ends(self, node, text, at, name):
        if node.kind == "literal":
            caseless = name in self.grammar.caseless
            part, wanted = text[at:at + len(node.value)], node.value
            return {at + len(wanted)} if part == wanted or (caseless and part.lower() == wanted) else set()
        if node.kind == "name":
            return self.word_ends(self.grammar.rules[node.value], text, at, node.value)
        if node.kind == "bounds":
            return {end for end in range(at + 1, len(text) + 1) if node.value.holds(text[at:end])}
        if node.kind == "prose":
            fits = self.prose[name][1]
            return {end for end in range(at, len(text) + 1) if fits(text[at:end])}
        if node.kind == "choice":
            return set().union(*(self.word_ends(part, text, at, name) for part in node.value))
        if node.kind == "sequence":
            ends = {at}
            for part in node.value:
                ends = set().union(*(self.word_ends(part, text, end, name) for end in ends))
            return ends
        if node.kind == "optional":
            return {at} | self.word_ends(node.value, text, at, name)
        return self.closure({at}, lambda end: self.word_ends(node.value, text, end, name))

    @staticmethod
    def closure(ends, step):
        todo = list(ends)
        while todo:
            fresh = step(todo.pop()) - ends
            ends |= fresh
            todo += fresh
        return ends

    # Tokens. Each node becomes a function from a position to the set of its ends.

    def leaf(self, what, fits):
        def ends(at):
            if at < len(self.tokens) and fits(self.tokens[at]):
                return {at + 1}
            if at > self.far:
                self.far, self.expected = at, set()
            if at == self.far:
                self.expected.add(what)
            return NOWHERE
        return ends

    def word(self, name):
        kind = self.prose[name][0] if name in self.prose else "word"
        if kind == "newline":
            return self.leaf("the end of the line", lambda token: token.kind == "newline")
        return self.leaf(name, lambda token: token.kind == kind and self.is_word(name, token.text))

    def literal(self, name, text):
        if name in self.grammar.caseless:
            return self.leaf(f"'{text}'", lambda token: token.kind == "word" and token.text.lower() == text.lower())
        if name in self.grammar.loose:
            text = text.replace("_", "-")
            return self.leaf(f"'{text}'", lambda token: token.kind == "word" and token.text.replace("_", "-") == text)
        return self.leaf(f"'{text}'", lambda token: token.text == text and token.kind in ("word", "mark"))

    def compile(self, name, node):
        if node.kind == "literal":
            return self.literal(name, node.value)
        if node.kind == "bounds":
            return self.leaf(node.value.text, lambda token: token.kind == "word" and node.value.holds(token.text))
        if node.kind == "prose":
            raise GrammarError(f"{name}: a description can only be a word")
        if node.kind == "name":
            return self.word(node.value) if node.value in self.grammar.words else self.production(node.value)
        if node.kind == "choice":
            return self.choice(name, node)
        if node.kind == "sequence":
            return self.sequence([self.compile(name, part) for part in node.value])
        inner = self.compile(name, node.value)
        if node.kind == "optional":
            return lambda at: {at} | inner(at)
        return lambda at: self.closure({at}, inner)

    def production(self, name):
        def ends(at):
            key = name, at
            if key not in self.memo:
                self.memo[key] = self.parts[name](at)
            return self.memo[key]
        return ends

    @staticmethod
    def sequence(parts):
        def ends(at):
            found = {at}
            for part in parts:
                found = part(*found) if len(found) == 1 else NOWHERE.union(*map(part, found))
                if not found:
                    break
            return found
        return ends

    def choice(self, name, node):
        """Alternatives that begin with a literal are found by it."""
        by_text, others = {}, []
        for part in node.value:
            compiled, first = self.compile(name, part), self.first_literals(name, part)
            for text in first or ():
                by_text.setdefault(text, []).append(compiled)
            if first is None:
                others.append(compiled)
        parts_at = {text: others + parts for text, parts in by_text.items()}
        wanted = {f"'{text}'" for text in by_text}

        def ends(at):
            parts = parts_at.get(self.tokens[at].text) if at < len(self.tokens) else None
            if parts is None:
                parts = others
                if wanted and at >= self.far:
                    self.expected = wanted | self.expected if at == self.far else set(wanted)
                    self.far = at
            return parts[0](at) if len(parts) == 1 else NOWHERE.union(*[part(at) for part in parts])
        return ends

    def first_literals(self, name, node):
        """The literals that a node can begin with, or None if it can begin in another way."""
        if node.kind == "literal":
            return None if name in self.grammar.caseless | self.grammar.loose else {node.value}
        if node.kind == "name" and node.value not in self.grammar.words:
            if node.value not in self.first:
                self.first[node.value] = None  # a production that begins with itself
                self.first[node.value] = self.first_literals(node.value, self.grammar.rules[node.value])
            return self.first[node.value]
        if node.kind == "sequence":
            return self.first_literals(name, node.value[0])
        if node.kind == "choice":
            sets = [self.first_literals(name, part) for part in node.value]
            return None if None in sets else set().union(*sets)
        return None


# --- generating ---


class Refused(Exception):
    """A choice that led to nothing."""


class Generator:
    """Random sentences. `context` knows what the grammar does not say; it has

    allows(name)            whether a production may be chosen now
    fits(name, tokens, outer)  whether what was generated for it is good, where `outer` is what enter() returned
    instead(name)           tokens in the place of what would be generated, or None
    enter(name), leave(name, state), save(), restore(state)
                            around each production; saved and restored around each attempt

    Of alternatives the one that was used least is preferred, as `used` counts, or with a `target`, the place of a node,
    those that lead there. `forced` are numbers to be used for bounds, by their place.
    """

    ATTEMPTS = 25
    DEPTH = 12  # productions within productions, from which on none is used within itself

    def __init__(self, grammar, context, random, describe):
        self.grammar, self.context, self.random, self.describe = grammar, context, random, describe
        self.used = {}
        self.trail = []  # alternatives of this sentence
        self.stack = []  # productions
        self.budget = 0
        self.used_by = {}
        self.aim(None)
        self.forced, self.is_forced = {}, False

    def sentence(self, start):
        """Tokens of a `start`, and the alternatives that were used."""
        self.context.begin()
        self.trail, self.budget, self.is_forced, self.is_there = [], 300, False, False
        self.stack.clear()
        return self.production(start), self.trail

    def aim(self, place, option=None):
        """Prefers from now on what leads to this node, and there this option of it."""
        self.target, self.option, self.is_there = place, option, False
        self.led = {}  # by a node's place, what leads() found
        self.leading = self.users(place[0]) if place else set()

    def users(self, name):
        """The productions that use a production, by way of others too."""
        if name not in self.used_by:
            found, grown = {name}, True
            while grown:
                more = {user for user, used in self.grammar.uses.items() if not used.isdisjoint(found)}
                grown = not more <= found
                found |= more
            self.used_by[name] = found
        return self.used_by[name]

    def leads(self, node):
        """Returns true if the target can be reached through a node."""
        if node.place not in self.led:
            parts = node.value if node.kind in ("choice", "sequence") else [node.value]
            self.led[node.place] = (node.place == self.target or (node.kind == "name" and node.value in self.leading) or
                                    (node.kind in ("choice", "sequence", "optional", "repeat") and any(map(self.leads, parts))))
        return self.led[node.place]

    def goals(self, names):
        """All alternatives of productions."""
        found = set()
        for name in names:
            for node in self.grammar.nodes(name):
                if node.kind == "choice":
                    found |= {(node.place, at) for at in range(len(node.value))}
                elif node.kind in ("optional", "repeat"):
                    found |= {(node.place, 0), (node.place, 1)}
        return found

    def production(self, name):
        self.budget -= 1
        self.stack.append(name)
        state, mark, flags = self.context.save(), len(self.trail), (self.is_there, self.is_forced)
        try:
            for _ in range(self.ATTEMPTS):
                if self.budget < 0:
                    break
                outer = self.context.enter(name)
                tokens = self.context.instead(name)
                if tokens is None:
                    tokens = self.expand(name)
                if not self.is_empty_word(name, tokens) and self.context.fits(name, tokens, outer):
                    self.context.leave(name, outer)
                    return tokens
                self.context.restore(state)
                del self.trail[mark:]
                self.is_there, self.is_forced = flags
        finally:
            self.stack.pop()
        raise Refused(name)

    def is_empty_word(self, name, tokens):
        return name in self.grammar.words and tokens[0].kind == "word" and not tokens[0].text

    def expand(self, name):
        if name not in self.grammar.words:
            return self.tokens(name, self.grammar.rules[name])
        kind = self.describe[name][0] if name in self.describe else "word"
        return [Token(kind, self.characters(name, self.grammar.rules[name]))]

    def tokens(self, name, node):
        if node.kind == "literal":
            is_word = node.value[0].isalpha() or node.value == "<"
            return [Token("word" if is_word else "mark", node.value, node.place)]
        if node.kind == "bounds":
            return [Token("word", self.in_bounds(node))]
        if node.kind == "name":
            return self.production(node.value)
        if node.kind == "choice":
            return self.tokens(name, self.choose(node))
        if node.kind == "sequence":
            return [token for part in node.value for token in self.tokens(name, part)]
        return [token for part in self.times(node) for token in self.tokens(name, part)]

    def characters(self, name, node):
        if node.kind == "literal":
            return node.value
        if node.kind == "bounds":
            return self.in_bounds(node)
        if node.kind == "prose":
            return self.describe[name][2](self.random)
        if node.kind == "name":
            return "".join(token.text for token in self.production(node.value))
        if node.kind == "choice":
            return self.characters(name, self.choose(node))
        if node.kind == "sequence":
            return "".join(self.characters(name, part) for part in node.value)
        return "".join(self.characters(name, part) for part in self.times(node))

    def allowed(self, node):
        while node.kind == "sequence":
            node = node.value[0]
        return node.kind != "name" or self.context.allows(node.value)

    def choose(self, node):
        options = [at for at, part in enumerate(node.value) if self.allowed(part)]
        if not options:
            raise Refused(node.place)
        if len(self.stack) > self.DEPTH or self.random.random() < 0.6:
            options = [at for at in options if node.value[at].value not in self.stack] or options
        return node.value[self.pick(node, options)]

    def pick(self, node, options):
        """One of the options, often the one that was used least or leads to the target."""
        if node.place == self.target and not self.is_there:
            self.is_there = True
            options = [self.option] if self.option in options and self.random.random() < 0.6 else options
        elif self.target and not self.is_there and self.random.random() < 0.95:
            parts = node.value if node.kind == "choice" else [None, node.value]
            options = [at for at in options if parts[at] and self.leads(parts[at])] or options
        elif self.random.random() < 0.4:
            least = min(self.used.get((node.place, at), 0) for at in options)
            options = [at for at in options if self.used.get((node.place, at), 0) == least]
        at = self.random.choice(options)
        self.trail.append((node.place, at))
        return at

    def times(self, node):
        """The inner node as often as it shall stand."""
        if not self.allowed(node.value):
            return []
        if not self.pick(node, [0, 1]):
            return []
        if node.kind == "optional":
            return [node.value]
        return [node.value] * self.random.choice([1, 1, 1, 2, 2, 3, 5])

    def in_bounds(self, node):
        bounds = node.value
        self.is_there |= node.place == self.target
        low, high = bounds.low, bounds.high
        if node.place in self.forced:
            self.is_forced = True
            return self.forced[node.place]
        step = 1000 if bounds.timed else 1
        value = self.random.choice([low, high, self.random.randint(low // step, high // step) * step,
                                    self.random.randint(low // step, min(high, low + 100 * step) // step) * step])
        if not bounds.timed and not bounds.sized and self.random.random() < 0.1:
            return self.random.choice(["0x{:x}", "0X{:X}", "0{}"]).format(value)
        return bounds.write(value)
