"""The token and the upload URLs are in no output, no log and no file that others may read.

The token of the stand-in is a plain word, which no path of these tests has; so wherever it stands, it leaked.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from harness import LEFT, MIB, TOKEN, Agent, World

LOUD = ("--log-level", "trace", "-v")


def leaks(text: bytes, secrets: list[str]) -> list[str]:
    return [secret for secret in secrets if secret.encode() in text]


def everything_said(agent: Agent) -> bytes:
    """Output of each command; the command lines themselves are ours."""
    return b"\n".join(result.out + b"\n" + result.err for result in agent.results)


def exercise(world: World, agent: Agent) -> None:
    """Runs every command once, as loudly as it goes."""
    paths = [str(path) for path in world.folder.iterdir()]
    agent.call("run", "--once", *LOUD, status=None, seconds=90)
    for arguments in (["check"], ["check", "--online"], ["list"]):
        agent.call(*arguments, status=None)
        agent.call(*arguments, "--json", status=None)
    for path in paths:
        agent.call("why", path, status=None)
        agent.call("why", path, "--json", status=None)
    agent.call("retry", "--all", status=None)
    agent.call("forget", paths[0], status=None)
    agent.call("run", "--once", *LOUD, status=None, seconds=90)


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--fault", "put-chunk:2:410", "--fault", "put-chunk:5:403,once", "--fault", "put-chunk:8:400,once"],
        ["--fault", "put-chunk:2:reset", "--fault", "post-uploads:1:lose-reply", "--fault", "open-session:2:500"],
        ["--fault", "post-uploads:1:import-failed=it failed", "--fault", "put-chunk:3:portal"],
        ["--switch", "documented-endpoint=404", "--fault", "start-session:1:403,once", "--fault", "put-chunk:2:401,once"],
        ["--fault", "put-chunk:*:403"],
    ],
    ids=["well", "dead-sessions", "lost-replies", "failed-import", "other-endpoint", "always-refused"],
)
def test_nothing_leaks(world: World, flags: list[str]) -> None:
    world.open_sandbox(*flags)
    for number in range(4):
        world.write(f"{number}.bin", 2 * MIB + number)
    agent = world.agent().map(world.folder)
    exercise(world, agent)
    secrets = world.record.secrets()
    assert secrets, "no upload URL was handed out, so this says nothing"
    said = everything_said(agent)
    assert leaks(said, secrets) == []
    assert TOKEN.encode() not in said
    assert b"Bearer" not in said
    assert all(line.get("token") is None for line in world.record.requests() if line["origin"] == "storage")
    for path in state_files(agent):
        content = path.read_bytes()
        assert TOKEN.encode() not in content, f"the token is in {path.name}"
        if path.suffix in (".jsonl", ".log", ".json"):
            assert leaks(content, secrets) == [], f"an upload URL is in {path.name}"
        # The database has to keep the URL of a session under way; nobody else may read it.
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or agent.state.stat().st_mode & 0o077 == 0


def test_a_refused_token_is_not_repeated(world: World) -> None:
    agent = world.agent().map(world.folder)
    world.write("a.csv", b"a\n")
    secret = f"rdv{world.generator.randrange(1 << 64):016x}"
    agent.token_file.write_text(secret)
    agent.call("check", "--online", *LOUD, status=None)
    agent.call("run", "--once", *LOUD, status=None, seconds=120)
    assert secret.encode() not in everything_said(agent)
    for path in state_files(agent):
        assert secret.encode() not in path.read_bytes()


@pytest.mark.parametrize("text", ["two words", "trailing\nline", "caf\u00e9", "tab\there"])
def test_a_token_that_cannot_be_one_is_not_repeated(world: World, text: str) -> None:
    agent = world.agent().map(world.folder)
    agent.token_file.write_text(text)
    result = agent.call("check", "--online", status=None)
    assert result.status not in (0,)
    assert text not in result.text + result.errors


def test_finished_sessions_leave_no_url_behind(world: World) -> None:
    """Once delivered, the session's URL is of no use to us and stays in no file of ours."""
    for number in range(3):
        world.write(f"{number}.bin", MIB + number)
    agent = world.agent().map(world.folder)
    agent.run_once()
    secrets = world.record.secrets()
    assert len(secrets) >= 3
    receipts = (agent.state / "receipts.jsonl").read_bytes()
    assert leaks(receipts, secrets) == []


def test_a_mapping_file_cannot_send_the_token_over_plain_http(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.settings["api"] = "http://192.0.2.1/api/v1"
    result = agent.call("check", "--online", status=78)
    assert "https" in result.errors


def state_files(agent: Agent) -> list[Path]:
    found = []
    for directory, _, names in os.walk(agent.state):
        found += [Path(directory) / name for name in names if (Path(directory) / name).is_file()]
    return found


def test_a_changed_file_is_never_printed(world: World) -> None:
    """Contents are the users' own: not a byte of them is in any output."""
    agent = world.agent().map(world.folder)
    path = world.write("a.csv", b"confidential-row,1\n")
    agent.call("run", "--once", *LOUD)
    path.write_bytes(b"confidential-row,2\n")
    agent.call("run", "--once", *LOUD, status=LEFT)
    agent.call("why", str(path))
    assert b"confidential-row" not in everything_said(agent)
