# SPDX-License-Identifier: BSD-2-Clause
"""Calls keepstate-bench and keepstate, and knows the machine."""
import json
import os
import platform
import resource
import subprocess

LIMIT = 300  # seconds that one measurement may take


class Unavailable(Exception):
    """A part cannot run here."""


def machine():
    """Describes CPU, cores and kernel; nothing that names the host."""
    model = "unknown CPU"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} x {model}, Linux {platform.release().partition('-')[0]}, {platform.machine()}"


def arguments(options):
    """Python's keywords as options of keepstate-bench."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(f"--{name}")
        elif value is not False and value is not None:
            words.append(f"--{name}={value}")
    return words


class Bench:
    """The programs under measurement, and how often to measure."""

    def __init__(self, build, runs, quick):
        self.program = (build / "bench/keepstate-bench").resolve()
        self.keepstate = (build / "cli/keepstate").resolve()
        self.runs = runs
        self.quick = quick
        self.is_root = os.geteuid() == 0
        for path in (self.program, self.keepstate):
            if not path.exists():
                raise SystemExit(f"bench/run: {path} is not there; run make first, or name the build with --build")

    def need_root(self):
        if not self.is_root:
            raise Unavailable("needs root")

    def command(self, name, **options):
        return [str(self.program), name, *arguments(options)]

    def output(self, name, **options):
        return self.call(self.command(name, **options))

    def measure(self, name, **options):
        """The runs of a measurement, one dictionary each."""
        options.setdefault("runs", self.runs)
        return [json.loads(line) for line in self.output(name, **options).splitlines()]

    @staticmethod
    def call(command, limit=LIMIT):
        """Standard output of a command that must succeed."""
        try:
            done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True,
                                  text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"{command[0]} {command[1]} took more than {limit} s") from error
        if done.returncode:
            raise RuntimeError(f"{' '.join(str(word) for word in command[:3])}...: {done.stderr.strip()[-800:]}")
        return done.stdout

    def keepstate_seconds(self, *words):
        """CPU time of a command of the firewall: what others do on the machine is not in it."""
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.call([self.keepstate, *words])
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        return end.ru_utime - start.ru_utime + end.ru_stime - start.ru_stime

    @staticmethod
    def conntrack_bytes():
        """Bytes of an entry of Linux's connection tracking without its extensions; None if it has none here."""
        try:
            with open("/proc/slabinfo", encoding="ascii") as file:
                for line in file:
                    words = line.split()
                    if words[0] == "nf_conntrack":
                        return int(words[3])
        except OSError:
            pass
        return None
