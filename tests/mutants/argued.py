# SPDX-License-Identifier: MIT
"""Survivors that nothing can notice, or that only cost time: argued*.txt."""
from pathlib import Path


class Argued:
    """
    Matched by file, operator and what the source line says, wherever it stands. An
    operator may say what it changes: constant=9 is not the other numbers of the line.
    A line that is excepted from the coverage, with its reason, is argued by that.
    """

    def __init__(self, directory):
        self.known = {}
        for path in sorted(Path(directory).glob("argued*.txt")):
            self.read(path)

    def read(self, path):
        reason = ""
        for line in path.read_text().split("\n"):
            if line.startswith("# "):
                continue
            if line.startswith("\t"):
                file, operators, text = line.strip().split(" ", 2)
                for operator in operators.split(","):
                    self.known[file, operator, text] = reason
            elif line:
                reason = line

    def entry(self, site):
        name = Path(site.file).name
        before = "".join(site.before.split())
        for operator in (f"{site.operator}={before}", site.operator, "*"):
            if (name, operator, site.text) in self.known:
                return name, operator, site.text
        return None

    def reason(self, site):
        found = self.known.get(self.entry(site))
        if found is None and "uncovered: " in site.text:
            found = site.text.partition("uncovered: ")[2].replace("*/", "").strip()
        return found

    def stale(self, results):
        """The entries of which something was killed here, and nothing survived."""
        survived, killed = set(), set()
        for _, site, verdict, _ in results:
            entry = self.entry(site)
            if entry and verdict in ("killed", "survived"):
                (killed if verdict == "killed" else survived).add(entry)
        return sorted(killed - survived)
