"""The files a rule looks at, and what a rule is."""

import dataclasses
import os
import pathlib
import subprocess

CPP = (".cpp", ".hpp", ".h")


@dataclasses.dataclass
class Rule:
    name: str
    check: object  # callable(Tree) -> list of problems, each `path:line: what`
    why: str
    remedy: str
    needs_build: bool = False


class Tree:
    """All text files of the repository that git knows or would add; by walking without git."""

    def __init__(self, root, build=None):
        self.root = pathlib.Path(root)
        self.build = pathlib.Path(build) if build else None
        self.paths = sorted(self._list())
        self._text = {}

    def _list(self):
        listing = subprocess.run(
            ["git", "-C", str(self.root), "ls-files", "-co", "--exclude-standard", "-z"],
            capture_output=True, text=True, check=False)
        if listing.returncode == 0 and (self.root / ".git").exists():
            names = [name for name in listing.stdout.split("\0") if name]
            return [name for name in dict.fromkeys(names) if (self.root / name).is_file()]
        names = []
        for folder, below, files in os.walk(self.root):
            below[:] = [name for name in below if name not in ("build", ".git", "__pycache__")]
            names += [os.path.relpath(os.path.join(folder, name), self.root) for name in files]
        return names

    def text(self, path):
        """The text of a file; empty for a binary one."""
        if path not in self._text:
            data = (self.root / path).read_bytes()
            self._text[path] = "" if b"\0" in data else data.decode("utf-8", errors="replace")
        return self._text[path]

    def lines(self, path):
        return self.text(path).splitlines()

    def under(self, *folders, suffixes=None):
        prefixes = tuple(folder.rstrip("/") + "/" for folder in folders)
        return [path for path in self.paths if path.startswith(prefixes)
                and (suffixes is None or path.endswith(suffixes))]

    def is_script(self, path):
        """A Python or shell program, by name or by its first line."""
        if path.endswith((".py", ".sh")):
            return True
        name = path.rsplit("/", 1)[-1]
        return "." not in name.lstrip(".") and self.text(path).startswith("#!")

    def is_python(self, path):
        return path.endswith(".py") or (self.is_script(path)
                                        and "python" in self.text(path).split("\n", 1)[0])
