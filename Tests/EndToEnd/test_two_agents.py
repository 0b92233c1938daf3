"""Two agents with a state directory each: on the same folder they say so and both go on; on others they say nothing."""

from __future__ import annotations

import json
import os
import subprocess
import time

from harness import DONE, LEFT, Agent, World, plain_environment, wait_until
from mapping_edits import OTHER, by_rename, text_of
from test_agent_trouble import mounts
from test_documents import hold
from test_status import status
from watching import BY_EVENTS, Watching, until_arrived, until_idle, watching

# They call one another every two seconds, and a silence counts after seven.
HEARD, FORGOTTEN = 10, 20


def neighbour(run: Watching, identifier: str = "weather") -> int | None:
    return run.mapping(identifier).get("alsoWatchedBy")


def doctor(agent: Agent) -> list[dict]:
    """The warnings about folders that are watched twice."""
    done = subprocess.run(
        agent.command("doctor", "--json"), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False,
        env=plain_environment(agent.home),
    )
    assert done.returncode in (DONE, LEFT), done
    document = json.loads(done.stdout)
    hold("doctor", document)
    return [one for one in document["checks"] if one["check"] == "folder" and "another agent" in one["finding"]]


def test_two_agents_on_one_folder_say_so(world: World) -> None:
    first, second = (world.agent(name, **BY_EVENTS).map(world.folder) for name in ("first", "second"))
    with watching(first) as one:
        second.write_mapping_file()
        wait_until(lambda: doctor(second) != [], HEARD, "one that does not run yet would be the second")
        assert neighbour(one) is None
        with watching(second) as two:
            two.wait(lambda: neighbour(two) == one.process.pid, HEARD, "the second knows of the first")
            one.wait(lambda: neighbour(one) == two.process.pid, HEARD, "the first knows of the second")
            for agent, other in ((first, two), (second, one)):
                told = status(agent)
                assert told["mappings"][0]["also_watched_by"] == other.process.pid
                # A word, and no trouble.
                assert told["problems"] == []
                assert f"(process {other.process.pid}) watches" in " ".join(agent.call("status").text.split())
                (check,) = doctor(agent)
                assert str(other.process.pid) in check["finding"] and check["verdict"] == "warning" and check["remedy"]
            for run in (one, two):
                assert run.said().count("another agent watches this folder, too") == 1
        # The one that has the sign hears no more of the other.
        one.wait(lambda: neighbour(one) is None, FORGOTTEN, "the first is alone")
        assert "no other agent watches this folder any more" in one.said() and doctor(first) == []


def test_two_agents_on_one_folder_bring_each_file_once(world: World) -> None:
    first, second = (world.agent(name, **BY_EVENTS).map(world.folder) for name in ("first", "second"))
    with watching(first) as one, watching(second) as two:
        for number in range(10):
            world.write(f"{number}.csv", 10_000)
        until_arrived(world, one, 10)
        until_idle(one)
        until_idle(two)
        # What both sent at one moment was taken off again by whoever came second.
        world.judge(withdrawn=10)
        for agent in (first, second):
            assert set(agent.states().values()) == {"delivered"}


def test_the_sign_goes_with_its_process_and_with_its_mapping(world: World) -> None:
    first, second = (world.agent(name, **BY_EVENTS).map(world.folder) for name in ("first", "second"))
    other = world.root / "other"
    other.mkdir()
    with watching(first) as one, watching(second) as two:
        two.wait(lambda: neighbour(two) == one.process.pid, HEARD, "the second knows of the first")
        one.kill()
        two.wait(lambda: neighbour(two) is None, HEARD, "the second is alone")
        with watching(first) as one:
            one.wait(lambda: neighbour(one) == two.process.pid, HEARD, "now the second has the sign")
            two.wait(lambda: neighbour(two) == one.process.pid, HEARD, "and hears of the first")
            second.map(other, OTHER)
            by_rename(second.mapping_file, text_of(second))
            one.wait(lambda: neighbour(one) is None, FORGOTTEN, "the second watches another folder")
            two.wait(lambda: neighbour(two) is None, FORGOTTEN, "and the first nothing of that")


def test_folders_in_one_another_and_two_mappings_of_one_agent_are_no_neighbours(world: World) -> None:
    inner = world.folder / "inner"
    inner.mkdir()
    first = world.agent("first", **BY_EVENTS).map(world.folder, include=["*.csv"]).map(
        world.folder, OTHER, "twin", include=["*.txt"])
    second = world.agent("second", **BY_EVENTS).map(inner)
    with watching(first) as one, watching(second) as two:
        world.write("a.csv", b"a\n")
        time.sleep(5)
        assert [neighbour(one), neighbour(one, "twin"), neighbour(two)] == [None] * 3
        assert "another agent" not in one.said() + two.said()
        assert doctor(first) == [] == doctor(second)


def test_the_sign_follows_what_is_mounted(world: World) -> None:
    """It is on the directory that is there, whatever its path, and keeps nothing busy."""
    elsewhere = world.root / "elsewhere"
    elsewhere.mkdir()
    with mounts() as place:
        place.run("mount", "-t", "tmpfs", "none", world.folder)
        place.run("mount", "--bind", world.folder, elsewhere)
        first = world.agent("first", **BY_EVENTS).map(world.folder)
        second = world.agent("second", **BY_EVENTS).map(elsewhere)
        with watching(first, prefix=place.prefix) as one, watching(second, prefix=place.prefix) as two:
            one.wait(lambda: neighbour(one) is not None, HEARD, "one directory at two places")
            two.wait(lambda: neighbour(two) is not None, HEARD, "also for the other")
            place.write(world.folder / "a.csv", b"a\n")
            place.run("umount", elsewhere)
            two.until_state("unmounted")
            one.wait(lambda: neighbour(one) is None, FORGOTTEN, "it is not at the other place any more")
            two.wait(lambda: neighbour(two) is None, FORGOTTEN, "nor is it for the other")
            place.run("mount", "--bind", world.folder, elsewhere)
            two.wait(lambda: neighbour(two) is not None, HEARD + 5, "there again")
            place.run("umount", elsewhere)
            place.run("umount", world.folder)
            assert os.path.isdir(world.folder)
