"""`receipts` prints the chain as it lies there, and `--verify` finds whatever does not agree with it."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
from contextlib import closing

import pytest
from harness import DONE, LEFT, MIB, NO_TOKEN, UNREACHABLE, USAGE, Agent, World, kill, path_of, scaled, wait_until
from test_documents import hold
from test_terminal import on_terminal


@pytest.fixture
def told(world: World) -> Agent:
    """Three delivered files, one of them with a name that is not UTF-8."""
    agent = world.agent().map(world.folder)
    world.write("a.csv", 1000)
    world.write("below/b.csv", 2 * MIB)
    world.write(b"caf\xe9\x9b.csv", 10)
    agent.run_once()
    return agent


def file_lines(agent: Agent) -> list[bytes]:
    return (agent.state / "receipts.jsonl").read_bytes().splitlines()


def verified(agent: Agent, *arguments: str, status: int | tuple[int, ...] = DONE) -> dict:
    document = agent.call("receipts", "--verify", "--json", *arguments, status=status).json()
    hold("verification", document)
    assert isinstance(document, dict)
    return document


# The lines


def test_the_lines_are_the_very_ones_and_chained(told: Agent) -> None:
    out = told.call("receipts").out
    assert out == (told.state / "receipts.jsonl").read_bytes()
    assert told.call("receipts", "--json").out == out
    previous = bytes(32)
    for number, line in enumerate(out.splitlines(), 1):
        receipt = json.loads(line)
        hold("receipt", receipt)
        assert (receipt["seq"], receipt["previous"]) == (number, previous.hex())
        previous = hashlib.sha256(previous + line).digest()
    assert {path_of(json.loads(line)) for line in out.splitlines()} == {b"a.csv", b"below/b.csv", b"caf\xe9\x9b.csv"}
    assert verified(told)["chain"]["last_hash"] == previous.hex()


def test_since_takes_times_and_durations(world: World, told: Agent) -> None:
    assert len(told.call("receipts", "--since", "1h").out.splitlines()) == 3
    assert told.call("receipts", "--since", "0s").out == b""
    at = json.loads(file_lines(told)[-1])["delivered_at"]
    assert file_lines(told)[-1] in told.call("receipts", "--since", at).out.splitlines()
    assert told.call("receipts", "--since", "2999-01-01").out == b""
    for text in ("yesterday", "12", "2026-02-30", ""):
        errors = told.call("receipts", "--since", text, status=USAGE).errors
        assert "24h" in errors and "2026-03-01" in errors


def test_before_anything_was_run(world: World) -> None:
    agent = world.agent().map(world.folder)
    assert agent.call("receipts").out == b""
    assert verified(agent)["chain"]["receipts"] == 0


def test_a_terminal_obeys_nothing_of_a_name(world: World) -> None:
    world.write("\u009b31mred\u202e.csv", b"a\n")
    agent = world.agent().map(world.folder)
    agent.run_once()
    status, shown = on_terminal(agent, "receipts")
    assert status == DONE
    assert "\u009b".encode() not in shown and "\u202e".encode() not in shown
    assert json.loads(shown)["path"] == "\u009b31mred\u202e.csv"


# Verifying


def test_everything_is_proven(world: World, told: Agent) -> None:
    found = verified(told)
    assert found["problem_count"] == 0 and found["chain"]["is_whole"]
    assert (found["chain"]["receipts"], found["chain"]["file_lines"]) == (3, 3)
    assert found["files"]["same"] == 3 and found["files"]["bytes_read"] == 1000 + 2 * MIB + 10
    (table,) = found["tables"]
    assert (table["receipts"], table["proven"], table["md5_agrees"], table["uploads"]) == (3, 3, 3, 3)
    world.release()
    (table,) = verified(told)["tables"]
    assert (table["proven"], table["has_draft"], table["released_versions"]) == (3, False, 1)
    assert verified(told, "--since", "0s")["tables"] == []


def test_nothing_is_changed_by_verifying(world: World, told: Agent) -> None:
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in world.folder.rglob("*") if path.is_file()}
    with world.nothing_sent():
        told.call("receipts", "--verify")
    assert before == {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before}
    world.judge()


def test_a_file_that_changed_or_went_is_told_and_is_no_error(world: World, told: Agent) -> None:
    (world.folder / "a.csv").write_bytes(os.urandom(1000))
    (world.folder / "below" / "b.csv").unlink()
    found = verified(told)
    assert (found["files"]["same"], found["files"]["changed"], found["files"]["gone"]) == (1, 1, 1)
    assert {(one["state"], one["path"]) for one in found["files"]["examples"]} == {("changed", "a.csv"), ("gone", "below/b.csv")}
    text = told.call("receipts", "--verify").text
    assert "1 changed since" in text and "1 not there any more" in text and "weather: a.csv" in text


def test_a_folder_that_is_away_leaves_something_unproven(world: World, told: Agent) -> None:
    world.folder.rename(world.root / "elsewhere")
    found = verified(told, status=LEFT)
    assert found["files"]["unreadable"] == 3 and found["files"]["gone"] == 0
    told.mappings["other"] = told.mappings.pop("weather") | {"folder": str(world.root / "elsewhere")}
    assert verified(told)["files"]["unmapped"] == 3


@pytest.mark.parametrize(
    ("edit", "word"),
    [
        (lambda lines: [lines[0], lines[1].replace(b'"size":', b'"size":1'), lines[2]], "line 2 of receipts.jsonl: it differs"),
        (lambda lines: [lines[0], lines[2]], "line 2 of receipts.jsonl: receipt 2 is missing before it"),
        (lambda lines: lines[:2], "receipt 3 is missing at the end of receipts.jsonl"),
        (lambda lines: [], "receipt 1 is missing at the end of receipts.jsonl"),
        (lambda lines: [*lines, b"\xff\x00"], "line 4 of receipts.jsonl: it is no receipt"),
    ],
    ids=["changed", "taken out", "cut off", "emptied", "added"],
)
def test_the_first_broken_or_missing_line_is_named(told: Agent, edit, word: str) -> None:
    file = told.state / "receipts.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in edit(file_lines(told))))
    result = told.call("receipts", "--verify", status=LEFT)
    assert word in result.errors, result
    assert not verified(told, status=LEFT)["chain"]["is_whole"]


def test_an_upload_that_was_deleted_on_redivis_is_missed(world: World, told: Agent) -> None:
    receipt = json.loads(file_lines(told)[0])
    status, answer = world.sandbox.request("DELETE", receipt["uri"].replace(":", "%3A"))
    assert status in (200, 204), answer
    result = told.call("receipts", "--verify", status=LEFT)
    assert f"receipt 1: weather: {receipt['path']}: no version of the table lists it any more" in result.errors
    found = verified(told, status=LEFT)
    assert found["tables"][0]["proven"] == 2 and found["problems"][0]["receipt"] == 1


@pytest.mark.parametrize("way", ["in the draft", "renamed", "after a release"])
def test_a_duplicate_is_said_loudly(world: World, way: str) -> None:
    world.open_sandbox("--switch", f"duplicate-name={'rename' if way == 'renamed' else 'second'}")
    agent = world.agent().map(world.folder)
    content = world.write("a.csv", b"a\n1\n").read_bytes()
    agent.run_once()
    (receipt,) = [json.loads(line) for line in file_lines(agent)]
    if way == "after a release":
        world.release()
        world.sandbox.request("POST", f"/datasets/{receipt['table'].rsplit('.', 1)[0].replace(':', '%3A')}/versions")
    world.sandbox.foreign_upload("demo_org.weather_stations:next.readings", receipt["upload_name"], content)
    result = agent.call("receipts", "--verify", status=LEFT)
    assert "DUPLICATE: the table has it 2 times" in result.errors, result


def test_without_a_token_the_rest_is_verified(world: World, told: Agent) -> None:
    told.settings["token_file"] = None
    told.token_file.unlink()
    found = verified(told)
    assert "REDIVIS_API_TOKEN" in found["not_asked"]
    assert found["files"]["same"] == 3 and "uploads" not in found["tables"][0]
    result = told.call("receipts", "--verify")
    assert "not asked" in result.text and "REDIVIS_API_TOKEN" in result.text


def test_redivis_out_of_reach_and_a_refused_token(world: World, told: Agent) -> None:
    told.token_file.write_text("mistyped")
    assert "mistyped" not in str(told.call("receipts", "--verify", status=NO_TOKEN))
    told.token_file.write_text("sandbox")
    world.sandbox.stop()
    found = verified(told, status=UNREACHABLE)
    assert found["files"]["same"] == 3 and "127.0.0.1" in found["tables"][0]["failure"]


def test_it_works_beside_an_agent(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    agent = world.agent().map(world.folder)
    for number in range(20):
        world.write(f"{number}.csv", 100)
    agent.run_once()
    world.write("slow.bin", 6 * MIB)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 2, 30)
    found = verified(agent)
    assert found["chain"]["receipts"] == 20 and found["files"]["same"] == 20 and found["tables"][0]["proven"] == 20
    kill(process)


def add_receipts(agent: Agent, count: int) -> None:
    """Goes on with the chain, as deliveries of files that are gone by now, in the database and in the file."""
    with closing(sqlite3.connect(agent.state / "queue.sqlite")) as database, open(agent.state / "receipts.jsonl", "ab") as file:
        number, line, previous = database.execute("SELECT seq, line, hash FROM receipt ORDER BY seq DESC LIMIT 1").fetchone()
        receipt = json.loads(line)
        for added in range(number + 1, number + count + 1):
            receipt |= {"seq": added, "previous": previous.hex(), "path": f"gone/{added}.csv"}
            receipt["upload_name"] = f"gone/{added}-{added:012x}.csv"
            line = json.dumps(receipt, separators=(",", ":"), sort_keys=True)
            previous = hashlib.sha256(previous + line.encode()).digest()
            database.execute("INSERT INTO receipt VALUES (?, 1, 1700000000000, ?, ?)", (added, line, previous))
            file.write(line.encode() + b"\n")
        database.commit()


@pytest.mark.full
def test_memory_does_not_grow_with_the_receipts(world: World) -> None:
    world.write("a.csv", 100)
    agent = world.agent().map(world.folder)
    agent.run_once()

    def peak(*arguments: str) -> int:
        """In KiB, of the largest program that was waited for since the last call."""
        reported = agent.home / "peak"
        command = ["/usr/bin/env", "python3", "-c", MEASURE, str(reported), *agent.command(*arguments)]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=240, check=False)
        return int(reported.read_text())

    add_receipts(agent, 2000)
    few = {command: peak("receipts", *command) for command in [(), ("--verify",)]}
    add_receipts(agent, scaled(12_000, 200_000))
    many = {command: peak("receipts", *command) for command in [(), ("--verify",)]}
    found = verified(agent, status=LEFT)
    assert found["chain"]["is_whole"] and found["chain"]["receipts"] == 2001 + scaled(12_000, 200_000)
    assert found["files"]["gone"] == found["problem_count"] == 2000 + scaled(12_000, 200_000)
    for command, before in few.items():
        assert many[command] < before + 4 * 1024, (few, many)


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[2:])
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
"""


@pytest.mark.parametrize("columns", [80, 200])
def test_the_report_fits_a_terminal(world: World, told: Agent, columns: int) -> None:
    (world.folder / "a.csv").unlink()
    status, shown = on_terminal(told, "receipts", "--verify", columns=columns)
    assert status == DONE
    assert "✓".encode() in shown and b"proven" in shown
    _, plain = on_terminal(told, "receipts", "--verify", columns=columns, NO_COLOR="1")
    assert b"\x1b[3" not in plain and b"proven" in plain
