"""`/metrics`: the metrics of the whole system for Prometheus, collected at each scrape.

Workers and producers have no ports of their own. Their metrics come from the ledger and from Redis,
where they report heartbeats and the durations of their stages (`storage.stages`). `HttpMetrics`
measures this server.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from redis import RedisError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ops.camera_clock import clock_offset_s
from ops.frozen_images import identical_images
from ops.status import QueueState, read_queue
from ops.web.queries.status import camera_drift, disk_usage
from storage.redis_values import refusals
from storage.stages import BUCKETS_S, StageHistogram, read_durations

if TYPE_CHECKING:
    from ops.web.services import Services


def make_registry(services: Services) -> CollectorRegistry:
    """The registry of all metrics. Nothing is read before the first scrape."""
    # these would add a series with the creation time to each counter
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    registry.register(SystemMetrics(services))
    return registry


class SystemMetrics(Collector):
    """The system's metrics. Without the database the whole scrape fails (`DatabaseUnavailable`)."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        """Nothing, so that registering reads nothing."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics with their present values."""
        yield InfoMetricFamily(
            "thermalwatch_build", "Installed release.", value={"version": version("thermalwatch")}
        )
        yield from self._ledger()
        yield from self._cameras()
        yield from self._redis()
        if disk := disk_usage(self._services):
            yield GaugeMetricFamily(
                "thermalwatch_disk_free_bytes",
                "Free space for pictures and the embedded database.",
                value=disk.free_bytes,
            )

    def _ledger(self) -> Iterator[Metric]:
        counts = self._services.ledger_counts.get()
        frames = CounterMetricFamily(
            "thermalwatch_frames",
            "Frames by outcome: scored, quarantined, superseded, duplicate.",
            labels=["camera", "outcome"],
        )
        anomalies = CounterMetricFamily(
            "thermalwatch_anomalies", "Frames that were flagged.", labels=["camera"]
        )
        for (camera, outcome), number in sorted(counts.totals.items()):
            if outcome == "anomaly":
                anomalies.add_metric([camera], number)
            else:
                frames.add_metric([camera, outcome], number)
        yield frames
        yield anomalies
        yield GaugeMetricFamily(
            "thermalwatch_queue_frames",
            "Pending frames in the ledger.",
            value=sum(counts.pending.values()),
        )
        oldest = counts.oldest_pending_at
        yield GaugeMetricFamily(
            "thermalwatch_oldest_pending_seconds",
            "Age of the oldest pending frame; 0 if none is pending.",
            value=self._behind_s(oldest),
        )

    def _behind_s(self, oldest: float | None) -> float:
        return 0.0 if oldest is None else max(0.0, self._services.clock() - oldest)

    def _cameras(self) -> Iterator[Metric]:
        views = self._services.wall.get()
        gauges = {
            "thermalwatch_last_frame_timestamp_seconds": (
                "When a camera's latest frame was registered, Unix time.",
                [(view.name, view.last_frame_at) for view in views],
            ),
            "thermalwatch_last_scored_timestamp_seconds": (
                "When a camera's latest scored frame arrived, Unix time.",
                [(view.name, view.recent[0].arrived_at) for view in views if view.recent],
            ),
            "thermalwatch_camera_behind_seconds": (
                "Age of a camera's oldest pending frame; 0 if none is pending.",
                [(view.name, self._behind_s(view.oldest_pending_at)) for view in views],
            ),
            "thermalwatch_camera_identical_frames": (
                "Latest frames of a camera in a row with the same content; 1 is as it should be.",
                [(view.name, float(identical_images(view))) for view in views if view.recent],
            ),
            "thermalwatch_unreviewed_anomalies": (
                "Anomalies without a verdict.",
                [(view.name, float(view.unreviewed)) for view in views],
            ),
            "thermalwatch_score_threshold_sigma": (
                "Threshold of a camera's latest result.",
                [(view.name, view.recent[0].threshold) for view in views if view.recent],
            ),
            "thermalwatch_camera_clock_offset_seconds": (
                "Camera's clock minus arrival; a camera whose offset is unknown has none.",
                [
                    (view.name, offset_s)
                    for view in views
                    if (offset_s := clock_offset_s(view.recent)) is not None
                ],
            ),
            "thermalwatch_score_drift_ratio": (
                "Body of a camera's scores relative to the model's held-out scores; 1 is no drift.",
                [(drift.camera, drift.drift + 1) for drift in camera_drift(self._services)],
            ),
        }
        for name, (text, values) in gauges.items():
            gauge = GaugeMetricFamily(name, text, labels=["camera"])
            for camera, value in values:
                gauge.add_metric([camera], value)
            yield gauge

    def _redis(self) -> Iterator[Metric]:
        redis = self._services.redis
        try:
            queue, durations = read_queue(redis), read_durations(redis)
            refused = refusals(redis)
        except RedisError:
            queue, durations, refused = None, {}, {}
        yield GaugeMetricFamily(
            "thermalwatch_redis_up", "1 if Redis answers, else 0.", value=float(queue is not None)
        )
        if queue is not None:
            yield from _processes(queue)
        yield _stages(durations)
        family = CounterMetricFamily(
            "thermalwatch_redis_values_refused",
            "Values in Redis that were not what the system wrote there, by kind.",
            labels=["kind"],
        )
        for kind, number in refused.items():
            family.add_metric([kind], number)
        yield family


def _processes(queue: QueueState) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "thermalwatch_queue_jobs", "Jobs on the queue.", value=queue.waiting_jobs
    )
    workers = GaugeMetricFamily(
        "thermalwatch_workers", "Workers that are alive, by state.", labels=["state"]
    )
    states = Tally({"idle": 0, "busy": 0})
    states.update(worker.state for worker in queue.workers)
    for state, number in sorted(states.items()):
        workers.add_metric([state], number)
    yield workers
    yield GaugeMetricFamily(
        "thermalwatch_producers",
        "Producers that are alive.",
        value=len(queue.producers),
    )
    settling = GaugeMetricFamily(
        "thermalwatch_settling_files", "Files that have not settled yet.", labels=["root"]
    )
    scanned = GaugeMetricFamily(
        "thermalwatch_last_scan_timestamp_seconds",
        "When a watch directory was last compared with the ledger, Unix time.",
        labels=["root"],
    )
    roots = {root.root: root for producer in queue.producers for root in producer.roots}
    for name, root in sorted(roots.items()):
        settling.add_metric([name], root.settling)
        if root.scanned_at is not None:
            scanned.add_metric([name], root.scanned_at)
    yield settling
    yield scanned


def _stages(durations: dict[str, StageHistogram]) -> Metric:
    family = HistogramMetricFamily(
        "thermalwatch_stage_duration_seconds",
        "Durations of the stages of a batch, over all workers.",
        labels=["stage"],
    )
    bounds = [*(repr(bound) for bound in BUCKETS_S), "+Inf"]
    for stage, histogram in sorted(durations.items()):
        buckets = [
            (bound, float(number)) for bound, number in zip(bounds, histogram.buckets, strict=True)
        ]
        family.add_metric([stage], buckets=buckets, sum_value=histogram.sum_s)
    return family


class HttpMetrics:
    """Times every response by method, route and status. Labels never contain the requested path."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self._durations = Histogram(
            "thermalwatch_http_request_duration_seconds",
            "Durations of HTTP responses, without the live updates.",
            labelnames=["method", "route", "status"],
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun, status = time.perf_counter(), 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            if not route.endswith("/events"):
                method = scope["method"] if scope["method"] in _METHODS else "other"
                took_s = time.perf_counter() - begun
                self._durations.labels(method, route, str(status)).observe(took_s)
        return None


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
