"""Troubles that last: a refused token or table, a folder that is not there, a network that is away. The agent goes on
by itself once they are over, and until then nothing is forgotten and nobody is pestered.

Trouble T-20 of docs/testing.md.
"""

from __future__ import annotations

import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from harness import BUSY, MIB, TOKEN, Agent, World, scaled
from mounting import Mounts, mounts
from watching import BY_EVENTS, Watching, registrations, settle_and_judge, until_arrived, watching

OTHER = "demo_org.weather_stations.other"


def asked(world: World) -> list[dict]:
    return [line for line in world.record.requests() if line.get("origin") == "api"]


def use_token(agent: Agent, token: str) -> None:
    """As secrets managers do: a new file in the old one's stead."""
    other = agent.token_file.with_name("token.new")
    other.touch(0o600)
    other.write_text(token)
    other.rename(agent.token_file)


# The token


@pytest.mark.parametrize("token", ["mistyped", "sandbox-readonly"])
def test_a_token_that_is_refused_and_then_mended(world: World, token: str) -> None:
    """Three tables, one token: asked about once a minute for all of them together."""
    agent = world.agent(**BY_EVENTS).map(world.folder)
    for number in range(2):
        folder = world.root / f"more-{number}"
        folder.mkdir()
        (folder / "a.csv").write_bytes(b"%d\n" % number)
        agent.map(folder, f"{OTHER}_{number}", f"more-{number}")
    world.write("a.csv", b"a\n")
    agent.token_file.write_text(token)
    with watching(agent, ready=False) as run:
        run.wait(lambda: any(line["status"] in (401, 403) for line in asked(world)), 30, "it was refused")
        time.sleep(5)
        before = len(asked(world))
        watched = scaled(20, 130)
        for number in range(watched):
            world.write(f"{number}.csv", b"%d more\n" % number)
            time.sleep(1)
        refused = [line for line in asked(world)[before:] if line["status"] in (401, 403)]
        assert len(refused) <= 3 * (watched // 60 + 1), f"asked {len(refused)} times in {watched} s"
        assert registrations(world) == 0
        use_token(agent, TOKEN)
        wanted = world.expect()
        for number in range(2):
            wanted += world.expect(world.root / f"more-{number}", f"{OTHER}_{number}")
        settle_and_judge(world, run, wanted, seconds=40)
        assert not [one for one in run.status()["problems"] if one["kind"] == "token"]


def test_a_token_that_is_refused_while_a_file_goes_out(world: World) -> None:
    """The storage host does not ask for it: the bytes go on, and the registration waits."""
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("a.bin", 12 * MIB)
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 2, 20, "it is on its way")
        use_token(agent, "revoked")
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 12, 30, "all bytes are there")
        run.wait(lambda: any(line["status"] == 401 for line in asked(world)), 30, "the registration was refused")
        world.write("b.csv", b"comes meanwhile\n")
        time.sleep(2)
        assert registrations(world) == 0
        use_token(agent, TOKEN)
        settle_and_judge(world, run, seconds=40)
    assert len(world.record.requests("open-session")) == 2


def test_a_token_that_cannot_be_read_leaves_the_last_one_in_use(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.token_file.unlink()
        run.wait(lambda: any(one["kind"] == "token" for one in run.status()["problems"]), 10, "it is shown")
        world.write("a.csv", b"a\n")
        until_arrived(world, run, 1)
        use_token(agent, TOKEN)
        run.wait(lambda: not run.status()["problems"], 10, "it is over")
        settle_and_judge(world, run)


# The table


def test_a_missing_table_blocks_its_mapping_alone(world: World) -> None:
    world.open_sandbox("--strict-tables", "--dataset", "demo_org.weather_stations=draft")
    create_table(world, "readings")
    other = world.root / "other"
    other.mkdir()
    agent = world.agent(**BY_EVENTS).map(world.folder).map(other, OTHER, "second")
    with watching(agent, ready=False) as run:
        run.until_state("watching")
        run.until_state("blocked", identifier="second")
        (other / "b.csv").write_bytes(b"b\n")
        world.write("a.csv", b"a\n")
        arrived = world.expect()
        until_arrived(world, run, 1)
        run.wait(lambda: agent.states().get(b"b.csv") == "queued", 20, "its file stays queued")
        world.judge(arrived)
        create_table(world, "other")
        # Five minutes by itself; at once when asked to.
        run.signal(signal.SIGHUP)
        settle_and_judge(world, run, arrived + world.expect(other, OTHER))


def test_a_refusal_in_the_middle_blocks_its_mapping_alone(world: World) -> None:
    world.open_sandbox("--fault", "open-session:2:403")
    other = world.root / "other"
    other.mkdir()
    agent = world.agent(uploads=1, **BY_EVENTS).map(world.folder).map(other, OTHER, "second")
    with watching(agent) as run:
        world.write("a.csv", b"a\n")
        until_arrived(world, run, 1)
        (other / "b.csv").write_bytes(b"refused\n")
        run.until_state("blocked", identifier="second")
        (other / "c.csv").write_bytes(b"not even tried\n")
        world.write("d.csv", b"not concerned\n")
        until_arrived(world, run, 2)
        time.sleep(1)
        world.judge()
        assert agent.states()[b"c.csv"] == "queued"
        run.signal(signal.SIGHUP)
        settle_and_judge(world, run, world.expect() + world.expect(other, OTHER), seconds=30)


def create_table(world: World, name: str) -> None:
    status, answer = world.sandbox.request(
        "POST", "/datasets/demo_org.weather_stations:next/tables", b'{"name": "%s"}' % name.encode(),
        Content_Type="application/json",
    )
    assert status in (200, 201), answer


# The folder


@pytest.mark.parametrize("how", ["renamed away", "its parent renamed away"])
def test_a_folder_that_vanishes_and_returns(world: World, how: str) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=400")
    folder = world.root / "parent" / "data"
    folder.mkdir(parents=True)
    moved = folder if how == "renamed away" else folder.parent
    agent = world.agent(uploads=1, **BY_EVENTS).map(folder)
    with watching(agent) as run:
        (folder / "large.bin").write_bytes(world.generator.randbytes(8 * MIB))
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 2, 20, "the large file is on its way")
        for number in range(3):
            (folder / f"{number}.csv").write_bytes(b"queued %d\n" % number)
        run.wait(lambda: len(agent.states()) == 4, 20, "they are queued")
        away = moved.with_name("away")
        moved.rename(away)
        if how == "renamed away":
            run.until_state("unmounted")
        time.sleep(4)
        assert not set(agent.states().values()) & {"gone", "superseded", "parked"}, agent.states()
        assert not moved.exists(), "it made the folder"
        away.rename(moved)
        (folder / "after.csv").write_bytes(b"after\n")
        settle_and_judge(world, run, world.expect(folder), seconds=90)
        run.until_state("watching")


def test_a_folder_that_is_removed_and_made_anew(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        world.write("a.csv", b"a\n")
        arrived = world.expect()
        settle_and_judge(world, run, arrived)
        shutil.rmtree(world.folder)
        run.until_state("unmounted")
        time.sleep(1)
        assert not world.folder.exists(), "it made the folder"
        world.folder.mkdir()
        world.write("b.csv", b"b\n")
        settle_and_judge(world, run, arrived + world.expect())
        run.until_state("watching")
        world.write("sub/c.csv", b"c\n")
        settle_and_judge(world, run, arrived + world.expect())


def test_a_folder_that_comes_later(world: World) -> None:
    folder = world.root / "later"
    agent = world.agent(**BY_EVENTS).map(folder)
    with watching(agent, ready=False) as run:
        run.until_state("unmounted")
        folder.mkdir()
        (folder / "a.csv").write_bytes(b"a\n")
        settle_and_judge(world, run, world.expect(folder))


@pytest.mark.parametrize("kind", ["bind", "other file system"])
@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted meanwhile"])
def test_a_mount_under_queued_and_running_files(world: World, kind: str, restarts: bool) -> None:
    with mounts() as place:
        world.open_sandbox("--fault", "put-chunk:*:wait=500")
        backing = world.root / "backing"
        backing.mkdir()
        if kind == "bind":
            source = backing
        else:
            place.run("mount", "-t", "tmpfs", "none", backing)
            source = backing / "data"
            place.run("mkdir", source)
        place.run("mount", "--bind", source, world.folder)
        agent = world.agent(uploads=1, **BY_EVENTS).map(world.folder)
        contents = {"large.bin": world.generator.randbytes(8 * MIB)}
        with watching(agent, prefix=place.prefix) as run:
            place.write(world.folder / "large.bin", contents["large.bin"])
            run.wait(lambda: len(world.record.requests("put-chunk")) >= 2, 20, "the large file is on its way")
            for number in range(3):
                contents[f"{number}.csv"] = b"queued %d\n" % number
                place.write(world.folder / f"{number}.csv", contents[f"{number}.csv"])
            run.wait(lambda: len(agent.states()) == 4, 20, "they are queued")
            place.run("umount", "--lazy", world.folder)
            run.until_state("unmounted")
            time.sleep(3)
            assert not set(agent.states().values()) & {"gone", "superseded", "parked"}, agent.states()
            if not restarts:
                mount_again(world, place, run, source, contents)
                return
            run.kill()
        with watching(agent, prefix=place.prefix, writes=False, ready=False) as run:
            time.sleep(6)
            assert not set(agent.states().values()) & {"gone", "superseded", "parked"}, agent.states()
            mount_again(world, place, run, source, contents)


def mount_again(world: World, place: Mounts, run: Watching, source: Path, contents: dict[str, bytes]) -> None:
    place.run("mount", "--bind", source, world.folder)
    contents["after.csv"] = b"after\n"
    place.write(world.folder / "after.csv", contents["after.csv"])
    copy = world.root / "copy"
    copy.mkdir()
    for name, content in contents.items():
        (copy / name).write_bytes(content)
    settle_and_judge(world, run, world.expect(copy), seconds=120)
    run.until_state("watching")


def test_a_mount_can_be_taken_away_while_it_is_watched(world: World) -> None:
    """Nothing of an idle agent keeps a file system busy: `umount` succeeds without being told to be lazy."""
    with mounts() as place:
        place.run("mount", "-t", "tmpfs", "none", world.folder)
        agent = world.agent(**BY_EVENTS).map(world.folder)
        with watching(agent, prefix=place.prefix) as run:
            place.write(world.folder / "a.csv", b"a\n")
            copy = world.root / "copy"
            copy.mkdir()
            (copy / "a.csv").write_bytes(b"a\n")
            settle_and_judge(world, run, world.expect(copy))
            place.run("umount", world.folder)
            run.until_state("unmounted")
            # Another disk at the same place is scanned by content.
            place.run("mount", "-t", "tmpfs", "none", world.folder)
            for name, content in (("a.csv", b"a\n"), ("b.csv", b"b\n")):
                place.write(world.folder / name, content)
                (copy / name).write_bytes(content)
            settle_and_judge(world, run, world.expect(copy), seconds=30)


# Others


def test_a_second_agent_on_the_same_state(world: World) -> None:
    agent = world.agent(**BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        agent.call("run", status=BUSY)
        agent.call("run", "--once", status=BUSY)
        world.write("a.csv", b"a\n")
        settle_and_judge(world, run)


def test_two_agents_on_one_folder_and_table(world: World) -> None:
    """Each with a state of its own. Once means once, whichever agent sends it."""
    agents = [world.agent(name, registration_doubt="1s", **BY_EVENTS).map(world.folder) for name in ("one", "two")]
    with watching(agents[0]) as first, watching(agents[1]) as second:
        for number in range(20):
            world.write(f"{number}.csv", 100 + number)
            time.sleep(0.05)
        wanted = world.expect()
        until_arrived(world, first, len(wanted))
        for run in (first, second):
            run.wait(lambda: list(run.agent.states().values()).count("delivered") == 20, 60, "both know of all")
        # Who posts in the same moment as the other finds that out, and takes its own off the draft again.
        world.judge(wanted, withdrawn=len(wanted))


def test_the_network_is_away_for_a_while(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=200")
    agent = world.agent(**BY_EVENTS).map(world.folder)
    stop = threading.Event()

    def feed() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            (world.folder / f"{number}.tmp").write_bytes(b"%d\n" % number)
            (world.folder / f"{number}.tmp").rename(world.folder / f"{number}.csv")
            time.sleep(0.2)

    with watching(agent) as run:
        world.write("large.bin", 10 * MIB)
        run.wait(lambda: len(world.record.requests("put-chunk")) >= 2, 20, "the large file is on its way")
        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            for _ in range(scaled(2, 6)):
                world.sandbox.stop()
                time.sleep(world.generator.uniform(1, 5))
                assert run.process.poll() is None
                world.sandbox.start_again()
                time.sleep(world.generator.uniform(1, 3))
        finally:
            stop.set()
            feeder.join()
        settle_and_judge(world, run, seconds=120)
        run.wait(lambda: not run.status()["problems"], 20, f"no trouble is shown any more: {run.status()['problems']}")
