"""A lock or a state directory that is taken away from a running agent (P-23)."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import BUSY, STATE, World
from known_breaks import must_hold, until
from watching import BY_EVENTS, Watching

# How soon, in seconds, an agent must notice that its lock or its state directory is gone; generous for a busy machine.
NOTICED = 10.0


def ended(run: Watching, status: int) -> bool:
    return run.process.poll() == status


@pytest.mark.slow
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


def test_a_database_that_is_replaced_ends_the_agent(world: World) -> None:
    """P-23: what is written to a database that has no name any more is lost."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    run = Watching(agent).ready()
    try:
        copy = agent.state / "queue.sqlite.copy"
        shutil.copyfile(agent.state / "queue.sqlite", copy)
        copy.replace(agent.state / "queue.sqlite")
        must_hold(until(lambda: run.process.poll() is not None, NOTICED), "the agent goes on in the old database")
        must_hold(run.process.returncode == STATE, f"it ended with {run.process.returncode}, not {STATE}")
        assert "queue.sqlite was removed or replaced" in run.said()
    finally:
        run.kill()
