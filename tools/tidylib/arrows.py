"""Includes point along the allowed arrows only."""

import re

from tidylib.folders import library_folders
from tidylib.tree import CPP, Rule

TABLE = "cmake/arrows.cmake"
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
HEAVY = ("nlohmann/", "yaml-cpp/", "boost/", "spdlog/")
BEAST_FILES_MAX = 3
HEAVY_FINE = "tidy: heavy"
GENERATED = ("busbar_build.hpp",)
# Folders of a library that even its allowed users must not see.
HIDDEN = {"core/cycle/": ("api",)}


def read_table(tree):
    """({library: allowed}, {library: single headers}) of cmake/arrows.cmake."""
    text = re.sub(r"#[^\n]*", "", tree.text(TABLE)) if TABLE in tree.paths else ""
    rows = re.findall(r"set\(arrows_(header_)?(\w+)\s*([^)]*)\)", text)
    allowed = {name: set(value.split()) for header, name, value in rows if not header}
    headers = {name: set(value.split()) for header, name, value in rows if header}
    return allowed, headers


def declared_deps(tree, folder):
    text = re.sub(r"#[^\n]*", "", tree.text(f"src/{folder}/CMakeLists.txt"))
    match = re.search(r"busbar_library\(.*?\bDEPS\s+([^)]*?)(?:\b[A-Z_]{4,}\b|\))", text, re.DOTALL)
    return set(match.group(1).split()) if match else set()


def owner(path, folders):
    """The library a path below src/ belongs to: the longest folder that fits."""
    fitting = [(len(folder), name) for name, folder in folders.items()
               if path.startswith(folder + "/")]
    return max(fitting)[1] if fitting else None


def includes(tree, path):
    for number, line in enumerate(tree.lines(path), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2), line


def judge(library, target, header, allowed, headers, deps):
    """What is wrong with library including header of target, or None."""
    if header in headers.get(library, ()):
        return None
    if target not in allowed.get(library, set()):
        return f"{library} includes {header}, but may not know {target} ({TABLE})"
    if target not in deps:
        return f"{library} includes {header} without {target} in its DEPS"
    for folder, barred in HIDDEN.items():
        if header.startswith(folder) and library in barred:
            return f"{library} includes {header}; {folder} is not for {library}"
    return None


def check_arrows(tree):
    allowed, headers = read_table(tree)
    folders, problems = library_folders(tree), []
    for path in tree.under("src", suffixes=CPP):
        library = owner(path[len("src/"):], folders)
        if library is None:
            problems.append(f"{path}:1: belongs to no library; no CMakeLists.txt above it")
            continue
        deps = declared_deps(tree, folders[library])
        for number, header, _, _ in includes(tree, path):
            if header is None or header in GENERATED:
                continue
            target = owner(header, folders)
            if target is None:
                problems.append(f"{path}:{number}: {header} is not a path below src/")
            elif target != library:
                what = judge(library, target, header, allowed, headers, deps)
                if what:
                    problems.append(f"{path}:{number}: {what}")
    return problems


def check_own_header_first(tree):
    problems = []
    for path in tree.under("src", suffixes=".cpp"):
        own = path[len("src/"):-len(".cpp")]
        twin = next((own + end for end in (".hpp", ".h") if f"src/{own}{end}" in tree.paths), None)
        if twin is None:
            continue
        first = next(includes(tree, path), None)
        if first is None or first[1] != twin:
            line = first[0] if first else 1
            problems.append(f"{path}:{line}: the first include is not \"{twin}\"")
    return problems


def check_heavy(tree):
    problems = []
    for path in tree.under("src", suffixes=(".hpp", ".h")):
        if HEAVY_FINE in "\n".join(tree.lines(path)[:6]):
            continue
        problems += [f"{path}:{number}: <{system}> in a header"
                     for number, _, system, line in includes(tree, path)
                     if system and system.startswith(HEAVY) and not system.endswith("_fwd.hpp")
                     and HEAVY_FINE not in line]
    beast = sorted(path for path in tree.under("src", suffixes=".cpp")
                   if reaches(tree, path, "boost/beast", {}))
    if len(beast) > BEAST_FILES_MAX:
        problems.append(f"src: {len(beast)} sources include Beast, at most {BEAST_FILES_MAX}: "
                        + ", ".join(beast))
    return problems


def reaches(tree, path, wanted, known):
    """Whether a source includes a system header that begins so, itself or by headers of src/."""
    if path not in known:
        known[path] = False
        if path in tree.paths:
            known[path] = any(
                (system or "").startswith(wanted) or header and reaches(tree, f"src/{header}",
                                                                        wanted, known)
                for _, header, system, _ in includes(tree, path))
    return known[path]


RULES = [
    Rule("arrows", check_arrows,
         "the house stands because data goes one way; an include against an arrow is how two "
         "libraries grow into one",
         "move what both need downwards, or pass it as a value; a new arrow is a decision record"),
    Rule("own-header-first", check_own_header_first,
         "x.cpp that includes x.hpp first proves that x.hpp compiles alone",
         "make it the first include"),
    Rule("heavy-headers", check_heavy,
         "one header with Beast, nlohmann, yaml-cpp or spdlog costs seconds in every file that "
         "includes it",
         "include it in the .cpp and show plain types; a header for few files of one folder says "
         "`// tidy: heavy, REASON` on the line or in its first six lines"),
]
