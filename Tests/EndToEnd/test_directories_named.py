"""Commands that are given a path which is not a file's (P-21)."""

from __future__ import annotations

import pytest
from harness import DONE, LEFT, USAGE, World
from known_breaks import must_hold
from watching import BY_EVENTS, watching


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


@pytest.mark.parametrize("count", [1, 30])
def test_a_directory_means_the_files_below_it_that_the_queue_knows(world: World, count: int) -> None:
    """P-21: `forget` and `retry` of a directory name each file that they change; others are left alone."""
    for number in range(count):
        world.write(f"batch/deep/{number}.csv", 100 + number)
    world.write("batch-2/other.csv", 99)
    agent = world.agent().map(world.folder, existing="hold")
    agent.run_once(status=LEFT)
    said = agent.call("forget", str(world.folder / "batch"))
    assert sorted(said.text.splitlines()) == sorted(f"batch/deep/{number}.csv: forgotten" for number in range(count))
    again = agent.call("forget", str(world.folder / "batch"), str(world.folder / "nothing"), status=LEFT)
    assert "nothing" in again.errors and "not a file" in again.errors
    assert len(agent.call("retry", str(world.folder / "batch")).text.splitlines()) == count
    nothing = agent.call("retry", str(world.folder / "batch-2"), status=LEFT)
    assert "no file below it is parked or forgotten" in nothing.errors
    # What was held before it was forgotten is for `resolve` still.
    agent.run_once(status=LEFT)
    agent.call("resolve", "--add", str(world.folder / "batch"), status=(DONE, LEFT))
    agent.run_once(status=(DONE, LEFT))
    assert agent.states()[b"batch-2/other.csv"] == "held"


def test_nothing_is_queued_that_the_mapping_leaves_out(world: World) -> None:
    """P-21: what was forgotten and is left out by the mapping file by now is not sent by `retry`."""
    path = world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.call("forget", str(path))
    agent.map(world.folder, exclude=["a.*"])
    refused = agent.call("retry", str(path), status=LEFT)
    assert "exclude: a.*" in refused.errors
    assert "is left out already" in agent.call("forget", str(world.write("a.tmp", b"x")), status=LEFT).errors
    agent.run_once()
    assert not world.record.uploads()
