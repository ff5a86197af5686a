"""Protections against forged jobs in Redis."""

from tests.faults.removals.removal import Edit, Removal

_JOBS = "tests/worker/test_rq_worker.py::"
_BOUNDS = "tests/worker/test_rq_worker.py::test_a_job_out_of_bounds_is_removed_with_one_warning"

REMOVALS = (
    Removal(
        "jobs-are-bounded",
        (f"{_BOUNDS}[too-large]",),
        (
            Edit("storage/job_bounds.py", "if size > tonumber(ARGV[2]) then", "if false then"),
            Edit(
                "storage/job_bounds.py",
                "if field in _COMPRESSED and not _inflates_within",
                "if not field and _inflates_within",
            ),
        ),
    ),
    Removal(
        "jobs-inflate-within-bounds",
        (f"{_BOUNDS}[bomb]", f"{_BOUNDS}[bomb-in-the-error]"),
        (
            Edit(
                "storage/job_bounds.py",
                "if field in _COMPRESSED and not _inflates_within",
                "if not field and _inflates_within",
            ),
        ),
    ),
    Removal(
        "jobs-have-few-fields",
        (f"{_JOBS}test_a_job_with_a_million_fields_is_removed_unread",),
        (
            Edit("storage/job_bounds.py", "if fields > tonumber(ARGV[1]) then", "if false then"),
            Edit("storage/job_bounds.py", "if size > tonumber(ARGV[2]) then", "if false then"),
            Edit(
                "storage/job_bounds.py",
                "        if field not in _FIELDS:\n",
                "        if not field:\n",
            ),
        ),
    ),
    Removal(
        "jobs-have-known-fields-only",
        (f"{_BOUNDS}[webhooks]",),
        (
            Edit(
                "storage/job_bounds.py",
                "        if field not in _FIELDS:\n",
                "        if not field:\n",
            ),
        ),
    ),
    Removal(
        "numbers-of-jobs-are-bounded",
        (f"{_BOUNDS}[retries]", f"{_BOUNDS}[timeout]"),
        (
            Edit(
                "storage/job_bounds.py", "if field in _NUMBERS and value", "if not field and value"
            ),
        ),
    ),
    Removal(
        "jobs-come-back-at-once",
        (f"{_BOUNDS}[pauses]",),
        (Edit("storage/job_bounds.py", "if field in _PAUSES and value", "if not field and value"),),
    ),
    Removal(
        "jobs-call-nothing",
        (f"{_JOBS}test_callbacks_that_a_job_names_are_never_called",),
        (
            Edit(
                "worker/rq_worker.py",
                "    success_callback = None\n    failure_callback = None\n",
                "",
            ),
        ),
    ),
    Removal(
        "nobody-suspends-workers",
        (f"{_JOBS}test_nobody_can_suspend_the_workers",),
        (
            Edit(
                "worker/rq_worker.py",
                "    def check_for_suspension(self, burst: bool)",
                "    def _check_for_suspension(self, burst: bool)",
            ),
        ),
    ),
)
