"""T-28: a damaged database. The agent ends with 74 and names the command; `rebuild` makes a new one of the receipts, and
nothing is sent or registered twice."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path

import pytest
from harness import BUSY, DONE, KIB, LEFT, STATE, USAGE, Agent, World, scaled, wait_until
from watching import BY_EVENTS, Watching, settle_and_judge, until_arrived, watching

PAGE = 4096


def database(agent: Agent) -> Path:
    return agent.state / "queue.sqlite"


def overwrite(path: Path, offset: int, length: int, generator: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        before = file.read(length)
        file.seek(offset)
        file.write(bytes(byte ^ generator.randrange(1, 256) for byte in before))


def pages(agent: Agent) -> int:
    return database(agent).stat().st_size // PAGE


def first_page(agent: Agent, generator: random.Random) -> None:
    overwrite(database(agent), 0, 200, generator)


def every_page_but_the_first(agent: Agent, generator: random.Random) -> None:
    for page in range(1, pages(agent)):
        overwrite(database(agent), page * PAGE, 16, generator)


def a_page_in_the_middle(agent: Agent, generator: random.Random) -> None:
    overwrite(database(agent), (pages(agent) // 2) * PAGE, PAGE, generator)


def the_last_page(agent: Agent, generator: random.Random) -> None:
    overwrite(database(agent), (pages(agent) - 1) * PAGE, PAGE, generator)


def cut_short(agent: Agent, generator: random.Random) -> None:
    with database(agent).open("r+b") as file:
        file.truncate((pages(agent) // 2) * PAGE)


def no_database(agent: Agent, generator: random.Random) -> None:
    database(agent).write_bytes(generator.randbytes(3 * PAGE))


DAMAGES = [first_page, every_page_but_the_first, a_page_in_the_middle, the_last_page, cut_short, no_database]


def deliver_and_kill(world: World, agent: Agent, count: int) -> None:
    for number in range(count):
        world.write(f"d{number % 4}/{number}.csv", 1 + number * 1000)
    with watching(agent) as run:
        until_arrived(world, run, count)
        run.wait(lambda: list(agent.states().values()).count("delivered") == count, 20, "all are known as delivered")
        run.kill()


def put_journal_into_database(agent: Agent) -> None:
    """What was written last lies beside the database until a checkpoint, and would stand in for what is damaged."""
    connection = sqlite3.connect(database(agent))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    assert not database(agent).with_name("queue.sqlite-wal").exists()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_damaged_database_is_told_and_rebuilt(world: World, damage) -> None:
    agent = world.agent(registration_doubt="3s", **BY_EVENTS).map(world.folder)
    count = 50
    deliver_and_kill(world, agent, count)
    put_journal_into_database(agent)
    expected = world.expect()
    damage(agent, world.generator)
    for command in (("run",), ("run", "--once")):
        said = agent.call(*command, status=STATE).errors
        assert "redivis-sync rebuild" in said and str(database(agent)) in said, said
    told = agent.call("rebuild").text
    assert f"rebuilt: {count} receipts, {count} delivered file versions" in told, told
    kept = list(agent.state.glob("queue.sqlite.damaged-*"))
    assert kept and f"set aside: {kept[0]}" in told
    assert set(agent.states().values()) == {"delivered"} and len(agent.states()) == count
    with world.nothing_sent(), watching(agent) as run:
        time.sleep(1)
        run.wait(lambda: set(agent.states().values()) == {"delivered"}, 30, "all are known again")
    agent.call("receipts", "--verify")
    world.judge(expected)
    with watching(agent) as run:
        world.write("new.csv", b"new\n")
        settle_and_judge(world, run)
    agent.call("receipts", "--verify")
    assert "is whole" in agent.call("rebuild", status=LEFT).errors


def test_bit_flips_anywhere_register_nothing_twice(world: World) -> None:
    """What is not noticed does no harm; what is, is mended by the command. Never a third way, and never a loop."""
    agent = world.agent(registration_doubt="1s").map(world.folder)
    for number in range(30):
        world.write(f"{number}.csv", 1 + number * 100)
    agent.run_once()
    put_journal_into_database(agent)
    whole = database(agent).read_bytes()
    receipts = (agent.state / "receipts.jsonl").read_bytes()
    noticed = 0
    rounds = scaled(12, 60)
    for _ in range(rounds):
        for stale in agent.state.glob("queue.sqlite*"):
            stale.unlink()
        (agent.state / "receipts.jsonl").write_bytes(receipts)
        flipped = bytearray(whole)
        for _ in range(world.generator.choice([1, 1, 5, 50])):
            flipped[world.generator.randrange(len(flipped))] ^= 1 << world.generator.randrange(8)
        database(agent).write_bytes(flipped)
        database(agent).chmod(0o600)
        with world.nothing_sent():
            result = agent.run_once(status=(DONE, LEFT, STATE))
            if result.status == STATE:
                noticed += 1
                assert "redivis-sync rebuild" in result.errors, result.errors
                agent.call("rebuild")
                agent.run_once()
    print(f"{noticed} of {rounds} were noticed")
    world.judge()


def test_what_was_under_way_is_found_on_the_table(world: World) -> None:
    """Registered and killed before the answer came; damaged; and files that were only queued."""
    world.open_sandbox("--fault", "post-uploads:4:delay=60000", "--fault", "put-chunk:5+:wait=500")
    agent = world.agent(uploads=1, registration_doubt="4s", **BY_EVENTS).map(world.folder)
    for number in range(8):
        world.write(f"{number}.csv", 5000 + number)
    with watching(agent) as run:
        run.wait(lambda: world.record.counts()["open-session"] >= 5, 30, "the fourth is being registered")
        run.wait(lambda: len(world.record.uploads()) >= 4, 20, "and was carried out")
        run.kill()
    put_journal_into_database(agent)
    overwrite(database(agent), 0, 100, world.generator)
    agent.call("run", status=STATE)
    agent.call("rebuild")
    with watching(agent) as run:
        settle_and_judge(world, run, seconds=90)
    agent.call("receipts", "--verify")


def test_a_broken_chain_is_taken_up_as_far_as_it_goes(world: World) -> None:
    agent = world.agent(registration_doubt="1s").map(world.folder)
    for number in range(20):
        world.write(f"{number}.csv", 10 + number)
        if number % 5 == 4:
            agent.run_once()
    file = agent.state / "receipts.jsonl"
    lines = file.read_bytes().split(b"\n")
    lines[12] = lines[12].replace(b'"seq":13', b'"seq":31')
    file.write_bytes(b"\n".join(lines))
    put_journal_into_database(agent)
    database(agent).write_bytes(b"nothing of the kind")
    result = agent.call("rebuild", status=LEFT)
    assert "rebuilt: 12 receipts" in result.text and "line 13 of receipts.jsonl" in result.errors, result
    with world.nothing_sent():
        agent.run_once()
    world.judge()
    assert set(agent.states().values()) == {"delivered"}
    assert file.with_name("receipts.jsonl.1").exists()
    agent.call("receipts", "--verify")


def test_without_receipts_the_tables_alone_are_enough(world: World) -> None:
    agent = world.agent(registration_doubt="1s").map(world.folder)
    for number in range(10):
        world.write(f"{number}.csv", 10 + number)
    agent.run_once()
    (agent.state / "receipts.jsonl").unlink()
    put_journal_into_database(agent)
    database(agent).write_bytes(b"x" * 5000)
    assert "rebuilt: 0 receipts" in agent.call("rebuild").text
    with world.nothing_sent():
        agent.run_once()
    world.judge()


def test_rebuild_leaves_a_whole_database_and_a_running_agent_alone(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    world.write("a.csv", b"a\n")
    with watching(agent) as run:
        until_arrived(world, run, 1)
        agent.call("rebuild", status=BUSY)
        agent.call("rebuild", "--force", status=BUSY)
    before = agent.list()
    assert "is whole" in agent.call("rebuild", status=LEFT).errors
    assert agent.list() == before
    agent.call("rebuild", "--nonsense", status=USAGE)
    agent.call("rebuild", "--force")
    with world.nothing_sent():
        agent.run_once()
    world.judge()


def test_damage_that_comes_while_it_runs_ends_the_agent(world: World) -> None:
    agent = world.agent(registration_doubt="1s", **BY_EVENTS).map(world.folder)
    for number in range(40):
        world.write(f"{number}.csv", 1000 + number)
    agent.run_once()
    put_journal_into_database(agent)
    run = Watching(agent)
    try:
        run.ready()
        for page in range(1, pages(agent)):
            overwrite(database(agent), page * PAGE, PAGE, world.generator)
        for number in range(40, 60):
            world.write(f"{number}.csv", 1000 + number)
        wait_until(lambda: run.process.poll() is not None, 40, "it ends")
        assert run.process.returncode == STATE, run.said()[-3000:]
        assert "redivis-sync rebuild" in run.said()
    finally:
        if run.process.poll() is None:
            run.kill()
    agent.call("run", status=STATE)
    agent.call("rebuild")
    with watching(agent) as run:
        settle_and_judge(world, run, seconds=60)


@pytest.mark.slow
def test_killed_at_any_moment_of_a_rebuild(world: World) -> None:
    """Whatever is left then is either damaged still, or a new database; nothing is sent in either case."""
    agent = world.agent(registration_doubt="1s").map(world.folder)
    for number in range(40):
        world.write(f"{number}.csv", 2 * KIB + number)
    agent.run_once()
    for attempt in range(scaled(8, 40)):
        put_journal_into_database(agent)
        database(agent).write_bytes(b"damaged" * 1000)
        process = agent.start("rebuild")
        time.sleep(world.generator.uniform(0, 0.15))
        process.kill()
        process.communicate()
        with world.nothing_sent():
            if agent.run_once(status=(DONE, STATE)).status == STATE:
                agent.call("rebuild")
                agent.run_once()
        assert set(agent.states().values()) == {"delivered"}, attempt
    world.judge()
