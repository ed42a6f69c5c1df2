# SPDX-License-Identifier: MIT
"""tests/faults as tests of a mutant: calls that fail, and what is left behind."""
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from suite import end_group

# Which sequences come near a file; all, if nothing else is said.
NEAR = (
    (r"ring", "ring ring_own ring_defer ring_drain ring_timer io"),
    (r"io", "io io_sockets io_others io_nothing io_null io_plain io_sockets_plain "
     "io_others_plain"),
    (r"(sem|sync|lock)", "sync sync_no_waitv group"),
    (r"group", "group"),
    (r"signal", "signals fork"),
    (r"fork", "fork signals"),
    (r"(clock|sys_clock)", "clock clock_no_waitv time sync"),
    (r"(value|any|derive|cause|grace|fd|dump|observe|callback|leave|put|walk|cancel|extra)",
     "tree kinds many burst time"),
    (r"", "tree kinds many burst time clock sync many_no_membarrier"),
)
LIMIT = 150
SMALL = "-DURCTX_SMALL"		# each context is an allocation


class Faults:
    """Built once by tests/faults/build; for a mutant, its objects alone are new."""

    def __init__(self, build, where, wanted):
        self.build, self.where, self.wanted = build, Path(where), wanted
        self.here = build.top / "tests/faults"

    def prepare(self):
        if not self.wanted:
            return
        self.where.mkdir(parents=True, exist_ok=True)
        subprocess.run([self.here / "build", self.where / "right", SMALL], check=True,
                       stdout=subprocess.DEVNULL, env={k: v for k, v in os.environ.items() if k != "LIB"})
        text = re.sub(r"\s+", " ", (self.here / "build").read_text())
        flags = re.search(r'flags="(.*?) \$\*"', text)[1]
        self.flags = [*shlex.split(flags), SMALL]

    def compile(self, lib, source, out):
        subprocess.run(["gcc", "-w", *self.flags, f"-I{self.build.top}/include", f"-I{lib}",
                        "-include", lib / "export.h", "-c", lib / source, "-o", out],
                       check=True, capture_output=True)

    def program(self, mutant, users):
        """The sequences with the mutant's library; @mutant has it in lib/."""
        right, out = self.where / "right.d", mutant / "faults"
        objects = {p.name: p for p in right.glob("lib_*.o")}
        for source in {Path(u).name for u in users}:
            name = f"lib_{Path(source).stem}.o"
            if name in objects:
                objects[name] = mutant / name
                self.compile(mutant / "lib", source, objects[name])
        subprocess.run(["ld", "-r", "-o", mutant / "lib.o", *objects.values()], check=True)
        subprocess.run(["objcopy", f"--redefine-syms={right}/renamed", mutant / "lib.o",
                        mutant / "faulty.o"], check=True)
        tests = [p for p in right.glob("*.o") if p.name not in ("lib.o", "faulty.o")
                 and not p.name.startswith("lib_")]
        subprocess.run(["gcc", *self.flags, "-o", out, *tests, mutant / "faulty.o",
                        "-lurcu-bp", "-luring"], check=True)
        return out

    def run(self, program, near):
        """What is wrong, or None."""
        quick = ["--quick"] if near[0] in ("io", "ring") else []
        child = subprocess.Popen([program, *quick, "--first", "--jobs", "4", *near],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            out = child.communicate(timeout=LIMIT)[0]
        except subprocess.TimeoutExpired:
            out = "FAIL: it hangs"
        finally:
            end_group(child)
        failed = re.search(r"^FAIL.*", out, re.M)
        return failed[0] if failed else "it crashes" if child.returncode < 0 else None

    def fails(self, file, mutant, users):
        if not self.wanted:
            return None
        name = Path(file).name
        near = next(some for pattern, some in NEAR if re.match(pattern, name)).split()
        try:
            program = self.program(Path(mutant), users)
        except subprocess.CalledProcessError:
            return None
        why = self.run(program, near)
        # it has to be the mutant
        if why and self.run(self.where / "right", near):
            return None
        return f"faults: {why}" if why else None
