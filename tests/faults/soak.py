"""The whole system under a stream of images and one fault after another, for a given time.

    python -m tests.faults.soak --minutes 30

At the end it checks that no image was lost or scored twice, every decision replays, work always
resumed within a minute, and memory does not grow. `tests/faults/test_soak.py` runs one minute.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from sqlalchemy import Engine, func, select

from storage.db.database import reading
from storage.db.schema import results
from storage.frames.audit import audit
from storage.stream.replay import replay_all
from tests.faults.soak_faults import Faults
from tests.faults.soak_memory import Memory, MemoryUse
from tests.faults.soak_stream import Stream
from tests.faults.soak_system import System
from tests.scene import train_bundle
from thermal.detection.bundle import Bundle

#: Seconds within which everything must have recovered after the end of a fault.
RECOVERY_S = 60.0
#: Seconds for a process to start on a busy machine; not part of a recovery.
START_S = 60.0
#: Seconds without a fault after recovery from the last one.
CALM_S = (2.0, 12.0)
#: Share of faults that coincide with another one.
TOGETHER = 0.2
#: Seconds between checks of the uploads' outcomes, memory samples, and progress lines.
LOOK_S, SAMPLE_S, LINE_S = 0.25, 2.0, 10.0


@dataclass
class Report:
    """The result of a soak."""

    seed: int
    database: str
    minutes: float
    uploaded: int = 0
    scored: int = 0
    quarantined: int = 0
    superseded: int = 0
    deleted_unread: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    slowest_recovery_s: dict[str, float] = field(default_factory=dict)  #: by fault
    lost: list[str] = field(default_factory=list)  #: without an outcome
    wrong: list[str] = field(default_factory=list)  #: with another outcome than expected
    doubled: list[str] = field(default_factory=list)  #: scored more than once
    balanced: bool = False
    replayed: int = 0
    replay_differences: list[str] = field(default_factory=list)
    memory: list[MemoryUse] = field(default_factory=list)

    @property
    def longest_recovery_s(self) -> float:
        """The longest recovery from any fault."""
        return max(self.slowest_recovery_s.values(), default=0.0)

    @property
    def passed(self) -> bool:
        """Whether every guarantee held."""
        broken = self.lost or self.wrong or self.doubled or self.replay_differences
        return not broken and self.balanced and self.longest_recovery_s <= RECOVERY_S


class Soak:
    """One run."""

    def __init__(
        self,
        directory: Path,
        bundle: Bundle,
        *,
        minutes: float,
        seed: int,
        postgres: bool = False,
        calm: bool = False,
        say: Callable[[str], None],
    ) -> None:
        self.report = Report(seed, "postgres" if postgres else "sqlite", minutes)
        self.calm = calm
        self.say = say
        self.chance = random.Random(seed)
        self.system = System(directory, bundle, postgres=postgres)
        self.stream = Stream(self.system.watch, seed)
        self.faults = Faults(self.system, self.stream, self.chance)
        self.memory = Memory()
        self._sample_at = self._line_at = 0.0

    def run(self) -> Report:
        """Run it to the end, then stop all processes."""
        try:
            self.system.start()
            self._started = time.monotonic()
            with self.stream:
                self._wait(lambda: self.stream.uploaded > 0 and not self.stream.waiting, START_S)
                self._go_on_until(time.monotonic() + self.report.minutes * 60)
            self._wait(lambda: not self.stream.waiting, RECOVERY_S + START_S)
            self._check()
        finally:
            self.system.close()
        return self.report

    def _go_on_until(self, end: float) -> None:
        while (now := time.monotonic()) < end:
            calm_s = end - now if self.calm else self.chance.uniform(*CALM_S)
            self._wait(lambda: False, min(calm_s, end - now))
            if time.monotonic() < end:
                self._break()

    def _break(self) -> None:
        number = 2 if self.chance.random() < TOGETHER else 1
        names = self.chance.sample(sorted(self.faults.all), number)
        for name in names:
            self.report.faults[name] += 1
            self.faults.all[name]()
        with self.stream.lock:
            before = set(self.stream.waiting)
        began = time.monotonic()
        self._wait(lambda: before.isdisjoint(self.stream.waiting), RECOVERY_S + START_S)
        took_s = round(time.monotonic() - began, 1)
        what = " and ".join(names)
        self.say(f"  {what}: well again after {took_s} s")
        slowest = self.report.slowest_recovery_s
        slowest[what] = max(took_s, slowest.get(what, 0.0))

    def _wait(self, condition: Callable[[], bool], timeout_s: float) -> None:
        """Supervise the run until `condition` holds or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not condition() and time.monotonic() < deadline:
            with suppress(Exception):  # the database may be what is broken
                self.stream.settle(self.system.engine)
            if time.monotonic() >= self._sample_at:
                self._sample_at = time.monotonic() + SAMPLE_S
                self.memory.note(self.system.usage(time.time()), time.time())
            if time.monotonic() >= self._line_at:
                self._line_at = time.monotonic() + LINE_S
                self._progress()
            time.sleep(LOOK_S)

    def _progress(self) -> None:
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        self.say(
            f"{minutes:02}:{seconds:02} of {self.report.minutes:g} min: "
            f"{self.stream.uploaded} uploaded, {len(self.stream.waiting)} waiting, "
            f"{self.report.faults.total()} faults, longest recovery "
            f"{self.report.longest_recovery_s:.1f} s, {self.memory.line()}"
        )

    def _check(self) -> None:
        report, engine = self.report, self.system.engine
        found = audit(engine)
        replayed = replay_all(engine)
        report.uploaded = self.stream.uploaded
        report.deleted_unread = self.stream.deleted
        report.scored = found.counts.scored
        report.quarantined = found.counts.quarantined
        report.superseded = found.counts.superseded
        report.balanced = found.passed and found.counts.pending == 0
        report.lost = sorted(upload.path for upload in self.stream.waiting.values())
        report.wrong = self.stream.wrong
        report.doubled = scored_twice(engine)
        report.replayed = replayed.decisions
        report.replay_differences = replayed.described
        if replayed.missing:
            report.replay_differences.append(f"{replayed.missing} decisions are missing")
        report.memory = self.memory.report()


def scored_twice(engine: Engine) -> list[str]:
    """A name of each content with more than one result; no two uploads are equal."""
    query = select(func.min(results.c.image_path)).group_by(results.c.sha256)
    with reading(engine) as connection:
        return list(connection.scalars(query.having(func.count() > 1)))


def describe(report: Report) -> str:
    """The report for people."""
    lines = [
        f"{report.minutes:g} minutes on {report.database}, seed {report.seed}",
        f"uploaded            {report.uploaded} ({report.deleted_unread} deleted unread)",
        f"scored              {report.scored}, {report.quarantined} quarantined, "
        f"{report.superseded} superseded",
        f"lost                {len(report.lost)} {' '.join(report.lost[:5])}".rstrip(),
        f"doubled             {len(report.doubled)} {' '.join(report.doubled[:5])}".rstrip(),
        f"wrong outcome       {len(report.wrong)} {'; '.join(report.wrong[:5])}".rstrip(),
        f"ledger counts       {'balanced' if report.balanced else 'NOT BALANCED'}",
        f"decisions replayed  {report.replayed}, {len(report.replay_differences)} differ",
        *(f"  {line}" for line in report.replay_differences),
        f"longest recovery    {report.longest_recovery_s:.1f} s",
        "faults",
        *(f"  {number:4}  {name}" for name, number in report.faults.most_common()),
        "slowest recoveries",
        *(
            f"  {seconds:4.1f} s  {name}"
            for name, seconds in sorted(report.slowest_recovery_s.items(), key=lambda i: -i[1])
        ),
        "memory, MiB          first   last    max   growth/h over hours",
        *(f"  {use.line()}" for use in report.memory),
        "PASSED" if report.passed else "FAILED",
    ]
    return "\n".join(lines)


@click.command()
@click.option("--minutes", type=click.FloatRange(0.5), default=15.0, show_default=True)
@click.option("--seed", type=int, help="Repeats the order of faults; random without it.")
@click.option("--database", type=click.Choice(["sqlite", "postgres"]), default="sqlite")
@click.option("--calm", is_flag=True, help="No faults: what memory does by itself.")
@click.option("--keep", type=click.Path(path_type=Path), help="Work in this directory and keep it.")
@click.option("--json", "as_json", is_flag=True, help="Print the report for programs.")
def main(
    minutes: float, seed: int | None, database: str, calm: bool, keep: Path | None, as_json: bool
) -> None:
    """Soak the system; exit code 1 when a guarantee was broken."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="tw-soak-") as temporary:
        directory = keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        training = directory / "training"
        training.mkdir()
        click.echo(f"seed {seed}, in {directory}", err=True)
        report = Soak(
            directory,
            train_bundle(training),
            minutes=minutes,
            seed=seed,
            postgres=database == "postgres",
            calm=calm,
            say=lambda line: click.echo(line, err=True),
        ).run()
    if as_json:
        values = {**asdict(report), "longest_recovery_s": report.longest_recovery_s}
        click.echo(json.dumps({**values, "passed": report.passed}, indent=2))
    else:
        click.echo(describe(report))
    sys.exit(0 if report.passed else 1)


if __name__ == "__main__":
    main()
