# SPDX-License-Identifier: BSD-2-Clause
"""Shared by the checks: which files are ours, how they are compiled, and how a check ends."""
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SKIPPED = 77  # exit code, as meson knows it

# Folders that a check does not hold to its rule yet. Take out what is clean; the aim is that all are empty.
NOT_YET = {}

INCLUDE = re.compile(r'^\s*#\s*include "([^"]+)"', re.MULTILINE)


def is_held(path, rule):
    """Returns true if the rule is in force for a file of the tree."""
    return not any(str(path).startswith(folder + "/") for folder in NOT_YET.get(rule, ()))


def our_files(*endings):
    """The files of the project with one of these endings (or all), as paths from the root, sorted."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True,
                            check=False)
    if listed.returncode == 0:
        names = listed.stdout.splitlines()
    else:  # not a clone: a source archive
        names = [str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()]
        names = [name for name in names if not name.startswith(("build", "."))]
    return sorted(Path(name) for name in names if name.endswith(endings or ("",)) and (ROOT / name).is_file())


def scripts(*interpreters):
    """Our files whose first line names one of the interpreters."""
    found = []
    for path in our_files():
        with (ROOT / path).open("rb") as file:
            first = file.readline(100)
        if first.startswith(b"#!") and any(first.rstrip().endswith(name.encode()) for name in interpreters):
            found.append(path)
    return found


def tool(name):
    """The path of a program; without it the check is skipped."""
    path = shutil.which(name)
    if not path:
        skip(f"{name} is not installed")
    return path


def skip(reason):
    print(f"1..0 # SKIP {reason}")
    sys.exit(SKIPPED)


def end(findings, right):
    """Ends the check: every finding on a line (where, and what is wrong), then what would be right."""
    print(*findings, sep="\n", end="\n" if findings else "")
    if findings:
        print(f"{len(findings)} found. {right}")
    sys.exit(bool(findings))


def at_once(work, items):
    """Does a piece of work for each item, as many at a time as there are CPUs. Returns the results in order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def ours(build, name):
    """The path from the root of a file that a compiler named in its folder, or None: generated, or the system's."""
    path = (Path(build) / name).resolve()
    is_ours = path.is_relative_to(ROOT) and not path.is_relative_to(Path(build).resolve())
    return path.relative_to(ROOT) if is_ours else None


def git(*words):
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True, check=False)


def changed_files(revision=None):
    """The files that differ from where this branch left the revision, or the main branch: committed, not yet, or not yet added."""
    revisions = [revision] if revision else ["main@{upstream}", "origin/main", "main"]
    bases = [git("merge-base", "HEAD", one) for one in revisions]
    base = next((done.stdout.strip() for done in bases if done.returncode == 0), None)
    if not base:
        sys.exit(f"--changed: no branch with {' or '.join(revisions)}: expected --changed=REVISION")
    names = git("diff", "--name-only", base).stdout + git("ls-files", "-o", "--exclude-standard").stdout
    return {Path(name) for name in names.splitlines()}


def chosen(build):
    """The compilations that a check reads: all, or with --changed[=REVISION] those of changed files, and of files that include one."""
    found = compilations(build)
    words = [word for word in sys.argv if word.partition("=")[0] == "--changed"]
    if not words:
        return found
    changed = changed_files(words[-1].partition("=")[2])
    return [one for one in found if one[0] in changed or not changed.isdisjoint(included(one[0]))]


def included(path):
    """The files that a file includes itself: written from the root, or from its own folder."""
    for name in INCLUDE.findall((ROOT / path).read_text()):
        yield from (Path(name), path.parent / name)


def compilations(build):
    """How meson compiles each C file of ours for user space: (path from the root, flags that it is parsed with)."""
    found = {}
    for entry in json.loads((Path(build) / "compile_commands.json").read_text()):
        words = iter(shlex.split(entry["command"])[1:])
        flags = []
        for word in words:
            if word in ("-MQ", "-MF", "-o"):
                next(words)
            elif word not in ("-MD", "-c", entry["file"]) and not word.startswith("-fdiagnostics-color"):
                flags.append(word)
        path = ours(entry["directory"], entry["file"])
        if path and path.suffix == ".c":
            found[path] = flags
    return sorted(found.items())
