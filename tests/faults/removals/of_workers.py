"""Protections of batches and of the workers that process them."""

from tests.faults.removals.removal import Edit, Removal

_ANY_STEP = "test_worker.py::test_a_worker_killed_after_any_step_loses_nothing_and_doubles_nothing"
_OUTLIVES = "test_worker.py::test_what_a_dead_worker_had_decided_outlives_redis"
_PARTS = "test_worker.py::test_a_worker_killed_between_the_parts_of_a_batch_loses_nothing"
_STOP = "test_worker.py::test_a_worker_that_is_told_to_stop_under_load_finishes_its_batch"
_STUCK = "test_worker.py::test_a_stuck_batch_is_taken_over_by_another_worker"
_ONCE = "test_worker.py::test_a_batch_that_fails_once_is_done_after_all"
_DEVICE = "test_worker.py::test_a_worker_whose_device_is_lost_ends_and_the_next_one_goes_on"
_ALONE = "test_worker.py::test_a_frame_that_fails_alone_is_quarantined_and_holds_up_no_other"
_POISON = "test_worker.py::test_a_frame_that_kills_its_workers_is_quarantined_and_holds_up_no_other"
_QUEUE = "test_security.py::test_what_is_written_into_the_queue_runs_nothing_and_stops_nothing"
_POSTGRES = "test_database.py::test_work_goes_on_after_a_fault_of_postgres"

#: Content that was read before at its place is not scored again: a second protection.
_CONTENT_IS_NEW = Edit(
    "worker/reading.py", "    if sha256 == entry.last_sha256:\n", "    if not sha256:\n"
)

REMOVALS = (
    Removal(
        "a-decided-frame-keeps-its-decision",
        (_ANY_STEP,),
        (
            Edit(
                "storage/stream/window.lua",
                "local decision = redis.call('HGET', decisions, frame)\n",
                "local decision = nil\n",
            ),
        ),
    ),
    Removal(
        "decisions-kept-between-parts",
        (_PARTS,),
        (
            Edit(
                "storage/stream/window.lua",
                "local decision = redis.call('HGET', decisions, frame)\n",
                "local decision = nil\n",
            ),
        ),
    ),
    Removal(
        "decisions-kept-over-a-lost-connection",
        (f"{_POSTGRES}[hung_up_in_a_transaction]",),
        (
            Edit(
                "storage/stream/window.lua",
                "local decision = redis.call('HGET', decisions, frame)\n",
                "local decision = nil\n",
            ),
        ),
    ),
    Removal(
        "open-decisions-are-recorded",
        (_OUTLIVES,),
        (
            Edit(
                "storage/results/commit.py", "    if missing:\n", "    if missing and not scored:\n"
            ),
        ),
    ),
    Removal(
        "a-batch-is-one-transaction",
        (_ANY_STEP,),
        (
            Edit(
                "storage/results/commit.py",
                "        if epochs:\n            _hold_epochs(",
                "    with writing(engine) as connection:\n"
                "        if epochs:\n            _hold_epochs(",
            ),
        ),
    ),
    Removal(
        "what-is-scored-is-not-loaded",
        (_PARTS, f"{_QUEUE}[write_scored_frames_again]"),
        (
            Edit(
                "storage/frames/ledger.py",
                "where(frames.c.id.in_(chunk), is_pending)\n            )\n        }\n",
                "where(frames.c.id.in_(chunk))\n            )\n        }\n",
            ),
            _CONTENT_IS_NEW,
        ),
    ),
    Removal(
        "what-is-scored-is-not-committed",  # all: each one skips committed frames alone
        (f"{_POSTGRES}[hung_up_in_a_commit]",),
        (
            Edit(
                "storage/frames/ledger.py",
                "where(frames.c.id.in_(chunk), is_pending)\n            )\n        }\n",
                "where(frames.c.id.in_(chunk))\n            )\n        }\n",
            ),
            _CONTENT_IS_NEW,
            Edit(
                "storage/frames/outcomes.py",
                "select(locked(chunk, is_pending).c.id)",
                "select(locked(chunk, frames.c.id.is_not(None)).c.id)",
            ),
        ),
    ),
    Removal(
        "sigterm-ends-no-batch",
        (_STOP,),
        (
            Edit(
                "worker/rq_worker.py",
                "    def subscribe(self) -> None:\n",
                "    def _install_signal_handlers(self) -> None:\n"
                '        """None."""\n\n'
                "    def subscribe(self) -> None:\n",
            ),
        ),
    ),
    Removal(
        "a-stuck-process-ends",
        (_STUCK,),
        (
            Edit(
                "worker/rq_worker.py",
                "if beats_since_step * HEARTBEAT_S >= STUCK_AFTER_S:",
                "if False:",
            ),
        ),
    ),
    Removal(
        "halves-of-a-batch-without-memory",
        (f"{_ONCE}[out_of_memory-trying its halves]",),
        (
            Edit(
                "worker/isolation.py",
                "            if _is_blameless(error):\n",
                "            if not isinstance(error, JobTimeoutException):\n",
            ),
        ),
    ),
    Removal(
        "halves-of-a-batch-with-a-bug",
        (f"{_ONCE}[bug-trying its halves]",),
        (
            Edit(
                "worker/isolation.py",
                "            if _is_blameless(error):\n",
                "            if not isinstance(error, JobTimeoutException):\n",
            ),
        ),
    ),
    Removal(
        "the-model-is-loaded-anew",
        (f"{_ONCE}[device_error-reloading the model]",),
        (
            Edit(
                "worker/batch.py",
                "            if is_out_of_memory(error):\n                raise\n",
                "            raise\n",
            ),
        ),
    ),
    Removal(
        "a-lost-device-is-no-frames-fault",
        (_DEVICE,),
        (
            Edit(
                "worker/isolation.py", "    BundleError,\n    DeviceFailed,\n", "    BundleError,\n"
            ),
        ),
    ),
    Removal(
        "a-lost-device-ends-the-worker",
        (_DEVICE,),
        (
            Edit(
                "worker/app.py",
                "            if self._rq is not None:\n"
                "                self._rq.end_after_this_job()\n",
                "",
            ),
        ),
    ),
    Removal(
        "a-frame-without-memory-is-found",
        (f"{_ALONE}[out_of_memory-too_large]",),
        (
            Edit(
                "worker/isolation.py",
                "            if _is_blameless(error):\n",
                "            if not isinstance(error, JobTimeoutException):\n",
            ),
        ),
    ),
    Removal(
        "a-frame-without-memory-is-too-large",
        (f"{_ALONE}[out_of_memory-too_large]",),
        (
            Edit(
                "worker/isolation.py",
                "_Failure(text, is_out_of_memory(error))",
                "_Failure(text, isinstance(error, RuntimeError))",
            ),
        ),
    ),
    Removal(
        "a-frame-is-not-postponed-for-ever",
        (f"{_ALONE}[bug-failed]",),
        (
            Edit(
                "worker/isolation.py",
                "        if failures < MAX_FAILURES:\n            postpone",
                "        if True:\n            postpone",
            ),
        ),
    ),
    Removal(
        "abandoned-jobs-are-told-of",
        (_POISON,),
        (
            Edit(
                "worker/rq_worker.py",
                "            exception_handlers=[self._handle_abandoned],\n",
                "",
            ),
        ),
    ),
    Removal(
        "poison-frames-are-alone",
        (_POISON,),
        (
            Edit(
                "worker/isolation.py",
                "                batch = FrameBatch("
                "tuple(i for i in batch.frame_ids if i not in failures))\n",
                "",
            ),
        ),
    ),
)
