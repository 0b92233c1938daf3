"""A registration that is carried out after its connection died: inside the window, and beyond it."""

from __future__ import annotations

import pytest
from harness import World, wait_until
from watching import settle_and_judge, until_idle, watching

DOUBT = "3s"


def posts(world: World) -> list[dict]:
    return [line for line in world.record.requests() if line["class"] == "post-uploads"]


def uploads(world: World) -> int:
    """Those that are on the table now."""
    return len(world.record.uploads())


def open_world(world: World, late: int, *switches: str) -> None:
    world.open_sandbox("--fault", f"post-uploads:1:late={late}", *switches)
    world.write("a.csv", b"station,celsius\n1,14.5\n")


def test_inside_the_window_it_is_the_one_registration(world: World) -> None:
    open_world(world, 1500)
    with watching(world.agent(registration_doubt=DOUBT).map(world.folder, existing="upload")) as run:
        settle_and_judge(world, run)
    assert len(posts(world)) == 1


@pytest.mark.parametrize("taken", ["rename", "second"])
def test_beyond_the_window_the_twin_is_found_and_removed(world: World, taken: str) -> None:
    open_world(world, 9000, "--switch", f"duplicate-name={taken}")
    agent = world.agent(registration_doubt=DOUBT).map(world.folder, existing="upload")
    with watching(agent) as run:
        wait_until(lambda: len(posts(world)) == 2, 30, "the second post")
        wait_until(lambda: uploads(world) == 2, 30, "the late registration")
        wait_until(lambda: uploads(world) == 1, 60, "the removal of the twin")
        until_idle(run)
        world.judge(withdrawn=1)
        status = agent.call("status", "--json").json()
    assert status["twins"] == {"removed": 1, "standing": 0}
    assert "had been registered twice" in agent.call("status").text
    assert "taken off the table" in agent.call("why", str(world.folder / "a.csv")).text


def test_beyond_the_window_in_a_released_version_it_is_told(world: World) -> None:
    """Nothing can be taken off a released version: it is a problem until a person has seen to it."""
    open_world(world, 6500, "--switch", "duplicate-name=second")
    # No look comes between the late registration and the release.
    agent = world.agent(registration_doubt=DOUBT).map(world.folder, existing="upload")
    with watching(agent) as run:
        wait_until(lambda: len(posts(world)) == 2, 30, "the second post")
    wait_until(lambda: uploads(world) == 2, 30, "the late registration")
    wait_until(lambda: all(one.status == "completed" for one in world.record.uploads()), 30, "the imports")
    world.release()
    with watching(agent) as run:
        wait_until(lambda: agent.call("status", "--json", status=None).json()["twins"]["standing"] == 1, 60, "the notice")
        told = agent.call("status", status=1)
    assert "a.csv is on" in told.text + told.errors and "twice" in told.text + told.errors
