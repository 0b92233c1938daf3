"""A run of chaos: files, an agent that is killed and started again, and an account of what was met.

A seed makes the files, the sandbox's faults and the instants of the kills; only what meets what depends on time.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from checker import check
from harness import DONE, KIB, LEFT, MIB, UNREACHABLE, Agent, World, kill, plain_environment

# What a registration can meet after which it has to be taken off the table again, or has failed.
WITHDRAWING = {"import-failed", "wrong-size", "wrong-md5", "no-size", "again"}


@dataclass(frozen=True)
class Plan:
    """How large a run is."""

    files: int
    bytes: int
    kills: int
    # Until a run that was left alone must have delivered all.
    seconds: float
    chunk: str = "8MiB"


@dataclass
class Story:
    """What happened."""

    seed: int
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    kills: int = 0
    runs: Counter[int] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    seconds: float = 0
    requests: int = 0

    def __str__(self) -> str:
        faults = sum(self.hits.values())
        return (
            f"chaos {self.seed}: {faults} faults of {len({name for name, _ in self.hits})} names at {self.requests} requests, "
            f"{self.kills} kills, single runs that ended with {dict(self.runs)}, {sum(self.parked.values())} parked and retried, "
            f"{self.withdrawn} taken off the table again, {self.seconds:.0f} s"
        )


def make_files(folder: Path, generator: random.Random, plan: Plan) -> None:
    """Many small files, some of a few chunks, and a few large ones that are mostly holes, but for islands that make
    each of them another content all along."""
    large = max(1, plan.files // 75)
    middle = max(2, plan.files // 10)
    left = plan.bytes
    for number in range(middle):
        size = min(generator.randrange(300 * KIB, 6 * MIB), left // 8)
        path = folder / f"middle/{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.randbytes(size))
        left -= size
    for number in range(plan.files - large - middle):
        path = folder / f"small/{number % 7}/{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = generator.choice([1, 17, 1000, generator.randrange(1, 200 * KIB)])
        path.write_bytes(f"{number}\n".encode() + generator.randbytes(size))
        left -= path.stat().st_size
    for number in range(large):
        size = max(left // (large - number) + (generator.randrange(100_000) if number < large - 1 else 0), 1)
        left -= size
        with (folder / f"large {number}.bin").open("wb") as file:
            for start in range(0, size, 5 * MIB):
                file.seek(start)
                file.write(generator.randbytes(min(1000, size - start)))
            file.truncate(size)


def run_chaos(world: World, seed: int, plan: Plan, *flags: str, **mapping: object) -> Story:
    """Sends the files through chaos; returns when all are delivered, or fails."""
    story, begun = Story(seed), time.monotonic()
    generator = random.Random(f"chaos {seed}")
    world.open_sandbox("--chaos", str(seed), *flags)
    make_files(world.folder, generator, plan)
    # Small files inside their registrations and in sessions, another way after each kill.
    agent = world.agent(chunk_size=plan.chunk, registration_doubt="4s", inline_limit="1MiB").map(world.folder, **mapping)
    while story.kills < plan.kills:
        process = agent.start(*generator.choice([("run", "--once"), ("run",)]))
        time.sleep(generator.uniform(0.3, 8 if plan.files > 100 else 2))
        kill(process)
        story.kills += 1
        agent.settings["inline_limit"] = generator.choice(["0", "20KiB", "1MiB"])
    deadline = begun + plan.seconds
    while True:
        status = run_while_it_moves(world, agent, deadline)
        story.runs[status] += 1
        if status == DONE:
            break
        assert time.monotonic() < deadline, f"seed {seed}: not delivered within {plan.seconds} s\n{remains(agent)}"
        retry_parked(agent, story)
    world.sandbox.stop()
    story.seconds = time.monotonic() - begun
    account(world, story)
    judge(world, story)
    return story


# After a refused token or table the agent rests for minutes, as it should; a person would not wait for it either.
IMPATIENCE = 12


def rests_after_a_refusal(agent: Agent) -> bool:
    """Whether a table cannot be used, by the program's own account. On a busy machine silence alone may mean that it
    has yet to get its turn."""
    status = agent.call("status", "--json", status=(DONE, LEFT), seconds=60).json()
    assert isinstance(status, dict)
    return any(problem.get("kind") in ("table", "token") for problem in status["problems"]) or any(
        mapping.get("state") == "blocked" for mapping in status["mappings"]
    )


def run_while_it_moves(world: World, agent: Agent, deadline: float) -> int:
    """A single run's exit status; that of SIGKILL where it rests."""
    log, seen, since, looked = world.record.directory / "log.jsonl", -1, time.monotonic(), 0.0
    # Into a file: a pipe that nobody reads would stop it after 64 KiB of log lines.
    agent.write_mapping_file()
    with said_by(agent).open("ab") as said:
        process = subprocess.Popen(
            agent.command("run", "--once"), stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            env=plain_environment(agent.home),
        )
    try:
        while process.poll() is None:
            size, now = log.stat().st_size, time.monotonic()
            if size != seen:
                seen, since = size, now
            if now > deadline:
                break
            if now - since > IMPATIENCE and now - looked > 3:
                looked = now
                if rests_after_a_refusal(agent):
                    process.kill()
            time.sleep(0.1)
    finally:
        if process.poll() is None:
            process.kill()
        status = process.wait(20)
    assert status in (DONE, LEFT, UNREACHABLE, -9), f"ended with {status}\n{remains(agent)}"
    return status


def said_by(agent: Agent) -> Path:
    return agent.home / "runs.log"


def remains(agent: Agent) -> str:
    """What is not delivered, by the program's own account, and what it said last."""
    left = [f"{entry['path']}: {entry['state']}: {entry.get('reason')}" for entry in agent.list() if entry["state"] != "delivered"]
    said = said_by(agent).read_text("utf-8", "backslashreplace")[-3000:] if said_by(agent).exists() else ""
    return "\n".join([*left[:20], said])


def retry_parked(agent: Agent, story: Story) -> None:
    """What a person does about a file that waits for one."""
    parked = [entry for entry in agent.list("--state", "parked")]
    for entry in parked:
        story.parked[entry.get("reason") or "?"] += 1
    if parked:
        agent.call("retry", "--all")


def account(world: World, story: Story) -> None:
    """What was hit, by the sandbox's own count at its end, which its log must bear out."""
    document = json.loads((world.record.directory / "faults.json").read_text())
    assert document["chaos"] == str(story.seed)
    story.hits = Counter({(hit["fault"], hit["class"]): hit["times"] for hit in document["hits"]})
    lines = world.record.requests()
    story.requests = len(lines)
    logged = Counter((line["fault"], line["class"]) for line in lines if line.get("fault"))
    counted: Counter[tuple[str, str]] = Counter()
    for (fault, kind), times in story.hits.items():
        counted[name_of(fault), kind] += times
    assert logged == counted, f"seed {story.seed}: the count and the log differ: {logged - counted} {counted - logged}"


def name_of(fault: str) -> str:
    """`503,retry-after: date` → `503`."""
    return fault.split(",")[0].split("=")[0]


def judge(world: World, story: Story) -> None:
    """Every file exactly once, identical; and nothing taken off the table that no fault accounts for."""
    excused = {
        number
        for line in world.record.requests("post-uploads")
        if line.get("fault") in WITHDRAWING
        for number in (line.get("registration"), line.get("registrationBefore"))
    }
    gone = [one for one in world.record.registrations() if not one.counts]
    story.withdrawn = len(gone)
    unexplained = [(one.number, one.name, one.status) for one in gone if one.number not in excused]
    assert not unexplained, f"seed {story.seed}: taken off the table for no reason: {unexplained}"
    report = check(world.record, world.expect(), withdrawn=len(gone))
    assert report.holds, f"seed {story.seed}: {report}\n{story}"


# The account of Tests/full


def account_folder() -> Path | None:
    """Where Tests/full collects what was hit; none elsewhere."""
    folder = os.environ.get("REDIVIS_SYNC_CHAOS_ACCOUNT")
    return Path(folder) if folder else None


def keep_account(part: int, story: Story) -> None:
    folder = account_folder()
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "seed": story.seed, "kills": story.kills, "seconds": round(story.seconds), "requests": story.requests,
        "withdrawn": story.withdrawn, "parked": dict(story.parked),
        "hits": [{"fault": fault, "class": kind, "times": times} for (fault, kind), times in sorted(story.hits.items())],
    }
    (folder / f"chaos-{part}.json").write_text(json.dumps(document, indent=1) + "\n")
