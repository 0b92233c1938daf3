"""What `status` tells, with an agent and without one, and how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness import DONE, INVALID, LEFT, MIB, STATE, Agent, World, path_of, plain_environment, wait_until
from test_documents import hold

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@contextmanager
def running(agent: Agent) -> Iterator[subprocess.Popen[bytes]]:
    """The agent in the background, from when it answers until its orderly end."""
    process = agent.start("run")
    begun = time.monotonic()
    try:
        wait_until(lambda: process.poll() is not None or "agent" in status(agent), 30, "the agent does not answer")
        assert process.poll() is None
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        result = agent.finish(process, begun, 30)
    assert result.status == DONE, result


def status(agent: Agent) -> dict:
    """Asks again and again without writing the mapping file anew: that would be an edit each time."""
    done = subprocess.run(
        agent.command("status", "--json"), stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False,
        env=plain_environment(agent.home),
    )
    assert done.returncode in (DONE, LEFT), done
    document = json.loads(done.stdout.decode("utf-8", "strict"))
    assert (done.returncode == LEFT) == bool(document["problems"])
    hold("status", document)
    return document


def states(agent: Agent, mapping: int = 0) -> dict[str, int]:
    return status(agent)["mappings"][mapping]["states"]


# Without an agent


def test_before_anything_was_run(world: World) -> None:
    agent = world.agent().map(world.folder)
    result = agent.call("status")
    assert "no agent runs; start it with: redivis-sync run" in result.text and not result.errors
    told = status(agent)
    assert "agent" not in told and told["problems"] == []
    assert told["mappings"][0]["states"] == {} and "state" not in told["mappings"][0]


def test_after_a_run_the_database_tells(world: World) -> None:
    agent = world.agent().map(world.folder)
    sizes = [1000, 20_000, 300_000]
    for number, size in enumerate(sizes):
        world.write(f"{number}.csv", size)
    agent.run_once()
    (mapping,) = status(agent)["mappings"]
    assert mapping["states"] == {"delivered": 3}
    for figures in (mapping["last_hour"], mapping["last_day"], mapping["in_all"]):
        assert (figures["files"], figures["bytes"]) == (3, sum(sizes))
    assert 0 < mapping["last_hour"]["p50_seconds"] <= mapping["last_hour"]["p95_seconds"] < 60


def test_what_was_found_on_the_table_was_not_delivered(world: World) -> None:
    content = b"a,b\n1,2\n"
    world.sandbox.foreign_upload("demo_org.weather_stations.readings", "a.csv", content)
    world.write("a.csv", content)
    agent = world.agent().map(world.folder)
    agent.run_once()
    (mapping,) = status(agent)["mappings"]
    assert mapping["states"] == {"delivered": 1}
    assert mapping["in_all"] == {"files": 0, "bytes": 0} and mapping["last_hour"]["files"] == 0


def test_what_rests_for_a_person_ends_it_with_1(world: World) -> None:
    world.open_sandbox("--fault", "post-uploads:1:import-failed=No variables found")
    agent = world.agent().map(world.folder)
    world.write("parked.csv", b"x\n")
    agent.run_once(status=LEFT)
    changed = world.write("changed.csv", b"one\n")
    agent.run_once(status=LEFT)
    changed.write_bytes(b"another\n")
    agent.run_once(status=LEFT)
    result = agent.call("status", status=LEFT)
    assert "1 held" in result.text and "1 parked" in result.text
    for state in ("parked", "held"):
        assert f"weather: 1 file is {state}; redivis-sync list --state {state} --mapping weather" in result.errors
    assert {problem["kind"] for problem in status(agent)["problems"]} == {"parked", "held"}


def test_the_file_that_waits_for_longest(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.run_once()
    assert "oldest_ready" not in status(agent)["mappings"][0]
    agent.call("pause")
    for name in (b"caf\xe9.csv", b"second.csv"):
        world.write(name, b"1\n")
        agent.run_once(status=LEFT)
    ready = status(agent)["mappings"][0]["oldest_ready"]
    assert path_of(ready) == b"caf\xe9.csv" and ready["state"] == "queued"
    shown = agent.call("status").text
    assert "caf\\xe9.csv, queued, settled" in shown and "no new transfer begins; redivis-sync resume" in shown


def test_what_lies_unreleased(world: World) -> None:
    agent = world.agent().map(world.folder)
    world.write("a.csv", 1000)
    world.write("b.csv", 2000)
    agent.run_once()
    (table,) = status(agent)["unreleased"]
    assert (table["files"], table["bytes"], table["has_more"]) == (2, 3000, False)
    assert "newest_released" not in table
    world.release()
    world.write("c.csv", 500)
    agent.run_once()
    (table,) = status(agent)["unreleased"]
    assert (table["files"], table["bytes"], table["newest_released"]) == (1, 500, "v1.0")


def test_a_broken_mapping_file_without_a_run_is_78_and_with_one_a_problem(world: World) -> None:
    agent = world.agent(uploads="many").map(world.folder)
    agent.call("status", status=INVALID)
    del agent.settings["uploads"]
    agent.run_once()
    agent.settings["uploads"] = "many"
    result = agent.call("status", status=LEFT)
    assert f"{agent.mapping_file}:" in result.errors and "`many`" in result.errors
    assert [problem["kind"] for problem in status(agent)["problems"]] == ["mapping_file"]


def test_a_state_directory_that_cannot_be_used(world: World) -> None:
    (world.root / "file").write_text("x")
    agent = world.agent(state_directory=str(world.root / "file" / "below")).map(world.folder)
    agent.call("status", status=STATE)


# With one


def test_a_running_agent_tells_more(world: World) -> None:
    agent = world.agent().map(world.folder).map(world.root / "missing", "demo_org.operations.logs", "logs")
    world.write("a.csv", b"a\n")
    with running(agent) as process:
        wait_until(lambda: states(agent) == {"delivered": 1}, 20)
        told = status(agent)
        assert told["agent"]["process_id"] == process.pid
        assert told["mapping_file"]["path"] == str(agent.mapping_file) and "loaded_at" in told["mapping_file"]
        weather, logs = told["mappings"]
        assert (weather["state"], weather["files_known"], weather["worst_detection_delay_seconds"]) == ("watching", 1, 0)
        assert logs["state"] == "unmounted"
        assert [problem["kind"] for problem in told["problems"]] == ["folder"]
        assert told["watcher"]["watches"] >= 1 and told["watcher"]["overflows"] == 0
        (world.root / "missing").mkdir()
        wait_until(lambda: status(agent)["mappings"][1].get("state") == "watching", 20)
        result = agent.call("status", status=DONE)
        assert f"process {process.pid}" in result.text and not result.errors
        agent.call("pause", "weather")
        assert status(agent)["mappings"][0]["state"] == "paused"
        assert status(agent)["mappings"][0]["paused"] == "by_hand"
    assert "agent" not in status(agent)
    assert status(agent)["mappings"][0]["state"] == "paused"


def test_an_edit_that_is_no_mapping_file_is_told_until_it_is_mended(world: World) -> None:
    agent = world.agent().map(world.folder)
    with running(agent):
        agent.settings["uploads"] = "many"
        agent.write_mapping_file()
        wait_until(lambda: [one["kind"] for one in status(agent)["problems"]] == ["mapping_file"], 10)
        assert "the last good one is in force" in agent.call("status", status=LEFT).text
        del agent.settings["uploads"]
        agent.write_mapping_file()
        wait_until(lambda: status(agent)["problems"] == [], 10)


def test_transfers_are_told_with_their_rate(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    agent = world.agent().map(world.folder)
    with running(agent):
        world.write("below/a.bin", 8 * MIB)

        def transfers() -> list[dict]:
            return [one for one in status(agent)["transfers"] if one.get("bytes_per_second")]

        wait_until(lambda: bool(transfers()), 20)
        shown = agent.call("status").text
        assert "1 transfer" in shown and "MiB/s" in shown and "below/a.bin" in shown and "█" in shown
        wait_until(lambda: states(agent) == {"delivered": 1}, 30)
        assert status(agent)["transfers"] == []


def test_an_agent_that_does_not_answer_holds_nobody_up(world: World) -> None:
    agent = world.agent().map(world.folder)
    world.write("a.csv", b"a\n")
    with running(agent) as process:
        wait_until(lambda: states(agent) == {"delivered": 1}, 20)
        process.send_signal(signal.SIGSTOP)
        told = status(agent)
        process.send_signal(signal.SIGCONT)
        assert [problem["kind"] for problem in told["problems"]] == ["agent"]
        assert "agent" not in told and told["mappings"][0]["states"] == {"delivered": 1}


# Watched


def watch(agent: Agent, seconds: float, columns: int, lines: int, until: bytes) -> tuple[int, str]:
    """`status --watch` on a terminal until it has shown something, then Ctrl-C; its exit status, and all it wrote."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen(
        agent.command("status", "--watch"), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        env=plain_environment(agent.home) | {"TERM": "xterm"},
    )
    os.close(theirs)
    shown, deadline, told = b"", time.monotonic() + seconds, False
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ours], [], [], 0.1)
            try:
                piece = os.read(ours, 65536) if ready else None
            except OSError:
                break
            shown += piece or b""
            # Two pictures at least, so that what is drawn over the first is seen too.
            if not told and shown.count(b"\x1b[H") >= 4 and until in shown:
                told = True
                process.send_signal(signal.SIGINT)
        assert told, shown
        return process.wait(10), shown.decode("utf-8", "strict")
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize(("columns", "lines"), [(40, 20), (80, 24), (200, 60)])
def test_watching_redraws_in_place_and_leaves_the_terminal_as_it_was(world: World, columns: int, lines: int) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    agent = world.agent().map(world.folder).map(world.root / "missing", "demo_org.operations.logs", "logs")
    world.write("\x1b[31mred\x07.csv", b"a\n")
    with running(agent):
        world.write("a/long/way/down/to/radar\x1b[2J.bin", 10 * MIB)
        code, shown = watch(agent, 30, columns, lines, b"radar")
    assert code == DONE
    assert shown.startswith("\x1b[?1049h") and shown.rstrip().endswith("\x1b[?25h\x1b[?1049l")
    pictures = shown.split("\x1b[H")[2:]
    assert len(pictures) >= 3
    for picture in pictures:
        drawn = picture.split("\x1b[?7h")[0].removesuffix("\x1b[J")
        rows = COLOUR.sub("", drawn).split("\x1b[K\r\n")
        assert len(rows) <= lines, rows
        for row in rows:
            assert "\x1b" not in row and row.isprintable(), row
            assert len(row) <= columns or "/" in row, row


def test_watching_into_a_pipe_prints_blocks_until_it_is_ended(world: World) -> None:
    agent = world.agent().map(world.folder)
    begun = time.monotonic()
    process = agent.start("status", "--watch", "--json")
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(2)]
    process.terminate()
    result = agent.finish(process, begun, 10)
    assert result.status == DONE and not result.errors
    assert all(line.startswith(b'{"') for line in lines)
    process = agent.start("status", "--watch")
    assert process.stdout
    process.stdout.readline()
    # Nobody reads any more: that ends it too.
    process.stdout.close()
    assert process.wait(20) == DONE
    assert process.stderr
    process.stderr.close()
