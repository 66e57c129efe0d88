# SPDX-License-Identifier: BSD-2-Clause
"""The page that the grammar stands in, the parser that it is held against, and the tables of words in the source."""
import re
import subprocess


class Page:
    """A man page: its sections, its literal displays, its prose."""

    def __init__(self, path):
        self.lines = path.read_text().splitlines()

    def section(self, kind, title):
        """The lines below a heading, up to the next of its kind or above."""
        start = self.lines.index(f".{kind} {title}") + 1
        ends = (".Sh ",) if kind == "Sh" else (".Sh ", ".Ss ")
        end = next((at for at in range(start, len(self.lines)) if self.lines[at].startswith(ends)), len(self.lines))
        return self.lines[start:end]

    @staticmethod
    def displays(lines):
        """The texts of literal displays."""
        texts, inside = [], None
        for line in lines:
            if line.startswith(".Bd -literal"):
                inside = []
            elif line == ".Ed" and inside is not None:
                texts.append("\n".join(inside) + "\n")
                inside = None
            elif inside is not None:
                inside.append(line.replace("\\&", "").replace("\\(dq", '"').replace("\\e", "\\"))
        return texts

    def grammar(self):
        """The productions, and those of them that describe words."""
        parts = [self.displays(self.section("Ss", title)) for title in ("Statements", "Tests", "Words")]
        return "\n".join(parts[0] + parts[1]), "\n".join(parts[2])

    def prose(self):
        """The text without macros and marks, in one line."""
        text = " ".join(re.sub(r"^\.[A-Z][a-z]( |$)", "", line) for line in self.lines)
        text = re.sub(r"\b(Cm|Ar|Ql|Ns|Ic|Li|No|Pq|Dq) ", "", text)
        return re.sub(r"\s+([,.;:])(?=\s)", r"\1", re.sub(r"\s+", " ", text.replace("\\&", "")))

    def timeouts(self):
        lines = self.section("Sh", "TIMEOUTS, LIMITS AND OPTIONS")
        return [found[1] for line in lines if (found := re.match(r"\.It Cm ([a-z_.]+) Ta ", line))]

    def services(self):
        """The rows of the table of services: name, protocols, ports."""
        lines = self.section("Ss", "Services")
        return [tuple(line[len(".It Cm "):].split(" Ta ")) for line in lines if line.startswith(".It Cm ")]


class Parser:
    """The program that says of policies whether the parser reads them."""

    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def judge(self, texts):
        """For each text: complaints about syntax, about meaning, and the first of them."""
        texts = [text.encode(errors="surrogateescape") for text in texts]
        data = b"".join(b"%d\n%s" % (len(text), text) for text in texts)
        out = subprocess.run([self.program, str(self.directory)], input=data, stdout=subprocess.PIPE, check=True).stdout
        lines = out.decode(errors="replace").splitlines()
        assert len(lines) == len(texts)
        parts = [line.split(" ", 2) for line in lines]
        return [(int(syntax), int(meaning), "".join(complaint)) for syntax, meaning, *complaint in parts]

    def takes(self, texts):
        """Those that are right in all respects."""
        return [text for text, (syntax, meaning, _) in zip(texts, self.judge(texts)) if not syntax + meaning]

    def names(self, keyword):
        """The settings of a keyword, as the complaint about an unknown one lists them."""
        complaint = self.judge([f"{keyword} x 1\n"])[0][2]
        return complaint.partition("expected one of ")[2].split(", ")

    def statements(self):
        """The words that statements begin with, as the complaint about an unknown one lists them."""
        complaint = self.judge(["x\n"])[0][2]
        return re.findall(r"[a-z0-9]+", complaint.partition(": expected ")[2].partition(", or $")[0])


class Source:
    """Words and tables of words in the source, wherever they lie."""

    def __init__(self, root):
        folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith((".", "build"))
                   and path.name not in ("tests", "bench")]
        self.texts = [path.read_text() for folder in folders for path in sorted(folder.rglob("*.[ch]"))]
        strings = {string for text in self.texts for string in re.findall(r'"([A-Za-z<][A-Za-z0-9_.-]*)"', text)}
        self.words = sorted(strings)  # all strings that may be words of the language

    def macro(self, name):
        """The entries of an X-macro, each in one line."""
        bodies = [found[1] for text in self.texts for found in re.finditer(
            rf"#define {name}\(X\)(.*?[^\\])\n", text, re.DOTALL)]
        if len(bodies) != 1:
            raise LookupError(f"the source has {len(bodies)} macros {name}: tell tests/check/material.py what to read")
        return re.findall(r"X\((.*?)\)(?=\s*(?:X\(|/\*|$))", re.sub(r"\s*\\\n\s*", " ", bodies[0]))

    def reasons(self):
        return [re.search('"([^"]+)"', entry)[1] for entry in self.macro("KS_REASONS")]

    def services(self):
        """The rows of the table of services, as the page should have them."""
        rows = [re.match(r'"([^"]+)", (\d+), (\d+), (\w+)', entry) for entry in self.macro("SERVICES")]
        over = {"TCP": "tcp", "UDP": "udp", "BOTH": "tcp, udp"}
        return [(row[1], over[row[4]], row[2] if row[2] == row[3] else f"{row[2]}-{row[3]}") for row in rows]

    def packet_words(self):
        """The words of packets, with the names of what they stand in."""
        return [(re.search('"([^"]+)"', entry)[1], re.findall(r"KS_FOR_(\w+)", entry))
                for entry in self.macro("KS_MODS")]
