"""The kernel's limits: what cannot be watched is polled, and what was not told is found by a scan."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from harness import World
from watching import settle_and_judge, watching

FOLDERS = 500


def user_namespaces() -> bool:
    return subprocess.run(["unshare", "-U", "-r", "true"], capture_output=True).returncode == 0


def allow(process: int, watches: int) -> None:
    """Another limit, in the user namespace of that process alone."""
    subprocess.run(
        ["nsenter", "-t", str(process), "-U", "--preserve-credentials", "sh", "-c",
         f"echo {watches} > /proc/sys/user/max_inotify_watches"], check=True, timeout=20)


@pytest.mark.slow
@pytest.mark.skipif(not user_namespaces(), reason="user namespaces are not to be had")
def test_more_folders_than_watches(world: World) -> None:
    for number in range(FOLDERS):
        (world.folder / f"{number:03}").mkdir()
    world.write("007/there.csv", b"there before\n")
    agent = world.agent(rescan="off").map(world.folder, poll="1s")
    prefix = ("unshare", "-U", "-r", "sh", "-c", 'echo 50 > /proc/sys/user/max_inotify_watches && exec "$@"', "sh")
    with watching(agent, prefix=prefix) as run:
        run.until_state("polling")
        words = run.mapping()["watchMode"]
        assert "user.max_inotify_watches" in words and "50" in words, words
        for number in range(FOLDERS):
            world.write(f"{number:03}/polled.csv", b"%d\n" % number)
        settle_and_judge(world, run, seconds=120)
        allow(run.process.pid, 5000)
        # It is tried again every 30 seconds.
        run.until_state("watching", 60)
        assert run.status()["watcher"]["watches"] >= FOLDERS
        begun = time.monotonic()
        for number in range(0, FOLDERS, 10):
            world.write(f"{number:03}/told.csv", b"%d, told\n" % number)
        settle_and_judge(world, run, seconds=120)
        print(f"{FOLDERS // 10} files by events again in {time.monotonic() - begun:.1f} s")


QUEUED = Path("/proc/sys/fs/inotify/max_queued_events")


@contextmanager
def short_queue() -> Iterator[None]:
    """For the whole machine, so this runs alone; restored whatever happens. The kernel reads it when an instance is
    made, so it need not last longer."""
    if os.geteuid() != 0 or not os.access(QUEUED, os.W_OK):
        pytest.skip("fs.inotify.max_queued_events can be set by root alone")
    before = QUEUED.read_text()
    QUEUED.write_text("16")
    try:
        yield
    finally:
        QUEUED.write_text(before)


@pytest.mark.full
def test_fifty_thousand_files_while_the_agent_is_stopped(world: World) -> None:
    agent = world.agent(rescan="off", uploads=16).map(world.folder)
    with ExitStack() as stack:
        with short_queue():
            run = stack.enter_context(watching(agent))
        run.signal(signal.SIGSTOP)
        try:
            for folder in range(FOLDERS):
                place = world.folder / f"{folder:03}"
                place.mkdir()
                for number in range(100):
                    (place / f"{number}.csv").write_bytes(b"%d %d\n" % (folder, number))
        finally:
            run.signal(signal.SIGCONT)
        run.wait(lambda: run.status()["watcher"]["overflows"] >= 1, 60, "the overflow is counted")
        settle_and_judge(world, run, seconds=540)
