"""Another wall clock for one program. Monotonic clocks, and what files say of themselves, stay true."""

from __future__ import annotations

import datetime
import mmap
import struct
import subprocess
import time
import zoneinfo
from pathlib import Path

from harness import Agent, SandboxProcess

MINUTE, HOUR, YEAR = 60, 3600, 365 * 86_400


class Clock:
    """A shift of the wall clock, in seconds, that can be set while programs run by it (clock_shift.c)."""

    def __init__(self, folder: Path, shift: float = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.library = folder / "clock_shift.so"
        source = Path(__file__).with_name("clock_shift.c")
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-Wall", "-Werror", "-o", self.library, source], check=True, timeout=60
        )
        self.file = folder / "shift"
        self.file.write_bytes(bytes(8))
        with self.file.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8)
        self.set(shift)

    def set(self, shift: float) -> None:
        self.shift = shift
        self.map[:] = struct.pack("=q", round(shift * 1_000_000_000))

    def rules(self, *programs: Agent | SandboxProcess, **variables: str) -> None:
        """From their next start on."""
        for program in programs:
            program.environment = {"LD_PRELOAD": str(self.library), "CLOCK_SHIFT_FILE": str(self.file)} | variables


def until(zone: str, *moment: int) -> float:
    """The shift that makes it this local time now."""
    return datetime.datetime(*moment, tzinfo=zoneinfo.ZoneInfo(zone)).timestamp() - time.time()
