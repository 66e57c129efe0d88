# SPDX-License-Identifier: BSD-2-Clause
"""`make install` and `make uninstall`, the completion, and what the program is linked with."""
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import ROOT

BUILD = pathlib.Path(os.environ.get('KEEPSTATE', str(ROOT / 'build/cli/keepstate'))).parent.parent
POLICY = 'etc/keepstate/keepstate.conf'
NEEDED = {'sbin/keepstate', 'lib/systemd/system/keepstate.service', 'lib/systemd/system/run-keepstate-bpf.mount',
          'lib/systemd/system/keepstate-metrics.service',
          'share/doc/keepstate/grafana/keepstate.json', 'share/bash-completion/completions/keepstate', 'share/man/man8/keepstate.8', 'share/man/man5/keepstate.conf.5',
          'share/vim/vimfiles/syntax/keepstate.vim', 'share/doc/keepstate/editors/keepstate.tmLanguage.json',
          'share/doc/keepstate/examples/gateway.conf'}

with_meson = pytest.mark.skipif(not shutil.which('meson') or not (BUILD / 'meson-info').is_dir(), reason='meson is not installed')


def files(where):
    return {str(path.relative_to(where)) for path in where.rglob('*') if not path.is_dir()}


def run(destdir, *words):
    done = subprocess.run(words, env={**os.environ, 'DESTDIR': str(destdir)}, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(destdir):
    return run(destdir, 'meson', 'install', '-C', str(BUILD), '--no-rebuild')


def uninstall(destdir):
    return run(destdir, 'tools/uninstall', '--build', str(BUILD))


@with_meson
def test_install_and_uninstall(keepstate, tmp_path):
    destdir = tmp_path / 'root'
    install(destdir)
    there = files(destdir)
    prefix = next(path for path in there if path.endswith('sbin/keepstate'))[:-len('sbin/keepstate')]
    assert {prefix + path for path in NEEDED} <= there and POLICY in there, there
    for example in ('share/doc/keepstate/examples/gateway.conf', 'share/doc/keepstate/examples/keepstate.conf'):
        keepstate('test', destdir / prefix / example)
    keepstate('test', destdir / POLICY)
    unit = (destdir / prefix / 'lib/systemd/system/keepstate.service').read_text(encoding='utf-8')
    assert f'ExecStart=/{prefix}sbin/keepstate run ' in unit and f'ExecReload=/{prefix}sbin/keepstate reload' in unit
    foreign = destdir / prefix / 'share/doc/keepstate/notes-of-mine'
    foreign.write_text('kept')
    kept = destdir / 'var/lib/keepstate/host/policy'
    kept.parent.mkdir(parents=True)
    kept.write_text('kept')
    uninstall(destdir)
    assert files(destdir) == {POLICY, str(foreign.relative_to(destdir)), 'var/lib/keepstate/host/policy'}


@with_meson
def test_a_policy_that_is_there_stays(tmp_path):
    destdir = tmp_path / 'root'
    policy = destdir / POLICY
    policy.parent.mkdir(parents=True)
    policy.write_text('# mine\n')
    install(destdir)
    install(destdir)
    uninstall(destdir)
    assert policy.read_text() == '# mine\n' and files(destdir) == {POLICY}
    policy.unlink()
    policy.symlink_to('/nowhere')
    install(destdir)
    assert policy.is_symlink()


def complete(keepstate, *words):
    """Bash's offers for the last of the words."""
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _keepstate; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(['bash', '-c', script, 'bash', str(ROOT / 'packaging/keepstate.bash'), keepstate.path, *words],
                          cwd=keepstate.directory, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_completion(keepstate):
    assert complete(keepstate, 'st') == ['stop', 'status', 'states']
    assert {'run', 'check', 'help', 'counters'} <= set(complete(keepstate, ''))
    assert complete(keepstate, 'help', 'rel') == ['reload']
    assert complete(keepstate, 'check', 'gate') == ['gateway.conf']
    assert complete(keepstate, 'states', 'k') == ['kill']
    assert complete(keepstate, '--v') == ['--version']
    for command in complete(keepstate, '')[:-1]:
        told = keepstate(command, '--help').stdout.split('options:\n')[1]
        wanted = {word for line in told.splitlines() for word in line[:30].split() if word.startswith('--')}
        assert set(complete(keepstate, command, '--')) == wanted, command
        assert set(complete(keepstate, '--netns', 'x', command, '--')) == wanted, command


def test_libraries(keepstate):
    """The daemon is root: nothing of TLS libraries' friends comes with a client for unix sockets."""
    out = subprocess.run(['ldd', keepstate.path], capture_output=True, text=True, check=True).stdout
    lines = [line.split()[0] for line in out.splitlines()]
    for word in ('curl', 'ldap', 'krb5', 'gssapi', 'sasl', 'ssl', 'crypto.so', 'ssh', 'nghttp'):
        assert not [line for line in lines if word in line], lines
