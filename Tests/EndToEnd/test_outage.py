"""T-23: Redivis and its storage host cannot be reached for a while, with everything queued that comes meanwhile."""

from __future__ import annotations

import time

from harness import World, scaled
from watching import settle_and_judge, watching

FILES = 300


def resident(process: int) -> int:
    """In KiB."""
    with open(f"/proc/{process}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))


def test_t23_an_outage_costs_time_only(world: World) -> None:
    """Nothing is lost or given up, memory stays flat, the log stays short, and traffic resumes within a minute."""
    seconds = scaled(15, 300)
    world.open_sandbox("--fault", "put-chunk:*:wait=100")
    agent = world.agent().map(world.folder, existing="upload")
    with watching(agent, "--log-level", "info") as run:
        for number in range(FILES // 2):
            world.write(f"before/{number}.csv", 2000 + number)
        run.wait(lambda: len(world.record.requests("post-uploads")) >= 5, 30, "the first files are registered")
        world.sandbox.stop()
        for number in range(FILES - FILES // 2):
            world.write(f"meanwhile/{number}.csv", 3000 + number)
        time.sleep(min(seconds / 3, 30))
        before, lines = resident(run.process.pid), len(run.said().splitlines())
        begun = time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - begun
        grown = resident(run.process.pid) - before
        logged = run.said().splitlines()[lines:]
        assert run.process.poll() is None
        assert grown < 16 * 1024, f"{grown} KiB more in {passed:.0f} s"
        assert len(logged) <= passed / 60 + 2, "\n".join(logged)
        asked = len(world.record.requests())
        world.sandbox.start_again()
        begun = time.monotonic()
        run.wait(lambda: len(world.record.requests()) > asked, 90, "traffic resumes")
        resumed = time.monotonic() - begun
        assert resumed <= 62, f"it took {resumed:.0f} s"
        settle_and_judge(world, run, seconds=300)
        run.wait(lambda: not run.status()["problems"], 90, f"no trouble is shown any more: {run.status()['problems']}")
    print(f"\nfirst request {resumed:.1f} s after the outage; {grown} KiB more; {len(logged)} lines in {passed:.0f} s")
