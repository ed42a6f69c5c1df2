# SPDX-License-Identifier: MIT
"""What the layers fuzz and afl share: how a target is built, and mistakes to plant."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(os.environ.get("top_srcdir") or Path(__file__).resolve().parents[2]).resolve()
JOBS = int(os.environ.get("JOBS") or os.cpu_count() or 2)
MAKEFILE = (TOP / "lib/Makefile.inc").read_text()
CORE = re.findall(r"lib/(\w+)\.c", MAKEFILE.split("LIBURCTX_URING_SOURCES")[0])
ALL = sorted(set(re.findall(r"lib/(\w+)\.c", MAKEFILE)))

# target: sources of lib/, sources of tests/fuzz/, libraries
TARGETS = {
    "dump": (CORE, ["dump"], ["-lurcu-bp"]),
    "ring": (ALL, ["ring"], ["-lurcu-bp", "-luring"]),
    "times": (["heap", "times"], ["times"], []),
    "tree": (CORE, ["tree", "tree_call", "tree_derive", "model"], ["-lurcu-bp"]),
    "values": (CORE, ["values"], ["-lurcu-bp"]),
}

# what is wrong, file, what stands there, what is put in its place, who must find it
MISTAKES = [
    ("the cause of the second cancel wins", "cancel.c",
     "	uintptr_t w = word_end(ctx, word);\n	bool calls;\n",
     "	uintptr_t w = word_end(ctx, word);\n	bool calls;\n\n	if (w & DONE)\n"
     "		store_relaxed(&ctx->state, word | (w & HASCH));\n", "tree"),
    ("a child is not told if it is not the first parent's", "any.c",
     "	for (i = 0; i < nr; i++) {	/* the first gets none */\n		struct urctx *p = parents[i];",
     "	for (i = 0; i + 1 < nr; i++) {\n		struct urctx *p = parents[i];", "tree"),
    ("the deadline of the parent is not inherited by a join", "any.c",
     "	if (when >= load_relaxed(&n->deadline))\n", "	if (when < load_relaxed(&n->deadline))\n", "tree"),
    ("stop says true and leaves it armed", "callback.c",
     "	if (!cas_or_read(&s->v, v, (uintptr_t)0, SLOT_CLEAR, RUN_SEEN))\n		return false;\n",
     "	if (load(&s->v, RUN_SEEN) == *v)\n		return true;\n	else\n		return false;\n", "tree"),
    ("a deadline that is the parent's takes its cause away", "deadline.c",
     "	if (deadline < load_relaxed(&n->deadline)) {", "	if (deadline <= load_relaxed(&n->deadline)) {",
     "tree"),
    ("a value of any key is found", "value.c",
     "	return near && near->key == key ? near->value : NULL;", "	return near ? near->value : NULL;",
     "values"),
    ("a value that is pushed down is lost", "value.c",
     "			mine->at[digit(other, level)] = v;\n", "			(void)other;\n", "values"),
    ("a value is found in the wrong parent of a join", "any.c",
     "parents[0] ? load_relaxed(&parents[0]->value) : NULL", "parents[nr - 1] ? "
     "load_relaxed(&parents[nr - 1]->value) : NULL", "tree"),
    ("the heap takes the last child for the least", "heap.c",
     "		if (h->v[i].key < h->v[least].key)\n", "		if (h->v[i].key > h->v[least].key)\n",
     "times"),
    ("what leaves the queue's middle is its end", "times.c",
     "	while (t->head != t->tail && !at(t, t->tail - 1)->place)\n", "	if (t->head != t->tail)\n", "times"),
    ("an op that is over is still counted", "ring_dispatch.c",
     "	stat_sub(r, in_flight, 1);\n", "	if (!op->cause)\n		stat_sub(r, in_flight, 1);\n", "ring"),
    ("a callback does not wait for the ops of its context", "ring_calls.c",
     "		if (link->call.ops)\n			continue;", "		if (link->call.ops > 2)\n			continue;",
     "ring"),
    ("what does not print is printed", "dump_text.c",
     "(unsigned char)*s < ' ' || *s == 127", "*s == 127", "dump"),
]


def run(argv, **more):
    """Its output, whatever it ends with."""
    return subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", **more)


def have(*programs):
    """Of these, the first that is not there; None."""
    return next((p for p in programs if not shutil.which(p)), None)


def can_ring(program):
    """Does this machine allow io_uring? The target says so."""
    return run([program], env=dict(os.environ, top_srcdir=str(TOP))).returncode != 77


def build(out, cc, cflags, ldflags, targets, lib=TOP / "lib", main=(), base=None, changed=None):
    """The programs of these targets, compiled into out with the library of lib in them.

    Of a library in which one .c file has changed the other objects are those of base.
    """
    objects = Path(out) / "o"
    objects.mkdir(parents=True, exist_ok=True)
    common = [cc, "-std=gnu11", "-pthread", "-D_GNU_SOURCE", "-DURCTX_URING_LIBRARY", "-DHAVE_MEMBARRIER=1",
              *cflags, f"-I{TOP}/include", f"-I{lib}", f"-I{TOP}/tests/fuzz"]

    # what every object depends on; flags are in the layer itself
    headers = [h for d in (Path(lib), TOP / "include", TOP / "tests/fuzz") for h in d.rglob("*.h")]
    newest = max(p.stat().st_mtime for p in [*headers, Path(__file__), Path(sys.argv[0])])

    def compiled(source):
        library = source.parent == Path(lib)
        if base and changed.endswith(".c") and source.name != changed:
            return Path(base) / "o" / f"{'lib' if library else 'fuzz'}-{source.stem}.o"
        extra = ["-fvisibility=hidden", "-include", f"{lib}/export.h"] if library else []
        o = objects / f"{'lib' if library else 'fuzz'}-{source.stem}.o"
        if o.exists() and o.stat().st_mtime > max(newest, source.stat().st_mtime):
            return o
        done = run([*common, *extra, "-c", source, "-o", o])
        if done.returncode:
            sys.exit(f"{source}: does not compile:\n{done.stdout}")
        return o

    sources = {t: [Path(lib) / f"{s}.c" for s in TARGETS[t][0]] +
               [TOP / f"tests/fuzz/{s}.c" for s in [*TARGETS[t][1], *main]] for t in targets}
    every = sorted({s for of in sources.values() for s in of})
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        made = dict(zip(every, pool.map(compiled, every)))
    for t in targets:
        done = run([cc, "-pthread", *ldflags, "-o", Path(out) / t, *(made[s] for s in sources[t]),
                    *TARGETS[t][2]])
        if done.returncode:
            sys.exit(f"{t}: does not link:\n{done.stdout}")


def plantable():
    """Or exits: asked by every form, as controls are run more seldom than lib/ changes."""
    old = [f"{what}: lib/{file} has changed, there is nothing to plant it in"
           for what, file, text, _, _ in MISTAKES if text not in (TOP / "lib" / file).read_text()]
    if old:
        sys.exit("\n".join(old))


def planted(where, mistake):
    """A copy of lib/ with that mistake in it."""
    what, file, old, new, _ = mistake
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(TOP / "lib", where)
    text = (where / file).read_text()
    assert old in text, what	# plantable() was asked
    (where / file).write_text(text.replace(old, new))
    return where
