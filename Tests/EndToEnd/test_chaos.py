"""Chaos: faults at a share of all requests, and SIGKILLs in between; every file exactly once, identical."""

from __future__ import annotations

import pytest
from chaos import Plan, account_folder, keep_account, run_chaos
from chaos_table import accounts, table
from harness import MIB, World, seed_of_run

SMALL = Plan(files=30, bytes=50 * MIB, kills=4, seconds=240, chunk="1MiB")
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
