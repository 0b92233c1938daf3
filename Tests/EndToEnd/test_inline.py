"""Small files travel inside the request that registers them: one request a file, and the promises are the same."""

from __future__ import annotations

import time

import pytest
from harness import KIB, MIB, Agent, World, kill_at_work
from watching import settle_and_judge, watching

BY_DEFAULT = {"inline_limit": "1MiB"}


def inline_agent(world: World, **settings: object) -> Agent:
    return world.agent(**(BY_DEFAULT | settings)).map(world.folder)


def test_each_file_goes_the_way_of_its_size(world: World) -> None:
    """Up to the limit inside, above it in a session; an empty one has nothing to carry."""
    for size in (0, 1, 4 * KIB, MIB, MIB + 1, 3 * MIB):
        world.write(f"{size}.csv", size)
    # Bytes that look like the end of a part.
    world.write("boundary.csv", b"\r\n--redivis-sync--\r\n\r\n" * 50)
    inline_agent(world).map(world.folder, empty_files="register").run_once()
    world.judge(world.expect(empty=True))
    counts = world.record.counts()
    assert (counts["post-uploads"], counts["open-session"]) == (7, 3)


def test_four_hundred_small_files(world: World) -> None:
    for number in range(400):
        world.write(f"{number % 7}/{number:03}.csv", 100 + number)
    agent = inline_agent(world)
    agent.run_once()
    world.judge()
    assert world.record.counts()["open-session"] == 0
    with world.nothing_sent():
        agent.run_once()


FAULTS = [
    "post-uploads:1:lose-reply",
    "post-uploads:1-3:lose-reply",
    "post-uploads:1:reset",
    "post-uploads:1:reset-at=700",
    "post-uploads:1:503,after",
    "post-uploads:1:500",
    "post-uploads:1:late=1700",
    "post-uploads:1:429,retry-after=1",
    "post-uploads:1:portal",
    "post-uploads:1:never-read=1500",
    "post-uploads:2:release",
    "post-uploads:2:release,after",
]


@pytest.mark.parametrize("fault", FAULTS)
def test_registrations_that_go_wrong(world: World, fault: str) -> None:
    world.open_sandbox("--fault", fault)
    for number in range(4):
        world.write(f"{number}.csv", 1000 + number)
    inline_agent(world, registration_doubt="3s").run_once()
    world.judge()


@pytest.mark.parametrize("refusal", ["400", "413", "411"])
def test_what_is_refused_inside_goes_in_a_session(world: World, refusal: str) -> None:
    """Something on the way, or Redivis itself, does not take the file in this request: no file is parked for that."""
    world.open_sandbox("--fault", f"post-uploads:1:{refusal},once")
    world.write("a.csv", 5000)
    inline_agent(world).run_once()
    world.judge()
    assert world.record.counts()["open-session"] == 1


@pytest.mark.parametrize("point", ["post-uploads:1:wait=3000", "post-uploads:1:delay=3000"])
def test_killed_while_it_is_registered(world: World, point: str) -> None:
    """Before and after the server has carried it out."""
    world.open_sandbox("--fault", point)
    world.write("a.csv", 5000)
    agent = inline_agent(world, registration_doubt="5s")
    kill_at_work(agent)
    agent.run_once(seconds=60)
    world.judge()


def test_rewritten_while_the_agent_is_down(world: World) -> None:
    """What was in doubt is asked for; what is there now is another version, which a person decides."""
    world.open_sandbox("--fault", "post-uploads:1:delay=3000")
    path = world.write("a.csv", 5000)
    first = world.expect()
    agent = inline_agent(world, registration_doubt="3s")
    kill_at_work(agent)
    path.write_bytes(b"other bytes\n" * 400)
    agent.run_once(status=None, seconds=60)
    world.judge(first)
    assert [entry["state"] for entry in agent.list()] == ["held", "delivered"]


def test_the_limit_of_a_running_agent_changes_with_its_file(world: World) -> None:
    agent = world.agent(inline_limit="0").map(world.folder)
    with watching(agent) as run:
        world.write("a.csv", 2000)
        run.wait(lambda: len(world.record.uploads()) == 1, 30, "the first file")
        agent.settings["inline_limit"] = "1MiB"
        agent.write_mapping_file()
        # An edit takes effect within two seconds.
        time.sleep(3)
        world.write("b.csv", 3000)
        settle_and_judge(world, run)
    assert world.record.counts()["open-session"] == 1
