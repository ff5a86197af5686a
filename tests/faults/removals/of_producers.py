"""Protections between a file and its job."""

from tests.faults.removals.removal import Edit, Removal

_ANY_STEP = (
    "test_producer.py::test_a_producer_killed_after_any_step_loses_nothing_and_doubles_nothing"
)
_TWO = "test_producer.py::test_two_producers_share_a_directory_and_either_may_die"
_DROPPED = "test_producer.py::test_files_whose_events_the_kernel_dropped_are_found"
_BURST = "test_producer.py::test_a_burst_into_new_nested_directories_is_found"
_AWAY = (
    "test_producer.py::"
    "test_frames_that_wait_while_their_directory_is_away_are_scored_when_it_is_back"
)
_EMPTY = (
    "test_producer.py::test_frames_that_were_given_up_behind_an_empty_mount_point_come_back_with_it"
)
_ANEW = "test_producer.py::test_a_directory_that_was_deleted_and_made_anew_is_watched"
_CLOSED = "test_producer.py::test_what_cannot_be_read_holds_up_nothing_and_is_found_when_it_can"
_SOAK = "test_soak.py::test_a_minute_of_faults_loses_no_image_and_doubles_none"
_JUMP = "test_uploads.py::test_a_clock_that_jumps_holds_up_nothing"
_DELETED = (
    "test_uploads.py::test_a_file_that_is_deleted_before_it_is_read_is_missing_until_it_is_back"
)

_LEASES_NEVER_END = Edit(
    "storage/frames/ledger.py",
    "    return or_(frames.c.lease_until <= now, frames.c.lease_until > now + LONGEST_LEASE_S)\n",
    "    return frames.c.lease_until == 0.0\n",
)
_SCANS_REGISTER_NOTHING_OLD = Edit(
    "producer/reconcile.py",
    "        self._submit(sorted(old, key=lambda frame: frame.mtime_ns), stop)\n",
    "",
)
_SCANS_OBSERVE_NOTHING_YOUNG = Edit(
    "producer/reconcile.py",
    "        return self._settling.watch(young, now=time.monotonic())\n",
    "        return True\n",
)

REMOVALS = (
    Removal("leases-end-after-a-producers-death", (_ANY_STEP,), (_LEASES_NEVER_END,)),
    Removal("leases-end-in-a-soak", (_SOAK,), (_LEASES_NEVER_END,)),
    Removal("what-was-put-off-comes-back", (f"{_JUMP}[3600.0]",), (_LEASES_NEVER_END,)),
    Removal(
        "no-lease-is-long",
        (f"{_JUMP}[-3600.0]",),
        (
            Edit(
                "storage/frames/ledger.py",
                "or_(frames.c.lease_until <= now, frames.c.lease_until > now + LONGEST_LEASE_S)\n",
                "frames.c.lease_until <= now\n",
            ),
        ),
    ),
    Removal("a-scan-finds-what-came-before", (_ANY_STEP,), (_SCANS_REGISTER_NOTHING_OLD,)),
    Removal(
        "a-scan-finds-what-nobody-watched",
        (_TWO,),
        (_SCANS_REGISTER_NOTHING_OLD, _SCANS_OBSERVE_NOTHING_YOUNG),
    ),
    Removal(
        "lost-events-make-a-scan",
        (_DROPPED,),
        (
            Edit(
                "producer/watch.py",
                '        """The kernel dropped events."""\n        self._listener.events_lost()\n',
                '        """The kernel dropped events."""\n',
            ),
        ),
    ),
    Removal(
        "new-directories-are-scanned",
        (_BURST,),
        (
            Edit(
                "producer/watch.py",
                "                self._listener.directory_appeared(path)\n",
                "                pass\n",
            ),
        ),
    ),
    Removal(
        "frames-wait-for-their-root",
        (_AWAY,),
        (
            Edit(
                "worker/reading.py",
                "        if young or not _root_is_there(entry):\n",
                "        if young:\n",
            ),
        ),
    ),
    Removal(
        "a-missing-frame-is-news-to-a-scan",
        (_EMPTY,),
        (
            Edit(
                "storage/frames/registration.py",
                '.label("waited")).where(not_(_is_missing))',
                '.label("waited"))',
            ),
        ),
    ),
    Removal(
        "a-missing-frame-becomes-pending-again",  # both: by its hint, or by place, time and size
        (_EMPTY, _DELETED),
        (
            Edit(
                "storage/frames/registration.py",
                "row.reason not in (MISSING, UNREADABLE):",
                "row.reason != UNREADABLE:",
            ),
            Edit(
                "storage/frames/registration.py",
                "        row = row or unread.get((file.place, file.mtime_ns, file.size))\n",
                "",
            ),
        ),
    ),
    Removal(
        "a-new-root-is-scanned",  # both: either one finds it alone
        (_ANEW,),
        (
            Edit(
                "producer/observe.py",
                "            self._forget_watches()\n            self._scan_requested.set()\n",
                "            self._forget_watches()\n",
            ),
            Edit(
                "producer/watch.py",
                '        if watch is not None and watch.directory == "":\n'
                "            self._listener.events_lost()\n",
                "",
            ),
        ),
    ),
    Removal(
        "what-was-refused-is-looked-at-again",
        (_CLOSED,),
        (
            Edit(
                "producer/observe.py",
                "        if refused and time.monotonic() >= self._next_retry:\n"
                "            self._look_again(refused, stop)\n",
                "",
            ),
        ),
    ),
)
