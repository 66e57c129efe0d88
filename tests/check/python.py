#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs pyflakes over every Python program: names that are not defined, and such as nobody uses."""
import subprocess

import common

if __name__ == "__main__":
    paths = sorted({*common.our_files(".py"), *common.scripts("python3")})
    done = subprocess.run([common.tool("pyflakes3"), *paths], cwd=common.ROOT, capture_output=True, text=True, check=False)
    common.end((done.stdout + done.stderr).splitlines(), "Right: take out what nobody uses.")
