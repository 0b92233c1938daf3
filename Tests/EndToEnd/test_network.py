"""Proxies, certificates, limits of rate and size: what a lab's network puts between the agent and Redivis.

Trouble T-23 of docs/testing.md.
"""

from __future__ import annotations

import os
import signal

import pytest
from harness import DONE, INVALID, LEFT, MIB, UNREACHABLE, Agent, World, scaled
from network import API_HOST, STORAGE_HOST, Authority, Front, far_away
from watching import BY_EVENTS, settle_and_judge, watching

PASSWORD = "p%40ss:w%C3%B6rd"
PLAIN = "p@ss:wörd"


def said(agent: Agent) -> str:
    return "".join(result.text + result.errors for result in agent.results)


# Proxies


def test_all_goes_by_way_of_the_proxy_with_its_password(world: World) -> None:
    for number in range(3):
        world.write(f"{number}.bin", 3 * MIB + number)
    with far_away(world.sandbox, world.root / "tls", f"lab:{PLAIN}") as far:
        agent = world.agent(api=far.api, ca_file=str(far.authority.file)).map(world.folder)
        agent.environment = {"HTTPS_PROXY": f"http://lab:{PASSWORD}@127.0.0.1:{far.proxy.port}"}
        agent.call("run", "--once", "--log-level", "trace", seconds=90)
        world.judge()
        agent.call("check", "--online")
        doctor = agent.call("doctor", status=(DONE, LEFT)).text
        assert f"HTTPS_PROXY (127.0.0.1:{far.proxy.port}) leads to Redivis" in doctor
        assert {target for target, _ in far.proxy.asked} == {f"{API_HOST}:443", f"{STORAGE_HOST}:443"}
        assert {status for _, status in far.proxy.asked} == {200}
        # It sees neither token nor address of an upload: TLS goes through it.
        assert all(b"sandbox" not in head and b"upload_id" not in head for head in far.proxy.heads)
    kept = b"".join(path.read_bytes() for path in agent.state.rglob("*") if path.is_file())
    for secret in (PASSWORD, PLAIN, "w%C3%B6rd", "wörd"):
        assert secret not in said(agent) and secret.encode() not in kept


def test_a_proxy_with_another_password_is_told_with_its_remedy(world: World) -> None:
    world.write("a.csv", b"a\n")
    with far_away(world.sandbox, world.root / "tls", f"lab:{PLAIN}") as far:
        agent = world.agent(api=far.api, ca_file=str(far.authority.file)).map(world.folder)
        place = f"127.0.0.1:{far.proxy.port}"
        for value, words in [
            (f"http://{place}", "asks for a user name and a password (407)"),
            (f"http://lab:wrongword@{place}", "does not accept the user name and password in https_proxy (407)"),
        ]:
            agent.environment = {"https_proxy": value}
            result = agent.call("check", "--online", status=UNREACHABLE)
            assert words in result.errors and f"write https_proxy=http://USER:PASSWORD@{place}" in result.errors
    assert "wrongword" not in said(agent)
    world.judge([])


def test_t23_a_proxy_that_refuses_for_a_while(world: World) -> None:
    refusals = [
        ("407 Proxy Authentication Required", "asks for a user name and a password (407)"),
        ("502 Bad Gateway", "does not connect to"), ("503 Busy", "does not connect to"), ("403 No", "does not connect to"),
    ]
    with far_away(world.sandbox, world.root / "tls") as far:
        agent = world.agent(api=far.api, ca_file=str(far.authority.file), **BY_EVENTS).map(world.folder)
        agent.environment = {"ALL_PROXY": f"127.0.0.1:{far.proxy.port}"}
        with watching(agent) as run:
            # The table is known, so that what is refused is the file's own request.
            world.write("first.csv", 999)
            settle_and_judge(world, run, seconds=90)
            for number, (refusal, words) in enumerate(refusals):
                far.proxy.refuse(refusal)
                world.write(f"{number}.csv", 1000 + number)

                # The log has one line a minute for all that wait; the list tells of each.
                def is_told() -> bool:
                    return any(words in str(file) for file in agent.list() if file["path"] == f"{number}.csv")

                run.wait(is_told, 30, f"the list tells of {refusal}")
                far.proxy.accept()
                settle_and_judge(world, run, seconds=90)
        # Nothing had left, so nothing was in doubt.
        assert world.record.counts()["post-uploads"] == 5


def test_why_tells_what_a_queued_file_waits_for(world: World) -> None:
    path = world.write("a.csv", 1000)
    with far_away(world.sandbox, world.root / "tls") as far:
        agent = world.agent(api=far.api, ca_file=str(far.authority.file), **BY_EVENTS).map(world.folder)
        agent.environment = {"ALL_PROXY": f"127.0.0.1:{far.proxy.port}"}
        far.proxy.refuse("407 Proxy Authentication Required")
        with watching(agent) as run:
            words = "a transfer takes it once this is over: table"
            run.wait(lambda: words in agent.call("why", str(path)).text, 30, "the table's trouble is told")
            assert "asks for a user name and a password (407)" in agent.call("why", str(path), "--json").text
            far.proxy.accept()
            settle_and_judge(world, run, seconds=90)
        assert words not in agent.call("why", str(path)).text


def test_loopback_is_reached_directly_whatever_is_named(world: World) -> None:
    world.write("a.csv", b"a\n")
    agent = world.agent().map(world.folder)
    dead = "http://127.0.0.1:1"
    agent.environment = {"HTTP_PROXY": dead, "http_proxy": dead, "HTTPS_PROXY": dead, "ALL_PROXY": dead}
    agent.run_once()
    world.judge()


def test_no_proxy_is_heeded(world: World) -> None:
    world.write("a.csv", b"a\n")
    with far_away(world.sandbox, world.root / "tls") as far:
        agent = world.agent(api=far.api, ca_file=str(far.authority.file)).map(world.folder)
        agent.environment = {"HTTPS_PROXY": f"127.0.0.1:{far.proxy.port}", "NO_PROXY": f"10.0.0.0/8, .{API_HOST}"}
        # Only the proxy knows the name.
        assert f"the name {API_HOST} cannot be resolved" in agent.call("check", "--online", status=UNREACHABLE).errors
        assert far.proxy.asked == []


def test_a_proxy_that_cannot_be_used_is_said_at_once(world: World) -> None:
    agent = world.agent().map(world.folder)
    for value, words in [
        ("socks5://lab:wrongword@127.0.0.1:1", "socks5:// proxies are not supported"),
        ("https://127.0.0.1:1", "https:// proxies are not supported"), ("127.0.0.1", "it names no port"),
    ]:
        agent.environment = {"HTTPS_PROXY": value}
        result = agent.run_once(status=INVALID)
        assert "HTTPS_PROXY" in result.errors and words in result.errors and "HTTPS_PROXY=http://" in result.errors
        agent.call("doctor", status=LEFT)
    assert "wrongword" not in said(agent)


# Certificates


def fronts(world: World, authority: Authority, *names: str) -> list[Front]:
    context = authority.context(*names)
    storage = Front(world.sandbox.storage, {}, context)
    host = world.sandbox.api.removesuffix("/api/v1")
    api = Front(host, {world.sandbox.storage: storage.origin}, context)
    api.names[host] = api.origin
    return [api, storage]


def test_ca_file_is_read_again_while_the_agent_runs(world: World) -> None:
    right, wrong = Authority(world.root / "tls"), Authority(world.root / "other", "other")
    both = fronts(world, right, "127.0.0.1")
    file = world.root / "ca.pem"
    file.write_bytes(wrong.file.read_bytes())
    world.write("a.csv", 3 * MIB)
    try:
        agent = world.agent(api=both[0].origin + "/api/v1", ca_file=str(file), **BY_EVENTS).map(world.folder)
        result = agent.call("check", "--online", status=UNREACHABLE)
        assert "is signed by an authority that is not known here" in result.errors and "ca_file" in result.errors
        with watching(agent) as run:
            run.wait(lambda: "not known here" in run.said(), 20, "it says why")
            new = world.root / "new.pem"
            new.write_bytes(right.file.read_bytes())
            os.replace(new, file)
            settle_and_judge(world, run, seconds=90)
            # Half a file changes nothing.
            file.write_text("-----BEGIN CERT")
            run.signal(signal.SIGHUP)
            run.wait(lambda: "stay believed" in run.said(), 20, "it says that it cannot be read")
            world.write("b.csv", b"b\n")
            settle_and_judge(world, run)
            # An edit that names another file.
            agent.settings["ca_file"] = str(right.file)
            agent.write_mapping_file()
            world.write("c.csv", b"c\n")
            settle_and_judge(world, run)
            run.wait(lambda: run.status()["mappingFile"]["problems"] == [], 10, "no restart is asked for")
    finally:
        for front in both:
            front.stop()


def test_a_certificate_for_another_host(world: World) -> None:
    authority = Authority(world.root / "tls")
    both = fronts(world, authority, "somewhere.test")
    world.write("a.csv", b"a\n")
    try:
        agent = world.agent(api=both[0].origin + "/api/v1", ca_file=str(authority.file)).map(world.folder)
        assert "the certificate of 127.0.0.1 is for another host" in agent.call("check", "--online", status=UNREACHABLE).errors
    finally:
        for front in both:
            front.stop()
    world.judge([])


# Pace


@pytest.mark.slow
def test_the_limit_is_kept_and_a_fifth_is_left_to_others(world: World) -> None:
    count, limit = scaled(200, 1000), 60
    world.open_sandbox("--rate", f"{limit}/4")
    for number in range(count):
        world.write(f"{number:04}.csv", 200 + number)
    world.agent().map(world.folder).run_once(seconds=scaled(150, 700))
    world.judge()
    answered = [one for one in world.record.requests() if one["origin"] == "api"]
    assert len(answered) >= 2 * count
    assert [one for one in answered if one["status"] == 429] == []
    # What answers late on a busy machine tells of a window that is over: one of fifty may be off.
    assert sorted(one["remaining"] for one in answered)[len(answered) // 50] >= limit // 5


def test_a_fixed_rate(world: World) -> None:
    for number in range(4):
        world.write(f"{number}.csv", 200 + number)
    world.agent(api_rate="300/min").map(world.folder).run_once()
    world.judge()
    times = sorted(one["time"] for one in world.record.requests() if one["origin"] == "api")
    # 5 a second; the last of the first ten may not be earlier than 1.8 s, but for what the clock rounds off.
    assert all(late - early >= 1700 for early, late in zip(times, times[9:])), times


def test_an_edited_rate_takes_effect_at_once(world: World) -> None:
    agent = world.agent(api_rate="10/min", **BY_EVENTS).map(world.folder)
    with watching(agent) as run:
        for number in range(5):
            world.write(f"{number}.csv", 200 + number)
        run.wait(lambda: "queued" in agent.states().values(), 20, "files wait for their turn")
        agent.settings["api_rate"] = "auto"
        agent.write_mapping_file()
        # Five files take more than two minutes by the rate that was.
        settle_and_judge(world, run, seconds=40)


# Sizes that do not get through


@pytest.mark.parametrize("limit", ["413", "cut"])
def test_chunks_shrink_where_they_never_get_through(world: World, limit: str) -> None:
    storage = Front(world.sandbox.storage)
    host = world.sandbox.api.removesuffix("/api/v1")
    api = Front(host, {world.sandbox.storage: storage.origin})
    if limit == "413":
        storage.largest = MIB + 100
    else:
        storage.cut_after = MIB + 100
    world.write("a.bin", 13 * MIB + 5)
    try:
        agent = world.agent(api=api.origin + "/api/v1", chunk_size="4MiB").map(world.folder)
        agent.run_once(seconds=120)
        world.judge()
        assert len(storage.refused) <= 10, storage.refused
        arrived = [one["bytes"] for one in world.record.requests("put-chunk") if one["status"] in (200, 308)]
        assert max(arrived) == MIB
        if limit == "413":
            assert "413" in agent.call("why", str(world.folder / "a.bin")).text
    finally:
        api.stop()
        storage.stop()
