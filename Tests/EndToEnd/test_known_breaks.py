"""Known breaks of the contract: each test states what must hold, and fails today.

P-01 to P-23 number the breaks. Remove the mark of a test when you fix its break: the marks are strict, so a marked test
that passes fails the run. Breaks that need many rows are in test_known_breaks_at_scale.py.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import BUSY, DONE, LEFT, STATE, USAGE, Agent, World
from known_breaks import PromiseBroken, journal_lines, must_hold, preload_sizes, processor_seconds, until
from mounting import mounts
from test_disk import another_user
from watching import BY_EVENTS, Watching, watching

# How soon, in seconds, an agent must notice that its lock or its state directory is gone; generous for a busy machine.
NOTICED = 10.0


# P-16: the first scan


def test_new_files_are_delivered_though_many_folders_cannot_be_read(world: World) -> None:
    """P-16: the list of unreadable places is cut at 100 entries, and `existing` is closed only if the list is complete."""
    closed = [world.folder / f"closed-{number}" for number in range(101)]
    for folder in closed:
        folder.mkdir()
        folder.chmod(0)
    world.write("before.csv", b"before\n")
    agent = world.agent(**BY_EVENTS).map(world.folder, existing="skip")
    try:
        with another_user(world, agent), watching(agent) as run:
            world.write("after.csv", b"after\n")
            run.wait(
                lambda: agent.states().get(b"after.csv") in ("delivered", "ignored"), 30, "the new file has an outcome")
            found = agent.states()
            assert found[b"before.csv"] == "ignored"
            must_hold(found[b"after.csv"] == "delivered", f"a file that came after the first scan is {found[b'after.csv']}")
            world.judge([one for one in world.expect() if one.paths[0] == b"after.csv"])
    finally:
        for folder in closed:
            folder.chmod(0o755)


# P-21: commands that are given a directory


@pytest.mark.xfail(
    strict=True, raises=PromiseBroken, reason="P-21: `forget DIR` reports success and the files below DIR are sent")
def test_forget_of_a_directory_is_refused_or_means_its_files(world: World) -> None:
    """P-21: `forget` stores the directory's own path, which is no file's path, so nothing below it is forgotten."""
    for number in range(3):
        world.write(f"batch/{number}.csv", 100 + number)
    agent = world.agent().map(world.folder)
    forgotten = agent.call("forget", str(world.folder / "batch"), status=(DONE, LEFT, USAGE))
    agent.run_once()
    sent = len(world.record.uploads())
    if forgotten.status == DONE:
        must_hold(sent == 0, f"said {forgotten.text.strip()!r} with status 0, then {sent} of 3 files below it were sent")
    else:
        must_hold("forgotten" not in forgotten.text, f"refused, and said {forgotten.text.strip()!r}")
        assert "batch" in forgotten.errors, forgotten
        world.judge()


@pytest.mark.xfail(
    strict=True, raises=PromiseBroken, reason="P-21: `retry DIR` queues the directory, which can never be delivered")
@pytest.mark.parametrize("running", [False, True], ids=["no agent", "agent running"])
def test_a_directory_never_enters_the_queue(world: World, running: bool) -> None:
    """P-21: after `forget DIR`, `retry DIR` queues the directory itself; it waits for ever, and `run --once` ends with 1."""
    world.write("batch/a.csv", b"a\n")
    agent = world.agent(**BY_EVENTS).map(world.folder)

    def ask() -> None:
        for command in ("forget", "retry"):
            said = agent.call(command, str(world.folder / "batch"), status=(DONE, LEFT, USAGE))
            state = agent.states().get(b"batch")
            must_hold(
                state in (None, "ignored"),
                f"`{command}` ended with {said.status}, said {said.text.strip()!r}, and the directory is {state}")

    if running:
        with watching(agent):
            ask()
    else:
        ask()
    agent.run_once()
    world.judge()


# P-22: sizes that are not true

SYSFS = Path("/sys/devices/system/cpu/vulnerabilities")


@contextmanager
def short_file(world: World, agent: Agent, kind: str) -> Iterator[bytes]:
    """Maps a folder with one file that has fewer bytes than `stat` says; yields the file's name."""
    if kind == "preloaded":
        world.write("short.dat", 1000)
        preload_sizes(world.root, agent.map(world.folder), "short.dat", 4096)
        yield b"short.dat"
        return
    found = [one.name for one in SYSFS.iterdir() if len(one.read_bytes()) < one.stat().st_size] if SYSFS.is_dir() else []
    if not found:
        pytest.skip(f"no such file in {SYSFS}")
    with mounts() as place:
        place.run("mount", "--bind", SYSFS, world.folder)
        agent.map(world.folder, include=found[:1], existing="upload")
        agent.prefix = place.prefix
        yield found[0].encode()


@pytest.mark.xfail(
    strict=True, raises=PromiseBroken, reason="P-22: a file that ends before its stat size is read again without a pause")
@pytest.mark.parametrize("kind", ["preloaded", "sysfs"])
def test_a_file_shorter_than_its_size_is_retried_with_pauses_and_explained(world: World, kind: str) -> None:
    """P-22: a read that ends early is taken for a change; the file settles at once and is queued at once, for ever."""
    agent = world.agent(**BY_EVENTS)
    with short_file(world, agent, kind) as name, watching(agent, ready=False) as run:
        run.wait(lambda: name in agent.states(), 20, "the file was noticed")
        time.sleep(1)
        lines, used, begun = journal_lines(agent, "weather"), processor_seconds(run), time.monotonic()
        time.sleep(4)
        passed = time.monotonic() - begun
        lines, used = journal_lines(agent, "weather") - lines, processor_seconds(run) - used
        assert not world.record.uploads()
        must_hold(
            lines <= 10,
            f"{lines} journal lines about one file and {used / passed:.0%} of a core in {passed:.1f} s; "
            f"it is {agent.states().get(name)}")
        must_hold(used / passed <= 0.3, f"{used / passed:.0%} of a core for one file that cannot be read to its end")
        run.wait(lambda: agent.states().get(name) in ("waiting", "parked"), 30, "it waits, or is parked")
        assert not world.record.uploads()


@pytest.mark.xfail(
    strict=True, raises=PromiseBroken, reason="P-22: of a file that goes on after its stat size, a prefix is registered")
@pytest.mark.parametrize("inline_limit", ["0", "1MiB"], ids=["session", "inline"])
def test_a_file_longer_than_its_size_is_never_registered_as_a_prefix(world: World, inline_limit: str) -> None:
    """P-22: as many bytes are sent as `stat` reported, and the agent does not check that the file ends there."""
    world.write("long.dat", 3000)
    agent = world.agent(inline_limit=inline_limit).map(world.folder)
    preload_sizes(world.root, agent, "long.dat", 1000)
    agent.run_once(status=(DONE, LEFT), seconds=60)
    sizes = [one.size for one in world.record.uploads()]
    must_hold(set(sizes) <= {3000}, f"uploads of {sizes} bytes were registered for a file of 3000 bytes")


# P-23: the lock and the state directory are known by their paths only


def ended(run: Watching, status: int) -> bool:
    return run.process.poll() == status


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True, raises=PromiseBroken, reason="P-23: without the file `lock` a second agent starts on the same state")
def test_a_removed_lock_file_lets_no_second_agent_work_on_the_state(world: World) -> None:
    """P-23: a cleaner removes `state/lock`; a second agent locks a new file of that name, and both go on."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    first = Watching(agent).ready()
    second = None
    try:
        (agent.state / "lock").unlink()
        second = Watching(agent, writes=False)
        alone = until(lambda: ended(first, STATE) or ended(second, BUSY), NOTICED)
        must_hold(
            alone,
            f"two agents, processes {first.process.pid} and {second.process.pid}, work on one state directory after "
            f"{NOTICED:.0f} s; neither ended")
        if ended(first, STATE):
            assert "lock" in first.said(), first.said()[-2000:]
    finally:
        for run in (first, second):
            if run:
                run.kill()


def remove(state: Path) -> None:
    # The agent may be writing to it.
    while state.exists():
        shutil.rmtree(state, ignore_errors=True)


def move_away(state: Path) -> None:
    state.rename(state.with_name("elsewhere"))


def replace(state: Path) -> None:
    move_away(state)
    state.mkdir(mode=0o700)


@pytest.mark.slow
@pytest.mark.xfail(
    strict=True, raises=PromiseBroken, reason="P-23: the agent goes on though its state directory is not there any more")
@pytest.mark.parametrize("treatment", [remove, move_away, replace], ids=lambda one: one.__name__)
def test_an_agent_without_its_state_directory_ends(world: World, treatment: Callable[[Path], None]) -> None:
    """P-23: the agent writes on into files that are deleted or elsewhere, and says nothing."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    run = Watching(agent).ready()
    try:
        world.write("a.csv", b"a\n")
        run.wait(lambda: agent.states().get(b"a.csv") == "delivered", 30, "a file is delivered")
        treatment(agent.state)
        world.write("b.csv", b"b\n")
        has_ended = until(lambda: run.process.poll() is not None, NOTICED)
        must_hold(
            has_ended, f"{NOTICED:.0f} s later the agent still runs, with {len(world.record.uploads())} uploads on the table")
        must_hold(run.process.returncode == STATE, f"it ended with {run.process.returncode}, not {STATE}")
        assert str(agent.state) in run.said(), run.said()[-2000:]
    finally:
        run.kill()
