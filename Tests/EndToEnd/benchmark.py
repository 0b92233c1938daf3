"""Times of a release build against programs that do part of the same work, in turn on one machine.

Large: one file, against `curl -T` of the same file to the same `--sink` sandbox and `openssl md5` of it. We send, hash
with MD5 and SHA-256, register and wait for the import; so the slower of the two is the fair neighbour.
Small: many files of 4 KiB, against the vendor's client with 16 threads, which does not wait for its imports here.
Watching: from the close of a new file to the first request about it, and what an agent costs that has nothing to do.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness import GIB, KIB, Agent, SandboxProcess, binary, plain_environment
from watching import Watching, until_idle

THREADS = 16


@dataclass
class Samples:
    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def row(self, what: str, note: str = "") -> str:
        spread = f"{min(self.seconds):.2f}–{max(self.seconds):.2f}"
        cpu = f"{statistics.median(self.cpu):.2f}" if self.cpu else ""
        peak = f"{max(self.peak) / 1024:.0f}" if self.peak else ""
        return f"| {what} | {self.median:.2f} | {spread} | {cpu} | {peak} | {note} |"


class Peak(threading.Thread):
    """Reads the high-water mark of another process's resident memory until that process ends.

    The kernel's ru_maxrss begins with what the parent had when it forked, so it would tell about us.
    """

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self.path = f"/proc/{process}/status"
        self.kibibytes = 0

    def run(self) -> None:
        try:
            while True:
                with open(self.path) as file:
                    marks = [line for line in file if line.startswith("VmHWM:")]
                if not marks:
                    return
                self.kibibytes = max(self.kibibytes, int(marks[0].split()[1]))
                time.sleep(0.02)
        except OSError:
            return


def timed(samples: Samples, command: list[str], **options: object) -> None:
    """Runs it to its end: wall time, its own processor time (`man 2 wait4`), its peak of resident memory in KiB."""
    begun = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, **options)
        peak = Peak(process.pid)
        peak.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        samples.seconds.append(time.monotonic() - begun)
        samples.cpu.append(usage.ru_utime + usage.ru_stime)
        peak.join()
        samples.peak.append(peak.kibibytes)
        if process.returncode != 0:
            said.seek(0)
            raise RuntimeError(f"{command} ended with {process.returncode}\n{said.read().decode('utf-8', 'replace')}")


class Bench:
    """The sandbox stands for a server that is elsewhere, with a disk of its own: what it notes it notes in `memory`."""

    def __init__(self, root: Path, memory: Path) -> None:
        self.root = root
        self.sandbox = SandboxProcess(memory / "kept", root, "--sink").start()
        self.number = 0

    def table(self) -> str:
        """A table of its own for every run, so that nothing is there already."""
        self.number += 1
        return f"demo_org.benchmark.run_{self.number}"

    def agent(self, samples: Samples, folder: Path) -> None:
        home = self.root / f"agent-{self.number}"
        agent = Agent(home, self.sandbox, defaults={"settle": "0s"})
        # As it comes: the defaults of the contract, but for the settings above.
        agent.settings = {"chunk_size": "64MiB", "registration_doubt": "2m", "inline_limit": "1MiB"}
        table = self.table()
        # The files arrive after the mapping was first loaded, as they do on a collecting server; what was there before
        # would be read once more, to be held against the table.
        arrivals = self.root / f"arrivals-{self.number}"
        arrivals.mkdir()
        agent.map(arrivals, table)
        agent.run_once()
        for path in list(folder.iterdir()):
            path.rename(arrivals / path.name)
        timed(samples, [os.fsdecode(one) for one in agent.command("run", "--once")], env=plain_environment(home))
        for path in list(arrivals.iterdir()):
            path.rename(folder / path.name)
        arrivals.rmdir()
        wanted = sum(1 for _ in folder.iterdir())
        arrived = len(self.sandbox.record.uploads(table))
        if arrived != wanted:
            raise RuntimeError(f"{arrived} of {wanted} files arrived")
        shutil.rmtree(home)

    def curl(self, samples: Samples, file: Path) -> None:
        size = file.stat().st_size
        table = urllib.parse.quote(self.table(), safe="")
        status, answer = self.sandbox.request("POST", f"/tables/{table}/resumableUpload?size={size}", b"")
        assert status in (200, 201), answer
        url = json.loads(answer)["url"]
        command = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null", "--upload-file", str(file)]
        timed(samples, [*command, "--header", f"Content-Range: bytes 0-{size - 1}/{size}", url])

    def vendor(self, samples: Samples, folder: Path) -> None:
        environment = plain_environment(self.root) | {
            "REDIVIS_API_ENDPOINT": self.sandbox.api, "REDIVIS_API_TOKEN": "sandbox",
        }
        timed(samples, [sys.executable, "-B", __file__, "--vendor", str(folder), self.table()], env=environment)

    def close(self) -> None:
        self.sandbox.stop()


def run_vendor(folder: Path, table: str) -> None:
    """In a process of its own: the vendor's client with a pool of threads, as its users write it."""
    import redivis

    owner, dataset, name = table.split(".")
    target = redivis.organization(owner).dataset(dataset, version="next").table(name)

    def upload(path: Path) -> None:
        target.upload(path.name).create(str(path), progress=False, wait_for_finish=False)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(upload, sorted(folder.iterdir())))


def large(bench: Bench, size: int, rounds: int) -> list[str]:
    folder = bench.root / "large"
    folder.mkdir()
    file = folder / "large.bin"
    with file.open("wb") as out:
        for _ in range(size >> 20):
            out.write(os.urandom(1 << 20))
    ours, curl, openssl = Samples(), Samples(), Samples()
    for number in range(rounds):
        bench.curl(curl, file)
        timed(openssl, ["openssl", "md5", str(file)])
        bench.agent(ours, folder)
        print(f"round {number + 1}: {curl.seconds[-1]:.2f} {openssl.seconds[-1]:.2f} {ours.seconds[-1]:.2f} s", file=sys.stderr)
    slower = max(curl.median, openssl.median)
    name = f"{size / GIB:g} GiB"
    shutil.rmtree(folder)
    return [
        curl.row(f"{name}: `curl -T`"),
        openssl.row(f"{name}: `openssl md5`"),
        ours.row(f"{name}: `redivis-sync run --once`", f"{ours.median / slower:.2f} × the slower of the two"),
    ]


def small(bench: Bench, count: int, rounds: int) -> list[str]:
    folder = bench.root / "small"
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.csv").write_bytes(os.urandom(4 * KIB))
    ours, vendor = Samples(), Samples()
    for number in range(rounds):
        bench.vendor(vendor, folder)
        bench.agent(ours, folder)
        print(f"round {number + 1}: {vendor.seconds[-1]:.2f} {ours.seconds[-1]:.2f} s", file=sys.stderr)
    return [
        vendor.row(f"{count:,} × 4 KiB: the vendor's client, {THREADS} threads"),
        ours.row(f"{count:,} × 4 KiB: `redivis-sync run --once`", f"{ours.median / vendor.median:.2f} × the client's time"),
    ]


def watching(bench: Bench, files: int, idle_files: int, idle_seconds: int) -> list[str]:
    return [*reaction(bench, files), *idling(bench, idle_files, idle_seconds)]


def reaction(bench: Bench, files: int) -> list[str]:
    """The sandbox writes down when a request came in; each file has a size of its own, by which its session is known."""
    folder = bench.root / "arrivals"
    folder.mkdir()
    agent = Agent(bench.root / "reaction", bench.sandbox, defaults={"settle": "0s"}, settings={"rescan": "off"})
    agent.map(folder, bench.table())
    closed: dict[int, float] = {}
    with watching_agent(agent):
        for number in range(files):
            size = 100_000 + number
            with (folder / f"{number}.bin").open("wb") as file:
                file.write(os.urandom(size))
            closed[size] = time.time() * 1000
            time.sleep(0.1)
        time.sleep(3)
    asked: dict[int, int] = {}
    for line in bench.sandbox.record.requests("open-session"):
        asked[int(urllib.parse.parse_qs(line["query"])["size"][0])] = line["time"]
    took = sorted((asked[size] - at) / 1000 for size, at in closed.items())
    median, late = statistics.median(took), took[int(len(took) * 0.95)]
    return [
        f"| close → first request, `settle: 0s`, {files} files | {median:.4f} | {took[0]:.4f}–{took[-1]:.4f} | | | "
        f"p95 {late * 1000:.1f} ms |"
    ]


def idling(bench: Bench, files: int, seconds: int) -> list[str]:
    """Files that were there and are to be left alone cost an idle agent what delivered ones do: a row and no more."""
    folder = bench.root / "many"
    for directory in range(1000):
        (folder / f"{directory:03}").mkdir(parents=True)
        for number in range(files // 1000):
            (folder / f"{directory:03}" / f"{number}.csv").write_bytes(b"x")
    agent = Agent(bench.root / "idle", bench.sandbox, defaults={"settle": "0s", "existing": "skip"})
    agent.map(folder, bench.table())
    with watching_agent(agent, ready=600) as run:
        until_idle(run, 600)
        time.sleep(10)
        used, begun = processor_time(run.process.pid), time.monotonic()
        time.sleep(seconds)
        used, elapsed = processor_time(run.process.pid) - used, time.monotonic() - begun
        resident = next(
            int(line.split()[1]) for line in Path(f"/proc/{run.process.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS:"))
    return [
        f"| idle for {elapsed:.0f} s, {files:,} files in 1,000 folders | {elapsed:.0f} | | {used:.3f} | "
        f"{resident / 1024:.0f} | {used / elapsed * 100:.3f} % of a core; resident at the end |"
    ]


@contextmanager
def watching_agent(agent: Agent, ready: float = 40) -> Iterator[Watching]:
    """As it comes: without the debug log of the tests."""
    run = Watching(agent, "--log-level", "notice")
    try:
        yield run.ready(ready)
        run.stop()
    finally:
        if run.process.poll() is None:
            run.kill()


def processor_time(process: int) -> float:
    """Of all its threads, in seconds (`man 5 proc_pid_stat`: utime and stime)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=GIB, help="bytes of the large file")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--only", choices=["large", "small", "watching"])
    parser.add_argument("--vendor", nargs=2, metavar=("FOLDER", "TABLE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.vendor:
        run_vendor(Path(arguments.vendor[0]), arguments.vendor[1])
        return 0
    binary()
    rows = []
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="redivis-benchmark-") as directory,
        tempfile.TemporaryDirectory(prefix="redivis-benchmark-", dir=shared) as memory,
    ):
        bench = Bench(Path(directory), Path(memory))
        try:
            if arguments.only in (None, "large"):
                rows += large(bench, arguments.size, arguments.rounds)
            if arguments.only in (None, "small"):
                rows += small(bench, arguments.files, max(1, arguments.rounds // 2 + 1))
            if arguments.only in (None, "watching"):
                rows += watching(bench, 200, 100_000, 60)
        finally:
            bench.close()
    print(f"{time.strftime('%Y-%m-%d')}, {machine()}\n")
    print("| what | median s | from–to s | processor s | peak MiB | |")
    print("| --- | --- | --- | --- | --- | --- |")
    print("\n".join(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
