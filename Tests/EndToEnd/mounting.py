"""Mounts that only a test sees; they need root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Mounts:
    """A mount namespace of its own, in which the agent runs and things are mounted; gone with the test."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE)
        assert self.holder.stdout
        self.holder.stdout.readline()

    @property
    def prefix(self) -> tuple[str, ...]:
        return ("nsenter", "-t", str(self.holder.pid), "-m")

    def run(self, *command: str | Path) -> None:
        subprocess.run([*self.prefix, *map(str, command)], check=True, timeout=20)

    def is_mounted(self, place: Path) -> bool:
        return subprocess.run([*self.prefix, "mountpoint", "-q", str(place)], timeout=20).returncode == 0

    def write(self, path: Path, content: bytes) -> None:
        subprocess.run([*self.prefix, "sh", "-c", 'cat > "$0"', str(path)], input=content, check=True, timeout=20)

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait()


@contextmanager
def mounts() -> Iterator[Mounts]:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("mounting needs root")
    place = Mounts()
    try:
        yield place
    finally:
        place.close()
