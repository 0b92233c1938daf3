"""What was seen when: paths that lead elsewhere, exchanged names and coarse time stamps, by events alone."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from harness import DONE, MIB, World
from mounting import mounts
from watching import BY_EVENTS, settle_and_judge, watching

RENAME_EXCHANGE = 2
AT_FDCWD = -100


def contents(world: World) -> set[bytes]:
    """Of all uploads that are on the table."""
    return {world.record.object_path(one.object).read_bytes() for one in world.record.uploads()}


def exchange(one: Path, other: Path) -> None:
    """`man 2 renameat2`."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


# Paths that lead elsewhere (P-17)


@pytest.mark.parametrize("name", ["above", "two above", "link"])
def test_a_path_that_leads_to_another_directory_is_followed(world: World, name: str) -> None:
    """P-17: neither a directory above the folder that is replaced nor a link that is changed brings an event."""
    one, two = world.root / "one", world.root / "two"
    below = Path("deep/data") if name == "two above" else Path("data")
    for place in (one, two):
        (place / below).mkdir(parents=True)
    current = world.root / "current"
    current.symlink_to(one)
    folder = (current if name == "link" else one) / below
    (folder / "first.csv").write_bytes(b"first\n")
    agent = world.agent(**BY_EVENTS).map(folder)
    with watching(agent) as run:
        run.wait(lambda: agent.states().get(b"first.csv") == "delivered", 30, "the first file arrives")
        if name == "link":
            (world.root / "next").symlink_to(two)
            (world.root / "next").rename(current)
        else:
            one.rename(world.root / "one.old")
            two.rename(one)
        (folder / "there at once.csv").write_bytes(b"there at once\n")
        run.wait(lambda: agent.states().get(b"there at once.csv") == "delivered", 30, "what was there arrives")
        (folder / "later.csv").write_bytes(b"later\n")
        run.wait(lambda: agent.states().get(b"later.csv") == "delivered", 30, "what comes later arrives")
        assert run.mapping()["state"] == "watching"
    assert agent.states()[b"first.csv"] == "delivered"


def test_a_path_that_leads_nowhere_is_unmounted_and_nothing_is_gone(world: World) -> None:
    """P-17: a directory above the folder is moved away; what waited to be sent waits on."""
    place = world.root / "place"
    folder = place / "data"
    folder.mkdir(parents=True)
    (folder / "first.csv").write_bytes(b"first\n")
    agent = world.agent(**BY_EVENTS).map(folder)
    with watching(agent) as run:
        run.wait(lambda: agent.states().get(b"first.csv") == "delivered", 30, "the first file arrives")
        agent.call("pause")
        (folder / "waits.csv").write_bytes(b"waits\n")
        run.wait(lambda: agent.states().get(b"waits.csv") == "queued", 30, "it is queued")
        place.rename(world.root / "elsewhere")
        run.wait(lambda: "folder is not there" in run.said(), 20, "the folder is missed")
        # Another directory of the same path, which is not empty, is the folder from then on.
        folder.mkdir(parents=True)
        (folder / "other.csv").write_bytes(b"other\n")
        agent.call("resume")
        run.wait(lambda: agent.states().get(b"other.csv") == "delivered", 30, "the new directory is looked after")
        time.sleep(2)
        assert agent.states()[b"waits.csv"] in ("queued", "waiting"), agent.states()
        shutil.rmtree(place)
        (world.root / "elsewhere").rename(place)
        run.wait(lambda: agent.states().get(b"waits.csv") == "delivered", 90, "it is sent once it is there again")


# Exchanged names (P-19)


@pytest.mark.parametrize("rounds", [3, 12])
def test_a_delivered_file_that_is_exchanged_with_a_staged_one_is_noticed(world: World, rounds: int) -> None:
    """P-19: both halves of both renames come at once, and the last of them says that the path was left."""
    agent = world.agent(**BY_EVENTS).map(world.folder, exclude=["*.tmp"])
    names = [f"{number}.csv" for number in range(rounds)]
    with watching(agent) as run:
        for name in names:
            world.write(name, b"first of " + name.encode())
        settle_and_judge(world, run)
        for name in names:
            staged = world.write(f"{name}.tmp", b"second of " + name.encode())
            exchange(staged, world.folder / name)
        run.wait(
            lambda: [agent.states().get(name.encode()) for name in names] == ["held"] * rounds, 30,
            "all exchanges are noticed")


# Coarse time stamps (P-18)


@pytest.mark.parametrize("pause", [0.3, 0.6])
def test_a_rewrite_within_the_granularity_of_time_stamps(world: World, pause: float) -> None:
    """P-18: with 128-byte inodes ext4 stores seconds: a second content of the same size has the same stamps."""
    world.open_sandbox("--fault", "put-chunk:*:delay=200")
    with mounts() as place:
        image = world.root / "disk.img"
        with image.open("wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-I", "128", str(image)], check=True, timeout=60, capture_output=True)
        try:
            place.run("mount", "-o", "loop", image, world.folder)
        except subprocess.CalledProcessError:
            pytest.skip("no loop devices")

        def write(name: str, content: bytes) -> None:
            subprocess.run(
                [*place.prefix, "dd", "conv=notrunc", "status=none", "bs=4M", "iflag=fullblock",
                 f"of={world.folder / name}"],
                input=content, check=True, timeout=20)

        agent = world.agent(**BY_EVENTS).map(world.folder, settle="0s", exclude=["lost+found"])
        names = [f"{number}.bin" for number in range(4)]
        with watching(agent, prefix=place.prefix) as run:
            for number, name in enumerate(names):
                # Both within one second of the stamps.
                time.sleep(1 - time.time() % 1)
                write(name, b"a" * (2 * MIB + number))
                time.sleep(pause)
                write(name, b"b" * (2 * MIB + number))

            def are(state: str) -> bool:
                return [agent.states().get(name.encode()) for name in names] == [state] * len(names)

            run.wait(lambda: are("delivered"), 60, "all arrive")
            # Neither the first contents, which nobody would have noticed to be replaced, nor mixtures.
            assert [{chr(byte) for byte in set(one)} for one in contents(world)] == [{"b"}] * len(names)


def test_a_file_that_is_opened_for_writing_and_not_changed_stays_as_it_is(world: World) -> None:
    """Its content is read again and compared, and nothing is sent."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    path = world.write("a.csv", b"the same\n")
    with watching(agent) as run:
        settle_and_judge(world, run)
        with world.nothing_sent():
            for _ in range(3):
                with path.open("r+b"):
                    pass
                time.sleep(0.5)
            run.wait(lambda: agent.states() == {b"a.csv": "delivered"}, 20, "it is delivered again")
        assert agent.call("status").status == DONE
