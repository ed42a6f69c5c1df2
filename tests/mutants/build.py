# SPDX-License-Identifier: MIT
"""The libraries once as they are, and again with one file changed."""
import re
import shlex
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBRARIES = {"liburctx": "LIBURCTX_SOURCES", "liburctx-uring": "LIBURCTX_URING_SOURCES"}


class DoesNotBuild(Exception):
    pass


def run(words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    if done.returncode:
        raise DoesNotBuild(f"{' '.join(map(str, words))}\n{done.stderr}")
    return done.stdout


class Build:
    """A directory of objects and the two libraries that they make."""

    def __init__(self, top, configured, where, flags=("-O2", "-g0"), instrument=False):
        self.top, self.where, self.flags = Path(top), Path(where), list(flags)
        self.instrument = instrument
        self.make = {}
        names = ["CC", "LIB_CFLAGS", "URCTX_CPPFLAGS", "SO_LDFLAGS", "URCU_LIBS", "URING_LIBS",
                 "URCU_CFLAGS", "URING_CFLAGS", *LIBRARIES.values()]
        told = run(["make", "-s", "-C", configured, "--no-print-directory",
                    "--eval=mutants-print:;@" + ";".join(f"echo '{n} is $({n})'" for n in names),
                    "mutants-print"]).split("\n")
        for name, value in (line.split(" is ", 1) for line in told if " is " in line):
            self.make[name] = shlex.split(value)
        self.objects = {}
        for library, variable in LIBRARIES.items():
            for source in self.make[variable]:
                if source.endswith(".c"):
                    self.objects.setdefault(source, []).append(library)
        self.includes = {}

    def compile(self, source, library, out, lib=None):
        """@lib: a directory that stands for lib/."""
        lib = lib or self.top / "lib"
        flags = [f for f in self.make["LIB_CFLAGS"] if not f.endswith("export.h") and f != "-include"]
        extra = self.make["URCU_CFLAGS"] if library == "liburctx" else \
            ["-DURCTX_URING_LIBRARY", *self.make["URING_CFLAGS"]]
        run([*self.make["CC"], "-w", f"-I{self.top}/include", *self.make["URCTX_CPPFLAGS"],
             *flags, "-fPIC", "-include", lib / "export.h", *extra, *self.flags,
             "-c", Path(lib) / Path(source).name, "-o", out])

    def object(self, source, library):
        return self.where / library / (Path(source).stem + ".o")

    def link(self, library, out, instead=None, needs=None):
        """@instead: objects that replace those of the same name."""
        instead = instead or {}
        objects = [instead.get((s, library), self.object(s, library))
                   for s, libraries in self.objects.items() if library in libraries]
        if self.instrument:
            objects.append(self.where / library / "cover.o")
        words = [*self.make["CC"], "-shared", "-pthread", *self.make["SO_LDFLAGS"],
                 f"-Wl,-soname,{library}.so.0",
                 f"-Wl,--version-script={self.top}/lib/{library}.map",
                 *objects, "-o", out]
        if library == "liburctx":
            words += self.make["URCU_LIBS"]
        else:
            words += [needs or self.where / "so/liburctx.so.0", *self.make["URING_LIBS"]]
        run(words)

    def all(self, pool):
        """Everything, as it is."""
        (self.where / "so").mkdir(parents=True, exist_ok=True)
        jobs = []
        for library in LIBRARIES:
            (self.where / library).mkdir(exist_ok=True)
            if self.instrument:
                run([*self.make["CC"], "-O1", "-fPIC", f'-DCOVER_NAME="{library}"', "-c",
                     HERE / "cover.c", "-o", self.where / library / "cover.o"])
        for source, libraries in self.objects.items():
            for library in libraries:
                jobs.append(pool.submit(self.compile, source, library,
                                        self.object(source, library)))
        for job in jobs:
            job.result()
        for library in LIBRARIES:
            self.link(library, self.where / "so" / f"{library}.so.0")

    def mutant(self, file, text, users, where):
        """Libraries with @file changed, in where/so: {} if nothing changed in them."""
        where = Path(where)
        shutil.rmtree(where, ignore_errors=True)
        (where / "so").mkdir(parents=True)
        lib = where / "lib"
        lib.mkdir()
        for path in (self.top / "lib").iterdir():
            if path.is_file() and path.name != Path(file).name:
                (lib / path.name).symlink_to(path)
        (lib / Path(file).name).write_text(text)
        changed = {}
        for source in users:
            for library in self.objects.get(source, []):
                out = where / f"{library}-{Path(source).stem}.o"
                self.compile(source, library, out, lib)
                if not same(out, self.object(source, library)):
                    changed[source, library] = out
        for library in LIBRARIES:
            so = where / "so" / f"{library}.so.0"
            if any(key[1] == library for key in changed):
                self.link(library, so, changed)
            else:
                so.symlink_to(self.where / "so" / so.name)
        return changed

    def users(self, file):
        """The sources in which something of this file is compiled."""
        if file.endswith(".c"):
            return [file] if file in self.objects else []
        if not self.includes:
            texts = {p.name: set(re.findall(r'^#\s*include\s+"(\w+\.h)"', p.read_text(), re.M))
                     for p in (self.top / "lib").glob("*.[ch]")}
            for name, some in texts.items():
                todo = list(some)
                while todo:
                    for more in texts.get(todo.pop(), ()):
                        if more not in some:
                            some.add(more)
                            todo.append(more)
            self.includes = texts
        return [s for s in self.objects if Path(file).name in self.includes[Path(s).name]]


def same(a, b):
    return a.read_bytes() == b.read_bytes()
