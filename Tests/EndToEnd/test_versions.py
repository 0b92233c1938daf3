"""The unreleased version: opened where none is, found by two agents at once, never written where it may not be."""

from __future__ import annotations

import time

import pytest
from harness import LEFT, World


def test_the_next_version_is_opened(world: World) -> None:
    foreign = [world.released_table()]
    world.write("a.csv", b"a\n")
    world.agent().map(world.folder, existing="upload").run_once()
    world.judge(foreign=foreign)
    assert world.record.counts()["post-versions"] == 1
    assert sorted(one.version for one in world.record.uploads()) == [0, 1]


@pytest.mark.full
def test_the_next_version_is_not_opened_where_the_mapping_forbids_it(world: World) -> None:
    foreign = [world.released_table()]
    world.write("a.csv", b"a\n")
    result = world.agent().map(world.folder, existing="upload", create_version=False).run_once(status=LEFT, seconds=120)
    assert world.record.counts()["post-versions"] == 0
    assert "version" in result.errors
    world.judge([], foreign=foreign)


def test_two_agents_open_one_version(world: World) -> None:
    world.open_sandbox("--fault", "post-versions:*:wait=300")
    foreign = [world.released_table()]
    agents, expected = [], []
    for name in ("first", "second", "third"):
        folder = world.root / f"data-{name}"
        folder.mkdir()
        for number in range(3):
            (folder / f"{name}-{number}.csv").write_text(f"{name} {number}\n")
        expected += world.expect(folder)
        agents.append(world.agent(name).map(folder, existing="upload"))
    begun = time.monotonic()
    processes = [(agent, agent.start("run", "--once")) for agent in agents]
    for agent, process in processes:
        result = agent.finish(process, begun, 90)
        assert result.status == 0, str(result)
    world.judge(expected, foreign=foreign)
    assert sorted({one.version for one in world.record.uploads()}) == [0, 1]


def test_two_agents_with_the_same_files_at_once(world: World) -> None:
    """The look-up comes before the post; where both post all the same, one upload is left in the end."""
    for number in range(4):
        world.write(f"{number}.csv", 1000 + number)
    begun = time.monotonic()
    agents = [world.agent(name).map(world.folder, existing="upload") for name in ("first", "second")]
    processes = [(agents[0], agents[0].start("run", "--once"))]
    # The second begins when the first has registered something, and is still far from done.
    time.sleep(0.5)
    processes.append((agents[1], agents[1].start("run", "--once")))
    for agent, process in processes:
        assert agent.finish(process, begun, 90).status in (0, LEFT)
    for agent in agents:
        agent.run_once(status=None)
    # How often a copy that came second is put up and taken off again depends on the moment; none may stay.
    world.judge(withdrawn=16)


def test_a_draft_that_is_released_meanwhile(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    world.release()
    world.write("b.csv", b"b\n")
    agent.run_once()
    world.judge()
    assert sorted(one.version for one in world.record.uploads()) == [0, 1]


def test_a_lost_reply_whose_upload_was_released_meanwhile(world: World) -> None:
    """In doubt, every version released since the attempt began is looked through, not the draft alone."""
    world.open_sandbox("--fault", "post-uploads:1:lose-reply", "--fault", "list-uploads:2+:503,retry-after=1")
    world.write("a.csv", b"a\n")
    agent = world.agent(registration_doubt="8s").map(world.folder)
    process = agent.start("run", "--once")
    deadline = time.monotonic() + 20
    while not any(one.status == "completed" for one in world.record.registrations()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.kill()
    process.communicate()
    world.release()
    world.sandbox.arguments = ()
    world.sandbox.start_again()
    agent.run_once()
    world.judge()
