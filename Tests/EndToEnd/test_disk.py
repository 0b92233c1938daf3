"""T-28: the disk of the state directory is full, breaks, or turns read-only; a tiny place for temporary files. The agent
stays, says so with what to do, at most once a minute, and goes on by itself; nothing is lost or registered twice."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import KIB, MIB, STATE, Agent, World, scaled
from mounting import Mounts, mounts
from watching import BY_EVENTS, Watching, registrations, settle_and_judge, until_arrived, watching


class SmallDisk:
    """The state directory of an agent on a disk of its own, which can be filled to the last byte."""

    def __init__(self, world: World, place: Mounts, home: Path, size: str) -> None:
        self.place, self.path = place, home / "state"
        self.path.mkdir(mode=0o700)
        place.run("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", self.path)
        # A socket's path has at most 107 bytes, hence the short name of the home.
        self.seen = Path(f"/proc/{place.holder.pid}/root{self.path}")
        self.agent = world.agent(state_directory=str(self.path), **BY_EVENTS).map(world.folder)
        self.agent.prefix, self.agent.state_seen = place.prefix, self.seen

    def fill(self) -> None:
        with open(self.seen / "filler", "ab", buffering=0) as file:
            for piece in (64 * KIB, 4 * KIB, 1):
                try:
                    while True:
                        file.write(b"\xff" * piece)
                except OSError as error:
                    assert error.errno == errno.ENOSPC

    def free(self) -> None:
        (self.seen / "filler").unlink(missing_ok=True)


@contextmanager
def small_disk(world: World, size: str = "32m") -> Iterator[SmallDisk]:
    home = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))
    try:
        with mounts() as place:
            yield SmallDisk(world, place, home, size)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def lines(run: Watching, *levels: str) -> list[str]:
    return [line for line in run.said().splitlines() if any(f" {level} " in line[:40] for level in levels)]


def told(run: Watching, words: str) -> bool:
    return any(words in f"{one}" for one in run.status()["problems"])


def assert_quiet(run: Watching, seconds: float) -> None:
    """Each trouble is told at most once a minute: the same line, but for its time."""
    counts: dict[str, int] = {}
    for line in lines(run, "error", "warning", "critical"):
        counts[line[25:]] = counts.get(line[25:], 0) + 1
    for line, count in counts.items():
        assert count <= 1 + seconds // 60, f"{count} times in {seconds:.0f} s: {line}"


def test_full_before_it_starts(world: World) -> None:
    with small_disk(world) as disk:
        disk.fill()
        world.write("a.csv", b"a\n")
        begun = time.monotonic()
        with watching(disk.agent, ready=False) as run:
            run.wait(lambda: "is full; waiting for room" in run.said(), 20, "it says so")
            time.sleep(6)
            assert run.process.poll() is None
            assert_quiet(run, time.monotonic() - begun)
            assert "free space" in run.said()
            disk.free()
            settle_and_judge(world, run, seconds=30)


def test_told_to_stop_while_it_waits_for_room(world: World) -> None:
    with small_disk(world) as disk:
        disk.fill()
        with watching(disk.agent, ready=False) as run:
            run.wait(lambda: "is full; waiting for room" in run.said(), 20, "it says so")
            run.stop()
        disk.agent.call("run", "--once", status=STATE)


def test_full_between_opening_and_the_first_write(world: World) -> None:
    """What was made earlier can be opened; nothing more can be written."""
    with small_disk(world) as disk:
        world.write("a.csv", b"a\n")
        disk.agent.run_once()
        disk.fill()
        world.write("b.csv", b"b\n")
        with watching(disk.agent, ready=False) as run:
            time.sleep(8)
            assert run.process.poll() is None, run.said()
            assert_quiet(run, 10)
            disk.free()
            settle_and_judge(world, run, seconds=60)


def test_full_while_files_come(world: World) -> None:
    with small_disk(world) as disk, watching(disk.agent) as run:
        world.write("first.csv", b"first\n")
        until_arrived(world, run, 1)
        disk.fill()
        begun = time.monotonic()
        for number in range(200):
            world.write(f"{number}.csv", 100 + number)
        run.wait(lambda: told(run, "free space"), 30, "status tells what to do")
        time.sleep(scaled(15, 70))
        assert run.process.poll() is None
        assert_quiet(run, time.monotonic() - begun)
        opened = len(world.record.requests("open-session"))
        assert opened <= 40, f"{opened} sessions were opened for nothing"
        disk.free()
        settle_and_judge(world, run, seconds=120)
        run.wait(lambda: not run.status()["problems"], 60, f"no trouble is left: {run.status()['problems']}")
    disk.agent.prefix = ()


@pytest.mark.slow
@pytest.mark.parametrize("size", ["24m", pytest.param("40m", marks=pytest.mark.full)])
def test_full_and_free_at_random_moments(world: World, size: str) -> None:
    """Before, in and after commits, and in checkpoints: the database is larger than what is free now and then."""
    world.open_sandbox("--fault", "put-chunk:*:wait=50")
    with small_disk(world, size) as disk, watching(disk.agent) as run:
        for step in range(scaled(12, 60)):
            for number in range(15):
                world.write(f"{step}-{number}.csv", world.generator.choice([100, 10 * KIB, 300 * KIB]))
            time.sleep(world.generator.uniform(0, 0.5))
            disk.fill()
            time.sleep(world.generator.uniform(0.1, 1.0))
            assert run.process.poll() is None, run.said()[-4000:]
            disk.free()
        settle_and_judge(world, run, seconds=180)
        run.wait(lambda: not run.status()["problems"], 60, f"no trouble is left: {run.status()['problems']}")
        disk.agent.call("receipts", "--verify")


@pytest.mark.slow
def test_full_and_killed(world: World) -> None:
    """What was saved is there at the next start, whether that finds room or not."""
    with small_disk(world) as disk:
        for step in range(scaled(5, 20)):
            with watching(disk.agent, ready=False) as run:
                for number in range(30):
                    world.write(f"{step}-{number}.csv", 1000 + number)
                time.sleep(world.generator.uniform(0.2, 1.5))
                disk.fill()
                time.sleep(world.generator.uniform(0, 1.5))
                run.kill()
            if world.generator.random() < 0.5:
                disk.free()
        disk.free()
        with watching(disk.agent) as run:
            settle_and_judge(world, run, seconds=180)
        disk.agent.call("receipts", "--verify")


# A disk that breaks


@pytest.fixture(scope="session")
def failing_disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = next((one for one in ("cc", "gcc", "clang") if shutil.which(one)), None)
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("preload") / "failing_disk.so"
    source = Path(__file__).with_name("failing_disk.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True, timeout=60)
    return library


class Switch:
    def __init__(self, agent: Agent, library: Path) -> None:
        self.file = agent.home / "disk-fails"
        agent.environment = {
            "LD_PRELOAD": str(library), "FAILING_DISK_SWITCH": str(self.file), "FAILING_DISK_FOLDER": str(agent.state),
        }

    def on(self, code: int) -> None:
        new = self.file.with_name("disk-fails.new")
        new.write_text(str(code))
        new.rename(self.file)

    def off(self) -> None:
        self.file.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("code", "words"), [(errno.EIO, "dmesg"), (errno.EROFS, ""), (errno.ENOSPC, "free space")],
    ids=["EIO", "EROFS", "ENOSPC"],
)
def test_writes_that_fail_while_it_runs(world: World, failing_disk: Path, code: int, words: str) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    switch = Switch(agent, failing_disk)
    with watching(agent) as run:
        world.write("a.csv", b"a\n")
        until_arrived(world, run, 1)
        switch.on(code)
        begun = time.monotonic()
        for number in range(30):
            world.write(f"{number}.csv", 100 + number)
        run.wait(lambda: any(one["kind"] == "state" for one in run.status()["problems"]), 30, "status tells it")
        assert told(run, words), run.status()["problems"]
        time.sleep(8)
        assert run.process.poll() is None
        assert_quiet(run, time.monotonic() - begun)
        assert registrations(world) == 1, "registered without having it saved"
        switch.off()
        settle_and_judge(world, run, seconds=120)
    agent.environment = {}
    agent.call("receipts", "--verify")


@pytest.mark.full
@pytest.mark.slow
def test_writes_that_fail_now_and_then(world: World, failing_disk: Path) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    switch = Switch(agent, failing_disk)
    with watching(agent) as run:
        for step in range(scaled(15, 60)):
            for number in range(10):
                world.write(f"{step}-{number}.csv", 1000 + number)
            time.sleep(world.generator.uniform(0, 0.4))
            switch.on(world.generator.choice([errno.EIO, errno.EROFS, errno.ENOSPC, errno.EDQUOT]))
            time.sleep(world.generator.uniform(0, 0.8))
            switch.off()
        assert run.process.poll() is None
        settle_and_judge(world, run, seconds=180)
    agent.environment = {}
    agent.call("receipts", "--verify")


def test_a_read_only_state_directory_is_told_at_the_start(world: World) -> None:
    with small_disk(world) as disk:
        world.write("a.csv", b"a\n")
        disk.agent.run_once()
        disk.place.run("mount", "-o", "remount,ro", disk.path)
        said = disk.agent.call("run", status=STATE).errors
        assert "ead-only" in said and "mount that file system writable" in said, said


# Temporary files


def test_a_tiny_place_for_temporary_files(world: World) -> None:
    """SQLite's own temporary files, those of the large list of `receipts --verify` too."""
    with mounts() as place:
        tiny = world.root / "tiny"
        tiny.mkdir()
        place.run("mount", "-t", "tmpfs", "-o", "size=64k,mode=1777", "none", tiny)
        subprocess.run([*place.prefix, "sh", "-c", f"cat /dev/zero > {tiny}/filler"], capture_output=True, timeout=20)
        agent = world.agent().map(world.folder)
        agent.prefix = place.prefix
        agent.environment = {"TMPDIR": str(tiny), "SQLITE_TMPDIR": str(tiny)}
        for number in range(scaled(150, 2000)):
            world.write(f"{number}.csv", 10 + number)
        agent.run_once()
        world.judge()
        agent.call("list")
        agent.call("status")
        agent.call("receipts", "--verify")


# The source


@contextmanager
def another_user(world: World, agent: Agent) -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    for path in [world.root, *world.root.parents]:
        if path == Path("/tmp"):
            break
        path.chmod(0o755)
    agent.home.chmod(0o755)
    shutil.chown(agent.home, 65534, 65534)
    agent.token_file.chmod(0o600)
    shutil.chown(agent.token_file, 65534, 65534)
    agent.prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    yield


def test_a_file_that_cannot_be_read_is_tried_again_by_itself(world: World) -> None:
    """Parked with its reason; nobody has to ask for it once it can be read, also where nothing tells of that."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with another_user(world, agent):
        closed = world.write("closed.csv", b"closed\n")
        closed.chmod(0)
        world.write("open.csv", b"open\n")
        with watching(agent) as run:
            until_arrived(world, run, 1)
            run.wait(lambda: agent.states().get(b"closed.csv") == "parked", 20, "it is parked")
            why = agent.call("why", str(closed)).text
            assert "cannot be read" in why and "ermission" in why, why
            closed.chmod(0o644)
            settle_and_judge(world, run, seconds=60)
