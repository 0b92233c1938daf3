"""What a list does not show, and what two agents see of one table (P-02, P-03, P-04)."""

from __future__ import annotations

import time

import pytest
from harness import World, wait_until
from watching import BY_EVENTS, registrations, until_idle, watching

SECOND = ("--switch", "duplicate-name=second")


def live(world: World) -> int:
    """How many uploads are on the table now."""
    return len(world.record.uploads())


@pytest.mark.parametrize("lag", [1000, 3000])
def test_a_list_that_lags_behind_parks_nothing(world: World, lag: int) -> None:
    """P-02: a file that the list shows late was called removed, and a retry registered it again."""
    files = 30
    world.open_sandbox("--fault", f"list-uploads:*:lag={lag}", *SECOND)
    agent = world.agent(registration_doubt="20s", **BY_EVENTS).map(world.folder, existing="upload")
    with watching(agent) as run:
        for number in range(files):
            world.write(f"{number}.csv", 100 + number)
            time.sleep(0.12)
        run.wait(lambda: registrations(world) >= files, 60, "all registrations")
        until_idle(run)
        assert {entry["state"] for entry in agent.list()} == {"delivered"}
        agent.call("retry", "--all")
        until_idle(run)
    world.judge()
    assert registrations(world) == files


@pytest.mark.parametrize("resets", [1, 2])
def test_two_agents_whose_posts_are_lost_keep_one_upload(world: World, resets: int) -> None:
    """P-03: both posted again, and each took off the other's upload."""
    world.open_sandbox(
        "--fault", f"post-uploads:1-{resets}:reset", "--fault", "post-uploads:*:delay=150", "--fault",
        "list-uploads:*:delay=150", *SECOND)
    agents = [
        world.agent(f"agent-{name}", registration_doubt="4s", inline_limit=0, **BY_EVENTS).map(
            world.folder, existing="upload", settle="0s")
        for name in "ab"
    ]
    with watching(agents[0]) as first, watching(agents[1]) as second:
        world.write("a.csv", b"station,celsius\n1,14.5\n")
        for run in (first, second):
            run.wait(lambda: registrations(world) >= 1, 60, "a registration")
            until_idle(run)
        time.sleep(10)
        wait_until(lambda: live(world) == 1, 60, "one upload is left")
        time.sleep(5)
        assert live(world) == 1
        for agent in agents:
            until_idle(first if agent is agents[0] else second)
            assert [entry["state"] for entry in agent.list()] == ["delivered"]


@pytest.mark.parametrize("settle", ["0s", "4s"])
def test_a_second_agent_that_comes_later_leaves_one_upload(world: World, settle: str) -> None:
    """P-04: a second agent trusted the list of its start, and nobody noticed the second upload."""
    world.open_sandbox(*SECOND)
    first = world.agent("agent-a", registration_doubt="3s", **BY_EVENTS).map(
        world.folder, existing="upload", settle="0s")
    second = world.agent("agent-b", registration_doubt="3s", **BY_EVENTS).map(
        world.folder, existing="upload", settle=settle)
    with watching(first) as one, watching(second) as other:
        world.write("a.csv", b"station,celsius\n1,14.5\n")
        one.wait(lambda: registrations(world) >= 1, 30, "a registration")
        other.wait(lambda: bool(second.list()), 30, "the second agent has it")
        until_idle(other)
        time.sleep(8)
        wait_until(lambda: live(world) == 1, 90, "one upload is left")
        for agent in (first, second):
            assert [entry["state"] for entry in agent.list()] == ["delivered"]
