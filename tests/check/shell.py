#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs shellcheck over every shell script."""
import subprocess

import common

if __name__ == "__main__":
    found = subprocess.run([common.tool("shellcheck"), "--format=gcc", *common.scripts("/sh", "/bash", " sh", " bash")],
                           cwd=common.ROOT, capture_output=True, text=True, check=False).stdout
    common.end(found.splitlines(), "https://www.shellcheck.net/wiki/SCnnnn explains each. "
               "Where the script is right: # shellcheck disable=SCnnnn # why")
