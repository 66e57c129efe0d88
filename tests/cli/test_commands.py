# SPDX-License-Identifier: BSD-2-Clause
"""check, show, explain, and what all commands have in common."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import ACK, SYN, ethernet, pcap, tcp


def test_commands_are_listed(keepstate):
    out = keepstate().stdout
    for command in ('check', 'show', 'ask', 'diff', 'suggest', 'test', 'replay', 'explain', 'run', 'reload', 'stop', 'status', 'states', 'log', 'counters'):
        assert f'\n  {command} ' in out
        help_text = keepstate(command, '--help').stdout
        assert help_text.startswith(f'usage: keepstate {command}') and '--netns NAME' in help_text
    assert keepstate('--version').stdout.startswith('keepstate ')


def test_help(keepstate):
    assert keepstate('help').stdout == keepstate('--help').stdout == keepstate().stdout
    assert keepstate('help', 'replay').stdout == keepstate('replay', '--help').stdout
    assert "no command 'nope'" in keepstate('help', 'nope', code=2).stderr


def test_help_to_a_full_disk(keepstate):
    for arguments in [[], ['help'], ['--help'], ['--version'], ['replay', '--help'], ['help', 'status']]:
        with open('/dev/full', 'wb') as full:
            run = subprocess.run([keepstate.path, *arguments], stdout=full, stderr=subprocess.PIPE, check=False)
        assert run.returncode == 3 and b'cannot write the output' in run.stderr


def test_usage_errors(keepstate):
    for arguments, message in [(['nope'], "no command 'nope'"), (['--nope'], "no option '--nope'"), (['check'], 'one policy file'),
                               (['show', 'a', 'b'], 'one policy file'), (['explain'], 'one packet'),
                               (['check', '--json=yes', 'x'], 'takes no value'), (['check', '-x'], "no option '-x'"),
                               (['--netns', 'of-nobody', 'check', 'x'], 'ip netns list'), (['--netns', '../x', 'check'], 'ip netns list'),
                               (['replay', 'gateway.conf'], 'at least one capture')]:
        run = keepstate(*arguments, code=2)
        assert message in run.stderr and not run.stdout


def test_check(keepstate):
    assert keepstate('check', 'gateway.conf').stdout.startswith('gateway.conf: good: 2 zones, 3 rules')
    assert keepstate('check', '-q', 'gateway.conf').stdout == ''
    one = b'zone lan { eth1 }\nallow from lan\ntest "one" { }\n'
    assert keepstate('check', '-', stdin=one).stdout == '-: good: 1 zone, 1 rule (1 table entry), 1 test\n'
    report = json.loads(keepstate('check', '--json', 'gateway.conf').stdout)
    assert report['good'] is True and report['rules'] == 3
    assert [(d['severity'], d['file']) for d in report['diagnostics']] == [('warning', 'gateway.conf')] * 2


def test_check_of_missing_rules(keepstate):
    lacking = keepstate('check', 'gateway.conf').stderr
    assert 'gateway.conf:1:1: warning: no rule allows anything from self' in lacking
    assert 'gateway.conf:1:1: warning: no rule allows a TCP connection to self' in lacking
    assert keepstate('test', 'gateway.conf').stderr == ''
    complete = b'zone lan { eth1 }\nallow from self\nallow from lan to self tcp port 22\n'
    assert keepstate('check', '-', stdin=complete).stderr == ''


def test_check_of_a_bad_policy(keepstate):
    bad = b'zone lan { eth1 }\nallow from lan to wan\nalow from lan\n'
    run = keepstate('check', '-', stdin=bad, code=2)
    assert 'stdin:2:' in run.stderr and 'stdin:3:1: error:' in run.stderr and not run.stdout
    report = json.loads(keepstate('check', '--json', '-', stdin=bad, code=2).stdout)
    assert report['good'] is False
    assert [(d['line'], d['severity']) for d in report['diagnostics']] == [(2, 'error'), (3, 'error')]
    assert 'No such file' in keepstate('check', 'nowhere.conf', code=2).stderr


def test_a_policy_without_zones_is_bad(keepstate):
    for text in (b'', b'# nothing\n', b'allow from self\n'):
        run = keepstate('check', '-', stdin=text, code=2)
        assert 'stdin:1:1: error: the policy has no zone' in run.stderr and not run.stdout
    report = json.loads(keepstate('check', '--json', '-', stdin=b'', code=2).stdout)
    assert report['good'] is False and report['diagnostics'][0]['severity'] == 'error'


def test_optional_set_files(keepstate):
    text = b'zone lan { eth1 }\nset bad file "missing.txt" optional\ndeny from lan source @bad\n'
    run = keepstate('show', '-', stdin=text)
    assert "stdin:2:14: warning: 'missing.txt' is not there" in run.stderr and 'set bad { }' in run.stdout
    assert 'cannot read' in keepstate('show', '-', stdin=text.replace(b' optional', b''), code=2).stderr
    (keepstate.directory / 'missing.txt').write_bytes(b'192.0.2.1\n')
    run = keepstate('show', '-', stdin=text)
    assert run.stderr == '' and 'set bad { 192.0.2.1 }' in run.stdout
    (keepstate.directory / 'missing.txt').write_bytes(b'192.0.2.300\n')
    assert 'missing.txt:1:1: error' in keepstate('show', '-', stdin=text, code=2).stderr


def test_a_path_that_is_not_utf8(keepstate):
    path = os.fsencode(keepstate.directory) + b'/odd\xff.conf'
    with open(path, 'wb') as file:
        file.write(b'zone lan { eth1 }\n')
    packet = 'lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp'
    for words in (['reload', path], ['run', path], ['check', path], ['test', path], ['show', path], ['explain', path, packet],
                  ['replay', path, 'x.pcap']):
        run = subprocess.run([keepstate.path, *words], capture_output=True, check=False)
        assert run.returncode == 2 and b'the path is not UTF-8' in run.stderr, (words, run)
    run = subprocess.run([keepstate.path, 'check', '--json', path], capture_output=True, check=False)
    report = json.loads(run.stdout)
    assert run.returncode == 2 and report['good'] is False and 'not UTF-8' in report['diagnostics'][0]['message']


def test_reasons_in_json(keepstate):
    (keepstate.directory / 'binary.conf').write_bytes(b'allow \xff\xfe "\xc3\xa4"\n')
    (keepstate.directory / 'bad.conf').write_bytes(b'\nalow\n')
    for name, line, message in [('nowhere.conf', None, 'No such file'), ('.', None, 'Is a directory'), ('bad.conf', 2, "'alow'"),
                                ('binary.conf', 1, '\ufffd')]:
        report, = keepstate.json('check', '--json', name, code=2)
        diagnostic = report['diagnostics'][0]
        assert report['file'] == name and report['good'] is False
        assert diagnostic['file'] == name and diagnostic['severity'] == 'error' and diagnostic.get('line') == line
        assert message in diagnostic['message']
        assert keepstate.json('test', '--json', name, code=2) == [report, {'passed': 0, 'failed': 0}]
    assert report['diagnostics'][0]['excerpt'] == 'allow \ufffd\ufffd "\u00e4"'


def test_show(keepstate):
    normal = keepstate('show', 'gateway.conf').stdout
    zones = b'zone lan { eth1, antispoof off }\nzone rest { * }\nignore docker0\n'
    shown, = (json.loads(line) for line in keepstate('show', '--json', '-', stdin=zones).stdout.splitlines())
    assert shown['ignore'] == ['docker0'] and [zone['antispoof'] for zone in shown['zones']] == [False, True]
    (keepstate.directory / 'normal.conf').write_text(normal, encoding='utf-8')
    assert keepstate('show', 'normal.conf').stdout == normal
    facts = json.loads(keepstate('show', '--json', 'gateway.conf').stdout)
    assert [zone['name'] for zone in facts['zones']] == ['lan', 'wan']
    assert facts['zones'][0]['networks'] == ['10.0.0.0/24', 'fd00::/64']
    assert facts['zones'][0]['macs'] == ['02:00:00:00:00:01']
    assert [(rule['line'], rule['action']) for rule in facts['rules']] == [(3, 'reject'), (4, 'allow'), (5, 'allow')]
    assert sum(rule['entries'] for rule in facts['rules']) == facts['tables']['rules']
    staged = json.loads(keepstate('show', '--json', '-', stdin=b'deny\nstaged reject\n').stdout)
    assert [(rule['action'], rule['staged']) for rule in staged['rules']] == [('deny', False), ('reject', True)]
    assert facts['timeouts_ms']['ESTABLISHED'] == 24 * 3600 * 1000


def test_clause_twice(keepstate):
    """Braces are only offered where a clause takes several values."""
    rules = {'allow from self from none': True, 'allow timeout 1h timeout 2h': False, 'allow set dscp 1 set dscp 2': False}
    for rule, braces in rules.items():
        (keepstate.directory / 'twice.conf').write_text(rule, encoding='utf-8')
        assert ('in braces' in keepstate('check', 'twice.conf', code=2).stderr) == braces


def test_explain(keepstate):
    out = keepstate('explain', 'gateway.conf', '10.0.0.5:4000 > 192.0.2.1:53 udp').stdout
    assert 'gateway.conf:4: allow from lan to wan udp port 53' in out and '=> allow, new: new, state UDP_SINGLE' in out
    out = keepstate('explain', 'gateway.conf', 'wan 192.0.2.1:4000 > lan 10.0.0.5:53 udp', code=1).stdout
    assert 'none of 3 rules matches' in out and '=> deny, new: no rule' in out
    explanation, = keepstate.json('explain', '--json', 'gateway.conf', 'wan 192.0.2.1:9 > self 192.0.2.7:113 tcp syn', code=1)
    assert explanation['verdict'] == 'reject' and explanation['rule']['line'] == 3
    assert [step['step'] for step in explanation['steps']] == ['headers', 'zones', 'flow', 'source', 'policy', 'decision', 'answer',
                                                             'state']


def test_explain_names_the_closest_rules(keepstate):
    """Of thousands of rules the few that almost let the packet pass are told, the nearest first, with what fails."""
    zones = 'zone lan { eth1, network 10.0.0.0/16 }\nzone dmz { eth2 }\nzone wan { eth0 }\n'
    many = ''.join(f'allow from lan to wan tcp port {port} source 10.0.{port // 250}.{port % 250}\n' for port in range(1, 5001))
    (keepstate.directory / 'many.conf').write_text(zones + many)
    packet = 'lan 10.0.0.7:4000 > wan 192.0.2.1:81 tcp syn'
    run = keepstate('explain', 'many.conf', packet, code=1)
    assert 'none of 5000 rules matches' in run.stdout and len(run.stdout.splitlines()) < 25
    lines = run.stdout.splitlines()
    at = next(i for i, line in enumerate(lines) if line.strip() == 'Closest to letting it pass:')
    assert lines[at + 1].strip() == 'many.conf:10: allow from lan to wan tcp port 7 source 10.0.0.7'
    assert lines[at + 2].strip() == 'port 81 is not its'
    assert lines[at + 3].strip() == 'many.conf:84: allow from lan to wan tcp port 81 source 10.0.0.81'
    assert lines[at + 4].strip() == 'source 10.0.0.7 is not its'
    assert len(keepstate('explain', '-v', 'many.conf', packet, code=1).stdout.splitlines()) > 10000
    explanation, = keepstate.json('explain', '--json', 'many.conf', packet, code=1)
    assert len(explanation['closest']) == 5 and explanation['closest'][0]['matched'] == 4
    assert explanation['closest'][0]['failed'] == [{'condition': 'port', 'why': 'port 81 is not its'}]
    assert not explanation['closest'][0]['behind']


def test_explain_names_rules_that_stand_behind(keepstate):
    """A rule that would allow it but stands behind the one that denies is the nearest thing; one for others is far."""
    (keepstate.directory / 'order.conf').write_text(
        'zone lan { eth1, network 10.0.0.0/24 }\nzone dmz { eth2 }\nzone wan { eth0 }\n'
        'allow from dmz to wan udp port { 53, 123 }\ndeny from lan to wan\nallow from lan log "late"\nreject from lan\n'
        'bypass from lan icmp\nallow from lan to wan tcp port not 25\n')
    packet = 'lan 10.0.0.5:4000 > wan 192.0.2.1:25 tcp syn'
    explanation, = keepstate.json('explain', '--json', 'order.conf', packet, code=1)
    assert [(rule['line'], rule['behind'], [miss['condition'] for miss in rule['failed']]) for rule in explanation['closest']] == [
        (9, True, ['port']), (6, True, []), (8, True, ['proto'])]
    assert explanation['closest'][1]['label'] == 'late'
    out = keepstate('explain', 'order.conf', packet, code=1).stdout
    assert 'order.conf:5: deny from lan to wan' in out and 'reject from lan' not in out
    assert 'it stands behind the rule that decided; port 25 is not its' in out
    explanation, = keepstate.json('explain', '--json', 'order.conf', 'dmz 192.0.2.7:4000 > wan 192.0.2.1:53 udp')
    assert explanation['closest'] == []


def test_explain_tells_the_reason_that_matters(keepstate):
    """A rule for another protocol is told to be that, whatever else of it does not fit; and a packet of TCP has no type of ICMP."""
    (keepstate.directory / 'icmp.conf').write_text(
        'zone lan { eth1, network 10.0.0.0/24 }\nzone wan { eth0 }\nallow from lan to wan icmp\n'
        'allow from wan to lan icmp type echo-request\nallow from lan to wan tcp port 80\nallow from wan to lan udp port 53\n')
    packet = 'wan 192.0.2.1:4000 > lan 10.0.0.5:22 tcp syn'
    explanation, = keepstate.json('explain', '--json', '-v', 'icmp.conf', packet, code=1)
    rules = next(step for step in explanation['steps'] if step.get('rules'))['rules']
    assert [rule['why'] for rule in rules] == ['it is not for tcp', 'it is not for tcp', 'it is not for packets from wan', 'it is not for tcp']
    whys = [miss['why'] for rule in explanation['closest'] for miss in rule['failed']]
    assert 'it is not for tcp' in whys and not [why for why in whys if 'ICMP' in why], whys
    out = keepstate('explain', '-v', 'icmp.conf', 'wan 192.0.2.1 > lan 10.0.0.5 icmp type 13 code 0', code=1).stdout
    assert 'port 0 is not its' not in out and 'ICMP type 13 code 0 is not its' in out


def test_explain_after_a_capture(keepstate):
    ends = '10.0.0.5', 4000, '192.0.2.1', 80
    back = ends[2:] + ends[:2]
    (keepstate.directory / 'x.pcap').write_bytes(pcap(
        ethernet(tcp(*ends, SYN, 1000)), ethernet(tcp(*back, SYN | ACK, 7000, 1001)), ethernet(tcp(*ends, ACK, 1001, 7001))))
    after = ['explain', '--json', '--after', 'x.pcap', 'gateway.conf']
    explanation, = keepstate.json(*after, 'wan 192.0.2.1:80 > lan 10.0.0.5:4000 tcp ack len 10')
    assert explanation['class'] == 'established'
    assert (explanation['packet']['seq'], explanation['packet']['ack']) == (7001, 1001)  # it continues the flow
    explanation, = keepstate.json(*after, 'wan 192.0.2.1:80 > lan 10.0.0.5:4000 tcp rst seq =7003', code=1)
    assert explanation['reason'] == 'inexact rst'
    protocol, = [step for step in explanation['steps'] if step['step'] == 'protocol']
    assert protocol['compare'] == {'have': 7003, 'lo': 7001, 'hi': 7001}


@pytest.mark.parametrize('words', ['', 'nonsense', '10.0.0.5 > 10.0.0.6', 'after 10m', 'lan > wan udp'])
def test_explain_refuses_words(keepstate, words):
    run = keepstate('explain', 'gateway.conf', words, code=2)
    assert run.stderr and not run.stdout


def test_a_test_that_expects_nothing(keepstate):
    """It would be counted as passed, whatever the policy says."""
    head = b'zone lan { eth1 }\nzone wan { eth0 }\nallow from lan to wan\n'
    for text in (b'test "x" { }\n', b'test "x" {\n  after 5s\n}\n'):
        (keepstate.directory / 'x.conf').write_bytes(head + text)
        run = keepstate('test', 'x.conf', code=1)
        assert 'x.conf:4:6: warning: this test expects nothing' in run.stderr
        assert 'FAIL  x.conf:4  x\n      expects nothing' in run.stdout and '0 passed, 1 failed' in run.stdout
        test, summary = keepstate.json('test', '--json', 'x.conf', code=1)
        assert test['passed'] is False and 'expects nothing' in test['error'] and summary == {'passed': 0, 'failed': 1}
        assert 'this test expects nothing' in keepstate('check', 'x.conf').stderr
    (keepstate.directory / 'x.conf').write_bytes(head + b'test "x" { expect states 0 }\n')
    assert '1 passed' in keepstate('test', 'x.conf').stdout


def test_strings_that_are_no_utf8(keepstate):
    """`log` and everything else shows labels and paths as JSON, which is UTF-8."""
    head = b'zone lan { eth1 }\nzone wan { eth0 }\n'
    for text, column in ((b'allow from lan to wan log "caf\xe9"\n', 31), (b'set x { file "\xff" }\n', 15), (b'include "a/\xc3"\n', 12)):
        (keepstate.directory / 'x.conf').write_bytes(head + text)
        run = keepstate('check', 'x.conf', code=2)
        assert f'x.conf:3:{column}: error: this string is not UTF-8' in run.stderr, run.stderr
    (keepstate.directory / 'x.conf').write_bytes(head + 'allow from lan to wan log "café"  # '.encode() + b'caf\xe9\n')
    keepstate('check', 'x.conf')


def test_states_names_the_wrong_word(keepstate):
    assert "not 'foo'" in keepstate('states', 'foo', 'bar', code=2).stderr
    assert "not 'bar'" in keepstate('states', 'kill', 'bar', code=2).stderr


@pytest.mark.parametrize('form', ('csv', 'conntrack'))
@pytest.mark.parametrize('words', (('--at', 'now'), ('--mappings',), ('--limits',)))
def test_states_that_have_no_such_form(keepstate, words, form):
    assert 'goes with' in keepstate('states', *words, '--format', form, code=2).stderr


@pytest.mark.skipif(not shutil.which('strace') or os.geteuid(), reason='needs root and strace')
def test_files_of_strangers_are_read_without_rights(keepstate):
    """Capabilities and the right to write files are given up before the first byte of a policy or a capture is read."""
    capture = keepstate.directory / 'x.pcap'
    capture.write_bytes(pcap(ethernet(tcp('10.0.0.5', 4000, '192.0.2.1', 80, SYN))))
    packet = 'lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp'
    for words in (['check', 'gateway.conf'], ['show', 'gateway.conf'], ['test', 'gateway.conf'], ['explain', 'gateway.conf', packet],
                  ['replay', '-q', 'gateway.conf', 'x.pcap']):
        subprocess.run(['strace', '-o', 'calls', '-e', 'trace=openat,capset,landlock_create_ruleset,landlock_restrict_self,prctl', keepstate.path, *words],
                       cwd=keepstate.directory, capture_output=True, check=True,
                       env={**os.environ, 'ASAN_OPTIONS': 'detect_leaks=0'})  # which cannot be done to a process that is traced
        calls = (keepstate.directory / 'calls').read_text().splitlines()
        first = next(i for i, line in enumerate(calls) if 'gateway.conf' in line)
        before = '\n'.join(calls[:first])
        assert 'effective=1<<CAP_DAC_READ_SEARCH, permitted=1<<CAP_DAC_READ_SEARCH, inheritable=0' in before, before
        has_landlock = 'landlock_create_ruleset' in before and ' = -1 E' not in before.split('landlock_create_ruleset')[1].split('\n')[0]
        assert 'PR_SET_NO_NEW_PRIVS, 1' in before and has_landlock == ('landlock_restrict_self' in before), before


def test_replay_still_writes_its_files(keepstate):
    (keepstate.directory / 'x.pcap').write_bytes(pcap(ethernet(tcp('10.0.0.5', 4000, '192.0.2.1', 80, SYN))))
    keepstate('replay', '-q', '--passed', 'p', 'gateway.conf', 'x.pcap')
    assert (keepstate.directory / 'p').stat().st_size > 24


def test_names_that_are_no_utf8_are_shown(keepstate):
    """Interfaces and captures may be called anything; no output loses what stands beside."""
    name = 'café.conf'
    text = b'zone lan { eth\xff, network 10.0.0.0/24 }\nzone wan { eth0 }\nallow from lan to wan\nignore { x\xfe }\n' \
           b'test "t" { lan 10.0.0.5:40000 > wan 192.0.2.1:53 udp => allow }\n'
    (keepstate.directory / name).write_bytes(text)
    shown, = keepstate.json('show', '--json', name)
    assert shown['file'] == name and shown['zones'][0]['interfaces'] == ['eth\ufffd'] and shown['ignore'] == ['x\ufffd']
    assert shown['rules'][0]['file'] == name
    test, _ = keepstate.json('test', '--json', name)
    assert test['file'] == name and test['passed'] is True
    capture = os.fsdecode(b'x\xe9.pcap')
    (keepstate.directory / capture).write_bytes(pcap(ethernet(tcp('10.0.0.5', 4000, '192.0.2.1', 80, SYN))))
    assert keepstate.json('replay', '--json', name, capture)[0]['capture'] == 'x\ufffd.pcap'


SHADOWED = b"""zone lan { eth1 }
zone wan { eth0, address 203.0.113.1 }
allow from self
allow from lan to self tcp port 1-80
  allow from lan to self tcp port 81-1023
deny from lan to self tcp port 22
forward from { wan, lan } destination address of wan tcp port 80 to 10.0.0.5
allow from lan to wan
"""


def test_check_of_shadowed_rules(keepstate):
    told = keepstate('check', '-', stdin=SHADOWED).stderr
    assert ("stdin:6:1: warning: this rule is never reached: the rule at stdin:4 takes all of its packets, and allows what this one would deny "
            "(such as 'lan 198.51.100.1:40000 > self 203.0.113.1:22 tcp syn'): expected this one above it, or not at all\n"
            "    deny from lan to self tcp port 22\n    ^\n") in told
    assert 'stdin:7:1: warning: this rule never decides about packets from zone lan: the rule at stdin:4 takes all of them' in told
    assert told.count('warning') == 2
    witness = told.split("such as '")[1].split("'")[0]
    (pathlib.Path(keepstate.directory) / 'shadowed.conf').write_bytes(SHADOWED)
    assert keepstate.json('explain', '--json', 'shadowed.conf', witness)[0]['rule']['line'] == 4


def test_check_notes_what_is_left(keepstate):
    policy = b'zone a { eth0 }\nallow from a to self tcp port 22\nallow from self\ndeny from a to self tcp port 1-100\n'
    assert keepstate('check', '-', stdin=policy).stderr == ''
    told = keepstate('check', '-v', '-', stdin=policy).stderr
    assert 'stdin:4:1: note: this rule decides less than it says: the rule at stdin:2 takes a part of its packets' in told
    assert 'what is left: from a to self tcp port { 1-21, 23-100 }' in told
    notes = json.loads(keepstate('check', '-v', '--json', '-', stdin=policy).stdout)['diagnostics']
    assert [note['severity'] for note in notes] == ['note']
    keepstate('check', '-v', '--strict', '-', stdin=policy)


def test_check_strict(keepstate):
    run = keepstate('check', '--strict', '-', stdin=SHADOWED, code=2)
    assert 'never reached' in run.stderr and 'good' not in run.stdout
    assert json.loads(keepstate('check', '--strict', '--json', '-', stdin=SHADOWED, code=2).stdout)['good'] is False


BEFORE = """zone lan { eth1, network 10.0.0.0/24 }
zone wan { eth0, address 203.0.113.7 }
allow from self
allow from lan to self tcp port 22
allow from lan to wan tcp port { 80, 443 }
nat from lan to wan masquerade
"""


def policies(keepstate, **texts):
    for name, text in texts.items():
        (pathlib.Path(keepstate.directory) / f'{name}.conf').write_text(text)


def test_diff(keepstate):
    after = BEFORE.replace('443', '8443').replace('zone lan', 'zone inside').replace('from lan', 'from inside')
    policies(keepstate, before=BEFORE, after=after, renamed=BEFORE.replace('zone lan', 'zone inside').replace('from lan', 'from inside'))
    assert keepstate('diff', 'before.conf', 'before.conf').stdout == ''
    assert keepstate('diff', 'before.conf', 'renamed.conf', code=1).stdout == (
        'settings:\n+ zone inside { eth1, network 10.0.0.0/24 }\n- zone lan { eth1, network 10.0.0.0/24 }\n')
    told = keepstate('diff', 'before.conf', 'after.conf', code=1).stdout
    assert told.startswith("""verdict: from inside to wan tcp port 443
  inside 10.0.0.1:40000 > wan 203.0.113.1:443 tcp syn: allow before, deny after
  - before.conf:5: allow from lan to wan tcp port { 80, 443 }
  + after.conf: no rule
  test "deny inside 10.0.0.1:40000 > wan 203.0.113.1:443 tcp syn" {
  \tinside 10.0.0.1:40000 > wan 203.0.113.1:443 tcp syn => deny rule default
  }

verdict: from inside to wan tcp port 8443
""")
    assert 'deny before, allow after' in told
    (pathlib.Path(keepstate.directory) / 'tested.conf').write_text(after + told[told.index('  test'):told.index('\n\nverdict')])
    keepstate('test', 'tested.conf')
    value, = keepstate.json('diff', '--json', 'before.conf', 'after.conf', code=1)
    assert [one['differs'] for one in value['classes']] == ['verdict', 'verdict'] and value['complete'] is True
    assert value['classes'][0]['before']['rule']['line'] == 5 and value['classes'][0]['after']['rule'] is None
    assert {one['policy'] for one in value['settings']} == {'before', 'after'}
    assert 'two policy files' in keepstate('diff', 'before.conf', code=2).stderr


def test_diff_on_a_capture(keepstate):
    after = BEFORE.replace('{ 80, 443 }', '{ 80, 8443 }') + 'nat from lan to wan to 203.0.113.9\n'
    policies(keepstate, before=BEFORE, after=after)
    frames = [ethernet(tcp('10.0.0.5', 40000, '198.51.100.1', 443, SYN)), ethernet(tcp('10.0.0.5', 40001, '198.51.100.1', 80, SYN)),
              ethernet(tcp('10.0.0.5', 40000, '198.51.100.1', 443, SYN))]
    (pathlib.Path(keepstate.directory) / 'c.pcap').write_bytes(pcap(*frames))
    told = keepstate('diff', '--on', 'c.pcap', 'before.conf', 'after.conf', code=1).stdout
    assert told == ('c.pcap: frame 1: 10.0.0.5:40000 > 198.51.100.1:443 tcp, 2 frames\n  - allow, before.conf:5\n  + deny, no rule\n'
                    '2 of 3 frames differ, of 1 connection\n')
    value, = keepstate.json('diff', '--json', '--on', 'c.pcap', 'before.conf', 'after.conf', code=1)
    assert value['differ'] == 2 and value['connections'][0]['before']['verdict'] == 'allow'
    assert keepstate('diff', '--on', 'c.pcap', 'before.conf', 'before.conf').stdout == '0 of 3 frames differ, of 0 connections\n'


def test_a_translated_connection_is_one(keepstate):
    """Its answers in the capture are to the address that it leaves with."""
    policies(keepstate, before=BEFORE.replace('nat from lan to wan masquerade\n', ''), after=BEFORE)
    frames = [ethernet(tcp('10.0.0.5', 40000, '198.51.100.1', 443, SYN)),
              ethernet(tcp('198.51.100.1', 443, '203.0.113.7', 40000, SYN | ACK, 5000, 1001))]
    (pathlib.Path(keepstate.directory) / 'c.pcap').write_bytes(pcap(*frames))
    told = keepstate('diff', '--on', 'c.pcap', 'before.conf', 'after.conf', code=1).stdout
    assert '10.0.0.5:40000 > 198.51.100.1:443 tcp, 2 frames\n' in told and '2 of 2 frames differ, of 1 connection\n' in told, told


def test_ask(keepstate):
    policies(keepstate, before=BEFORE)
    assert keepstate('ask', 'before.conf', 'can lan reach wan tcp port 443?').stdout == (
        'yes\n  from lan to wan tcp port 443\n    before.conf:5 allows: allow from lan to wan tcp port { 80, 443 }\n'
        '    such as lan 10.0.0.1:40000 > wan 203.0.113.1:443 tcp syn\n')
    never = keepstate('ask', 'before.conf', 'wan > lan tcp port 22', code=1).stdout
    assert never.startswith('never\n  from wan to lan tcp port 22\n    no rule allows them\n    such as wan 198.51.100.1:40000 > lan 10.0.0.1:22')
    only, = keepstate.json('ask', '--json', 'before.conf', 'lan > wan tcp')
    assert only['answer'] == 'only' and only['allowed'][0]['rule']['line'] == 5
    assert only['refused'][0]['packets'] == 'from lan to wan tcp port { 0-79, 81-442, 444-65535 }'
    keepstate('ask', '--never', 'before.conf', 'wan > lan')
    keepstate('ask', '--never', 'before.conf', 'lan > wan', code=1)
    keepstate('ask', '--always', 'before.conf', 'lan > wan', code=1)
    keepstate('ask', '--always', 'before.conf', 'self > wan')
    assert "unknown zone 'dmz'" in keepstate('ask', 'before.conf', 'can dmz reach lan?', code=2).stderr
    assert 'expected two zones' in keepstate('ask', 'before.conf', 'lan', code=2).stderr


def test_conditions_in_proofs(keepstate):
    """A condition is looked at: packets that meet it are told from the others, and one of each is shown."""
    rules = 'allow from wan to lan udp ttl 255\nallow from wan to lan icmp type 8 during mon 08:00-18:00\n'
    policies(keepstate, before=BEFORE + rules, after=BEFORE + rules.replace('255', '254-255'), moved=BEFORE + '# moved\n' + rules,
             behind=BEFORE + rules + 'deny from wan to lan udp port 53 ttl 255\n')
    assert keepstate('ask', 'before.conf', 'wan > lan udp').stdout == (
        'only\n  from wan to lan udp ttl 255\n    before.conf:7 allows: allow from wan to lan udp ttl 255\n'
        '    such as wan 198.51.100.1:40000 > lan 10.0.0.1:80 udp ttl 255\nbut not\n  from wan to lan udp ttl not 255\n    no rule allows them\n'
        '    such as wan 198.51.100.1:40000 > lan 10.0.0.1:80 udp ttl 64\n')
    keepstate('ask', '--always', 'before.conf', 'wan > lan udp ttl 255')
    keepstate('ask', '--never', 'before.conf', 'wan > lan udp ttl not 255')
    timed = keepstate('ask', 'before.conf', 'wan > lan icmp type 8').stdout
    assert 'only during mon 08:00-18:00 allows' in timed and timed.count('such as') == 1
    assert keepstate('ask', 'before.conf', 'wan > lan icmp type 8 during mon 09:00-10:00').stdout.startswith('yes\n')
    keepstate('ask', '--never', 'before.conf', 'wan > lan icmp type 8 during sun')
    assert 'expected conditions only' in keepstate('ask', 'before.conf', 'wan > lan icmp limit 5/minute', code=2).stderr
    assert ("behind.conf:9:1: warning: this rule is never reached: the rule at behind.conf:7 takes all of its packets, and allows what this one "
            "would deny (such as 'wan 198.51.100.1:40000 > lan 10.0.0.1:53 udp ttl 255')") in keepstate('check', 'behind.conf').stderr
    assert keepstate('diff', 'before.conf', 'moved.conf').stdout == ''
    told = keepstate('diff', 'before.conf', 'after.conf', code=1).stdout
    assert told.startswith('verdict: from wan to lan udp ttl not 255 ttl 254-255\n')
    assert 'udp ttl 254: deny before, allow after' in told and told.count('verdict:') == 1
    (pathlib.Path(keepstate.directory) / 'tested.conf').write_text(BEFORE + rules.replace('255', '254-255') + told[told.index('  test'):])
    keepstate('test', 'tested.conf')


def test_assertions(keepstate):
    """Assertions about all packets of a kind are proved; the failure shows one that refutes it."""
    head = BEFORE + 'set admins { 10.0.0.10 }\nallow from wan to lan tcp port 22\nallow from lan to self flags S/SA tcp source @admins\n'
    line = head.count('\n') + 2
    policies(keepstate, bad=head + 'test "closed" {\n  never wan > lan\n}\n',
             perhaps=head + 'allow from lan to self icmp type 8 during mon 08:00-18:00\ntest "shut" {\n  never lan > self icmp\n}\n',
             good=head + 'test "both" {\n  never wan > { lan, self } udp\n  always wan > lan tcp port { ssh }\n}\n',
             wrong=head + 'test "wrong" {\n  never wan > lna tcp\n  never wan > lan tcp port 22 log\n  never lan > wan timeout 1h\n  always lan > wan limit 5/second\n}\n')
    assert '1 passed, 0 failed' in keepstate('test', 'good.conf').stdout
    assert keepstate('test', 'bad.conf', code=1).stdout == (
        f'FAIL  bad.conf:{line - 1}  closed\n      bad.conf:{line}: test "closed": never wan > lan\n        expected none of them\n'
        '        got      from wan to lan tcp port 22\n'
        f'        because  bad.conf:{line - 3} allows them: allow from wan to lan tcp port 22; such as '
        'wan 198.51.100.1:40000 > lan 10.0.0.1:22 tcp syn\n0 passed, 1 failed\n')
    assert ' allows them: allow from lan to self icmp type 8 during mon 08:00-18:00' in keepstate('test', 'perhaps.conf', code=1).stdout
    complaints = keepstate('check', 'wrong.conf', code=2).stderr
    assert f"wrong.conf:{line}:15: error: unknown zone 'lna'" in complaints
    for at in (1, 2, 3):
        assert f'wrong.conf:{line + at}:3: error: an assertion says which packets it is about: expected conditions only' in complaints
    assert 'never wan > { lan, self } udp' in keepstate('show', 'good.conf').stdout


@pytest.mark.parametrize('ends, words, told', [
    ('10.0.0.5 > wan 192.0.2.1', 'icmp type echo-request', 'type 8 code 0'),
    ('10.0.0.5 > wan 192.0.2.1', 'icmp type 13', 'type 13 code 0'),
    ('10.0.0.5 > wan 192.0.2.1', 'icmp type timestamp-request', 'type 13 code 0'),
    ('10.0.0.5 > wan 192.0.2.1', 'icmp type port-unreachable', 'type 3 code 3'),
    ('fd00::5 > wan 2001:db8::1', 'icmpv6 type echo-request', 'type 128 code 0'),
    ('fd00::5 > wan 2001:db8::1', 'icmpv6 type packet-too-big', 'type 2 code 0'),
])
def test_explain_types_by_name(keepstate, ends, words, told):
    """Packets have types of ICMP in the words of rules."""
    step = keepstate('explain', 'gateway.conf', f'lan {ends} {words}', code=1).stdout.splitlines()[0]
    assert told in step


def test_explain_type_of_the_other_family(keepstate):
    assert "found 'neighbor-solicitation'" in keepstate(
        'explain', 'gateway.conf', 'lan 10.0.0.5 > wan 192.0.2.1 icmp type neighbor-solicitation', code=2).stderr
