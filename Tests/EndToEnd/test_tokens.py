"""Tokens: one for each mapping that wants its own, replaced while files go out, refused (T-20), exposed. What is refused
to one says nothing of the others, and nobody is pestered meanwhile."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from harness import INVALID, MIB, NO_TOKEN, TABLE, TOKEN, Agent, World, scaled
from watching import BY_EVENTS, registrations, settle_and_judge, until_arrived, watching

OTHER = "demo_org.weather_stations.other"
READ_ONLY = "sandbox-readonly"


def token_file(agent: Agent, name: str, token: str) -> Path:
    path = agent.home / name
    replace(path, token)
    return path


def replace(path: Path, token: str) -> None:
    """As secrets managers do: a new file in the old one's stead."""
    new = path.with_name(path.name + ".new")
    new.touch(0o600)
    new.write_text(token)
    new.rename(path)


def second(world: World) -> Path:
    folder = world.root / "other"
    folder.mkdir()
    return folder


def about(world: World, table: str) -> list[dict]:
    """Requests of the API that name the table or a file of it; its dataset is asked about with either token."""
    name = table.rsplit(".", 1)[1]
    return [line for line in world.record.requests() if line["origin"] == "api" and f".{name}" in line["path"]]


def refused(world: World) -> list[dict]:
    return [line for line in world.record.requests() if line["origin"] == "api" and line["status"] in (401, 403)]


def problems(run, kind: str) -> list[dict]:
    return [one for one in run.status()["problems"] if one["kind"] == kind]


# Whose requests carry which


def test_every_request_about_a_table_carries_its_own_token(world: World) -> None:
    """The standard token may only read; what arrives has gone out with the mapping's own."""
    other = second(world)
    agent = world.agent(**BY_EVENTS).map(world.folder)
    agent.token_file.write_text(READ_ONLY)
    agent.map(other, OTHER, "second", token_file=str(token_file(agent, "own", TOKEN)))
    (other / "b.csv").write_bytes(b"b\n")
    (other / "large.bin").write_bytes(world.generator.randbytes(3 * MIB))
    world.write("a.csv", b"a\n")
    with watching(agent, ready=False) as run:
        settle_and_judge_only(world, run, other)
        assert about(world, OTHER) and {line["token"] for line in about(world, OTHER)} == {TOKEN}
        assert {line["token"] for line in about(world, TABLE)} == {READ_ONLY}
        run.until_state("blocked")
        assert run.mapping("second")["state"] == "watching"
        assert agent.states()[b"a.csv"] in ("queued", "waiting")
        assert [one for one in problems(run, "token") if TABLE in one["text"]], run.status()["problems"]
        replace(agent.token_file, TOKEN)
        settle_and_judge(world, run, world.expect() + world.expect(other, OTHER), seconds=40)
        run.wait(lambda: not problems(run, "token"), 20, "no trouble with tokens is shown any more")


def settle_and_judge_only(world: World, run, folder: Path) -> None:
    wanted = world.expect(folder, OTHER)
    until_arrived(world, run, len(wanted))
    world.judge(wanted)


def test_a_single_run_uses_each_tables_token(world: World) -> None:
    other = second(world)
    agent = world.agent().map(world.folder)
    agent.token_file.write_text("revoked")
    agent.map(other, OTHER, "second", token_file=str(token_file(agent, "own", TOKEN)))
    (other / "b.csv").write_bytes(b"b\n")
    world.write("a.csv", b"a\n")
    agent.run_once(status=1)
    world.judge(world.expect(other, OTHER))
    replace(agent.token_file, TOKEN)
    agent.run_once()
    world.judge(world.expect() + world.expect(other, OTHER))
    agent.call("receipts", "--verify")


def test_where_every_mapping_has_its_own_no_other_token_is_needed(world: World) -> None:
    agent = world.agent(token_file=None)
    agent.token_file.unlink()
    agent.map(world.folder, token_file=str(token_file(agent, "own", TOKEN)))
    world.write("a.csv", b"a\n")
    agent.run_once()
    world.judge()
    agent.call("check", "--online")
    agent.call("receipts", "--verify")


def test_two_tokens_for_one_table_are_refused(world: World) -> None:
    other = second(world)
    agent = world.agent().map(world.folder)
    agent.map(other, TABLE.replace("readings", "Readings:ab12"), "second", token_file=str(token_file(agent, "own", TOKEN)))
    said = agent.call("check", status=INVALID).errors
    assert "send to one table with different tokens" in said and "write the same `token_file` in both" in said


# Files that cannot be used


def test_an_exposed_file_of_one_mapping_stops_that_mapping_alone(world: World) -> None:
    other = second(world)
    agent = world.agent(**BY_EVENTS).map(world.folder)
    own = token_file(agent, "own", TOKEN)
    own.chmod(0o644)
    agent.map(other, OTHER, "second", token_file=str(own))
    (other / "b.csv").write_bytes(b"b\n")
    world.write("a.csv", b"a\n")
    with watching(agent, ready=False) as run:
        until_arrived(world, run, 1)
        run.until_state("blocked", identifier="second")
        told = [one for one in problems(run, "token") if "mode 0644" in one["text"]]
        assert told and f"chmod 600 {own}" in str(told), run.status()["problems"]
        assert not about(world, OTHER), "Redivis was asked without a token"
        said = agent.call("check", "--online", status=NO_TOKEN)
        assert "second: " in said.errors and "mode 0644" in said.errors
        own.chmod(0o600)
        settle_and_judge(world, run, world.expect() + world.expect(other, OTHER), seconds=40)
    own.chmod(0o640 | 0o004)
    assert "mode 0644" in agent.call("doctor", status=None).text


def test_without_any_token_that_can_be_used_it_does_not_start(world: World) -> None:
    agent = world.agent()
    own = token_file(agent, "own", TOKEN)
    agent.map(world.folder, token_file=str(own))
    for mode in (0o644, 0o602):
        own.chmod(mode)
        assert "every user can get at it" in agent.call("run", status=NO_TOKEN).errors
    own.unlink()
    assert "`token_file`: there is no file" in agent.call("run", status=INVALID).errors


def test_a_token_file_in_a_mapped_folder_is_refused(world: World) -> None:
    agent = world.agent()
    own = world.folder / "own"
    replace(own, TOKEN)
    agent.map(world.folder, token_file=str(own))
    assert "lies in the mapped folder" in agent.call("check", status=INVALID).errors


# Replaced while it runs


def test_a_token_is_replaced_in_the_middle_of_a_chunk(world: World) -> None:
    """Revoked while bytes go out, and another one comes before they are all there: nothing is sent twice."""
    world.open_sandbox("--fault", "put-chunk:*:wait=1500")
    agent = world.agent(**BY_EVENTS)
    own = token_file(agent, "own", TOKEN)
    agent.map(world.folder, token_file=str(own))
    with watching(agent) as run:
        world.write("a.bin", 5 * MIB)
        run.wait(lambda: len(world.record.requests("open-session")) == 1, 20, "it is on its way")
        time.sleep(0.7)
        replace(own, "revoked")
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 2, 20, "chunks go on")
        replace(own, READ_ONLY)
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 3, 20, "chunks go on")
        replace(own, TOKEN)
        settle_and_judge(world, run, seconds=40)
    assert len(world.record.requests("open-session")) == 1
    assert sum(world.record.received().values()) == 5 * MIB
    assert {line["token"] for line in world.record.requests() if line["origin"] == "storage"} == {None}


def test_an_edit_of_a_mappings_token_file_takes_effect(world: World) -> None:
    agent = world.agent(**BY_EVENTS)
    agent.map(world.folder, token_file=str(token_file(agent, "first", "revoked")))
    world.write("a.csv", b"a\n")
    with watching(agent, ready=False) as run:
        run.until_state("blocked")
        agent.map(world.folder, token_file=str(token_file(agent, "later", TOKEN)))
        agent.write_mapping_file()
        settle_and_judge(world, run, seconds=20)


# T-20


@pytest.mark.slow
def test_t20_a_refused_token_and_a_thousand_files(world: World) -> None:
    """At most two requests a minute, none of them for any single file; all is delivered once the file is mended."""
    other = second(world)
    agent = world.agent(uploads=8, **BY_EVENTS).map(other, OTHER, "second")
    own = token_file(agent, "own", "revoked")
    agent.map(world.folder, token_file=str(own))
    for number in range(1000):
        world.write(f"{number}.csv", b"%d\n" % number)
    with watching(agent, ready=False) as run:
        run.wait(lambda: len(refused(world)) > 0, 30, "it was refused")
        run.wait(lambda: list(agent.states().values()).count("queued") == 1000, 60, "all are queued")
        (other / "b.csv").write_bytes(b"not concerned\n")
        until_arrived(world, run, 1)
        before, begun = len(refused(world)), time.monotonic()
        time.sleep(scaled(35, 185))
        minutes = (time.monotonic() - begun) / 60
        asked = len(refused(world)) - before
        assert asked <= max(2 * minutes, 1), f"{asked} requests in {minutes:.1f} minutes"
        assert not [line for line in about(world, TABLE) if line["status"] not in (401, 403)]
        assert registrations(world) == 1
        replace(own, TOKEN)
        settle_and_judge(world, run, world.expect() + world.expect(other, OTHER), seconds=150)
    print(f"{asked} requests in {minutes:.1f} minutes, 1000 files queued")
