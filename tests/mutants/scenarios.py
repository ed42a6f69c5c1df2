# SPDX-License-Identifier: MIT
"""The model checker's scenarios as tests of a mutant: where a race has to be met."""
import re
import shutil
import subprocess
from pathlib import Path

PARTS = ("tests/mc", "tests/spec", "lib", "include")
# What is not compiled for the checker, as tests/mc/run has it.
NOT_CHECKED = re.compile(r"(ring_)?sys(_\w+)?\.[ch]|(fork|clock|signals\w*|dump_text|trim)\.[ch]|"
                         r"io(_\w+)?\.[ch]|heap\.[ch]|times\.[ch]")
# Which scenarios come near a file; the core's, if nothing else is said.
NEAR = (
    (r"ring", "s_ring_cancel s_ring_detach s_ring_wake s_ring_time s_ring_after s_ring_idle"),
    (r"(sem|group|sync|sys_futex|lock)", "s_sync_futex s_sync_group s_sync_lock s_sync_sem"),
    (r"(timer|deadline|house|readers|retire)",
     "s_time_expiry s_time_house s_time_timer s_life_rest s_life_settle s_life_reuse "
     "s_life_memory"),
    (r"(cancel|walk|word|callback|call|observe)",
     "s_call_nest s_call_run s_tree_help s_tree_observe s_tree_move s_call_outside s_any "
     "s_grace "
     "s_life_pin s_life_chain s_tree_derive s_life_reuse"),
    (r"any", "s_any s_any_all"),
    (r"(fd|wait)", "s_fd s_tree_wait"),
    (r"dump", "s_dump"),
    (r"(value|leave)", "s_value s_life_chain"),
    (r"(idle|extra)", "s_idle s_life_zombie s_slot_sweep"),
    (r"grace", "s_grace"),
    (r"(slab|slot|stock|thread|derive)",
     "s_slot_memory s_slot_stock s_slot_sweep s_tree_derive s_life_reuse s_tree_move"),
    (r"(put|zombie)", "s_life_zombie s_life_settle s_life_pin s_life_chain s_life_fence "
     "s_life_reuse s_tree_ref"),
    (r"", "s_tree_derive s_tree_help s_tree_move s_tree_observe s_life_zombie s_life_pin "
     "s_call_run"),
)


class Scenarios:
    def __init__(self, top, where, seconds):
        self.top, self.where, self.seconds = Path(top), Path(where), seconds

    def tree(self, worker):
        """A copy of what the checker compiles, made once, with its objects."""
        at = self.where / f"tree{worker}"
        if not (at / "include").exists():
            for part in PARTS:
                shutil.copytree(self.top / part, at / part)
        return at

    def refresh(self, at):
        """As the source is now, files that differ only."""
        for part in PARTS:
            for path in (self.top / part).rglob("*"):
                copy = at / path.relative_to(self.top)
                if path.is_file() and (not copy.exists() or
                                       copy.read_bytes() != path.read_bytes()):
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, copy)

    def fails(self, file, text, worker):
        """The scenario that notices, or None."""
        name = Path(file).name
        if not self.seconds or NOT_CHECKED.fullmatch(name):
            return None
        at = self.tree(worker)
        self.refresh(at)
        (at / file).write_text(text)
        near = next(some for pattern, some in NEAR if re.match(pattern, name))
        try:
            for scenario in near.split():
                why = self.one(at, scenario)
                if why:
                    return why
        finally:
            shutil.copyfile(self.top / file, at / file)
        return None

    def one(self, at, scenario):
        words = [at / "tests/mc/run", "--build", at / "b", "--jobs", "1",
                 "--time", self.seconds, "--bounded", self.seconds, "quick", scenario]
        try:
            done = subprocess.run([str(w) for w in words], capture_output=True, text=True,
                                  timeout=240, cwd=at)
        except subprocess.TimeoutExpired:
            return f"{scenario} hangs"
        for line in done.stdout.split("\n"):
            # the verdict, not that the time was too short
            found = re.match(r"FAIL (\S+) +.*?\bFAIL\b", line)
            if found:
                return f"{scenario}: {found[1]}"
        return None
