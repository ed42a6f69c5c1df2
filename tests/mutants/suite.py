# SPDX-License-Identifier: MIT
"""The tests one by one, and which lines of lib/ each of them runs."""
import bisect
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Programs that are not Catch2's.
WHOLE = ["header-c", "header-cxx"]


class Suite:
    def __init__(self, configured, so, only):
        self.tests = Path(configured).resolve() / "tests"
        self.so, self.only = so, only

    def programs(self):
        """The programs of Catch2's, as libtool built them."""
        for path in sorted((self.tests / ".libs").glob("check-*")):
            if not self.only or path.name in self.only:
                yield path

    def names(self, program):
        done = subprocess.run([program, "--list-test-names-only"], capture_output=True,
                              text=True, env=self.env(self.so), timeout=60)
        return [n for n in done.stdout.split("\n") if n]

    def cases(self):
        """[program, name] of each test, hidden ones left out."""
        found = []
        for program in self.programs():
            found += [[program.name, name] for name in self.names(program)]
        found += [[name, ""] for name in WHOLE if not self.only and (self.tests / ".libs" / name).exists()]
        return found

    @staticmethod
    def env(so, **more):
        return {**os.environ, "LD_LIBRARY_PATH": str(so), "URCTX_TEST_LIMIT": "120",
                "URCTX_TEST_PATIENCE": "5", **more}

    def run(self, program, names, so, limit, **more):
        """(status, seconds): 0 passed, None did not end in time; anything else failed."""
        words = [str(self.tests / ".libs" / program)]
        with tempfile.NamedTemporaryFile("w", suffix=".tests") as spec, \
                tempfile.TemporaryFile() as out:
            if names != [""]:
                spec.write("".join(escaped(n) + "\n" for n in names))
                spec.flush()
                words += ["-a", "-f", spec.name]
            begun = time.monotonic()
            try:
                child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out,
                                         stderr=subprocess.STDOUT, start_new_session=True,
                                         cwd=self.tests, env=self.env(so, **more),
                                         preexec_fn=limited)
            except OSError:         # somebody is linking it
                return "no such program", 0
            try:
                status = child.wait(limit)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                end_group(child)
            took = time.monotonic() - begun
            out.seek(0)
            if status == 0 and names != [""] and b"No test" in out.read():
                status = "no such test"
        return status, took


def end_group(child):
    """What it has left running, too."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def limited():
    """A mutant may run wild: memory, and files it writes."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 30, 64 << 30))


def escaped(name):
    """As Catch2 2.13 reads a line of -f: a comma would begin another name."""
    return re.sub(r'([\\",\[\]])', r"\\\1", name)


def blocks_of(library):
    """[address] of each basic block's mark, and [(address, file, line)] of the lines."""
    code = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library],
                          capture_output=True, text=True, check=True).stdout
    marks, pending = [], False
    for line in code.split("\n"):
        found = re.match(r"\s*([0-9a-f]+):\s", line)
        if not found:
            continue
        if pending:
            marks.append(int(found[1], 16))
            pending = False
        pending = "__sanitizer_cov_trace_pc" in line and "call" in line
    lines = []
    told = subprocess.run(["objdump", "--dwarf=decodedline", library],
                          capture_output=True, text=True, check=True).stdout
    for line in told.split("\n"):
        found = re.match(r"(\S+\.[ch])\s+(\d+)\s+0x([0-9a-f]+)", line)
        if found:
            lines.append((int(found[3], 16), found[1], int(found[2])))
    lines.sort()
    return sorted(marks), lines


def lines_by_mark(library):
    """What each block's mark stands for: {mark: ["file:line"]}."""
    marks, lines = blocks_of(library)
    found = {}
    for address, name, line in lines:
        # a line of the table begins at its address: the mark itself is 5 bytes in
        at = bisect.bisect_right(marks, address + 5) - 1
        if at >= 0:
            found.setdefault(marks[at], set()).add(f"lib/{Path(name).name}:{line}")
    return found


def header_users(build):
    """{"header:line": [source, ...]}: who has code of this line."""
    users = {}
    for source, libraries in build.objects.items():
        for library in libraries:
            for _, name, line in blocks_of(build.object(source, library))[1]:
                if name.endswith(".h"):
                    some = users.setdefault(f"lib/{Path(name).name}:{line}", [])
                    if source not in some:
                        some.append(source)
    return users


def covered(directory, marks):
    lines = set()
    for library, by_mark in marks.items():
        path = Path(directory) / library
        if not path.exists():
            continue
        data = path.read_bytes()
        for mark, some in by_mark.items():
            if data[mark]:
                lines |= some
        path.unlink()
    return lines


def hash_of(paths, *more):
    h = hashlib.sha256()
    for path in paths:
        h.update(path.name.encode() + b"\0" + path.read_bytes())
    h.update(" ".join(map(str, more)).encode())
    return h.hexdigest()[:16]


def lib_hash(top):
    """Of all that says which lines there are, and how it is seen that they ran."""
    here = Path(__file__).resolve().parent
    return hash_of([p for pattern in ("lib/*.[ch]", "include/**/*.h")
                    for p in sorted(Path(top).glob(pattern))] + [here / "cover.c"])


def ran_by(suite, program, names, build, marks, pool):
    """([[program, name, seconds, lines]], [left out]) of one program's tests."""
    found, left_out = [], []

    def once(name):
        with tempfile.TemporaryDirectory() as seen:
            status, took = suite.run(program, [name], build.where / "so", 120,
                                     URCTX_COVER=seen)
            return name, status, took, covered(seen, marks) if status == 0 else ()
    for name, status, took, some in pool.map(once, names):
        if status == 0:
            found.append([program, name, took, sorted(some)])
        else:
            left_out.append(f"{program}: {name} ({status})")
    return found, left_out


def the_map(suite, build, where, key, say, pool):
    """
    {"cases": [[program, name, seconds]], "lines": {"file:line": [case, ...]},
    "known": {"file:line": 1}}. Kept for each program: a new test costs its own time.
    """
    where = Path(where) / f"map-{key}"
    where.mkdir(exist_ok=True)
    marks = {library: lines_by_mark(build.where / "so" / f"{library}.so.0")
             for library in ("liburctx", "liburctx-uring")}
    cases, lines, begun = [], {}, time.monotonic()
    by_program = {}
    for program, name in suite.cases():
        by_program.setdefault(program, []).append(name)
    for program, names in by_program.items():
        is_of = hash_of([suite.tests / ".libs" / program])
        kept = where / f"{program}-{is_of}.json"
        if not kept.exists():
            found, left_out = ran_by(suite, program, names, build, marks, pool)
            for which in left_out:
                say(f"left out, it fails by itself or is not found: {which}")
            if not found:
                sys.exit(f"of {program} no test can be run")
            kept.write_text(json.dumps(found))
        for _, name, took, some in json.loads(kept.read_text()):
            for line in some:
                lines.setdefault(line, []).append(len(cases))
            cases.append([program, name, took])
    say(f"map: {len(cases)} tests run {len(lines)} lines, {time.monotonic() - begun:.0f} s")
    users = where / "users.json"
    if not users.exists():
        users.write_text(json.dumps(header_users(build)))
    known = {line: 1 for by_mark in marks.values() for some in by_mark.values() for line in some}
    return {"cases": cases, "lines": lines, "users": json.loads(users.read_text()),
            "known": known}
