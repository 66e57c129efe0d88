# SPDX-License-Identifier: BSD-2-Clause
"""Ten rule files of each form that are as real ones are (tests/cli/gateways) and their policies: the tables of docs/imported.md.

Run as a program it writes them anew: python3 tests/cli/gateways.py build/cli/keepstate
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs/imported.md'
FORMS = {'iptables': 'iptables-save', 'ip6tables': 'ip6tables-save', 'nft': 'nft', 'pf': 'pf', 'ufw': 'ufw', 'uci': 'uci'}
SCENES = ('office', 'web', 'guests', 'mail', 'k8s', 'vpngw', 'dmz', 'cpe', 'fail2ban', 'containers')
SHOWN = 90
HARMLESS = 'no packet that opens a flow or belongs to one matches this'


def path_of(form, scene):
    return ROOT / f'tests/cli/gateways/{form}-{scene}.txt'


def counts(policy):
    """How many rules are as they were, deny more, and are left out."""
    return tuple(map(int, re.search(r'^# (\d+) rules? as .*, (\d+) that den.* more, (\d+) left out', policy, re.M).groups()))


def comments(policy):
    """Each line that has a comment, and why; those that need no rule are none."""
    found = re.findall(r'^# (?:line|rule) \d+: (.*)\n#   (.*)$', policy, re.M)
    return [(line, why) for line, why in found if not why.startswith(HARMLESS)]


def reason(why):
    """Without what is another one in each text."""
    return re.sub(r' of line \d+$', '', why)


def cell(text):
    return (text if len(text) <= SHOWN else text[:SHOWN - 4] + ' ...').replace('|', '\\|').replace('<', '\\<')


def form_table(form, policies):
    """The lines of the table of a form."""
    made = [f'## {FORMS[form]}', '', '| file | as they were | deny more | left out |', '|---|---|---|---|']
    rows = {}
    for scene in SCENES:
        policy = policies[form, scene]
        made.append(f'| {scene} | ' + ' | '.join(map(str, counts(policy))) + ' |')
        for line, why in comments(policy):
            row = rows.setdefault(reason(why), (line, []))
            if scene not in row[1]:
                row[1].append(scene)
    made += ['', '| line | what becomes of it, and why | in |', '|---|---|---|']
    for why, (line, scenes) in rows.items():
        made.append(f'| `{cell(line)}` | {why.replace("|", chr(92) + "|").replace("<", chr(92) + "<")} | {", ".join(scenes)} |')
    return made + ['']


def tables(policies):
    return '\n'.join(line for form in FORMS for line in form_table(form, policies)).rstrip() + '\n'


def imported(program, form, scene):
    return subprocess.run([program, 'import', FORMS[form], path_of(form, scene)], check=True, capture_output=True, text=True).stdout


def main():
    policies = {(form, scene): imported(sys.argv[1], form, scene) for form in FORMS for scene in SCENES}
    head = PAGE.read_text().split('\n## ')[0]
    PAGE.write_text(f'{head}\n{tables(policies)}')


if __name__ == '__main__':
    main()
