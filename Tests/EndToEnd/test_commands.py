"""What a user types, and what the program answers: exit statuses, messages, JSON."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import time

import pytest
from harness import (
    BUSY, DONE, INVALID, LEFT, MIB, NO_TOKEN, STATE, TABLE, UNREACHABLE, USAGE, Agent, Result, World, binary, kill,
    path_of, plain_environment, wait_until,
)

READING = (["list"], ["check"])


# Exit statuses


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], ["run", "--no-such-flag"], ["resolve"], ["list", "--state", "nonsense"], ["list", "--limit", "x"]],
)
def test_wrong_usage(world: World, arguments: list[str]) -> None:
    result = world.agent().map(world.folder).call(*arguments, status=USAGE)
    assert result.errors


def test_resolve_asks_for_one_decision(world: World) -> None:
    agent = world.agent().map(world.folder)
    path = str(world.write("a.csv", b"a\n"))
    agent.call("resolve", path, status=USAGE)
    agent.call("resolve", path, "--add", "--ignore", status=USAGE)


def test_the_network_is_out_of_reach(world: World) -> None:
    agent = world.agent().map(world.folder)
    world.sandbox.stop()
    result = agent.call("check", "--online", status=UNREACHABLE)
    assert "127.0.0.1" in result.errors + result.text


def test_a_state_directory_that_cannot_be_used(world: World) -> None:
    agent = world.agent().map(world.folder)
    (world.root / "file").write_text("x")
    agent.settings["state_directory"] = str(world.root / "file" / "below")
    result = agent.call("run", "--once", status=STATE)
    assert str(world.root / "file") in result.errors


def test_a_second_agent_on_the_same_state(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=500")
    world.write("a.bin", 6 * MIB)
    agent = world.agent().map(world.folder)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("open-session")) >= 1, 20)
    agent.call("run", "--once", status=BUSY)
    # Commands that read work all the same.
    assert agent.states()[b"a.bin"] in ("queued", "uploading")
    kill(process)


@pytest.mark.parametrize("arguments", [["run", "--once"], ["check", "--online"]])
def test_no_token(world: World, arguments: list[str]) -> None:
    agent = world.agent().map(world.folder)
    agent.settings["token_file"] = None
    agent.token_file.unlink()
    result = agent.call(*arguments, status=NO_TOKEN)
    assert "REDIVIS_API_TOKEN" in result.errors


def test_a_token_file_that_everybody_can_read_is_refused(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.token_file.chmod(0o644)
    result = agent.call("run", "--once", status=(NO_TOKEN, INVALID))
    assert "chmod 600" in result.errors or "0600" in result.errors


def test_a_token_that_redivis_refuses(world: World) -> None:
    agent = world.agent().map(world.folder)
    world.write("a.csv", b"a\n")
    agent.token_file.write_text("mistyped")
    result = agent.call("check", "--online", status=None)
    assert result.status not in (DONE,), result
    assert "token" in result.errors + result.text


def test_a_token_without_the_right_scope(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.token_file.write_text("sandbox-readonly")
    result = agent.call("check", "--online", status=None)
    assert result.status != DONE
    assert "data.edit" in result.errors + result.text


# The mapping file

BROKEN = {
    "unknown key": ("mappings:\n  weather:\n    folder: /data\n    table: a.b.c\n    exlude: []\n", 5, "exclude"),
    "relative folder": ("mappings:\n  weather:\n    folder: data\n    table: a.b.c\n", 3, "relative"),
    "two-part table": ("mappings:\n  weather:\n    folder: /data\n    table: a.b\n", 4, "table"),
    "released version": ("mappings:\n  weather:\n    folder: /data\n    table: a.b:current.c\n", 4, "current"),
    "bad chunk size": ("chunk_size: 1MB\nmappings:\n  weather:\n    folder: /data\n    table: a.b.c\n", 1, "256"),
    "bad duration": ("mappings:\n  weather:\n    folder: /data\n    table: a.b.c\n    settle: 30\n", 5, "s"),
    "bad size": ("mappings:\n  weather:\n    folder: /data\n    table: a.b.c\n    minimum_size: 3 parsecs\n", 5, "KB"),
    "bad glob": ("mappings:\n  weather:\n    folder: /data\n    table: a.b.c\n    include: ['[a']\n", 5, "["),
    "star unquoted": ("mappings:\n  weather:\n    folder: /data\n    table: a.b.c\n    include: [*.csv]\n", 5, "quot"),
    "tab": ("mappings:\n\tweather:\n", 2, "tab"),
    "duplicate key": ("mappings:\n  weather:\n    folder: /data\n    folder: /more\n    table: a.b.c\n", 4, "folder"),
    "later key": ("mappings:\n  weather:\n    folder: /data\n    table: a.b.c\n    kind: files\n", 5, "not supported by this version"),
    "plain http": ("api: http://example.org/api/v1\nmappings:\n  weather:\n    folder: /data\n    table: a.b.c\n", 1, "https"),
    "id with a blank": ("mappings:\n  'my weather':\n    folder: /data\n    table: a.b.c\n", 2, "letters"),
    "no mappings": ("version: 1\n", 1, "mappings"),
    "other version": ("version: 2\nmappings:\n  weather:\n    folder: /data\n    table: a.b.c\n", 1, "version"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("arguments", [["check"], ["run", "--once"]], ids=lambda one: one[0])
def test_a_broken_mapping_file(world: World, name: str, arguments: list[str]) -> None:
    text, line, word = BROKEN[name]
    agent = raw_agent(world, text)
    result = call_raw(agent, *arguments)
    assert result.status == INVALID, result
    pattern = rf"^{re.escape(str(agent.mapping_file))}:{line}:[0-9]+: .*; .+$"
    assert re.search(pattern, result.errors, re.MULTILINE), result
    assert word in result.errors, result


def test_all_problems_in_one_pass(world: World) -> None:
    agent = raw_agent(
        world, "uploads: none\nmappings:\n  weather:\n    folder: data\n    table: a.b\n    settle: soon\n    nonsense: 1\n"
    )
    result = call_raw(agent, "check")
    assert result.status == INVALID
    lines = {int(found) for found in re.findall(rf"{re.escape(str(agent.mapping_file))}:(\d+):\d+: ", result.errors)}
    assert lines == {1, 4, 5, 6, 7}, result


def test_a_missing_mapping_file(world: World) -> None:
    agent = world.agent()
    result = call_raw(agent, "check")
    assert result.status == INVALID
    assert str(agent.mapping_file) in result.errors


def test_a_run_goes_on_with_the_last_good_mapping_file(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    world.write("b.csv", b"b\n")
    good = agent.mapping_file.read_text()
    agent.mapping_file.write_text(good + "nonsense: 1\n")
    result = call_raw(agent, "run", "--once")
    assert result.status in (DONE, LEFT), result
    assert "nonsense" in result.errors
    world.judge()


def test_check_shows_which_mapping_takes_what(world: World) -> None:
    world.write("a.csv", b"a\n")
    world.write("b.json", b"{}\n")
    agent = world.agent().map(world.folder, include=["*.csv"])
    result = agent.call("check")
    assert "weather" in result.text
    assert TABLE in result.text
    document = agent.call("check", "--json").json()
    assert json.dumps(document).count("weather") >= 1


def test_check_online_says_what_will_happen(world: World) -> None:
    agent = world.agent().map(world.folder)
    result = agent.call("check", "--online")
    assert "append" in result.text
    assert isinstance(agent.call("check", "--online", "--json").json(), dict)


def test_check_calls_a_missing_folder_a_problem(world: World) -> None:
    result = world.agent().map(world.root / "missing").call("check", status=(LEFT, INVALID))
    assert "missing" in result.errors + result.text


# Reading commands


def test_list_is_newest_first_filtered_and_limited(world: World) -> None:
    agent = world.agent().map(world.folder)
    for number in range(5):
        world.write(f"{number}.csv", 100 + number)
        agent.run_once()
    assert [path_of(entry) for entry in agent.list()] == [b"4.csv", b"3.csv", b"2.csv", b"1.csv", b"0.csv"]
    document = agent.call("list", "--json", "--limit", "2").json()
    entries = document["files"] if isinstance(document, dict) else document
    assert [path_of(entry) for entry in entries] == [b"4.csv", b"3.csv"]
    assert agent.list("--state", "parked") == []
    assert agent.list("--mapping", "weather") == agent.list()
    text = agent.call("list").text
    assert "4.csv" in text and "delivered" in text


@pytest.mark.parametrize("command", READING, ids=lambda one: one[0])
def test_reading_works_before_anything_was_run(world: World, command: list[str]) -> None:
    agent = world.agent().map(world.folder)
    agent.call(*command)
    assert agent.call(*command, "--json").json() is not None


def test_why_tells_the_journey(world: World) -> None:
    path = world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    text = agent.call("why", str(path)).text
    assert "weather" in text and "delivered" in text and TABLE.split(".")[0] in text
    document = agent.call("why", str(path), "--json").json()
    assert isinstance(document, dict)
    assert document["path"] == "a.csv" or document["path"] == str(path)


def test_why_of_paths_that_were_never_taken(world: World) -> None:
    agent = world.agent().map(world.folder, exclude=["raw/**"])
    world.write("a.csv", b"a\n")
    agent.run_once()
    raw = world.write("raw/b.csv", b"b\n")
    part = world.write("c.csv.part", b"c\n")
    cases = {
        str(world.folder / "nothing.csv"): "no such file",
        str(world.root / "elsewhere.csv"): "mapping",
        str(raw): "raw/**",
        str(part): "*.part",
    }
    for path, word in cases.items():
        result = agent.call("why", path, status=(DONE, LEFT))
        assert word.lower() in (result.text + result.errors).lower(), (word, str(result))
        assert isinstance(agent.call("why", path, "--json", status=(DONE, LEFT)).json(), dict)


def test_paths_that_are_not_utf8_come_back_whole(world: World) -> None:
    name = b"caf\xe9 \xff\nline.csv"
    path = world.write(name, b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    (entry,) = agent.list()
    assert base64.b64decode(entry["path_base64"]) == name
    result = agent.call("why", bytes(path))
    assert "delivered" in result.text
    assert b"\xff" not in result.out, "a name must not break a terminal"
    assert b"\nline.csv" not in agent.call("list").out


def test_paths_may_be_relative_to_where_one_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write("below/a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    monkeypatch.chdir(world.folder / "below")
    assert "delivered" in agent.call("why", "a.csv").text
    assert "delivered" in agent.call("why", "../below/./a.csv").text


def test_version_and_help(world: World) -> None:
    agent = world.agent().map(world.folder)
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", call_raw(agent, "--version", plain=True).text)
    text = call_raw(agent, "--help", plain=True).text
    for command in ("run", "check", "list", "why", "retry", "forget", "resolve", "sandbox"):
        assert command in text


def test_no_colour_where_there_is_no_terminal(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    agent.call("list")
    agent.call("check")
    for result in agent.results:
        assert b"\x1b[" not in result.out + result.err, result


def test_a_run_says_what_it_did(world: World) -> None:
    world.write("a.csv", b"a\n")
    result = world.agent().map(world.folder).run_once()
    assert "1" in result.text + result.errors


def test_the_state_directory_is_for_its_owner_alone(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    assert agent.state.stat().st_mode & 0o777 == 0o700


def test_receipts_are_one_hash_chained_line_each(world: World) -> None:
    for number in range(3):
        world.write(f"{number}.csv", 100 + number)
    agent = world.agent().map(world.folder)
    agent.run_once()
    lines = [json.loads(line) for line in (agent.state / "receipts.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    world.write("later.csv", b"later\n")
    agent.run_once()
    assert len((agent.state / "receipts.jsonl").read_text().splitlines()) == 4
    names = {one.name for one in world.record.uploads()}
    assert {name for name in names if name in (agent.state / "receipts.jsonl").read_text()} == names


def test_ctrl_c_ends_a_run_and_the_next_one_goes_on(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=200")
    world.write("a.bin", 8 * MIB)
    agent = world.agent().map(world.folder)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 2, 30)
    begun = time.monotonic()
    process.terminate()
    process.communicate(timeout=15)
    assert time.monotonic() - begun < 10
    agent.run_once()
    world.judge()


def raw_agent(world: World, text: str) -> Agent:
    agent = world.agent()
    agent.mapping_file.write_text(text)
    return agent


def call_raw(agent: Agent, *arguments: str, plain: bool = False) -> Result:
    """Calls it with the mapping file as it lies there."""
    command = [binary(), *arguments] + ([] if plain else ["--mapping-file", str(agent.mapping_file)])
    begun = time.monotonic()
    done = subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, env=plain_environment(agent.home), timeout=60, check=False
    )
    return Result(command, done.returncode, done.stdout, done.stderr, time.monotonic() - begun)
