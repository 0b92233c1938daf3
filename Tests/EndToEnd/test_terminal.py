"""What a terminal shows, and what a pipe gets."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest
from harness import DONE, INVALID, LEFT, MIB, NO_TOKEN, STATE, UNREACHABLE, Agent, World, plain_environment

COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
# What redraws the progress bars: up by lines, clear to the end of the screen.
REDRAWING = re.compile(rb"\x1b\[\d+A|\x1b\[J")


def on_terminal(agent: Agent, *arguments: str, columns: int = 80, seconds: float = 60, **variables: str) -> tuple[int, bytes]:
    """Runs it with a terminal on all three descriptors; returns its exit status and everything that was shown."""
    agent.write_mapping_file()
    environment = plain_environment(agent.home) | variables
    return run_on_terminal(agent.command(*arguments), environment, columns=columns, seconds=seconds)


def run_on_terminal(
    command: list, environment: dict[str, str], columns: int = 80, seconds: float = 60
) -> tuple[int, bytes]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env={"TERM": "xterm"} | environment, start_new_session=True
    )
    os.close(theirs)
    shown, deadline = b"", time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            ready, _, _ = select.select([ours], [], [], 0.1)
            try:
                piece = os.read(ours, 65536) if ready else None
            except OSError:
                break  # the last one who had it open for writing is gone
            if piece == b"":
                break
            shown += piece or b""
        return process.wait(max(1, deadline - time.monotonic())), shown
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def told(world: World) -> Agent:
    """An agent with file versions in a few states, and names that a terminal should not see as they are."""
    agent = world.agent().map(world.folder)
    world.write("\x1b[31mred\x07.csv", b"a\n")
    world.write(b"caf\xe9\x9b31m.csv", b"b\n")
    changed = world.write("a-name-that-is-quite-long/with-a-folder/and-some-more/changed.csv", b"c\n")
    agent.run_once()
    changed.write_bytes(b"another content")
    agent.run_once(status=LEFT)
    return agent


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("command", ["list", "why", "check"])
def test_colours_and_nothing_else_is_obeyed(world: World, told: Agent, command: str, columns: int) -> None:
    path = [str(next(world.folder.rglob("changed.csv")))] if command == "why" else []
    status, shown = on_terminal(told, command, *path, columns=columns)
    assert status == DONE, shown
    assert COLOUR.search(shown)
    bare = COLOUR.sub(b"", shown).replace(b"\r\n", b"\n")
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", bare), bare
    bare.decode("utf-8", "strict")


def test_no_color_turns_colours_off(told: Agent) -> None:
    _, shown = on_terminal(told, "list", NO_COLOR="1")
    assert b"\x1b" not in shown and b"STATE" in shown
    _, shown = on_terminal(told, "list", NO_COLOR="")
    assert b"\x1b[" in shown


def test_a_pipe_gets_one_line_of_six_fields_for_each_version(told: Agent) -> None:
    lines = told.call("list").out.splitlines()
    assert len(lines) == 4
    for line in lines:
        fields = line.split(b"\t")
        assert len(fields) == 6
        assert fields[1].isdigit()
    assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f-\xff]", told.call("list").out)


def test_progress_is_shown_and_taken_away_again(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=150")
    world.write("a.bin", 6 * MIB)
    agent = world.agent().map(world.folder)
    status, shown = on_terminal(agent, "run", "--once")
    assert status == DONE, shown
    assert "a.bin".encode() in shown and b"% of" in shown
    bare = REDRAWING.sub(b"", COLOUR.sub(b"", shown))
    assert b"\x1b" not in bare
    # The last thing that is drawn is nothing; what is left is the summary.
    after = shown.rsplit(b"\x1b[J", 1)[1]
    assert after.replace(b"\r\n", b"\n").startswith(b"delivered 1 file, 6.0 MiB"), after
    world.judge()


def test_no_bars_for_a_dumb_terminal(world: World) -> None:
    world.write("a.bin", MIB)
    status, shown = on_terminal(world.agent().map(world.folder), "run", "--once", TERM="dumb")
    assert status == DONE
    assert b"\x1b" not in shown and b"info delivered" in shown


def test_a_reader_that_goes_away_ends_no_delivery(world: World) -> None:
    world.write("a.bin", 2 * MIB)
    agent = world.agent().map(world.folder)
    agent.write_mapping_file()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        agent.command("run", "--once", "-v"), stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, timeout=60,
        env=plain_environment(agent.home), check=False,
    )
    os.close(writer)
    assert done.returncode == DONE
    world.judge()


def test_output_that_cannot_be_written_is_told(told: Agent) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            told.command("list"), stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE, timeout=30,
            env=plain_environment(told.home), check=False,
        )
    assert done.returncode == LEFT
    assert b"standard output" in done.stderr and b"No space left" in done.stderr


# Exit statuses of the commands that read


def test_check_online_tells_a_refused_token_from_a_missing_one(world: World) -> None:
    agent = world.agent().map(world.folder)
    for text in ("mistyped", "sandbox-readonly"):
        agent.token_file.write_text(text)
        result = agent.call("check", "--online", status=NO_TOKEN)
        assert text not in result.text + result.errors or text == "sandbox-readonly"
    # A run only says so: its files stay queued until the token is mended.
    world.write("a.csv", b"a\n")
    agent.token_file.write_text("mistyped")
    agent.run_once(status=LEFT)


def test_check_online_needs_every_table_to_be_away_for_69(world: World) -> None:
    agent = world.agent().map(world.folder).map(world.root / "missing", identifier="missing")
    agent.call("check", "--online", status=LEFT)
    world.sandbox.stop()
    result = agent.call("check", "--online", status=UNREACHABLE)
    assert "127.0.0.1" in result.errors and "api" in result.errors


@pytest.mark.parametrize("command", [["list"], ["why", "/data/x.csv"], ["retry", "--all"]], ids=lambda one: one[0])
def test_a_state_directory_that_cannot_be_used_is_told_by_every_command(world: World, command: list[str]) -> None:
    (world.root / "file").write_text("x")
    agent = world.agent(state_directory=str(world.root / "file" / "below")).map(world.folder)
    assert str(world.root / "file") in agent.call(*command, status=STATE).errors


def test_problems_of_the_mapping_file_begin_with_their_place(world: World) -> None:
    agent = world.agent(uploads="many").map(world.folder)
    for command in (["check"], ["list"], ["run", "--once"]):
        errors = agent.call(*command, status=INVALID).errors
        assert errors.startswith(f"{agent.mapping_file}:"), errors
