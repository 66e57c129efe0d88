#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds the grammar of keepstate.conf(5) against the parser, in both directions. Usage: grammar.py SOURCE-ROOT SYNTAX [--parser],
where SYNTAX is the program made of syntax.c. Speaks TAP.

--parser is for a parser that is built with sanitizers: it reads the same texts, and none is derived, which says the same without them.

The grammar is read from the page. Sentences generated from it must be read by the parser, and texts that the parser
accepts must be sentences of it. What the grammar leaves to prose are the conditions of context.py: each cites its
sentence of the page, and sentences that break it must be refused.
"""
import itertools
import random
import re
import sys
import tempfile
import traceback
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays as it is

import context
import ebnf
import policy_text
from ebnf import Token
from material import Page, Parser, Source

SEED = 20261130
ROUNDS, ROUND, EACH = 150, 60, 8
TRIES, BROKEN = 1000, 4
MUTANT_TOKENS = 60  # a sentence of 10 tokens is changed in 7 ways
STARTS = ["policy", "address-file", "port-file"]
CASELESS = {"protocol-name", "class", "state", "any-state"}
GROUPS = {"ALL": "frame-word", "IP": "ip-word", "L4": "payload-word", "SUMMED": "checksum-word"}
GROUPS |= {name.upper(): f"{name}-word" for name in "ipv4 ipv6 tcp udp udplite icmp sctp dccp gre".split()}
LOOSE = {"timeout-name", "bound", "record-limit", "choice", "switch"}


class Check:
    """One grammar against the parser. A check yields complaints."""

    def __init__(self, root, source, parser, change=("", ""), derives=True):
        self.root, self.source, self.parser, self.derives = root, source, parser, derives
        self.page = Page(root / "docs" / "keepstate.conf.5")
        self.describe = context.descriptions(self.source.reasons(), self.page.timeouts(),
                                              [row[0] for row in self.page.services()])
        self.grammar = ebnf.Grammar(*self.changed(*change), CASELESS, LOOSE)
        self.recogniser = ebnf.Recogniser(self.grammar, self.describe)
        self.reserved = self.reserved_words()
        self.accepted = []  # generated sentences that are right in all respects

    def reserved_words(self):
        """The words that cannot name a set."""
        texts = {f"set {word} {{ }}\n": word for word in self.source.words if re.fullmatch("[a-z][a-z0-9_-]*", word)}
        return sorted(set(texts.values()) - {texts[text] for text in self.parser.takes(list(texts))})

    def changed(self, old, new):
        """The grammar of the page, with another text in one place."""
        texts = self.page.grammar()
        if old and sum(text.count(old) for text in texts) != 1:
            raise ebnf.GrammarError(f"'{old}' does not stand once in the grammar")
        return [text.replace(old, new) if old else text for text in texts]

    # The grammar by itself, and its words.

    def check_shape(self):
        known = {name for name in self.grammar.rules if self.grammar.rules[name].kind == "prose"}
        yield from (f"{name} is described, but not to this test" for name in known - set(self.describe))
        yield from (f"{name} is not described any more" for name in set(self.describe) - known)
        yield from (f"{name} is never used" for name in set(self.grammar.rules) - self.grammar.reachable(STARTS))
        prose = self.page.prose()
        for condition in context.CONDITIONS:
            if condition.sentence not in prose:
                yield f"the page does not say: {condition.sentence}"

    # Texts to the grammar.

    def derive(self, name, text, start="policy"):
        """A complaint, or None if the text is a sentence."""
        if not self.derives:
            return None
        try:
            tokens = policy_text.tokens(text)
        except policy_text.TextError as error:
            return f"{name}: {error}"
        failed = self.recogniser.read(start, tokens)
        if failed is None:
            return None
        at, expected = failed
        found = f"line {tokens[at].origin}: '{tokens[at].text}'" if at < len(tokens) else "its end"
        wanted = ", ".join(sorted(expected)[:12])
        return f"{name}, {found} is not derived from the grammar, which has: {wanted}"

    def texts(self):
        """Policies by name: files, and displays of the documents that begin with a statement."""
        keywords = self.parser.statements()
        for pattern in ("tests/check/*.conf", "tests/cases/*.ks", "tests/cases/*.conf", "demo/*.conf",
                        "tests/fuzz/corpus/policy/*"):
            for path in sorted(self.root.glob(pattern)):
                yield str(path.relative_to(self.root)), path.read_bytes().decode(errors="surrogateescape"), path.parent
        documents = [(name, Page(self.root / name)) for name in ("docs/keepstate.conf.5", "docs/keepstate.8")]
        displays = [(name, text) for name, page in documents for text in page.displays(page.lines)]
        readme = (self.root / "README.md").read_text()
        displays += [("README.md", text) for text in re.findall(r"^```\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)]
        for at, (name, text) in enumerate(displays):
            first = re.sub(r"#.*", "", text).split()
            if first and first[0] in keywords and not re.match(r"[a-z]+\s+=", text):
                yield f"{name}, example {at}", text, None

    def check_texts(self):
        number = 0
        for name, text, directory in self.texts():
            parser = Parser(self.parser.program, directory) if directory else self.parser
            syntax, meaning, complaint = parser.judge([text])[0]
            if syntax or (meaning and directory):
                if "fuzz" not in name:
                    yield f"{name}: {complaint}"
                continue
            number += 1
            complaint = self.derive(name, text)
            if complaint:
                yield complaint
        if number < 70:
            yield f"there are only {number} texts"

    # The grammar to texts.

    def generator(self, seed, off=None):
        rand = random.Random(seed)
        own = context.Context(rand, self.reserved, lambda name, tokens: not self.recogniser.read(name, tokens), off)
        generator = ebnf.Generator(self.grammar, own, rand, self.describe)
        own.stack = generator.stack
        return generator

    def sentences(self, generator, start, count, targets=()):
        """(tokens, trail, broken) of random sentences, aimed at alternatives."""
        while count:
            if targets:
                generator.aim(*(generator.random.choice(targets) if generator.random.random() < 0.75 else (None, None)))
            try:
                tokens, trail = generator.sentence(start)
            except ebnf.Refused:
                continue
            count -= 1
            yield tokens, trail, generator.context.state["broken"]

    def as_policy(self, tokens, rand=None):
        """A text with what the sentence needs before it, and in one of five a variable in it."""
        before = []
        if rand and rand.random() < 0.2:
            found = policy_text.with_variable(tokens, rand, "v")
            before, tokens = found or ([], tokens)
        definition = policy_text.write(before, rand) + "\n" if before else ""
        return context.PREAMBLE + definition + policy_text.write(tokens, rand) + "\n"

    def check_sentences(self):
        """No sentence has wrong syntax, and every alternative is used in one that is right in all respects."""
        generator, right = self.generator(SEED), set()
        names = sorted(self.grammar.reachable(["statement"]))
        wanted = generator.goals(names)
        for number in range(ROUNDS):
            yield from self.read_sentences(generator, right, ROUND, sorted(wanted - right) if number else ())
            if wanted <= right:
                break
        for place, at in sorted(wanted - right):
            yield f"no sentence with alternative {at} of choice {place[1]} of {place[0]} is accepted"
        for name in names:
            yield from self.read_sentences(generator, right, EACH, [(self.grammar.rules[name].place, None)])

    def read_sentences(self, generator, right, count, targets):
        """Adds what was used in sentences that are right in all respects."""
        batch = list(self.sentences(generator, "statement", count, targets))
        texts = [self.as_policy(tokens, generator.random) for tokens, _, _ in batch]
        for (tokens, trail, _), text, (syntax, meaning, complaint) in zip(batch, texts, self.parser.judge(texts)):
            for used in trail:
                generator.used[used] = generator.used.get(used, 0) + (0.2 if syntax or meaning else 1)
            problem = complaint if syntax else self.derive("a generated sentence", text)
            if problem:
                yield f"{problem}\n{self.shown(text)}"
            elif not meaning:
                right.update(trail)
                self.accepted.append(tokens)

    def check_keywords(self):
        """In the place of each word of the grammar, all words of the source that the parser takes are derived."""
        for tokens, at in self.places():
            is_state = tokens[at].origin[0] in ("state", "any-state")
            words = [word for word in self.source.words if not is_state or word.upper() not in context.NO_STATES]
            texts = [self.as_policy([*tokens[:at], Token("word", word), *tokens[at + 1:]]) for word in words]
            for text in self.parser.takes(texts):
                problem = self.derive("a policy that the parser takes", text)
                if problem:
                    yield f"{problem}\n{self.shown(text)}"
        missing = set(self.parser.names("timeout")) - set(self.page.timeouts())
        yield from (f"timeout {name} is not in the page" for name in missing)
        rows = set(self.page.services()) ^ set(self.source.services())
        yield from (f"the service {' '.join(row)} is either in the page or in the source" for row in sorted(rows))
        for word, flags in self.source.packet_words():
            for group in {GROUPS[flag] for flag in flags}:
                if word not in self.grammar.literals(group):
                    yield f"'{word}' is not a {group}"

    def places(self):
        """For each word of the grammar the shortest sentence with it, and where it stands there. Words that stand for
        each other count as one."""
        shortest = {}
        for tokens in self.accepted:
            for at, token in enumerate(tokens):
                key = token.kind == "word" and self.grammar.form(token.origin)
                if key and (key not in shortest or len(tokens) < len(shortest[key][0])):
                    shortest[key] = tokens, at
        return [shortest[key] for key in sorted(shortest)]

    def check_conditions(self):
        """The conditions are so: sentences that break one are refused."""
        for condition, name in [(each, name) for each in context.CONDITIONS for name in each.productions]:
            generator, texts = self.generator(SEED, condition), []
            target = [(self.grammar.rules[name].place, None)]
            for tokens, _, is_broken in self.sentences(generator, "statement", 5 * TRIES, target):
                texts += [self.as_policy(tokens)] * is_broken
                if len(texts) == BROKEN:
                    break
            if not texts:
                yield f"no sentence about {name} breaks this: {condition.sentence}"
            for text, (syntax, meaning, _) in zip(texts, self.parser.judge(texts)):
                if not syntax + (meaning if condition.about_meaning else 0):
                    yield f"the parser takes what is against: {condition.sentence}\n{self.shown(text)}"

    def check_bounds(self):
        """The lowest and the highest number of bounds are read, and those just outside are not."""
        nodes = [node for name in sorted(self.grammar.reachable(["statement"])) for node in self.grammar.nodes(name)
                 if node.kind == "bounds"]
        for node in nodes:
            inside, outside = node.value.edges()
            for text, (syntax, _, complaint) in self.with_numbers(node.place, inside):
                if syntax:
                    yield f"{complaint}\n{self.shown(text)}"
            for text, (syntax, _, _) in self.with_numbers(node.place, outside):
                if not syntax and self.derive("", text):
                    yield f"outside of {node.value.text} in {node.place[0]}, but taken\n{self.shown(text)}"

    def with_numbers(self, place, numbers):
        """Sentences with these numbers for the bounds, and what the parser says."""
        generator, texts = self.generator(SEED), []
        for number in numbers:
            generator.forced = {place: number}
            found = (self.as_policy(tokens) for tokens, _, _ in self.sentences(
                generator, "statement", TRIES, [(place, None)]) if generator.is_forced)
            texts += itertools.islice(found, BROKEN // 2)
        assert texts
        return zip(texts, self.parser.judge(texts))

    def check_mutants(self):
        """Sentences that were changed at random are derived from the grammar, if the parser takes them."""
        rand, taken = random.Random(SEED), 0
        pool = [token for tokens in self.accepted for token in tokens]
        texts = [self.as_policy(self.mutant(tokens, pool, rand)) for tokens in self.accepted
                 for _ in range(1 + MUTANT_TOKENS // len(tokens))]
        for taken, text in enumerate(self.parser.takes(texts)):
            problem = self.derive("a policy that the parser takes", text)
            if problem:
                yield f"{problem}\n{self.shown(text)}"
        if taken < 100:
            yield f"the parser takes only {taken} of them"

    @staticmethod
    def mutant(tokens, pool, rand):
        """A sentence with one or two changes: tokens taken away, put in, repeated or turned round."""
        changed = list(tokens)
        for _ in range(rand.choice([1, 1, 2])):
            at = rand.randrange(len(changed))
            end = at + rand.choice([0, 1, 1, 2])
            changed[at:end] = rand.choice([[], [rand.choice(pool)], changed[at:end] * 2, changed[at:end][::-1]])
            changed = changed or [rand.choice(pool)]
        return changed

    def check_files(self):
        """Files of sets."""
        directory, policies, contents = Path(self.parser.directory), [], []
        for start, kind in (("address-file", ""), ("port-file", "port ")):
            for tokens, _, _ in self.sentences(self.generator(SEED), start, 100):
                name = f"generated{len(policies)}"
                contents.append(policy_text.write(tokens) + "\n")
                (directory / name).write_text(contents[-1])
                policies.append(f'set x {kind}file "{name}"\n')
        for content, (syntax, meaning, complaint) in zip(contents, self.parser.judge(policies)):
            if syntax + meaning:
                yield f"{complaint}\n{content}"
        ports = (self.root / "tests" / "check" / "forms-ports").read_text()
        texts = [("address-file", context.FILES["blocklist.txt"]), ("port-file", ports)]
        texts += [(start, text) for start in STARTS for text in ("", "\n", "# nothing\n")]
        yield from filter(None, (self.derive(repr(text), text, start) for start, text in texts))

    def check_prose(self):
        """The other facts of the page: policies that they allow and that they refuse."""
        prose = self.page.prose()
        for sentence, good, bad in context.FACTS:
            if sentence not in prose:
                yield f"the page does not say: {sentence}"
            for text, (syntax, meaning, complaint) in zip(good, self.parser.judge(context.PREAMBLE + t for t in good)):
                if syntax + meaning:
                    yield f"{complaint}\n{text[:200]}"
                problem = self.derive("this policy", context.PREAMBLE + text)
                if problem:
                    yield f"{problem}\n{text[:200]}"
            for text, (syntax, meaning, _) in zip(bad, self.parser.judge(context.PREAMBLE + t for t in bad)):
                if not syntax + meaning:
                    yield f"the parser takes what is against: {sentence}\n{text[:200]}"

    @staticmethod
    def shown(text):
        return text.removeprefix(context.PREAMBLE).rstrip("\n")


# --- the test of the test ---

# Changes of the grammar, and the check that must find each of them.
MUTATIONS = [
    (' | "igmp"', "", "keywords"),
    (' | "same"', "", "keywords"),
    ('{ "," list( x ) } [ "," ]', '{ "," list( x ) }', "texts"),
    ('( ">" | "<" )', '">"', "texts"),
    ('[ "source" | "destination" ] "port"', '[ "source" ] "port"', "texts"),
    ('[ ":" port-pattern ] | ipv6-hosts', "| ipv6-hosts", "texts"),
    ('( "ipv4" | "ipv6" )', '( "ipv4" | "ipv6" | "any" )', "sentences"),
    ('lifetime { "," lifetime }', "lifetime { lifetime }", "sentences"),
    ('"win" | "mss" ) 0..65535', '"win" | "mss" ) [ 0..65535 ]', "sentences"),
    ('"pad" 0..1400', '"pad" 0..1401', "sentences"),
    ("1s..20d", "1s..19d", "bounds"),
    ('ipv6-word     = "ext"', 'ipv6-word     = "df" | "ext"', "sentences"),
    ('{ "," list( x ) } [ "," ]', '{ "," list( x ) }', "mutants"),
]


def check_mutations(check):
    for old, new, name in MUTATIONS:
        try:
            changed = Check(check.root, check.source, check.parser, (old, new))
        except ebnf.GrammarError as error:
            yield str(error)
            continue
        changed.accepted = [tokens for tokens in check.accepted * (name in ("keywords", "mutants"))
                            if not changed.derive("", changed.as_policy(tokens))]
        if not next(getattr(changed, f"check_{name}")(), None):
            yield f"'{old}' became '{new}', and nothing was found wrong"


# --- main ---

CHECKS = {
    "shape": "the grammar is whole, and the page says what this test takes for granted",
    "texts": "policies of the tests, the demo, the documents and the fuzzer are derived from the grammar",
    "sentences": "sentences of the grammar are read, and every alternative is in one that is right in all respects",
    "keywords": "every word that the parser knows is in the grammar, in its place",
    "files": "files of sets are read",
    "conditions": "sentences that break what the prose says are refused",
    "prose": "the other facts of the prose are so",
    "bounds": "numbers outside of their bounds are refused",
    "mutants": "changed sentences that are accepted are derived from the grammar",
}
SHOWN_MAX = 20


def report(number, title, complaints):
    """Prints the outcome of a check. Returns whether it is good."""
    try:
        complaints = list(complaints)
    except Exception as error:  # pylint: disable=broad-except -- a grammar that is none can break anything
        complaints = [f"{type(error).__name__}: {error}", *traceback.format_tb(error.__traceback__)[-3:]]
    for complaint in complaints[:SHOWN_MAX]:
        print("\n".join(f"# {line}" for line in complaint.splitlines()))
    print(f"{'not ok' if complaints else 'ok'} {number} - {title}", flush=True)
    return not complaints


def main():
    sys.setrecursionlimit(10000)
    root, program, derives = Path(sys.argv[1]), sys.argv[2], "--parser" not in sys.argv
    with tempfile.TemporaryDirectory() as directory:
        for name, text in context.FILES.items():
            (Path(directory) / name).write_text(text)
        check = Check(root, Source(root), Parser(program, directory), derives=derives)
        good = [report(number, title, getattr(check, f"check_{name}")())
                for number, (name, title) in enumerate(CHECKS.items(), 1)]
        if derives:
            good.append(report(len(good) + 1, "changes of the grammar are noticed", check_mutations(check)))
    print(f"1..{len(good)}")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
