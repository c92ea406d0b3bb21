"""base, model, match and core are functions: no clock, chance, thread, file, socket or libm."""

import re
import subprocess

from tidylib.tree import CPP, Rule

PURE = ("base", "model", "match", "core")

FLOAT_SUFFIX = r"(?:f|l)?"
BANNED = [
    ("the clock", "Tick is an argument",
     r"clock_gettime|gettimeofday|time|times|clock|localtime(_r)?|gmtime(_r)?|mktime|strftime"
     r"|nanosleep|clock_nanosleep|sleep|usleep|std::chrono::.*::now\(\)"),
    ("chance from outside", "take a base Rng by value",
     r"std::random_device::.*|s?rand|random|srandom|[a-z]rand48|getrandom|getentropy"
     r"|arc4random\w*"),
    ("threads and locks", "one thread turns the loop; pass values",
     r"pthread_(create|join|mutex_\w+|cond_\w+|rwlock_\w+)|std::thread::.*"
     r"|std::condition_variable::.*|std::(timed_)?mutex::.*|__once_proxy|std::__atomic_futex\w*.*"),
    ("files", "give the text or bytes in, give text or bytes out",
     r"f?open(64)?|openat(64)?|freopen(64)?|read|pread(64)?|write|pwrite(64)?|unlink|rename|mkdir"
     r"|f?stat(64)?|lstat(64)?|opendir|std::basic_(i|o|)fstream.*|std::basic_filebuf.*"
     r"|std::(__cxx11::)?basic_(i|o|)fstream.*|std::filesystem::.*"),
    ("sockets", "only api, engines and cli talk to the outside",
     r"socket|connect|bind|listen|accept4?|send(to|msg)?|recv(from|msg)?|getaddrinfo|poll|select"
     r"|epoll_\w+"),
    ("processes and environment", "configuration enters as an Event",
     r"(secure_)?getenv|setenv|system|fork|vfork|exec(l|le|lp|v|ve|vp|vpe)|posix_spawnp?|getpid"
     r"|gethostname"),
    ("libm, whose last digit differs between machines", "use base/maths.hpp: integers and Q32",
     rf"(exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh"
     rf"|cbrt|hypot|erf|erfc|[lt]gamma){FLOAT_SUFFIX}(_finite)?|__(exp|log|pow)\w*_finite"),
]
COMPILED = [(what, instead, re.compile(f"^(?:{pattern})$")) for what, instead, pattern in BANNED]

STANDARD_CHANCE = re.compile(r"\bstd::(\w+_distribution|shuffle|sample|mt19937\w*|minstd_rand\w*"
                             r"|default_random_engine|random_device)\b")
UNORDERED = re.compile(r"\bunordered_\w+")
UNORDERED_FINE = "tidy: unordered"


def judge(symbol):
    """(what, instead) when a pure library must not need this symbol."""
    name = re.sub(r"@.*$", "", symbol)
    for what, instead, pattern in COMPILED:
        if pattern.match(name):
            return what, instead
    return None


def check_archives(tree):
    problems = []
    for library in PURE:
        sources = [path for path in tree.under(f"src/{library}", suffixes=".cpp")
                   if not path.endswith("_test.cpp")]
        if not sources:
            continue
        archive = tree.build / "src" / library / f"lib{library}.a"
        if not archive.exists():
            problems.append(f"{archive}: is missing; build first")
            continue
        listing = subprocess.run(["nm", "-uC", str(archive)], capture_output=True, text=True,
                                 check=True).stdout
        member = "?"
        for line in listing.splitlines():
            if line.endswith(".o:"):
                member = line[:-1]
            match = re.match(r"\s+[Uw] (.*)", line)
            found = judge(match.group(1).strip()) if match else None
            if found:
                problems.append(f"src/{library}: {member} needs {match.group(1).strip()}: "
                                f"{found[0]}; {found[1]}")
    return problems


def code_lines(tree, path):
    """(number, line, the line before) without comments."""
    before = ""
    for number, line in enumerate(tree.lines(path), 1):
        yield number, re.sub(r"//.*$", "", line), line + before
        before = line


def check_standard_chance(tree):
    return [f"{path}:{number}: {STANDARD_CHANCE.search(code).group(0)}"
            for path in tree.under(*(f"src/{name}" for name in (*PURE, "ring", "sim")),
                                   suffixes=CPP)
            for number, code, _ in code_lines(tree, path) if STANDARD_CHANCE.search(code)]


def check_unordered(tree):
    return [f"{path}:{number}: {UNORDERED.search(code).group(0)}"
            for path in tree.under("src/core", "src/match", suffixes=CPP)
            if not path.endswith("_test.cpp")
            for number, code, remarks in code_lines(tree, path)
            if UNORDERED.search(code) and "#include" not in code
            and UNORDERED_FINE not in remarks]


RULES = [
    Rule("symbols", check_archives,
         "same journal, same State; same view and seed, same Plan, on every machine: so these "
         "libraries ask nothing of the world",
         "pass the value in as an argument, or move the code to the edge (store, engine, api)",
         needs_build=True),
    Rule("standard-chance", check_standard_chance,
         "the standard leaves the results of its distributions and shuffles open; two libraries "
         "draw different numbers from one seed",
         "use base/rng.hpp"),
    Rule("unordered", check_unordered,
         "the order of an unordered container depends on hashes and history; once it reaches a "
         "decision two machines plan differently",
         "use std::map or a sorted vector; if it is only looked up, never walked, say so with "
         "`// tidy: unordered, REASON` on the line or the one before"),
]
