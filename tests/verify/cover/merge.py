# SPDX-License-Identifier: MIT
"""What several builds of the same sources covered, put together by place.

A line, an outcome of a branch and a condition count once, however many builds and
instances of an inline function there are, and are covered if one of them was.  What
a build has that does not ship (the checker's) adds counts, never places.
"""
import json
import re
from collections import defaultdict

# Covers its own line, what is indented deeper below it, and the brace behind that.
# What is reached by chance, `seldom:', may be there without need.
EXCEPTION = re.compile(r"/\* (uncovered|seldom): (.+?) \*/")
MCDC_BRANCH, EXPANSION = 6, 1


class Coverage:
    """Per file: line -> count, branch -> [true, false], decision -> conditions."""

    def __init__(self, top):
        self.top = str(top) + "/"
        self.lines = defaultdict(dict)
        self.branches = defaultdict(dict)
        self.decisions = defaultdict(dict)
        self.sources = {}

    def name(self, path):
        """lib/x.c, or nothing for what is not ours."""
        path = path[len(self.top):] if path.startswith(self.top) else ""
        return path if re.match(r"lib/|include/urctx", path) else ""

    def source(self, name):
        """Its lines, from 1."""
        if name not in self.sources:
            with open(self.top + name) as file:
                self.sources[name] = [""] + file.read().split("\n")
        return self.sources[name]

    def add(self, exported, lcov, ships):
        """One build: llvm-cov export, as JSON and as lcov."""
        self.add_lines(lcov, ships)
        for function in json.loads(exported)["data"][0]["functions"]:
            files = [self.name(f) for f in function["filenames"]]
            sites = sites_of(function["regions"])
            self.add_branches(function, files, sites, ships)
            self.add_decisions(function, files, ships)

    def add_lines(self, lcov, ships):
        """DA:line,count of each SF:file."""
        where = None
        for line in lcov.split("\n"):
            if line.startswith("SF:"):
                name = self.name(line[3:])
                where = self.lines[name] if name else None
            elif line.startswith("DA:") and where is not None:
                number, count = map(int, line[3:].split(",")[:2])
                if ships or number in where:
                    where[number] = where.get(number, 0) + count

    def add_branches(self, function, files, sites, ships):
        """Each by the place where its macro is used, if it is in one."""
        seen = defaultdict(int)
        for ls, cs, le, ce, true, false, file, _, _ in function["branches"]:
            place, chain = (file, ls, cs), []
            while place[0] in sites:
                chain.append(place[1:])
                place = sites[place[0]]
            name = files[place[0]]
            key = (place[1], place[2], tuple(chain), ls, cs, le, ce)
            seen[key] += 1
            key = (*key, seen[key])
            where = self.branches[name]
            if not name or not (ships or key in where):
                continue
            old = where.setdefault(key, [0, 0])
            old[0] += true
            old[1] += false

    def add_decisions(self, function, files, ships):
        """What is constant has no branch, and is no condition to be shown."""
        for ls, cs, le, ce, _, _, shown in function["mcdc_records"]:
            inside = [b for b in function["branches"] if b[8] == MCDC_BRANCH and
                      (ls, cs) <= tuple(b[:2]) and tuple(b[2:4]) <= (le, ce)]
            name = files[inside[0][6]] if inside else files[0]
            key = (ls, cs, le, ce)
            where = self.decisions[name]
            if not name or not (ships or key in where):
                continue
            old = where.setdefault(key, [[False] * len(shown), 0])
            if len(old[0]) == len(shown):
                if function["count"]:   # else llvm-cov 19 may say anything
                    old[0] = [a or b for a, b in zip(old[0], shown)]
                old[1] = max(old[1], len(inside))

    def one_sided(self, name, key):
        """A label of a switch: nobody jumps there or he does."""
        line = self.source(name)[key[0]][key[1] - 1:]
        return re.match(r"(case\b|default\b)", line) is not None

    def report(self):
        """{file: Row}."""
        names = sorted(set(self.lines) | set(self.branches) - {""})
        return {name: Row(self, name) for name in names if name}


def sites_of(regions):
    """File number of an expansion -> where the macro stands."""
    return {r[6]: (r[5], r[0], r[1]) for r in regions if r[7] == EXPANSION}


class Row:
    """A file of the table: [covered, all] of each kind, and what is missing."""

    def __init__(self, coverage, name):
        self.name = name
        source = coverage.source(name)
        self.count = {"lines": [0, 0], "branches": [0, 0], "MC/DC": [0, 0]}
        self.missing = []
        for number, count in sorted(coverage.lines[name].items()):
            self.tally("lines", count, number, "never run")
        for key, (true, false) in sorted(coverage.branches[name].items()):
            text = source[key[0]][key[1] - 1:key[5] - 1] if not key[2] else \
                source[key[0]].strip()
            if coverage.one_sided(name, key):
                self.tally("branches", true, key[0], f"never taken: {text}")
                continue
            self.tally("branches", true, key[0], f"never true at column {key[1]}: {text}")
            self.tally("branches", false, key[0], f"never false at column {key[1]}: {text}")
        for (ls, cs, _, _), (shown, real) in sorted(coverage.decisions[name].items()):
            constant = len(shown) - real
            bad = max(0, shown.count(False) - constant)
            which = ", ".join(str(i + 1) for i, s in enumerate(shown) if not s)
            for i in range(real):
                self.tally("MC/DC", i >= bad, ls, f"decision at column {cs}: condition "
                           f"{which} of {len(shown)} not shown to matter" if not i else "")
        self.except_some(source)

    def tally(self, kind, good, line, what):
        """One place."""
        self.count[kind][1] += 1
        if good:
            self.count[kind][0] += 1
        else:
            self.missing.append((line, kind, what))

    def except_some(self, source):
        """What has its reason is neither missing nor counted."""
        self.exceptions, self.needless = [], []
        ranges = []
        for number, text in enumerate(source):
            reason = EXCEPTION.search(text)
            if reason:
                last = number
                while last + 1 < len(source) and (not source[last + 1].strip() or
                                                  indent(source[last + 1]) > indent(text)):
                    last += 1
                if last > number and source[last + 1:last + 2] == [text[:indent_of(text)] + "}"]:
                    last += 1
                ranges.append((number, last, reason[2], reason[1] == "seldom"))
        used, left = set(), []
        for line, kind, what in self.missing:
            at = [r for r in ranges if r[0] <= line <= r[1]]
            if at:
                used.add(at[-1])
                self.count[kind][1] -= 1
            else:
                left.append((line, kind, what))
        self.missing = left
        self.exceptions = [r[:3] for r in ranges if r in used]
        self.needless = [r[:3] for r in ranges if r not in used and not r[3]]


def indent_of(text):
    """Characters before the first word."""
    return len(text) - len(text.lstrip())


def indent(text):
    """Columns before the first word."""
    wide = text.expandtabs(8)
    return len(wide) - len(wide.lstrip())


def percent(covered, total):
    """Rounded down: 100 is all of them."""
    return int(10000 * covered / total) / 100 if total else 100.0


def table(rows):
    """Text, totals {kind: [covered, all]}."""
    total = {"lines": [0, 0], "branches": [0, 0], "MC/DC": [0, 0]}
    text = [f"{'file':<24}{'lines':>16}{'branches':>16}{'MC/DC':>16}  exceptions"]
    for name, row in rows.items():
        cells = ""
        for kind, (covered, every) in row.count.items():
            total[kind][0] += covered
            total[kind][1] += every
            cells += f"{f'{covered}/{every}':>16}"
        text.append(f"{name:<24}{cells}  {len(row.exceptions) or ''}".rstrip())
    return "\n".join(text), total
