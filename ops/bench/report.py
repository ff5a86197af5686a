"""The benchmark's results as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from ops.bench.contenders import CEILING, SCRIPT, TEXTBOOK_RQ, THERMALWATCH, WARM_RQ, Contender
from ops.bench.run import Report, SizeReport

#: Shown in the table if there is no Postgres to measure.
NOT_INSTALLED = "not installed"


def as_json(report: Report) -> dict[str, object]:
    """The report as JSON values with stable keys; rates in images per second, times in ms."""
    return {
        "machine": asdict(report.machine),
        "rounds": report.plan.rounds,
        "postgres": report.postgres,
        "sizes": [_size_as_json(size) for size in report.sizes],
    }


def _size_as_json(size: SizeReport) -> dict[str, object]:
    return {
        "size": size.size,
        "file_bytes": size.file_bytes,
        "contenders": [
            {
                "name": contender.name,
                "workers": contender.workers,
                "threads": contender.threads,
                "database": contender.database,
                "images": contender.images,
                "images_per_s": contender.images_per_s,
                "rounds": contender.rounds,
                "of_ceiling": of_ceiling(size, contender),
                "cpu_ms": contender.cpu_ms,
            }
            for contender in size.contenders
        ],
        "ratios": ratios(size),
        "latency": [asdict(latency) for latency in size.latencies],
        "stages_ms": size.stages_ms,
    }


def of_ceiling(size: SizeReport, contender: Contender) -> float:
    """Speed relative to the ceiling with the same total number of threads."""
    threads = contender.workers * contender.threads
    ceilings = {c.threads: c for c in size.contenders if c.name == CEILING}
    return contender.over(ceilings.get(threads) or ceilings[max(ceilings)])


def ratios(size: SizeReport) -> dict[str, float]:
    """Speed of one worker on all cores relative to each alternative, and of two workers to one."""
    ours = {(c.workers, c.threads): c for c in reversed(size.contenders) if c.name == THERMALWATCH}
    first = ours[max((key for key in ours if key[0] == 1), default=max(ours))]
    found = {
        f"over_{name.lower().replace(' ', '_')}": first.over(other)
        for name in (SCRIPT, WARM_RQ, TEXTBOOK_RQ)
        for other in size.contenders
        if other.name == name
    }
    if (1, 1) in ours and (2, 1) in ours:
        found["two_workers_over_one"] = ours[2, 1].over(ours[1, 1])
    return found


def as_text(report: Report) -> Iterator[str]:
    """The report as lines of Markdown."""
    machine = report.machine
    yield (
        f"{machine.processor}, {machine.cores} cores, {machine.device}, torch {machine.torch}, "
        f"load {machine.load:.1f} at the start; median of {report.plan.rounds} rounds"
    )
    for size in report.sizes:
        yield ""
        yield f"{size.kind.described}, {size.file_bytes:,} bytes a file"
        yield ""
        yield "| contender | workers × threads | database | images/s | of ceiling | core ms |"
        yield "|---|---|---|---|---|---|"
        for contender in size.contenders:
            yield (
                f"| {contender.name} | {contender.workers} × {contender.threads} "
                f"| {contender.database or ''} | {_digits(contender.images_per_s)} "
                f"| {of_ceiling(size, contender):.1%} | {_digits(contender.cpu_ms)} |"
            )
        if "postgres" in report.plan.databases and not report.postgres:
            yield f"| {THERMALWATCH} | | postgres | {NOT_INSTALLED} | | |"
        yield ""
        yield from _details(size)


def _details(size: SizeReport) -> Iterator[str]:
    found = ratios(size)
    words = (f"{value:.1f}× {name.replace('_', ' ')}" for name, value in found.items())
    yield f"{THERMALWATCH}: {', '.join(words)}"
    for latency in size.latencies:
        yield (
            f"latency at {_digits(latency.images_per_s)} images/s: p50 {latency.p50_ms:.0f} ms, "
            f"p99 {latency.p99_ms:.0f} ms, longest {latency.max_ms:.0f} ms"
        )
    stages = (f"{stage} {took:.3f}" for stage, took in size.stages_ms.items())
    yield f"ms an image: {', '.join(stages)}"


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
