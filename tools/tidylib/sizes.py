"""The size ratchet: short functions stay short, the long ones of today may only shrink."""

import ast
import re

from tidylib.tree import CPP, Rule

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 800
RATCHET = "tools/tidy_ratchet.txt"
TYPE_HEAD = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b")
# Comments, raw strings, strings, characters (not the ' of 1'000).
TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|R\"(?P<raw>[^(\s]*)\(.*?\)(?P=raw)\"|"
                   r"\"(?:\\.|[^\"\\\n])*\"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'", re.DOTALL)


def blank(match):
    """Keeps the line structure of what is cut out."""
    kept = re.sub(r"[^\n]", "", match.group(0))
    return ("" if match.group(0).startswith(("//", "/*")) else '""') + kept


def without_preprocessor(text):
    return re.sub(r"^[ \t]*#(?:[^\n\\]|\\.|\\\n)*", lambda m: "\n" * m.group(0).count("\n"), text,
                  flags=re.MULTILINE)


def function_name(head):
    before = head.split("(", 1)[0].split()
    name = before[-1].lstrip("*&") if before else "?"
    if name in ("TEST", "TEST_F", "TEST_P", "RC_GTEST_PROP", "RC_GTEST_FIXTURE_PROP"):
        inside = head.split("(", 1)[1].replace("\n", " ")
        parts = [part.strip() for part in inside.split(",")[:2]]
        name = ".".join(part.split(")")[0] for part in parts)
    return name


def is_function(head):
    """Whether `head {` opens a function body, head being the text since the last ; { or }."""
    plain = re.sub(r"template\s*<[^{;]*?>\s*(?=\w)", "", head)
    plain = re.sub(r"\[\[.*?\]\]", "", plain)
    if "(" not in plain:
        return False
    before = plain.split("(", 1)[0]
    if "operator" in before:
        return True
    return "=" not in before and not TYPE_HEAD.match(before.strip())


def is_member_initialiser(head):
    """`a_` in `X() : a_{1} {`: a brace that belongs to the initialiser list."""
    return bool(re.search(r"\)[^:;]*(?<!:):(?!:)", head)) and bool(re.search(r"[\w>]\s*$", head)) \
        and not re.search(r"\b(const|noexcept|override|final|mutable)\s*$", head)


def close_of(text, at):
    """Index after the brace that closes the one at text[at]."""
    depth = 0
    for index in range(at, len(text)):
        if text[index] == "{":
            depth += 1
        elif text[index] == "}":
            depth -= 1
            if depth == 0:
                return index + 1
    return len(text)


def cpp_functions(text):
    """(name, first line, lines) of each function outside other functions."""
    text = without_preprocessor(TOKEN.sub(blank, text))
    found, head_at, at = [], 0, 0
    while at < len(text):
        char = text[at]
        if char in ";}":
            head_at = at + 1
        elif char == "{":
            head = text[head_at:at]
            if is_member_initialiser(head):
                at = close_of(text, at)
                continue
            if is_function(head):
                start = head_at + len(head) - len(head.lstrip())
                end = close_of(text, at)
                first = text.count("\n", 0, start) + 1
                found.append((function_name(head), first, text.count("\n", start, end) + 1))
                at = end
                head_at = at
                continue
            if not TYPE_HEAD.search(head) or "=" in head:
                at = close_of(text, at)  # data
                continue
            head_at = at + 1
        elif char == ":" and re.search(r"\b(public|private|protected)\s*$", text[head_at:at]):
            head_at = at + 1
        at += 1
    return found


def python_functions(text):
    try:
        nodes = ast.walk(ast.parse(text))
    except SyntaxError:
        return []
    return [(node.name, node.lineno, node.end_lineno - node.lineno + 1) for node in nodes
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def measure(tree):
    """{ratchet key: (lines, limit, where)} of everything over its limit."""
    over = {}
    for path in tree.paths:
        is_cpp = path.endswith(CPP)
        if not is_cpp and not tree.is_script(path):
            continue
        lines = len(tree.lines(path))
        if lines > FILE_LINES_MAX:
            over[path] = (lines, FILE_LINES_MAX, path)
        functions = []
        if is_cpp:
            functions = cpp_functions(tree.text(path))
        elif tree.is_python(path):
            functions = python_functions(tree.text(path))
        for name, first, length in functions:
            if length > FUNCTION_LINES_MAX:
                over[f"{path}:{name}"] = (length, FUNCTION_LINES_MAX, f"{path}:{first}")
    return over


def read_ratchet(tree):
    entries = {}
    if RATCHET in tree.paths:
        for line in tree.lines(RATCHET):
            if line.strip() and not line.startswith("#"):
                key, size = line.rsplit(None, 1)
                entries[key] = int(size)
    return entries


def check_sizes(tree):
    over, listed, problems = measure(tree), read_ratchet(tree), []
    for key, (lines, limit, where) in sorted(over.items()):
        if lines > listed.get(key, limit):
            what = f"listed with {listed[key]}" if key in listed else f"at most {limit}"
            problems.append(f"{where}: {key.rsplit(':', 1)[-1]} has {lines} lines, {what}")
    for key, size in sorted(listed.items()):
        lines = over.get(key, (0,))[0]
        if lines < size:
            now = f"has {lines} lines now" if lines else "is gone or within the limit"
            problems.append(f"{RATCHET}: {key} {size}: {now}, lower or drop the entry")
    return problems


def shrink(tree):
    """Rewrites the ratchet with today's sizes; never adds an entry."""
    over, listed = measure(tree), read_ratchet(tree)
    path = tree.root / RATCHET
    if not path.exists():
        return
    notes = [line for line in path.read_text().splitlines() if line.startswith("#")]
    rows = [f"{key} {min(size, over[key][0])}" for key, size in sorted(listed.items())
            if key in over]
    path.write_text("\n".join(notes + rows) + "\n")


RULES = [
    Rule("sizes", check_sizes,
         "a function that fits on a screen can be understood at once; growth comes line by line, "
         "so the limit only ever tightens",
         "split by what the parts are for, not by length; when an entry of "
         f"{RATCHET} got smaller run `tools/tidy --shrink`"),
]
