"""Words that do not belong into a finished tree."""

import re

from tidylib.tree import Rule

# Put together so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" "DO", "FIX" "ME", "XX" "X", "HA" "CK")) + r")\b")
HOME = re.compile(r"/(?:home|Users)/(?!(?:alice|ada|bob|user|you)\b)[a-z_][\w.-]*"
                  r"|(?<![\w.])/(?:root)/")
LICENCE = "LICENSE"


def find(tree, pattern, remark):
    problems = []
    for path in tree.paths:
        if path == LICENCE:
            continue
        if not pattern.search(tree.text(path)):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            match = pattern.search(line)
            if match:
                problems.append(f"{path}:{number}: {match.group(0)} {remark}")
    return problems


def check_unfinished(tree):
    return find(tree, UNFINISHED, "marks unfinished work")


def check_homes(tree):
    return find(tree, HOME, "is a folder of one person's machine")


RULES = [
    Rule("unfinished", check_unfinished,
         "a reader cannot tell a plan from a fault; what is missing is an issue, with a reason",
         "finish it, or take the remark out and open an issue"),
    Rule("homes", check_homes,
         "an absolute path of one machine breaks on every other",
         "use a path relative to the tree, $HOME or a temporary folder; examples may say "
         "/home/alice"),
]
