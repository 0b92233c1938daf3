"""The documented endpoint, the one that current clients use, and `auto` between them."""

from __future__ import annotations

import pytest
from harness import LEFT, MIB, World


def used(world: World) -> set[str]:
    return {name for name, count in world.record.counts().items() if name in ("open-session", "temp-uploads") and count}


def test_auto_takes_the_documented_one(world: World) -> None:
    world.write("a.bin", 2 * MIB)
    world.agent().map(world.folder).run_once()
    world.judge()
    assert used(world) == {"open-session"}
    assert {one.via for one in world.record.uploads()} == {"documented"}


@pytest.mark.parametrize("status", ["404", "405", "410"])
def test_auto_falls_back_where_the_documented_one_is_gone(world: World, status: str) -> None:
    world.open_sandbox("--switch", f"documented-endpoint={status}")
    for number in range(5):
        world.write(f"{number}.bin", MIB + number)
    agent = world.agent(uploads=1).map(world.folder)
    agent.run_once()
    world.judge()
    assert {one.via for one in world.record.uploads()} == {"resumable"}
    # It is remembered: the next run does not knock again.
    knocks = world.record.counts()["open-session"]
    world.write("later.bin", MIB)
    agent.run_once()
    assert world.record.counts()["open-session"] == knocks
    world.judge()


@pytest.mark.parametrize("reading", ["refuse", pytest.param("no-size", marks=pytest.mark.full)])
def test_auto_falls_back_where_the_documented_ids_come_to_nothing(world: World, reading: str) -> None:
    world.open_sandbox("--switch", f"resumable-id={reading}")
    for number in range(3):
        world.write(f"{number}.bin", MIB + number)
    agent = world.agent(uploads=1).map(world.folder)
    # A size that is never told is waited for over several reports, perhaps longer than one run does.
    for _ in range(3):
        if agent.run_once(status=None, seconds=120).status == 0:
            break
    world.judge(withdrawn=3 if reading == "no-size" else 0)
    assert {one.via for one in world.record.uploads()} == {"resumable"}


def test_auto_does_not_fall_back_for_a_table_that_is_not_there(world: World) -> None:
    world.open_sandbox("--strict-tables")
    world.write("a.csv", b"a\n")
    result = world.agent().map(world.folder).run_once(status=LEFT)
    assert used(world) == set()
    assert "readings" in result.errors


@pytest.mark.parametrize("endpoint", ["resumable_upload", "temp_uploads"])
def test_a_fixed_endpoint_does_not_fall_back(world: World, endpoint: str) -> None:
    gone = "documented-endpoint=404" if endpoint == "resumable_upload" else "temp-endpoint=404"
    world.open_sandbox("--switch", gone)
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder, endpoint=endpoint)
    agent.run_once(status=LEFT, seconds=120)
    world.judge([])
    other = {"resumable_upload": "temp-uploads", "temp_uploads": "open-session"}[endpoint]
    assert other not in used(world)


@pytest.mark.parametrize("flag", ["honour", "false", "true"])
def test_the_returned_flag_is_obeyed(world: World, flag: str) -> None:
    world.open_sandbox("--switch", f"resumable-flag={flag}")
    world.write("small.bin", 1000)
    world.write("large.bin", 5 * MIB)
    world.agent().map(world.folder, endpoint="temp_uploads").run_once()
    world.judge()
    counts = world.record.counts()
    if flag == "false":
        assert counts["put-whole"] == 2
    if flag == "true":
        assert counts["start-session"] == 2
