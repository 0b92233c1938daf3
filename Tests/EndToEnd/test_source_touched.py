"""Files whose ctime moves, or that move, while they are sent (P-06)."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from harness import MIB, World, wait_until
from watching import BY_EVENTS, until_arrived, watching

CHUNK = 256 * 1024


def arrived_without_a_second_session(world: World, size: int) -> None:
    assert world.record.counts()["open-session"] == 1
    assert sum(world.record.received().values()) == size


@pytest.mark.parametrize("size, pause", [(3 * MIB + 100_000, 0.7), (5 * MIB, 0.3)])
def test_a_chmod_during_a_transfer_sends_nothing_again(world: World, size: int, pause: float) -> None:
    """P-06: the session is kept, what was sent is proven, and sending goes on."""
    world.open_sandbox("--fault", "put-chunk:*:delay=250")
    agent = world.agent(chunk_size="256KiB", **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        path = world.write("a.csv", size)
        deadline = time.monotonic() + 90
        while not world.record.uploads() and time.monotonic() < deadline:
            path.chmod(0o640 if path.stat().st_mode & 0o777 == 0o600 else 0o600)
            time.sleep(pause)
        until_arrived(world, run, 1)
    world.judge()
    arrived_without_a_second_session(world, size)


@pytest.mark.parametrize("kind", ["chown", "link"])
def test_a_backup_and_a_new_owner_during_a_transfer_send_nothing_again(world: World, kind: str) -> None:
    """P-06: any change of ctime, as by `chown` and by `cp -al`."""
    world.open_sandbox("--fault", "put-chunk:*:delay=250")
    agent = world.agent(chunk_size="256KiB", **BY_EVENTS).map(world.folder)
    size = 2 * MIB
    with watching(agent) as run:
        path = world.write("a.csv", size)
        wait_until(lambda: sum(world.record.received().values()) > 2 * CHUNK, 30)
        if kind == "chown":
            os.chown(path, os.getuid(), os.getgid())
        else:
            os.link(path, world.root / "backup.csv")
        until_arrived(world, run, 1)
    world.judge()
    arrived_without_a_second_session(world, size)


@pytest.mark.parametrize("size", [2 * MIB, 4 * MIB + 5])
def test_a_move_during_a_transfer_sends_nothing_again(world: World, size: int) -> None:
    """P-06: the delivery follows the file, and has its new name."""
    world.open_sandbox("--fault", "put-chunk:*:delay=250")
    agent = world.agent(chunk_size="256KiB", **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        path = world.write("a.csv", size)
        wait_until(lambda: sum(world.record.received().values()) > 2 * CHUNK, 30)
        path.rename(world.folder / "b.csv")
        until_arrived(world, run, 1)
        run.wait(lambda: agent.states().get(b"b.csv") == "delivered", 30, "it is delivered at its new path")
    world.judge()
    arrived_without_a_second_session(world, size)


def test_bytes_that_change_behind_a_restored_mtime_are_sent_anew(world: World) -> None:
    """P-06: what was sent has to hash to what was recorded, or it is another content."""
    world.open_sandbox("--fault", "put-chunk:*:delay=250")
    agent = world.agent(chunk_size="256KiB", **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        path: Path = world.write("a.csv", 2 * MIB)
        wait_until(lambda: sum(world.record.received().values()) > 2 * CHUNK, 30)
        before = path.stat()
        # It is not to see what is between the two: that would be a third content.
        run.signal(signal.SIGSTOP)
        with path.open("r+b") as file:
            file.write(b"other bytes in the same place")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        run.signal(signal.SIGCONT)
        until_arrived(world, run, 1)
        run.wait(lambda: agent.states().get(b"a.csv") == "delivered", 30, "it is delivered")
    world.judge()
    assert world.record.counts()["open-session"] == 2
