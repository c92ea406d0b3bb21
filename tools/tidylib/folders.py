"""The tree is documented once, one sentence per folder, and stays true."""

import re

from tidylib.tree import Rule

MAP = "docs/architecture.md"
README_LINES_MAX = 15
TEST_MACRO = re.compile(r"^\s*(?:TEST|TEST_F|TEST_P|TYPED_TEST\w*|RC_GTEST\w*)\s*\(",
                        re.MULTILINE)


def library_folders(tree):
    """{library: folder below src/}, from the CMakeLists.txt that declare one."""
    found = {}
    for path in tree.under("src"):
        if path.endswith("/CMakeLists.txt"):
            match = re.search(r"^\s*busbar_library\(\s*([\w]+)", tree.text(path), re.MULTILINE)
            if match:
                found[match.group(1)] = path[len("src/"):-len("/CMakeLists.txt")]
    return found


def check_map(tree):
    if MAP not in tree.paths:
        return [f"{MAP}: is missing"]
    in_tree = set(library_folders(tree).values())
    rows = re.findall(r"^\|\s*`src/([\w/]+?)/?`", tree.text(MAP), re.MULTILINE)
    problems = [f"src/{folder}: has no row in the folder table of {MAP}"
                for folder in sorted(in_tree - set(rows))]
    problems += [f"{MAP}: names src/{folder}, which is not a library of the tree"
                 for folder in sorted(set(rows) - in_tree)]
    problems += [f"{MAP}: names src/{folder} {rows.count(folder)} times"
                 for folder in sorted(set(rows)) if rows.count(folder) > 1]
    return problems


def check_readmes(tree):
    problems = []
    for folder in sorted(library_folders(tree).values()):
        path = f"src/{folder}/README.md"
        if path not in tree.paths:
            problems.append(f"{path}: is missing")
        elif len(tree.lines(path)) > README_LINES_MAX:
            problems.append(f"{path}: {len(tree.lines(path))} lines, at most {README_LINES_MAX}")
    return problems


def check_tests(tree):
    problems = []
    for library, folder in sorted(library_folders(tree).items()):
        nested = [other + "/" for other in library_folders(tree).values()
                  if other.startswith(folder + "/")]
        sources = [path for path in tree.under("src/" + folder, suffixes=".cpp")
                   if not path[len("src/"):].startswith(tuple(nested))]
        tests = [path for path in sources if path.endswith("_test.cpp")]
        if len(sources) > len(tests) and not tests:
            problems.append(f"src/{folder}: the library {library} has no *_test.cpp")
        elif tests and not any(TEST_MACRO.search(tree.text(path)) for path in tests):
            problems.append(f"{tests[0]}: {library}_test contains no test case")
    return problems


RULES = [
    Rule("folder-map", check_map,
         "a newcomer finds the place of everything in one table, so the table must be true",
         f"add or drop a row  | `src/FOLDER/` | one sentence |  in {MAP}"),
    Rule("readmes", check_readmes,
         "each folder opens with what it is, what comes in, what goes out, what it must not know",
         f"write README.md in at most {README_LINES_MAX} lines; longer texts belong to docs/"),
    Rule("tests-exist", check_tests,
         "a library without tests, or a test without cases, looks proven and is not",
         "add x_test.cpp beside x.cpp, written as a table or a property a user could read"),
]
