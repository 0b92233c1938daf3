"""A folder whose file system does not answer, as that of a file server that is away: calls into it come back late, or
never. It keeps nobody else waiting, and is gone on with when it answers.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import LEFT, MIB, World, wait_until
from mounting import Mounts, mounts
from watching import settle_and_judge, until_arrived, watching

OTHERS = "demo_org.weather_stations.others"


class Hanging:
    """A file system by way of a program (FUSE), which can be made to say nothing."""

    def __init__(self, place: Mounts, root: Path) -> None:
        # What is mapped lies below the mount, so that the way to it has to be asked for, too.
        self.folder = root / "server" / "runs" / "data"
        # Where the same files are always to be had.
        self.behind = root / "behind" / "runs" / "data"
        self.behind.mkdir(parents=True)
        mount = root / "server"
        mount.mkdir()
        self.process = subprocess.Popen([*place.prefix, "bindfs", "-f", str(root / "behind"), str(mount)])
        wait_until(lambda: place.is_mounted(mount) or self.process.poll() is not None, 20)
        if self.process.poll() is not None:
            pytest.skip("nothing can be mounted through /dev/fuse here")

    def hang(self) -> None:
        # Stopped while it waits for a request. The kernel lets nobody end, not by SIGKILL either, whose request has been
        # taken and not answered (fs/fuse/dev.c, request_wait_answer).
        wait_until(self.waits_for_a_request, 20)
        self.process.send_signal(signal.SIGSTOP)

    def waits_for_a_request(self) -> bool:
        """Whether it sleeps in `read` (system call 0 on x86-64, 63 on arm64; `man 5 proc`)."""
        return Path(f"/proc/{self.process.pid}/syscall").read_text().split()[0] in ("0", "63")

    def answer(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        # Whoever waits for it gets an error.
        self.process.kill()
        self.process.wait()


@contextmanager
def hanging(world: World) -> Iterator[tuple[Mounts, Hanging]]:
    if not shutil.which("bindfs") or not os.path.exists("/dev/fuse"):
        pytest.skip("needs bindfs and /dev/fuse")
    with mounts() as place:
        served = Hanging(place, world.root)
        try:
            yield place, served
        finally:
            served.close()


@pytest.mark.slow
def test_a_folder_that_does_not_answer_keeps_no_other_waiting(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    with hanging(world) as (place, served):
        agent = world.agent(uploads=2).map(world.folder)
        agent.map(served.folder, identifier="server", table=OTHERS, poll="1s", settle="5s")
        with watching(agent, prefix=place.prefix) as run:
            for number in range(4):
                (served.behind / f"large-{number}.bin").write_bytes(world.generator.randbytes(24 * MIB))
            run.wait(lambda: len(world.record.requests("put-chunk")) >= 3, 40, "they are on their way")
            for number in range(12):
                (served.behind / f"{number}.csv").write_bytes(b"%d\n" % number)
            run.wait(lambda: list(agent.states().values()).count("settling") >= 12, 20, "they settle")
            served.hang()
            for number in range(20):
                world.write(f"{number}.csv", 100 + number)
                time.sleep(0.2)
            # The other folder's.
            until_arrived(world, run, 20, 120)
            run.wait(lambda: "does not answer" in agent.call("status", status=LEFT).errors, 60, "it is told")
            # And once more, with everybody hanging in it who is to.
            world.write("again.csv", b"again\n")
            until_arrived(world, run, 21, 40)
            # An edit of the mapping file needs no word from it.
            third = world.root / "third"
            third.mkdir()
            (third / "third.csv").write_bytes(b"third\n")
            agent.map(third, identifier="third")
            agent.write_mapping_file()
            until_arrived(world, run, 22, 40)
            served.answer()
            expected = world.expect(world.folder) + world.expect(served.behind, OTHERS) + world.expect(third)
            settle_and_judge(world, run, expected, seconds=120)


def test_an_end_and_a_start_while_a_folder_does_not_answer(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    with hanging(world) as (place, served):
        agent = world.agent().map(world.folder).map(served.folder, table=OTHERS, identifier="server", poll="1s")
        with watching(agent, prefix=place.prefix) as run:
            (served.behind / "large.bin").write_bytes(world.generator.randbytes(24 * MIB))
            run.wait(lambda: len(world.record.requests("put-chunk")) >= 3, 40, "it is on its way")
            served.hang()
            # Long enough for a scan and a read to be waiting for it.
            time.sleep(3)
            run.stop()
        with watching(agent, prefix=place.prefix, writes=False, ready=False) as run:
            world.write("a.csv", b"a\n")
            until_arrived(world, run, 1, 100)
            assert agent.states()[b"large.bin"] in ("uploading", "waiting")
            served.answer()
            settle_and_judge(world, run, world.expect(world.folder) + world.expect(served.behind, OTHERS), seconds=120)


def test_a_single_run_leaves_out_a_folder_that_does_not_answer(world: World) -> None:
    with hanging(world) as (place, served):
        agent = world.agent().map(world.folder).map(served.folder, table=OTHERS, identifier="server")
        agent.prefix = place.prefix
        world.write("a.csv", b"a\n")
        (served.behind / "b.csv").write_bytes(b"b\n")
        served.hang()
        left = agent.run_once(status=LEFT, seconds=100)
        assert "does not answer" in left.errors
        assert agent.states() == {b"a.csv": "delivered"}
        served.answer()
        agent.run_once()
        world.judge(world.expect(world.folder) + world.expect(served.behind, OTHERS))
