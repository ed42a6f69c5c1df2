# SPDX-License-Identifier: MIT
"""Survivors that nothing can notice, or that only cost time: argued.txt."""
from pathlib import Path


class Argued:
    """Matched by file, operator and what the source line says, wherever it stands."""

    def __init__(self, path):
        self.known = {}
        reason = ""
        for line in Path(path).read_text().split("\n") if Path(path).exists() else []:
            if line.startswith("# "):
                continue
            if line.startswith("\t"):
                file, operators, text = line.strip().split(" ", 2)
                for operator in operators.split(","):
                    self.known[file, operator, text] = reason
            elif line:
                reason = line

    def reason(self, site):
        return self.known.get((Path(site.file).name, site.operator, site.text)) or \
            self.known.get((Path(site.file).name, "*", site.text))
