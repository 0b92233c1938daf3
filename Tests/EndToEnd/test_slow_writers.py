"""Writers that take their time: what arrives is whole, never what they had written so far."""

from __future__ import annotations

import mmap
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import KIB, MIB, World, scaled
from watching import BY_EVENTS, settle_and_judge, until_arrived, watching


def slow(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        for start in range(0, len(content), len(content) // 6 + 1):
            file.write(content[start : start + len(content) // 6 + 1])
            file.flush()
            time.sleep(0.7)


def still(path: Path, content: bytes) -> None:
    """Half, then nothing for longer than the quiet time, with the file held open."""
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
        file.flush()
        time.sleep(4)
        file.write(content[len(content) // 2 :])


def reopening(path: Path, content: bytes) -> None:
    """Opens, appends and closes, each time well within the quiet time."""
    for start in range(0, len(content), len(content) // 12 + 1):
        with path.open("ab") as file:
            file.write(content[start : start + len(content) // 12 + 1])
        time.sleep(0.3)


def preallocated(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
        time.sleep(2)
        for start in range(0, len(content), len(content) // 3 + 1):
            file.write(content[start : start + len(content) // 3 + 1])
            file.flush()
            time.sleep(1)


def mapped(path: Path, content: bytes) -> None:
    """Writes through a mapping whose descriptor is closed: no write(2), no close, and mtime need not move."""
    with path.open("w+b") as file:
        file.truncate(len(content))
        memory = mmap.mmap(file.fileno(), len(content))
    for start in range(0, len(content), len(content) // 4 + 1):
        piece = content[start : start + len(content) // 4 + 1]
        memory[start : start + len(piece)] = piece
        time.sleep(1)
    memory.flush()
    memory.close()


def truncated_first(path: Path, content: bytes) -> None:
    subprocess.run(["truncate", "-s", str(len(content)), str(path)], check=True)
    with path.open("r+b") as file:
        time.sleep(2.5)
        file.write(content)


def copied_slowly(path: Path, content: bytes) -> None:
    """What `cp` does over a slow line: one open file, and steady writes."""
    with path.open("wb") as file:
        for start in range(0, len(content), 64 * KIB):
            file.write(content[start : start + 64 * KIB])
            file.flush()
            time.sleep(0.06)


WRITERS: dict[str, Callable[[Path, bytes], None]] = {
    "slow": slow, "still": still, "reopening": reopening, "preallocated": preallocated, "mmap": mapped,
    "truncate": truncated_first, "cp": copied_slowly,
}


@pytest.mark.slow
def test_never_a_prefix_of_what_somebody_still_writes(world: World) -> None:
    """All kinds of writers at once, with a quiet time that is shorter than their pauses where they keep the file open."""
    agent = world.agent(**BY_EVENTS).map(world.folder, settle="1s")
    contents = {name: world.generator.randbytes(scaled(3, 20) * MIB + len(name)) for name in WRITERS}
    with watching(agent) as run:
        threads = [
            threading.Thread(target=WRITERS[name], args=(world.folder / f"{name}.bin", contents[name]))
            for name in WRITERS
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            sizes = {one.size for one in world.record.uploads()}
            assert sizes <= {len(content) for content in contents.values()}, "a part of a file arrived"
            time.sleep(0.2)
        for thread in threads:
            thread.join()
        assert {path.name for path in world.folder.iterdir()} == {f"{name}.bin" for name in WRITERS}
        settle_and_judge(world, run, seconds=90)


@pytest.mark.full
def test_a_writer_that_reopens_each_minute(world: World) -> None:
    """Its pauses are longer than `settle`: each registration is one whole content between two writes."""
    agent = world.agent(**BY_EVENTS).map(world.folder, settle="5s")
    path = world.folder / "log.csv"
    with watching(agent) as run:
        wanted = []
        for number in range(4):
            with path.open("ab") as file:
                file.write(world.generator.randbytes(200 * KIB))
            now = world.expect()
            if number == 0:
                until_arrived(world, run, 1, 40)
            else:
                run.wait(lambda: agent.states()[b"log.csv"] == "held", 40, "the change is held")
                agent.call("resolve", str(path), "--add")
                until_arrived(world, run, number + 1, 40)
            wanted += now
            time.sleep(60)
        settle_and_judge(world, run, wanted)


@pytest.mark.full
def test_cp_of_a_large_file_at_one_megabyte_a_second(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder, settle="2s")
    source = world.root / "source.bin"
    source.write_bytes(world.generator.randbytes(90 * MIB))
    with watching(agent) as run:
        # `cp` from a pipe that is fed slowly: one open, one writer.
        writer = subprocess.Popen(["cp", "/dev/stdin", str(world.folder / "copy.bin")], stdin=subprocess.PIPE)
        assert writer.stdin
        with source.open("rb") as file, writer.stdin as pipe:
            while piece := file.read(MIB):
                pipe.write(piece)
                pipe.flush()
                assert not world.record.uploads()
                time.sleep(1)
        writer.wait(20)
        settle_and_judge(world, run)
