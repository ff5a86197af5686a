"""Protections against single clients that are slow or greedy."""

from tests.faults.removals.removal import Edit, Removal

_QUOTAS = "tests/ops/web/test_quotas.py::"
_CONNECTIONS = "tests/ops/web/test_connections.py::"

REMOVALS = (
    Removal(
        "password-hashing-rests",
        (f"{_QUOTAS}test_a_lane_rests_only_while_calls_wait",),
        (
            Edit(
                "ops/web/security/quotas.py",
                "            if self._entered > self._at_once:\n",
                "            if not self._at_once:\n",
            ),
        ),
    ),
    Removal(
        "an-account-has-quotas",
        (
            f"{_QUOTAS}test_a_third_export_of_an_account_must_wait",
            f"{_QUOTAS}test_streams_and_uploads_of_an_account_are_limited",
        ),
        (
            Edit(
                "ops/web/security/quotas.py",
                "if self._numbers[account] >= self._of_account:",
                "if not account:",
            ),
        ),
    ),
    Removal(
        "all-accounts-together-have-quotas",
        (f"{_QUOTAS}test_streams_and_uploads_of_an_account_are_limited",),
        (
            Edit(
                "ops/web/security/quotas.py",
                "if self.in_progress >= self._of_all:",
                "if not account:",
            ),
        ),
    ),
    Removal(
        "few-logins-wait",
        (f"{_QUOTAS}test_of_many_simultaneous_logins_a_few_wait_and_the_others_are_told_so",),
        (
            Edit(
                "ops/web/security/quotas.py",
                "if self._entered >= self._at_once + self._waiting:",
                "if self._entered < 0:",
            ),
        ),
    ),
    Removal(
        "logins-have-threads-of-their-own",
        (f"{_QUOTAS}test_waiting_logins_leave_threads_to_other_requests",),
        (
            Edit(
                "ops/web/security/quotas.py",
                "run_sync(self._call, call, *args, limiter=self._limiter)",
                "run_sync(self._call, call, *args)",
            ),
        ),
    ),
    Removal(
        "a-client-has-few-connections",
        (f"{_CONNECTIONS}test_one_client_cannot_take_all_connections",),
        (
            Edit(
                "ops/web/connections.py",
                "elif self._numbers[client] >= MOST_OF_CLIENT and",
                "elif not client and",
            ),
        ),
    ),
    Removal(
        "idle-connections-make-room",
        (f"{_CONNECTIONS}test_when_there_are_too_many_connections_the_idle_ones_make_room",),
        (
            Edit(
                "ops/web/connections.py",
                "[one for one in candidates if one.is_waiting]",
                "list[Connection]()",
            ),
        ),
    ),
    Removal(
        "headers-have-a-deadline",
        (
            f"{_CONNECTIONS}test_a_header_that_never_ends_is_answered_with_408",
            f"{_CONNECTIONS}test_a_second_request_has_the_same_deadline",
        ),
        (
            Edit(
                "ops/web/connections.py", "allowed_s = HEADER_S if self", "allowed_s = inf if self"
            ),
        ),
    ),
    Removal(
        "bodies-have-a-least-speed",
        (f"{_CONNECTIONS}test_a_body_that_never_ends_is_answered_with_408[/login]",),
        (
            Edit(
                "ops/web/connections.py",
                "min(now + BODY_S, self._until + received / BODY_BYTES_S)",
                "now + BODY_S",
            ),
        ),
    ),
    Removal(
        "unwanted-bodies-have-a-deadline",
        (f"{_CONNECTIONS}test_the_rest_of_an_unwanted_body_is_not_awaited",),
        (
            Edit(
                "ops/web/connections.py",
                "allowed_s = LINGER_S if answered else BODY_S",
                "allowed_s = BODY_S",
            ),
        ),
    ),
    Removal(
        "clients-must-read",
        (f"{_CONNECTIONS}test_a_client_that_reads_nothing_is_disconnected",),
        (
            Edit(
                "ops/web/connections.py",
                "if now - self._read_at > STALL_S:",
                "if now < self._read_at:",
            ),
        ),
    ),
    Removal(
        "values-are-reduced",
        (
            "tests/ops/web/test_pictures.py::test_large_matrices_are_reduced_to_the_highest_values",
            "tests/ops/web/test_pictures.py::test_the_values_of_a_50_megapixel_image_take_little_memory[application/octet-stream]",
        ),
        (Edit("ops/web/matrices.py", "    if step == 1:\n", "    if step:\n"),),
    ),
    Removal(
        "a-lack-of-descriptors-is-survived",
        (f"{_CONNECTIONS}test_without_file_descriptors_waiting_connections_are_closed_one_by_one",),
        (
            Edit(
                "ops/web/connections.py",
                "if error.errno not in (errno.EMFILE, errno.ENFILE):",
                "if error.errno:",
            ),
        ),
    ),
)
