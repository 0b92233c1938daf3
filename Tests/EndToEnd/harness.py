"""Starts the program and the sandbox as a user would, bounded in time, and ends only what it started."""

from __future__ import annotations

import base64
import json
import os
import random
import select
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from block_yaml import yaml
from checker import Expected, Report, Sandbox, check, expect_folder

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
TOKEN = "sandbox"
TABLE = "demo_org.weather_stations.readings"

DONE, LEFT, USAGE, UNREACHABLE, STATE, BUSY, NO_TOKEN, INVALID = 0, 1, 64, 69, 74, 75, 77, 78


def binary() -> str:
    path = os.environ.get("REDIVIS_SYNC_BINARY")
    if not path or not os.access(path, os.X_OK):
        raise RuntimeError("set REDIVIS_SYNC_BINARY to the program, or use Tests/run")
    return os.path.abspath(path)


def scaled(ci: int, full: int) -> int:
    """A size for continuous integration, and the one of Tests/full."""
    return full if os.environ.get("REDIVIS_SYNC_FULL") else ci


def seed_of_run() -> int:
    """One seed for a whole run, printed by conftest; set REDIVIS_SYNC_SEED to repeat one."""
    value = os.environ.setdefault("REDIVIS_SYNC_SEED", str(random.SystemRandom().randrange(1 << 32)))
    return int(value)


def random_bytes(generator: random.Random, size: int) -> bytes:
    return generator.randbytes(size)


def plain_environment(home: Path) -> dict[str, str]:
    """What a program sees of its surroundings: nothing of ours, so that no test passes by a variable set here."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TZ") if name in os.environ}
    return kept | {"HOME": str(home), "LC_ALL": "C.UTF-8"}


@dataclass
class Result:
    arguments: list[str]
    status: int
    out: bytes
    err: bytes
    seconds: float

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "backslashreplace")

    @property
    def errors(self) -> str:
        return self.err.decode("utf-8", "backslashreplace")

    def json(self) -> object:
        """Standard output as JSON: strictly UTF-8, one document."""
        return json.loads(self.out.decode("utf-8", "strict"))

    def __str__(self) -> str:
        return f"{self.arguments} ended with {self.status} after {self.seconds:.1f} s\n{self.text}\n{self.errors}"


class SandboxProcess:
    """`redivis-sync sandbox` on a directory. A second one on the same directory takes up what the first left."""

    def __init__(self, directory: Path, home: Path, *arguments: str) -> None:
        self.directory, self.home, self.arguments = directory, home, arguments
        # Variables beside the plain ones.
        self.environment: dict[str, str] = {}
        self.record = Sandbox(directory)
        self.process: subprocess.Popen[bytes] | None = None
        self.api = self.storage = ""

    def start(self, *more: str, port: int = 0, storage_port: int = 0) -> SandboxProcess:
        command = [binary(), "sandbox", "--port", str(port), "--storage-port", str(storage_port)]
        command += ["--directory", str(self.directory), "--json"]
        log = open(self.home / "stand-in.err", "ab")
        with log:
            self.process = subprocess.Popen(
                [*command, *self.arguments, *more],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                env=plain_environment(self.home) | self.environment,
            )
        origins = json.loads(self._first_line(20))
        self.api, self.storage = origins["api"], origins["storage"]
        return self

    def _first_line(self, seconds: float) -> bytes:
        assert self.process and self.process.stdout
        line, deadline = b"", time.monotonic() + seconds
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 1) if ready else b""
            if not piece:
                self.stop()
                said = (self.home / "stand-in.err").read_text("utf-8", "replace")
                raise RuntimeError(f"the sandbox did not say where it listens; it said {line!r}\n{said}")
            line += piece
        return line

    def stop(self) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None

    def start_again(self, *more: str) -> SandboxProcess:
        """Starts again on the same ports, so that mapping file and upload URLs stay true."""
        self.stop()
        ports = [urllib.parse.urlsplit(origin).port or 0 for origin in (self.api, self.storage)]
        return self.start(*more, port=ports[0], storage_port=ports[1])

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """One request to the API, as another user of it would make."""
        request = urllib.request.Request(self.api + path, data=body, method=method)
        request.add_header("Authorization", f"Bearer {TOKEN}")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def foreign_upload(self, table: str, name: str, content: bytes) -> int:
        """Another user's upload on the table, by the inline way; returns its number once it is imported."""
        boundary = "------------------------0123456789abcdef"
        metadata = json.dumps({"name": name}).encode()
        body = b"".join(
            [
                f'--{boundary}\r\nContent-Disposition: form-data; name="metadata"; filename="metadata"\r\n\r\n'.encode(),
                metadata,
                f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="data"; filename="x"\r\n\r\n'.encode(),
                content,
                f"\r\n--{boundary}--\r\n".encode(),
            ]
        )
        known = {one.number for one in self.record.registrations()}
        status, answer = self.request(
            "POST", f"/tables/{urllib.parse.quote(table, safe='')}/uploads", body,
            Content_Type=f"multipart/form-data; boundary={boundary}",
        )
        assert status in (200, 201), answer
        number = max(one.number for one in self.record.registrations() if one.number not in known)
        wait_until(lambda: any(o.number == number and o.status == "completed" for o in self.record.registrations()), 20)
        return number


def wait_until(condition, seconds: float, what: str = "") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what or f"not so within {seconds} s")
        time.sleep(0.01)


@dataclass
class Agent:
    """One user of the program: a mapping file, a token, a state directory."""

    home: Path
    sandbox: SandboxProcess
    mappings: dict[str, dict] = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    defaults: dict = field(default_factory=lambda: {"settle": "0s"})
    results: list[Result] = field(default_factory=list)
    # Put before every command, such as what enters a mount namespace; and on top of its environment.
    prefix: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    # Where the state directory is seen from here, if elsewhere.
    state_seen: Path | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.token_file.touch(0o600)
        self.token_file.write_text(TOKEN)

    @property
    def token_file(self) -> Path:
        return self.home / "token"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def mapping_file(self) -> Path:
        return self.home / "mapping.yaml"

    def write_mapping_file(self) -> None:
        content: dict = {
            "version": 1,
            "api": self.sandbox.api,
            "token_file": str(self.token_file),
            "state_directory": str(self.state),
            "registration_doubt": "2s",
            "chunk_size": "1MiB",
            # Most tests are about sessions, and their files are small.
            "inline_limit": "0",
        }
        content |= self.settings
        content["defaults"] = self.defaults
        content["mappings"] = self.mappings
        self.mapping_file.write_text(yaml(content) + "\n", encoding="utf-8")

    def map(self, folder: Path, table: str = TABLE, identifier: str = "weather", **keys: object) -> Agent:
        self.mappings[identifier] = {"folder": str(folder), "table": table, **keys}
        return self

    def command(self, *arguments: str | bytes) -> list[str | bytes]:
        return [*self.prefix, binary(), *arguments, "--mapping-file", str(self.mapping_file)]

    def start(self, *arguments: str | bytes) -> subprocess.Popen[bytes]:
        """Starts it and does not wait; the caller ends it."""
        self.write_mapping_file()
        return subprocess.Popen(
            self.command(*arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=plain_environment(self.home) | self.environment,
        )

    def finish(self, process: subprocess.Popen[bytes], begun: float, seconds: float) -> Result:
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            said = (out + err).decode("utf-8", "backslashreplace")[-4000:]
            raise TimeoutError(f"{process.args} did not end within {seconds} s; it said\n{said}") from None
        arguments = [os.fsdecode(one) for one in process.args]
        result = Result(arguments, process.returncode, out, err, time.monotonic() - begun)
        self.results.append(result)
        return result

    def call(self, *arguments: str | bytes, status: int | tuple[int, ...] | None = DONE, seconds: float = 30) -> Result:
        begun = time.monotonic()
        result = self.finish(self.start(*arguments), begun, seconds)
        accepted = (status,) if isinstance(status, int) else status
        assert accepted is None or result.status in accepted, f"expected exit status {status}\n{result}"
        return result

    def run_once(self, status: int | tuple[int, ...] | None = DONE, seconds: float = 90) -> Result:
        return self.call("run", "--once", status=status, seconds=seconds)

    def list(self, *arguments: str) -> list[dict]:
        """The file versions by the program's own account: for looking at states, never for judging deliveries."""
        document = self.call("list", "--json", "--limit", "100000", *arguments).json()
        if isinstance(document, dict):
            document = document["files"]
        assert isinstance(document, list)
        return document

    def states(self) -> dict[bytes, str]:
        """The newest state of each path."""
        found: dict[bytes, str] = {}
        for entry in self.list():
            found.setdefault(path_of(entry), entry["state"])
        return found


def path_of(entry: dict) -> bytes:
    """A path of a JSON output, as bytes."""
    if "path_base64" in entry:
        return base64.b64decode(entry["path_base64"], validate=True)
    return entry["path"].encode("utf-8")


class World:
    """A sandbox, agents and folders in one temporary place."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        # From the run's seed and the test's name, so that one test repeats without the others.
        self.generator = random.Random(f"{seed_of_run()} {name}")
        self.folder = root / "data"
        self.folder.mkdir()
        self.sandboxes: list[SandboxProcess] = []
        self.agents: list[Agent] = []
        self._sandbox: SandboxProcess | None = None
        # What a fixture saw arrive, for the test that goes on from there.
        self.arrived: list[Expected] = []

    def open_sandbox(self, *arguments: str) -> SandboxProcess:
        """The sandbox of this world, with flags; asked for before anything else needs one."""
        assert self._sandbox is None, "this world has its sandbox already"
        home = self.root / "remote"
        home.mkdir()
        self._sandbox = SandboxProcess(home / "kept", home, *arguments)
        self.sandboxes.append(self._sandbox)
        return self._sandbox.start()

    @property
    def sandbox(self) -> SandboxProcess:
        return self._sandbox or self.open_sandbox()

    @property
    def record(self) -> Sandbox:
        return self.sandbox.record

    def agent(self, name: str = "agent", **settings: object) -> Agent:
        agent = Agent(self.root / name, self.sandbox, settings=dict(settings))
        self.agents.append(agent)
        return agent

    def release(self, table: str = TABLE) -> None:
        """Releases the table's dataset, as its owner would."""
        dataset = table.rsplit(".", 1)[0]
        status, answer = self.sandbox.request(
            "POST", f"/datasets/{dataset}:next/versions/next/release", b'{"releaseNotes": null}',
            Content_Type="application/json",
        )
        assert status in (200, 201), answer

    def released_table(self, table: str = TABLE) -> int:
        """A table in a released version, without a next one; the number of the upload that somebody made there."""
        number = self.sandbox.foreign_upload(table, "somebody else's.csv", b"a\n1\n")
        self.release(table)
        return number

    def write(self, name: str | bytes, content: bytes | int) -> Path:
        """A file in the mapped folder; a number stands for so many random bytes."""
        path = Path(os.fsdecode(os.path.join(os.fsencode(self.folder), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        data = random_bytes(self.generator, content) if isinstance(content, int) else content
        path.write_bytes(data)
        return path

    def expect(self, folder: Path | None = None, table: str = TABLE, **options: object) -> list[Expected]:
        return expect_folder(folder or self.folder, table, **options)

    def judge(self, expected: list[Expected] | None = None, **options: object) -> Report:
        """Asserts that exactly what was expected is there; by default the whole mapped folder."""
        report = check(self.record, self.expect() if expected is None else expected, **options)
        assert report.holds, f"{report}\n(seed {seed_of_run()})"
        return report

    def sent(self) -> int:
        """Bytes of content that came in, and registrations asked for: what a run that sends nothing leaves alone."""
        counts = self.record.counts()
        return sum(self.record.received().values()) + counts["post-uploads"] + counts["open-session"] + counts["temp-uploads"]

    @contextmanager
    def nothing_sent(self) -> Iterator[None]:
        before = self.sent()
        yield
        assert self.sent() == before, "something was sent again"

    def close(self) -> None:
        for sandbox in self.sandboxes:
            sandbox.stop()


def kill_at_work(agent: Agent) -> None:
    """Kills a single run while the request that its sandbox holds up is under way.

    A request is written down only when it is answered, so the clock has to say that it is under way.
    """
    process = agent.start("run", "--once")
    time.sleep(1.5)
    assert process.poll() is None, "the kill came too late to say anything"
    kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL, and the pipes read to their ends."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate(timeout=20)
