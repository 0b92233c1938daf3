"""`doctor` says of a machine what would keep the agent from its work, and goes as far as it can."""

from __future__ import annotations

import http.server
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from harness import DONE, INVALID, LEFT, TABLE, Agent, Result, World, binary, kill, plain_environment, wait_until
from test_commands import call_raw, raw_agent
from test_documents import hold
from test_terminal import COLOUR, on_terminal

OF_EVERY_MACHINE = {"inotify_watches", "inotify_instances", "inotify_queue", "open_files", "disk", "state_directory"}
OF_A_SERVER = {"names", "api", "encryption", "clock", "proxy", "token", "table", "writing", "storage"}


def judged(result: Result) -> dict[str, dict]:
    """The checks by their ids, held to the schema."""
    document = result.json()
    hold("doctor", document)
    assert isinstance(document, dict)
    assert document["verdict"] == max((one["verdict"] for one in document["checks"]), key=["ok", "warning", "problem"].index)
    for one in document["checks"]:
        assert ("remedy" in one) == (one["verdict"] != "ok"), one
    return {one["check"]: one for one in document["checks"]}


def examine(agent: Agent, status: int = DONE, seconds: float = 60) -> dict[str, dict]:
    return judged(agent.call("doctor", "--json", status=status, seconds=seconds))


def examine_in(agent: Agent, prepare: str, status: int | None = None, **variables: str) -> dict[str, dict]:
    """In a user namespace of its own, as its root, after a line of shell."""
    agent.write_mapping_file()
    script = f'{prepare}\nexec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-e", "-c", script, "sh", *agent.command("doctor", "--json")],
        capture_output=True, timeout=60, env=plain_environment(agent.home) | variables, check=False,
    )
    assert status is None or done.returncode == status, done
    return judged(Result(["doctor"], done.returncode, done.stdout, done.stderr, 0))


def namespaces_work() -> bool:
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", "echo 100 > /proc/sys/user/max_inotify_watches"],
        capture_output=True, timeout=20, check=False,
    ).returncode == 0


needs_namespaces = pytest.mark.skipif(not namespaces_work(), reason="no user namespaces on this machine")


# A machine that is well


def test_a_machine_that_is_well(world: World) -> None:
    world.write("below/a.csv", 100)
    agent = world.agent().map(world.folder)
    agent.run_once()
    with nothing_done(world):
        found = examine(agent)
    assert set(found) == OF_EVERY_MACHINE | OF_A_SERVER | {"mapping_file", "folder", "leases"}
    wrong = {name: one for name, one in found.items() if one["verdict"] != "ok"}
    assert not wrong
    assert "2 directories, 1 file" in found["folder"]["finding"] and found["folder"]["mapping"] == "weather"
    assert found["inotify_watches"]["finding"].startswith("2 directories to watch")
    assert "mode 0600" in found["token"]["finding"] and "accepts it" in found["token"]["finding"]
    result = agent.call("doctor")
    assert "everything is well" in result.text and not result.errors


@contextmanager
def nothing_done(world: World) -> Iterator[None]:
    """No registration and no byte; sessions may be opened."""
    before = (len(world.record.registrations()), sum(world.record.received().values()))
    yield
    assert (len(world.record.registrations()), sum(world.record.received().values())) == before


def test_the_token_is_never_shown(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.token_file.write_text("mistyped-secret-words")
    for arguments in (["doctor"], ["doctor", "--json"], ["doctor", "-v"], ["doctor", "--log-level", "trace"]):
        assert "mistyped-secret-words" not in str(agent.call(*arguments, status=LEFT))


def test_it_works_beside_an_agent(world: World) -> None:
    world.open_sandbox("--fault", "put-chunk:*:wait=300")
    world.write("slow.bin", 6 << 20)
    agent = world.agent().map(world.folder)
    process = agent.start("run", "--once")
    wait_until(lambda: len(world.record.requests("put-chunk")) >= 1, 30)
    assert f"held by the agent, process {process.pid}" in examine(agent)["state_directory"]["finding"]
    kill(process)


# Mapping file


def test_it_goes_on_with_an_invalid_mapping_file(world: World) -> None:
    api = world.sandbox.api
    text = f"api: {api}\nstate_directory: {world.root}/state\nmappings:\n  weather:\n    folder: /data\n    table: a.b.c\n"
    agent = raw_agent(world, text + "    exlude: []\n")
    result = call_raw(agent, "doctor", "--json")
    assert result.status == INVALID, result
    found = judged(result)
    assert OF_EVERY_MACHINE <= set(found)
    assert found["mapping_file"]["verdict"] == "problem" and f"{agent.mapping_file}:7:" in found["mapping_file"]["finding"]
    assert f"{agent.mapping_file}:7:" in result.errors


def test_it_goes_by_the_last_good_mapping_file(world: World) -> None:
    world.write("a.csv", 10)
    agent = world.agent().map(world.folder)
    agent.run_once()
    agent.mapping_file.write_text(agent.mapping_file.read_text() + "nonsense: 1\n")
    result = call_raw(agent, "doctor", "--json")
    assert result.status == INVALID
    found = judged(result)
    assert "last good one" in found["mapping_file"]["remedy"]
    assert found["folder"]["verdict"] == "ok" and found["token"]["verdict"] == "ok"


def test_it_goes_on_without_a_mapping_file(world: World) -> None:
    home = world.root / "home"
    home.mkdir()
    begun = time.monotonic()
    done = subprocess.run(
        [binary(), "doctor", "--json"], capture_output=True, timeout=60, env=plain_environment(home), check=False,
        stdin=subprocess.DEVNULL,
    )
    assert time.monotonic() - begun < 30
    found = judged(Result(["doctor"], done.returncode, done.stdout, done.stderr, 0))
    assert done.returncode == INVALID and OF_EVERY_MACHINE <= set(found)


def test_own_files_in_a_mapped_folder(world: World) -> None:
    agent = world.agent(state_directory=str(world.folder / "state")).map(world.folder)
    assert "state directory" in examine(agent, status=INVALID)["mapping_file"]["finding"]


# Folders and state


def test_a_folder_that_is_not_there(world: World) -> None:
    agent = world.agent().map(world.folder).map(world.root / "missing", identifier="other")
    found = agent.call("doctor", "--json", status=LEFT).json()
    hold("doctor", found)
    verdicts = {(one["check"], one.get("mapping")): one["verdict"] for one in found["checks"]}
    assert verdicts["folder", "weather"] == "ok" and verdicts["folder", "other"] == "problem"
    assert "missing" in agent.call("doctor", status=LEFT).errors


def test_a_state_directory_open_to_others(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.run_once()
    agent.state.chmod(0o755)
    found = examine(agent, status=LEFT)["state_directory"]
    assert found["verdict"] == "problem" and "chmod 700" in found["remedy"]


@needs_namespaces
def test_a_state_directory_on_a_small_disk(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.state.mkdir(0o700)
    # The namespace has mounts of its own.
    prepare = f"unshare --mount --map-root-user true && exec unshare --mount sh -ec 'mount -t tmpfs -o size=32m,mode=700 none {agent.state}; exec \"$@\"' sh \"$@\""
    found = examine_in(agent, prepare, status=LEFT)
    assert found["disk"]["verdict"] == "problem" and "32.0 MiB" in found["disk"]["finding"]


@needs_namespaces
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's file")
def test_another_users_file_grants_no_lease(world: World) -> None:
    # Root of a user namespace has no CAP_LEASE over files of users outside of it.
    other = world.write("theirs.csv", 10)
    other.chmod(0o644)
    os.chown(other, 4242, 4242)
    agent = world.agent().map(world.folder)
    found = examine_in(agent, "true", status=DONE)["leases"]
    assert found["verdict"] == "warning" and "CAP_LEASE" in found["remedy"]
    agent.map(world.folder, open_writers="ignore")
    assert examine_in(agent, "true")["leases"]["verdict"] == "ok"


# Limits


@needs_namespaces
def test_too_few_watches(world: World) -> None:
    for number in range(60):
        (world.folder / f"{number}" / "below").mkdir(parents=True)
    agent = world.agent().map(world.folder, exclude=["9/**"])
    found = examine_in(agent, "echo 50 > /proc/sys/user/max_inotify_watches", status=DONE)["inotify_watches"]
    assert found["verdict"] == "warning"
    assert found["finding"].startswith("119 directories to watch; 50 allowed (user.max_inotify_watches)"), found
    assert "user.max_inotify_watches=256" in found["remedy"]
    found = examine_in(agent, "echo 0 > /proc/sys/user/max_inotify_instances")["inotify_instances"]
    assert found["verdict"] == "warning"


def test_what_other_programs_use_is_counted(world: World) -> None:
    agent = world.agent().map(world.folder)
    script = (
        "import ctypes, sys, time\n"
        "libc = ctypes.CDLL(None)\n"
        "one = libc.inotify_init1(0)\n"
        "[libc.inotify_add_watch(one, path.encode(), 2) for path in sys.argv[1:]]\n"
        "print(flush=True)\n"
        "time.sleep(60)\n"
    )
    folders = [world.root / f"watched{number}" for number in range(7)]
    for folder in folders:
        folder.mkdir()

    def used() -> tuple[int, int]:
        found = examine(agent)
        return tuple(
            int(found[name]["finding"].split("other programs use ")[1].removeprefix("at least ").replace(",", ""))
            for name in ("inotify_watches", "inotify_instances")
        )

    watcher = subprocess.Popen(["python3", "-c", script, *map(str, folders)], stdout=subprocess.PIPE)
    try:
        assert watcher.stdout and watcher.stdout.readline()
        watches, instances = used()
        assert watches >= 7 and instances >= 1
    finally:
        kill(watcher)


def test_too_few_open_files(world: World) -> None:
    agent = world.agent(uploads=20).map(world.folder)
    agent.write_mapping_file()
    done = subprocess.run(
        ["prlimit", "--nofile=100:100", *agent.command("doctor", "--json")], capture_output=True, timeout=60,
        env=plain_environment(agent.home), check=False,
    )
    found = judged(Result(["doctor"], done.returncode, done.stdout, done.stderr, 0))["open_files"]
    assert found["verdict"] == "problem" and "LimitNOFILE=288" in found["remedy"]


# Redivis


def test_redivis_out_of_reach(world: World) -> None:
    agent = world.agent().map(world.folder)
    world.sandbox.stop()
    found = examine(agent, status=LEFT)
    assert found["api"]["verdict"] == "problem" and "127.0.0.1" in found["api"]["finding"]
    assert found["token"]["verdict"] == "ok" and "not asked" in found["token"]["finding"]
    assert "table" not in found and "clock" not in found


def test_a_server_that_never_answers_is_given_up(world: World) -> None:
    with silent_server() as port:
        agent = world.agent(api=f"http://127.0.0.1:{port}/api/v1").map(world.folder)
        begun = time.monotonic()
        found = examine(agent, status=LEFT)
        assert time.monotonic() - begun < 25
        assert found["api"]["verdict"] == "problem" and "within 10 s" in found["api"]["finding"]


@contextmanager
def silent_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def dated_server(ahead: float) -> Iterator[int]:
    """Answers everything with 404 and a clock of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(404)
            self.send_header("Date", formatdate(time.time() + ahead, usegmt=True))
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("ahead", "verdict", "word"), [(0, "ok", "within"), (3600, "warning", "behind"), (-3600, "warning", "ahead of")])
def test_the_clock(world: World, ahead: float, verdict: str, word: str) -> None:
    with dated_server(ahead) as port:
        agent = world.agent(api=f"http://127.0.0.1:{port}/api/v1").map(world.folder)
        # The table is not there, which is a problem of its own.
        found = examine(agent, status=LEFT)
    assert found["clock"]["verdict"] == verdict and word in found["clock"]["finding"], found["clock"]
    assert found["table"]["verdict"] == "problem" and TABLE.split(".")[0] in found["table"]["finding"]


def test_tokens(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.token_file.write_text("mistyped")
    assert examine(agent, status=LEFT)["token"]["verdict"] == "problem"
    agent.token_file.write_text("sandbox-readonly")
    found = examine(agent, status=LEFT)
    assert found["token"]["verdict"] == "problem" and "data.edit" in found["token"]["remedy"], found
    agent.token_file.write_text("sandbox")
    agent.token_file.chmod(0o644)
    found = examine(agent, status=LEFT)["token"]
    assert found["verdict"] == "problem" and "chmod 600" in found["remedy"]
    agent.settings["token_file"] = None
    agent.token_file.unlink()
    assert "REDIVIS_API_TOKEN" in examine(agent, status=LEFT)["token"]["remedy"]


def test_a_proxy_variable_is_told_without_its_value(world: World) -> None:
    agent = world.agent().map(world.folder)
    agent.write_mapping_file()
    done = subprocess.run(
        agent.command("doctor", "--json"), capture_output=True, timeout=60, check=False,
        env=plain_environment(agent.home) | {"https_proxy": "http://user:password@127.0.0.1:1", "HTTP_PROXY": ""},
    )
    found = judged(Result(["doctor"], done.returncode, done.stdout, done.stderr, 0))["proxy"]
    assert found["verdict"] == "ok" and "https_proxy (127.0.0.1:1) is not used for Redivis" in found["finding"]
    assert b"password" not in done.stdout + done.stderr


# Looks


@pytest.mark.parametrize("columns", [80, 200])
def test_lines_fit_the_terminal(world: World, columns: int) -> None:
    agent = world.agent().map(world.folder).map(Path("/data/that-is-not-there"), identifier="other")
    status, shown = on_terminal(agent, "doctor", columns=columns)
    assert status == LEFT
    lines = COLOUR.sub(b"", shown).decode().replace("\r\n", "\n").splitlines()
    room = [line for line in lines if len(line) > columns]
    assert all(len(word) > columns - 30 for line in room for word in line.split()[-1:]), room
    assert any(line.startswith("  ✓  ") for line in lines) and any(line.startswith("  ✗  ") for line in lines)
    _, plain = on_terminal(agent, "doctor", columns=columns, NO_COLOR="1")
    assert b"\x1b" not in plain


def test_a_pipe_gets_whole_lines(world: World) -> None:
    result = world.agent().map(world.folder).call("doctor")
    assert b"\x1b" not in result.out
    assert all(len(line) > 20 for line in result.text.splitlines() if line.startswith("  "))
    json.loads(world.agents[0].call("doctor", "--json").out)
