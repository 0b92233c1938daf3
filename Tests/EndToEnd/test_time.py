"""T-21: sessions that grow old, and wall clocks that step. What waits, waits by the monotonic clock; the wall clock
tells the age of a session only."""

from __future__ import annotations

import time

import pytest
from clocks import HOUR, MINUTE, YEAR, Clock, until
from harness import MIB, Agent, World, kill, wait_until
from watching import BY_EVENTS, settle_and_judge, watching


def session_paths(world: World, after: int) -> set[str]:
    """The upload addresses that were touched by requests later than the one with that number."""
    return {one["path"] for one in world.record.requests() if one["origin"] == "storage" and one["seq"] > after}


def last(world: World) -> int:
    return max((one["seq"] for one in world.record.requests()), default=0)


def interrupted(world: World, agent: Agent, *classes: str, count: int = 1) -> None:
    """A run that is killed as soon as so many requests of these classes have been answered."""
    process = agent.start("run", "--once")
    try:
        wait_until(lambda: len(world.record.requests(*classes)) >= count, 30)
    finally:
        kill(process)


def a_day_later(world: World, agent: Agent, hours: int = 25) -> None:
    """Both sides; the sandbox without its faults."""
    Clock(world.root / "clock", hours * HOUR).rules(agent, world.sandbox)
    world.sandbox.arguments = ()
    world.sandbox.start_again()


def test_t21_a_restart_25_hours_later_opens_a_new_session_and_leaves_the_old_one_alone(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    world.write("a.bin", 5 * MIB + 7)
    agent = world.agent().map(world.folder)
    interrupted(world, agent, "put-chunk", count=2)
    old = session_paths(world, 0)
    assert len(old) == 1
    a_day_later(world, agent)
    # What was under way when it was killed is in the log by now.
    before = last(world)
    agent.run_once()
    world.judge()
    new = session_paths(world, before)
    assert len(new) == 1 and new.isdisjoint(old), (old, new)


def test_t21_a_restart_23_hours_later_goes_on_where_it_was(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    world.write("a.bin", 5 * MIB + 7)
    agent = world.agent().map(world.folder)
    interrupted(world, agent, "put-chunk", count=2)
    old, before = session_paths(world, 0), last(world)
    a_day_later(world, agent, 23)
    agent.run_once()
    world.judge()
    assert session_paths(world, before) == old
    assert world.record.counts()["open-session"] == 1


def test_t21_a_finished_upload_that_grew_old_unregistered_is_looked_up_and_sent_again(world: World) -> None:
    world.open_sandbox("--fault", "post-uploads:*:reset")
    world.write("a.bin", 2 * MIB + 7)
    agent = world.agent().map(world.folder)
    interrupted(world, agent, "post-uploads")
    old, before = session_paths(world, 0), last(world)
    a_day_later(world, agent)
    agent.run_once()
    world.judge()
    later = [one for one in world.record.requests() if one["seq"] > before]
    kinds = [one["class"] for one in later]
    assert "list-uploads" in kinds and "open-session" in kinds
    assert kinds.index("list-uploads") < kinds.index("open-session"), "it was sent again before it was looked up"
    assert session_paths(world, before).isdisjoint(old)
    assert world.record.counts()["open-session"] == 2


def test_t21_a_lost_reply_a_day_ago_is_found_and_nothing_is_sent_again(world: World) -> None:
    world.open_sandbox("--fault", "post-uploads:1:lose-reply")
    world.write("a.bin", 2 * MIB + 7)
    agent = world.agent().map(world.folder)
    interrupted(world, agent, "post-uploads")
    a_day_later(world, agent)
    agent.run_once()
    world.judge()
    assert world.record.counts()["open-session"] == world.record.counts()["post-uploads"] == 1


IN_1970 = 10 * MINUTE - time.time()
STEPS = {
    "forward": [0, HOUR, 2 * HOUR],
    "back": [-HOUR, 0, -HOUR],
    "far": [10 * YEAR, -10 * YEAR, 0],
    "booted in 1970": [IN_1970, 0],
    "to 1970 and back": [0, IN_1970, 0],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_t21_a_clock_that_steps_while_files_are_sent(world: World, steps: list[float]) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=150")
    agent = world.agent(uploads=2, **BY_EVENTS).map(world.folder)
    clock = Clock(world.root / "clock", steps[0])
    clock.rules(agent)
    with watching(agent) as run:
        for number, step in enumerate(steps):
            for one in range(2):
                world.write(f"{number}-{one}.bin", 4 * MIB + number * 10 + one)
            chunks = len(world.record.requests("put-chunk"))
            run.wait(lambda: len(world.record.requests("put-chunk")) >= chunks + 2, 30, f"files are on their way under {step}")
            clock.set(([*steps, steps[-1]])[number + 1])
        settle_and_judge(world, run, seconds=90)
    # None was given up early, but for the clocks that make a session's age unknown or more than a day.
    if steps == STEPS["forward"]:
        assert world.record.counts()["open-session"] == 2 * len(steps)
    assert world.record.counts()["post-uploads"] == 2 * len(steps)


@pytest.mark.parametrize("hours", [1, -1, 25])
def test_t21_a_wait_is_as_long_as_it_was_meant_to_be(world: World, hours: int) -> None:
    world.open_sandbox("--fault", "open-session:1:503,retry-after=4")
    agent = world.agent(**BY_EVENTS).map(world.folder)
    clock = Clock(world.root / "clock")
    clock.rules(agent)
    with watching(agent) as run:
        world.write("a.csv", b"a\n")
        run.wait(lambda: len(world.record.requests("open-session")) == 1, 20, "it was asked to wait")
        clock.set(hours * HOUR)
        settle_and_judge(world, run)
    times = [one["time"] for one in world.record.requests("open-session")]
    assert len(times) == 2 and 3900 <= times[1] - times[0] <= 12_000, times


@pytest.mark.parametrize(
    ("zone", "moment"),
    [
        ("Europe/Berlin", (2026, 10, 25, 2, 59, 55)), ("Europe/Berlin", (2026, 3, 29, 1, 59, 55)),
        ("America/New_York", (2026, 11, 1, 1, 59, 55)),
    ],
)
def test_t21_the_hour_that_comes_twice_or_not_at_all(world: World, zone: str, moment: tuple[int, ...]) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=600")
    agent = world.agent(**BY_EVENTS).map(world.folder)
    clock = Clock(world.root / "clock")
    clock.rules(agent, TZ=zone)
    clock.set(until(zone, *moment))
    with watching(agent) as run:
        for number in range(3):
            world.write(f"{number}.bin", 12 * MIB + number)
        settle_and_judge(world, run, seconds=90)
        # It was sent while the hour changed.
        assert clock.shift - until(zone, *moment) > 5
    assert world.record.counts()["open-session"] == world.record.counts()["post-uploads"] == 3
