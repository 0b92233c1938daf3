"""Files that hold fewer or more bytes than their size says (P-22)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import DONE, LEFT, Agent, World
from known_breaks import journal_lines, must_hold, preload_sizes, processor_seconds
from mounting import mounts
from watching import BY_EVENTS, watching

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
        run.wait(lambda: agent.states().get(name) == "parked", 40, "it is parked")
        reason = next(one for one in agent.list() if one["state"] == "parked")
        assert "ends at byte" in str(reason), reason
        assert not world.record.uploads()


@pytest.mark.parametrize("inline_limit", ["0", "1MiB"], ids=["session", "inline"])
def test_a_file_longer_than_its_size_is_never_registered_as_a_prefix(world: World, inline_limit: str) -> None:
    """P-22: as many bytes are sent as `stat` reported, and the agent does not check that the file ends there."""
    world.write("long.dat", 3000)
    agent = world.agent(inline_limit=inline_limit).map(world.folder)
    preload_sizes(world.root, agent, "long.dat", 1000)
    agent.run_once(status=(DONE, LEFT), seconds=60)
    sizes = [one.size for one in world.record.uploads()]
    must_hold(set(sizes) <= {3000}, f"uploads of {sizes} bytes were registered for a file of 3000 bytes")
