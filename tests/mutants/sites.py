# SPDX-License-Identifier: MIT
"""Where lib/ can be mutated, and how: (file, line, operator, what, new text)."""
import re
import sys
from collections import namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from csource import code_of, sources  # noqa: E402

Site = namedtuple("Site", "file line operator before after start end text")

# The rows of order.h, fences among them, have mutants of their own (tests/mc/run
# mutants), and so have the rules of ring_rules.h (tests/ring_controls.sh); the rest has
# no code.
NOT_MUTATED = {"atomic.h", "order.h", "ring_rules.h", "export.h", "config.h", "trace.h",
               "sys_peek.h", "ring_valgrind.h", "trace.c", "sys_peek.c", "misuse.c"}
# Hints to the processor and to valgrind, and what is only there in a debug build.
HINTS = re.compile(r"__builtin_prefetch|prefetch_|VALGRIND_|trace_|sys_poison|sys_unpoison|"
                   r"misuse|urctx_assert|cpu_pause|compiler_barrier|^fence(_after_rmw)?\(|__atomic_thread_fence|static_assert")
SYSTEM_CALL = re.compile(r"\b(io_sys|call|syscall)\((SYS_|PPOLL)")
TOKEN = re.compile(r"[A-Za-z_]\w*|0[xX][0-9a-fA-F]+[uUlL]*|\d+[uUlL]*|"
                   r"<<=|>>=|->|\+\+|--|&&|\|\||[-+*/%&|^=!<>]=|<<|>>|\S")
CONTROL = {"if", "while", "for", "switch", "return", "goto", "break", "continue", "else",
           "do", "case", "default", "sizeof", "static", "const", "struct", "union", "enum",
           "extern", "typedef", "unsigned", "int", "bool", "void", "char", "long", "size_t",
           "inline", "__attribute__", "__asm__", "_Static_assert"}
FLIPPED = {"==": "!=", "!=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">",
           "&&": "||", "||": "&&"}
STORES = {"+=": "-=", "-=": "+=", "|=": "&=", "&=": "|=", "++": "--", "--": "++"}


def without_directives(code):
    """Preprocessor lines blanked, with those that continue them."""
    out, going_on = [], False
    for line in code.split("\n"):
        directive = going_on or line.lstrip().startswith("#")
        going_on = directive and line.endswith("\\")
        out.append(" " * len(line) if directive else line)
    return "\n".join(out)


def closing(tokens, at):
    """The index of the bracket that closes the one at @at."""
    depth = 0
    for i in range(at, len(tokens)):
        if tokens[i][0] in "([{":
            depth += 1
        elif tokens[i][0] in ")]}":
            depth -= 1
            if not depth:
                return i
    return None


def operand_before(word):
    """Whether an operator behind this token has two operands."""
    return bool(re.match(r"[\w)\]]", word)) and word not in ("return", "case", "sizeof")


def point(tokens, i, inside):
    """Mutations of single tokens."""
    word, start, end = tokens[i]
    last = tokens[i - 1][0] if i else ""
    following = tokens[i + 1][0] if i + 1 < len(tokens) else ""
    if word in FLIPPED and operand_before(last) and inside:
        yield ("logic" if word in ("&&", "||") else "compare"), start, end, FLIPPED[word]
    elif word in STORES:
        yield "update", start, end, STORES[word]
    elif word in "+-" and operand_before(last) and inside and following != ")":
        yield "arithmetic", start, end, "-" if word == "+" else "+"
    elif word == "!" and inside:
        yield "negate", start, end, ""
    elif re.fullmatch(r"E[A-Z0-9]{3,}", word) and inside:
        yield "errno", start, end, "EINVAL" if word != "EINVAL" else "ENOMEM"
    elif word in ("true", "false") and inside:
        yield "constant", start, end, "false" if word == "true" else "true"
    elif re.fullmatch(r"\d+[uUlL]*", word) and inside:
        value = re.match(r"\d+", word)[0]
        yield "constant", start, end, str(int(value) + 1) + word[len(value):]


def conditions(tokens, i):
    """if, while and for: what they ask, the other way round."""
    word = tokens[i][0]
    if word not in ("if", "while", "for") or tokens[i + 1][0] != "(":
        return
    first, last = i + 1, closing(tokens, i + 1)
    if last is None:
        return
    if word == "for":
        semicolons, depth = [], 0
        for j in range(first, last):
            depth += tokens[j][0] in "([{"
            depth -= tokens[j][0] in ")]}"
            if tokens[j][0] == ";" and depth == 1:
                semicolons.append(j)
        if len(semicolons) != 2 or semicolons[1] == semicolons[0] + 1:
            return
        first, last = semicolons
    asked = [t[0] for t in tokens[first + 1:last]]
    # one comparison, or one !x: the other operators have it already
    if not {"&&", "||"} & set(asked) and (asked[0] == "!" or {"==", "!="} & set(asked)):
        return
    yield "condition", tokens[first][2], tokens[last][1]


def statement(tokens, i):
    """The end of the expression statement that begins here, or None."""
    before, word = tokens[i - 1][0] if i else "", tokens[i][0]
    if before not in (";", "{", "}", ")", "else", "do", ":") or word in CONTROL:
        return None
    if not re.match(r"[A-Za-z_*(+-]", word):
        return None
    if before == ")" and not control_head(tokens, i - 1):
        return None
    if before == ":" and not label(tokens, i - 1):
        return None
    if re.match(r"[A-Za-z_]", word):       # a declaration: two names, or name * name
        following = [t[0] for t in tokens[i + 1:i + 3]]
        if re.match(r"[A-Za-z_]", following[0]) or following[0] == ":":
            return None
        if following[0] == "*" and re.match(r"[A-Za-z_*]", following[1]) and \
                re.fullmatch(r"\w+_t", word):
            return None
    depth = 0
    for j in range(i, len(tokens)):
        if tokens[j][0] in "([{":
            depth += 1
        elif tokens[j][0] in ")]}":
            depth -= 1
        if depth < 0:
            return None
        if tokens[j][0] == ";" and not depth:
            return j
    return None


def control_head(tokens, at):
    """Whether this bracket closes the head of an if, while or for."""
    depth = 0
    for j in range(at, -1, -1):
        depth += tokens[j][0] in ")]}"
        depth -= tokens[j][0] in "([{"
        if not depth:
            return tokens[j - 1][0] in ("if", "while", "for", "switch")
    return False


def label(tokens, at):
    return at > 0 and any(t[0] in ("case", "default") for t in tokens[max(0, at - 6):at])


def returned(tokens, i):
    """return of what is computed."""
    if tokens[i][0] != "return":
        return
    depth = 0
    for j in range(i + 1, len(tokens)):
        depth += tokens[j][0] in "([{"
        depth -= tokens[j][0] in ")]}"
        if tokens[j][0] == ";" and not depth:
            if j > i + 2 and not re.fullmatch(r"-E[A-Z]+|true|false|NULL|-?\d+",
                                              "".join(t[0] for t in tokens[i + 1:j])):
                yield "return", tokens[i + 1][1], tokens[j][1]
            return


def raw_sites(text):
    code = without_directives(code_of(text))
    tokens = [(m.group(0), m.start(), m.end()) for m in TOKEN.finditer(code)
              if m.group(0) not in "\"'"]
    depth, round_, function = 0, 0, False
    for i, (word, start, end) in enumerate(tokens):
        round_ += (word == "(") - (word == ")")
        if word == "{":
            if not depth:
                function = tokens[i - 1][0] == ")"
            depth += 1
        elif word == "}":
            depth -= 1
        inside = depth > 0 and function
        if not inside or i + 2 >= len(tokens):
            continue
        for operator, a, b, new in point(tokens, i, inside):
            yield operator, a, b, new
        for operator, a, b in conditions(tokens, i):
            yield operator, a, b, f"!({text[a:b]})"
        for operator, a, b in returned(tokens, i):
            yield operator, a, b, f"!({text[a:b]})"
        j = statement(tokens, i) if not round_ or word == "(" and round_ == 1 else None
        if j is not None:
            kept = "\n" * text[start:tokens[j][1]].count("\n")
            yield "drop", start, tokens[j][1], "(void)0" + kept


def expected(text, start):
    """Whether this is what __builtin_expect() is told to expect: a hint."""
    at = text.rfind("__builtin_expect(", 0, start)
    between = text[at + len("__builtin_expect"):start]
    return at >= 0 and between.count("(") - between.count(")") == 1 and \
        between.rstrip().endswith(",")


def sites(top):
    """All of them, in order: the number of a mutant is its place here."""
    found = []
    for path in sources(top, "lib/*.c", "lib/*.h"):
        if path.name in NOT_MUTATED:
            continue
        text = path.read_text()
        lines = text.split("\n")
        for operator, start, end, after in sorted(raw_sites(text), key=lambda s: s[1:3]):
            line = text.count("\n", 0, start) + 1
            if "!URCTX_RULE_" in lines[line - 1]:
                continue
            # what a system call does not look at is 0 by habit
            if operator == "constant" and text[start:end] == "0" and \
                    SYSTEM_CALL.search(text[max(text.rfind(c, 0, start) for c in ";{}"):start]):
                continue
            if operator == "constant" and expected(text, start):
                continue
            # a hint on this line, or the whole of the call: nothing to notice
            if HINTS.search(text[start:end] if operator == "drop" else lines[line - 1]):
                continue
            found.append(Site(f"lib/{path.name}", line, operator, text[start:end], after,
                              start, end, lines[line - 1].strip()))
    return found


def mutated(text, site):
    return text[:site.start] + site.after + text[site.end:]


def named(site):
    """One line for people."""
    def short(words):
        words = " ".join(words.split())
        return words if len(words) <= 60 else words[:57] + "..."
    return (f"{site.file}:{site.line} {site.operator}: {short(site.before) or '(nothing)'}"
            f" -> {short(site.after) or '(nothing)'}")
