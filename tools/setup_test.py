#!/usr/bin/env python3
"""Specification of scripts/setup, with stand-ins for dpkg, apt-get, sudo and id in PATH."""

import os
import pathlib
import subprocess
import tempfile
import unittest

SETUP = pathlib.Path(__file__).resolve().parent.parent / "scripts" / "setup"
DEBIAN = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
ALL_BUT = 'for p in "$@"; do case $p in -*|*{*|%s) ;; *) echo "$p/installed";; esac; done; exit 1\n'


class Setup(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.calls = self.root / "calls"
        self.program("id", "echo 0\n")
        self.program("sudo", "exit 1\n")
        self.program("apt-get", "exit 1\n")
        (self.root / "os-release").write_text(DEBIAN)

    def tearDown(self):
        self.folder.cleanup()

    def program(self, name, body):
        path = self.root / name
        path.write_text(f'#!/bin/sh\n[ {name} = apt-get ] && echo "$*" >> "{self.calls}"\n{body}')
        path.chmod(0o755)

    def setup(self, *arguments):
        environment = dict(os.environ, PATH=f"{self.root}:{os.environ['PATH']}",
                           BUSBAR_OS_RELEASE=str(self.root / "os-release"))
        done = subprocess.run([str(SETUP), *arguments], env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        return done.returncode, done.stdout + done.stderr, calls

    def test_when_all_is_there_apt_is_not_called(self):
        self.program("dpkg-query", ALL_BUT % "none")
        code, text, calls = self.setup("--full")
        self.assertEqual((code, calls), (0, []), text)
        self.assertIn("nothing to do", text)

    def test_only_what_is_missing_is_installed_and_said_with_its_reason(self):
        self.program("dpkg-query", ALL_BUT % "ninja-build")
        self.program("apt-get", 'echo "Inst ninja-build (1.11)"; exit 0\n')
        code, text, calls = self.setup()
        self.assertEqual(code, 0, text)
        self.assertIn("ninja-build              runs the build", text)
        self.assertEqual(len(calls), 2)
        self.assertEqual(calls[0], "-s install --no-install-recommends ninja-build")
        self.assertIn("--no-install-recommends", calls[1])
        self.assertIn("--no-remove", calls[1])

    def test_refuses_when_a_package_would_be_removed(self):
        self.program("dpkg-query", ALL_BUT % "g++")
        self.program("apt-get", 'echo "Remv python3-scipy [1.10]"; echo "Inst g++"; exit 0\n')
        code, text, calls = self.setup()
        self.assertEqual(code, 1)
        self.assertIn("would remove: python3-scipy", text)
        self.assertEqual(calls, ["-s install --no-install-recommends g++"])

    def test_a_bare_machine_gets_its_package_lists_first(self):
        self.program("dpkg-query", ALL_BUT % "g++")
        self.program("apt-get", f'case $* in update*) touch {self.root}/lists;; esac\n'
                     f'[ -e {self.root}/lists ]\n')
        code, text, calls = self.setup()
        self.assertEqual(code, 0, text)
        self.assertEqual([call.split()[0] for call in calls], ["-s", "update", "-s", "install"])

    def test_no_network_is_said_in_words(self):
        self.program("dpkg-query", ALL_BUT % "g++")
        code, text, _ = self.setup()
        self.assertEqual(code, 1)
        self.assertIn("no network", text)

    def test_neither_root_nor_sudo_says_what_to_run(self):
        self.program("dpkg-query", ALL_BUT % "g++")
        self.program("id", "echo 1000\n")
        code, text, calls = self.setup()
        self.assertEqual((code, calls), (1, []))
        self.assertIn("apt-get install --no-install-recommends g++", text)

    def test_other_systems_are_refused(self):
        (self.root / "os-release").write_text('ID=fedora\nPRETTY_NAME="Fedora 40"\n')
        code, text, calls = self.setup()
        self.assertEqual((code, calls), (1, []))
        self.assertIn("Fedora 40", text)

    def test_an_unknown_option_is_refused(self):
        code, text, _ = self.setup("--everything")
        self.assertEqual(code, 2)
        self.assertIn("unknown option --everything", text)


if __name__ == "__main__":
    unittest.main()
