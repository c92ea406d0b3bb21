#!/usr/bin/env python3
"""Specification of tools/tidy: each rule passes a clean tree and fails on one thing put in."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))
from tidylib import sizes, symbols  # noqa: E402

LONG_BODY = "  x += 1;\n" * 75
CLEAN = {
    "cmake/arrows.cmake": "set(arrows_base)\nset(arrows_model base)\nset(arrows_api core base)\n"
                          "set(arrows_core base)\nset(arrows_engine_local base)\n"
                          "set(arrows_header_engine_local shim/protocol.hpp)\n",
    "docs/architecture.md": "| folder | what |\n|---|---|\n| `src/base/` | the base |\n"
                            "| `src/model/` | the nouns |\n",
    "src/base/CMakeLists.txt": "busbar_library(base)\n",
    "src/base/README.md": "Knows nothing.\n",
    "src/base/a.hpp": "#pragma once\nint a();\n",
    "src/base/a.cpp": '#include "base/a.hpp"\n\nint a() { return 1; }\n',
    "src/base/a_test.cpp": "#include <gtest/gtest.h>\n\nTEST(A, IsOne) {}\n",
    "src/model/CMakeLists.txt": "busbar_library(model DEPS base SYSTEM fmt)\n",
    "src/model/README.md": "Nouns.\n",
    "src/model/b.hpp": '#pragma once\n#include "base/a.hpp"\n',
    "tools/tidy_ratchet.txt": "# nothing\n",
}
LIBRARY = {"CMakeLists.txt": "busbar_library({0} DEPS base)\n", "README.md": "One.\n"}


def library(name, folder=None):
    folder = folder or name
    return {f"src/{folder}/{path}": text.format(name) for path, text in LIBRARY.items()}


# rule, what is put into the clean tree, what the message must say
SPOILED = [
    ("format", {"src/base/a.cpp": '#include "base/a.hpp"\nint   a( ) {return 1;}\n'},
     "src/base/a.cpp:2"),
    ("columns", {"src/base/a.hpp": "// " + "x" * 98 + "\n"}, "src/base/a.hpp:1: 101 columns"),
    ("columns", {"scripts/run": "#!/bin/sh\n#" + "y" * 100 + "\n"}, "scripts/run:2: 101 columns"),
    ("sizes", {"src/base/a.cpp": '#include "base/a.hpp"\nint a() {\n' + LONG_BODY + "}\n"},
     "src/base/a.cpp:2: a has 77 lines, at most 70"),
    ("sizes", {"src/base/a.hpp": "int x;\n" * 801}, "801 lines, at most 800"),
    ("sizes", {"tools/x.py": "def f():\n" + "    pass\n" * 70}, "tools/x.py:1: f has 71 lines"),
    ("sizes", {"tools/tidy_ratchet.txt": "src/base/a.cpp:a 80\n"}, "lower or drop the entry"),
    ("folder-map", {"docs/architecture.md": "| `src/base/` | the base |\n"}, "src/model: has no"),
    ("folder-map", {"docs/architecture.md": CLEAN["docs/architecture.md"] + "| `src/gone` | x |"},
     "names src/gone"),
    ("readmes", {"src/base/README.md": "line\n" * 16}, "16 lines, at most 15"),
    ("readmes", {"src/base/README.md": None}, "src/base/README.md: is missing"),
    ("tests-exist", {"src/base/a_test.cpp": None}, "the library base has no"),
    ("tests-exist", {"src/base/a_test.cpp": "int main() {}\n"}, "contains no test case"),
    ("unfinished", {"docs/x.md": "later: TO" "DO\n"}, "docs/x.md:1"),
    ("homes", {"docs/x.md": "cd /home/" "carol/src\n"}, "/home/" "carol"),
    ("arrows", {"src/base/a.hpp": '#pragma once\n#include "model/b.hpp"\n'},
     "base includes model/b.hpp, but may not know model"),
    ("arrows", {"src/model/CMakeLists.txt": "busbar_library(model SYSTEM fmt)\n"},
     "without base in its DEPS"),
    ("arrows", {"src/base/a.hpp": '#include "b.hpp"\n'}, "not a path below src/"),
    ("arrows", {**library("core"), "src/core/cycle/plan.hpp": "#pragma once\n",
                "src/api/CMakeLists.txt": "busbar_library(api DEPS core base)\n",
                "src/api/x.hpp": '#include "core/cycle/plan.hpp"\n'}, "is not for api"),
    ("arrows", {**library("shim"), **library("engine_local", "engine/local"),
                "src/shim/guts.hpp": "#pragma once\n",
                "src/engine/local/x.hpp": '#include "shim/guts.hpp"\n'},
     "engine_local includes shim/guts.hpp, but may not know shim"),
    ("own-header-first", {"src/base/a.cpp": '#include <vector>\n\n#include "base/a.hpp"\n'},
     'src/base/a.cpp:1: the first include is not "base/a.hpp"'),
    ("heavy-headers", {"src/model/b.hpp": "#include <nlohmann/json.hpp>\n"}, "in a header"),
    ("heavy-headers", {f"src/base/w{n}.cpp": "#include <boost/beast/http.hpp>\n"
                       for n in range(4)}, "4 sources include Beast"),
    ("heavy-headers", {"src/base/b.hpp": "// tidy: heavy\n#include <boost/beast/http.hpp>\n",
                       **{f"src/base/w{n}.cpp": '#include "base/b.hpp"\n' for n in range(4)}},
     "4 sources include Beast"),
    ("standard-chance", {"src/base/a.hpp": "std::uniform_int_distribution<int> d;\n"},
     "src/base/a.hpp:1: std::uniform_int_distribution"),
    ("unordered", {**library("core"), "src/core/x.hpp": "std::unordered_map<int, int> m;\n"},
     "src/core/x.hpp:1: unordered_map"),
]
ALLOWED = [
    ("arrows", {**library("shim"), **library("engine_local", "engine/local"),
                "src/shim/protocol.hpp": "#pragma once\n",
                "src/engine/local/x.hpp": '#include "shim/protocol.hpp"\n'}),
    ("heavy-headers", {"src/model/b.hpp":
                       "#include <nlohmann/json.hpp>  // tidy: heavy, the JSON form itself\n"}),
    ("heavy-headers", {"src/model/b.hpp":
                       "// Asio (tidy: heavy, one place).\n#include <boost/a>\n"}),
    ("unordered", {**library("core"), "src/core/x.hpp":
                   "// tidy: unordered, looked up only\nstd::unordered_map<int, int> m;\n"}),
    ("sizes", {"src/base/a.cpp": '#include "base/a.hpp"\nint a() {\n' + LONG_BODY + "}\n",
               "tools/tidy_ratchet.txt": "src/base/a.cpp:a 77\n"}),
]
# C++ text, the functions in it with their lengths
FUNCTIONS = [
    ("int f() { return 1; }", [("f", 1)]),
    ("namespace n {\nstruct S : B {\n  S(int x)\n      : a_(x), b_{x} {\n    g();\n  }\n"
     "  int a_{3};\n};\n}", [("S", 4)]),
    ("int t[] = {1,\n2};\nauto v = f({1});\nvoid h() const noexcept {\n}\n", [("h", 2)]),
    ("const char* s = \"{\"; // {\nvoid f() {\n  char c = '{';\n}\n", [("f", 3)]),
    ("template <class T>\nbool operator==(const T& a, const T& b) {\n  return a.x == b.x;\n}",
     [("operator==", 4)]),
    ("class A {\n public:\n  void f(int a = 3) {\n  }\n};\nenum class E { a, b };", [("f", 2)]),
    ("TEST(A, B) {\n  x();\n}\nRC_GTEST_PROP(C, D, (int x)) {\n}\n", [("A.B", 3), ("C.D", 2)]),
    ("#define M(x) {\nstd::vector<Row> rows(int n)\n{\n}\n", [("rows", 3)]),
]
# a call, what the message about it says
IMPURE = {
    "std::chrono::system_clock::now()": "system_clock::now.*the clock",
    "std::random_device{}()": "random_device.*chance",
    "std::thread([] {}).join()": "std::thread.*threads",
    "std::ifstream(\"x\").get()": "fstream.*files",
    "::open(\"x\", 0)": "needs open(64)?: files",
    "::socket(1, 2, 3)": "needs socket: sockets",
    "::getenv(\"HOME\")": "needs getenv: .*environment",
    "std::exp(volatile_x)": "needs exp: libm",
    "std::pow(volatile_x, 0.3)": "needs pow: libm",
    "std::log(volatile_x)": "needs log: libm",
}


class Tidy(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)

    def tearDown(self):
        self.folder.cleanup()

    def tidy(self, rule, changes, *more):
        shutil.rmtree(self.root)
        for path, text in {**CLEAN, **changes}.items():
            if text is not None:
                file = self.root / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        shutil.copy(HERE.parent / ".clang-format", self.root)
        names = [rule] if rule else []
        done = subprocess.run([sys.executable, str(HERE / "tidy"), "--root", str(self.root), *more,
                               *names], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_a_clean_tree_passes_every_rule(self):
        code, text = self.tidy(None, {})
        self.assertEqual(code, 0, text)
        self.assertRegex(text.splitlines()[-1], r"^\d+ passed, 0 failed$")

    def test_each_rule_can_fail_and_says_where_and_why(self):
        for rule, changes, wanted in SPOILED:
            with self.subTest(rule=rule, wanted=wanted):
                code, text = self.tidy(rule, changes)
                self.assertEqual(code, 1, text)
                for part in (wanted, f"FAIL {rule}", "why: ", "do:  "):
                    self.assertIn(part, text)

    def test_what_is_allowed_on_purpose(self):
        for rule, changes in ALLOWED:
            with self.subTest(rule=rule):
                code, text = self.tidy(rule, changes)
                self.assertEqual(code, 0, text)

    def test_the_ratchet_shrinks_by_itself_and_never_grows(self):
        long = {"src/base/a.cpp": '#include "base/a.hpp"\nint a() {\n' + LONG_BODY + "}\n"}
        self.tidy("sizes", {**long, "tools/tidy_ratchet.txt": "# note\nsrc/base/a.cpp:a 90\nx 9\n"},
                  "--shrink")
        text = (self.root / "tools/tidy_ratchet.txt").read_text()
        self.assertEqual(text, "# note\nsrc/base/a.cpp:a 77\n")

    def test_finds_functions_and_their_lengths(self):
        for text, wanted in FUNCTIONS:
            found = [(name, lines) for name, _, lines in sizes.cpp_functions(text)]
            self.assertEqual(found, wanted, text)

    def test_square_root_and_errors_to_the_console_are_fine(self):
        for symbol in ("sqrt", "fwrite", "abort", "std::__throw_bad_alloc()", "memcpy", "fmod"):
            self.assertIsNone(symbols.judge(symbol), symbol)

    def test_a_pure_archive_must_not_ask_the_world(self):
        code, text = self.tidy_archive(IMPURE)
        self.assertEqual(code, 1, text)
        for call, wanted in IMPURE.items():
            self.assertRegex(text, wanted, call)

    def test_a_pure_archive_passes(self):
        code, text = self.tidy_archive(["std::sqrt(volatile_x)"])
        self.assertEqual(code, 0, text)

    def tidy_archive(self, calls):
        includes = ("chrono", "random", "thread", "fstream", "cmath", "cstdlib", "fcntl.h",
                    "sys/socket.h")
        source = "".join(f"#include <{name}>\n" for name in includes)
        source += "volatile double volatile_x = 2;\nvoid f() {\n"
        source += "".join(f"(void)({call});\n" for call in calls) + "}\n"
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.root.parent))
        try:
            target = folder / "src" / "base"
            target.mkdir(parents=True)
            subprocess.run(["g++", "-std=c++20", "-O1", "-w", "-x", "c++", "-c", "-", "-o",
                            str(target / "a.o")], input=source, text=True, check=True)
            subprocess.run(["ar", "rc", str(target / "libbase.a"), str(target / "a.o")], check=True)
            shutil.copytree(folder / "src" / "base", folder / "src" / "model")
            (folder / "src/model/libbase.a").rename(folder / "src/model/libmodel.a")
            return self.tidy("symbols", {}, "--build", str(folder))
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    unittest.main()
