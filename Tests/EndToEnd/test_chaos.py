"""Chaos: faults at a share of all requests, and SIGKILLs in between; every file exactly once, identical."""

from __future__ import annotations

import http.client
import json
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chaos import Plan, account_folder, keep_account, run_chaos
from chaos_table import OUTCOMES, accounts, table
from harness import MIB, TOKEN, USAGE, SandboxProcess, World, binary, plain_environment, seed_of_run

SMALL = Plan(files=30, bytes=50 * MIB, kills=4, seconds=400, chunk="1MiB")
WHOLE = Plan(files=300, bytes=2 << 30, kills=12, seconds=520)

# How the ten seeds differ beside their number.
WAYS: dict[int, dict[str, object]] = {
    number: {"endpoint": "temp_uploads" if number % 3 == 0 else "auto" if number % 3 == 1 else "resumable_upload"}
    for number in range(1, 11)
}


@pytest.mark.slow
def test_a_small_run(world: World) -> None:
    print(run_chaos(world, seed_of_run() % 1_000_000, SMALL))


@pytest.mark.full
@pytest.mark.parametrize("part", range(1, 11))
def test_two_gigabytes(world: World, part: int) -> None:
    story = run_chaos(world, (seed_of_run() + part * 7919) % 1_000_000_000, WHOLE, **WAYS[part])
    print(story)
    keep_account(part, story)


@pytest.mark.full
def test_every_fault_was_hit() -> None:
    """Over the ten seeds that were run last; the table is for docs/testing.md."""
    folder = account_folder()
    assert folder and len(accounts(folder)) == 10, "run the parts chaos-1 to chaos-10 first"
    lines, missed = table(folder)
    print("\n".join(lines))
    assert not missed, f"never hit: {missed}"


# The sandbox's own side of it


def statuses(sandbox: SandboxProcess, count: int) -> list[int | str]:
    """What so many requests for a table are answered with, each on a connection of its own."""
    found: list[int | str] = []
    for _ in range(count):
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(sandbox.api).port or 0, timeout=20)
        try:
            connection.request("GET", "/api/v1/tables/demo.weather.readings", headers={"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            # An answer without an end is not read to its end.
            found.append(f"{answer.status} {answer.read(2000)[:20].decode()}")
        except (OSError, http.client.HTTPException) as error:
            found.append(type(error).__name__)
        finally:
            connection.close()
    return found


def test_one_seed_is_one_plan(tmp_path: Path) -> None:
    seen = []
    for number, seed in enumerate([4711, 4711, 4712]):
        home = tmp_path / str(number)
        home.mkdir()
        sandbox = SandboxProcess(home / "kept", home, "--chaos", str(seed), "--chaos-silence", "500").start()
        try:
            seen.append(statuses(sandbox, 60))
        finally:
            sandbox.stop()
        said = (home / "stand-in.err").read_text()
        assert f"chaos with seed {seed}" in said
        hits = json.loads((home / "kept" / "faults.json").read_text())
        assert hits["chaos"] == str(seed) and hits["hits"]
        for hit in hits["hits"]:
            assert hit["class"] == "get-table"
            assert f"{hit['times']} × {hit['fault']} at get-table" in said
        assert sum(hit["times"] for hit in hits["hits"]) == sum(1 for line in sandbox.record.requests() if line["fault"])
    assert seen[0] == seen[1] != seen[2]


def test_a_script_of_faults(tmp_path: Path) -> None:
    script = tmp_path / "bad day"
    script.write_text("# an outage\nget-table:1-2:503,retry-after=1\n\nget-table:3:portal\n")
    sandbox = SandboxProcess(tmp_path / "kept", tmp_path, "--faults", str(script)).start()
    try:
        assert [str(one)[:3] for one in statuses(sandbox, 4)] == ["503", "503", "200", "200"]
    finally:
        sandbox.stop()
    assert json.loads((tmp_path / "kept" / "faults.json").read_text())["hits"] == [
        {"fault": "503,retry-after: seconds", "class": "get-table", "times": 2},
        {"fault": "portal", "class": "get-table", "times": 1},
    ]
    script.write_text("get-table:1:503\nget-table:0:503\n\nnothing\n")
    result = subprocess.run(
        [binary(), "sandbox", "--port", "0", "--faults", str(script)], capture_output=True, timeout=20, text=True,
        env=plain_environment(tmp_path),
    )
    assert result.returncode == USAGE
    assert f"{script}:2: fault get-table:0:503: WHEN is 0" in result.stderr
    assert f"{script}:4: fault nothing: write CLASS:WHEN:ACTION" in result.stderr


def test_the_table_knows_every_fault_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    rows = page.split("| action | what happens |")[1].split("\n\n")[0].splitlines()[2:]
    known = {fault.split(",")[0].split("=")[0] for fault in OUTCOMES}
    for row in rows:
        for action in row.split("|")[1].replace("`", "").split(","):
            name = action.strip().split("=")[0]
            # Of one request, and only where something was there before: chaos makes the same by `again`.
            if name not in ("400…599", "duplicate-name", "upload-id-reuse"):
                assert name in known, name
