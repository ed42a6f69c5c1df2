# SPDX-License-Identifier: MIT
"""C in kernel style as the checks read it: code without comments, functions."""
import re
import sys
from pathlib import Path


def code_of(text):
    """The text with comments and the insides of strings blanked, line for line."""
    def blank(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + " " * (len(found) - 2) + found[0]
        return re.sub(r"[^\n]", " ", found)

    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
                  blank, text, flags=re.S)


def functions(code):
    """(name, first line, last line, body) of what begins at column 0."""
    lines = code.split("\n")
    start = 0
    while start < len(lines):
        if lines[start].rstrip() != "{":
            start += 1
            continue
        end = start
        while end < len(lines) and not lines[end].startswith("}"):
            end += 1
        head = start
        while head > 0 and lines[head - 1].strip() and \
                not re.match(r"[#}]|.*;\s*$", lines[head - 1]):
            head -= 1
        called = re.search(r"(\w+)\)?\s*\(", " ".join(
            re.sub(r"__attribute__\s*\(\(.*?\)\)", "", line)
            for line in lines[head:start]))
        if called:
            yield called.group(1), head + 1, end + 1, "\n".join(lines[start:end + 1])
        start = end + 1


def macros(code):
    """(name, body) of what #define gives a body."""
    for name, body in re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)((?:.*\\\n)*.*)", code, re.M):
        yield name, body


def sources(top, *patterns):
    """Paths under top that match, in order."""
    return sorted({p for pattern in patterns for p in Path(top).glob(pattern)
                   if p.is_file()})


def verdict(name, problems):
    """Print what is wrong and end: 0 if nothing is."""
    for problem in problems:
        print(problem)
    print(f"{name}: " + (f"{len(problems)} wrong" if problems else "ok"))
    sys.exit(1 if problems else 0)
