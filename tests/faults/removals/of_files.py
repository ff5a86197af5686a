"""Protections against the content of files and the ways they are uploaded."""

from tests.faults.removals.removal import Edit, Removal

_NAMES = "test_files.py::test_files_of_any_name_are_scored"
_NO_IMAGES = "test_files.py::test_files_that_are_no_images_are_quarantined_with_the_reason"
_UNITS = (
    "tests/thermal/detection/test_frame_kind.py::"
    "test_the_unit_comes_first_and_the_detail_names_what_differs"
)
_BOMBS = "test_files.py::test_decompression_bombs_take_neither_the_worker_nor_its_memory"
_FUZZ = "test_files.py::test_five_thousand_random_contents_are_decoded_or_refused"
_RANDOM = "test_files.py::test_random_contents_do_not_hold_up_the_stream"
_KINDS = "test_files.py::test_what_is_no_regular_file_is_left_alone"
_SWAPPED = "test_files.py::test_what_takes_the_place_of_a_known_file_is_not_read"
_CLOSED = "test_files.py::test_a_file_that_may_not_be_read_is_quarantined_and_comes_back"
_SLOW = "test_uploads.py::test_an_upload_is_scored_whole_and_once_however_slowly_it_comes"
_OVERWRITTEN = "test_uploads.py::test_a_file_that_is_overwritten_has_an_outcome_for_every_version"
_DATES = "test_uploads.py::test_files_of_any_date_have_their_outcome"
_CLIMBS = "test_security.py::test_a_ledger_row_that_climbs_out_of_its_root_is_not_read"

_ANY_CONTENT_IS_READ = (  # both checks: either notices a version written before the read
    Edit(
        "worker/reading.py",
        "        if _is_changed(entry, os.fstat(descriptor)):\n"
        "            return None\n"
        "        if entry.size > limit:\n",
        "        if entry.size > limit:\n",
    ),
    Edit(
        "worker/reading.py",
        "        if _is_changed(entry, status, but_for_ctime=replaced):\n"
        "            return None\n"
        '        return b"".join(chunks)\n',
        '        return b"".join(chunks)\n',
    ),
)
_HINTS_WITHOUT_TIMES = Edit(
    "storage/frames/identity.py",
    "_digest(self.camera, self.path, self.mtime_ns, self.size, self.ctime_ns)",
    "_digest(self.camera, self.path, self.size)",
)

_POISONED = "test_poisoned_files.py"

REMOVALS = (
    Removal(
        "files-are-decoded-apart",
        (
            f"{_POISONED}::test_files_that_take_too_much_are_quarantined_and_hold_up_no_other",
            f"{_POISONED}::test_a_decoder_that_crashes_costs_no_other_file_and_no_worker",
        ),
        (
            Edit(
                "worker/inspection.py",
                "        with self._sandbox.decoder() as decoder:\n",
                "        from thermal.sandbox import InProcess\n\n"
                "        for decoder in (InProcess(),):\n",
            ),
        ),
    ),
    Removal(
        "names-are-text-and-back",
        (_NAMES,),
        (
            Edit(
                "storage/files/paths.py",
                'decode("utf-8", "backslashreplace")',
                'decode("utf-8", "replace")',
            ),
        ),
    ),
    Removal(
        "cameras-have-directories-of-their-own-name",
        (_NAMES,),
        (Edit("storage/files/artifacts.py", '    return name or "="\n', "    return camera\n"),),
    ),
    Removal(
        "hidden-files-are-left-alone",
        (_NAMES, f"{_SLOW}[.bmp]"),
        (Edit("producer/ignored.py", "if lower.startswith(_HIDDEN):", "if not lower:"),),
    ),
    Removal(
        "every-refusal-has-its-reason",
        (_NO_IMAGES,),
        (
            Edit(
                "thermal/inspection.py",
                '    UnsupportedImage: "unsupported",\n',
                "",
            ),
        ),
    ),
    Removal(
        "units-are-not-mixed",
        (_UNITS,),
        (Edit("thermal/detection/frame_kind.py", "if frame.unit != unit:", "if not unit:"),),
    ),
    Removal(
        "sizes-are-limited",
        (_BOMBS,),
        (
            Edit(
                "thermal/decode/raster.py",
                "    if width * height > max_pixels or max(width, height) > _MAX_SIDE:\n",
                "    if max(width, height) > _MAX_SIDE:\n",
            ),
            Edit("thermal/sandbox/process.py", "    limit_memory(memory_bytes)\n", ""),
        ),
    ),
    Removal(
        "unpacked-bytes-are-limited",
        (_BOMBS,),
        (Edit("thermal/decode/png.py", "if unpacked_bytes > most_bytes:", "if False:"),),
    ),
    Removal(
        "scans-are-limited",
        (_BOMBS,),
        (Edit("thermal/decode/jpeg.py", "    if scans > _MAX_SCANS:\n", "    if False:\n"),),
    ),
    Removal(
        "directories-lie-in-their-file",
        (_FUZZ,),
        (Edit("thermal/decode/tiff.py", "    if end + 4 > len(data):\n", "    if False:\n"),),
    ),
    Removal(
        "what-cannot-be-decoded-is-refused",
        (_RANDOM,),
        (
            Edit(
                "thermal/inspection.py",
                "        if isinstance(found, DecodeError):\n",
                "        if isinstance(found, DecodeError) and content.data:\n"
                "            raise found\n"
                "        if isinstance(found, DecodeError):\n",
            ),
        ),
    ),
    Removal(
        "scans-follow-no-links",  # both: a link cannot be watched, so it is not listed
        (_KINDS,),
        (
            Edit(
                "producer/scan.py",
                "if entry.is_symlink():",
                "if entry.is_symlink() and not entry.is_dir():",
            ),
            Edit(
                "producer/scan.py",
                "entry.is_dir(follow_symlinks=False)",
                "entry.is_dir()",
            ),
            Edit(
                "producer/watch.py",
                'follow = 0 if directory == "" else InotifyConstants.IN_DONT_FOLLOW',
                "follow = 0",
            ),
        ),
    ),
    Removal(
        "events-tell-of-files-only",
        (_KINDS,),
        (
            Edit(
                "producer/naming.py",
                "        if not stat.S_ISREG(status.st_mode):\n            return None\n",
                "",
            ),
        ),
    ),
    Removal(
        "files-are-opened-beneath-their-root",
        (_SWAPPED, _CLIMBS),
        (
            Edit(
                "worker/reading.py",
                "return open_beneath(text_to_path(entry.root), text_to_path(entry.path))",
                'return os.open(text_to_path(f"{entry.root}/{entry.path}"), os.O_RDONLY)',
            ),
        ),
    ),
    Removal(
        "no-link-is-on-the-way",
        (_SWAPPED, _CLIMBS),
        (
            Edit(
                "storage/files/paths.py",
                "os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC\n",
                "os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC\n",
            ),
        ),
    ),
    Removal(
        "nothing-climbs",
        (_CLIMBS,),
        (Edit("storage/files/paths.py", '    if ".." in parts:\n', "    if False:\n"),),
    ),
    Removal(
        "a-closed-file-is-no-outage",
        (_CLOSED,),
        (
            Edit(
                "worker/reading.py",
                "(FileNotFoundError, PermissionError, NotADirectoryError)",
                "(FileNotFoundError, NotADirectoryError)",
            ),
        ),
    ),
    Removal(
        "an-unreadable-file-becomes-pending-again",
        (_CLOSED,),
        (
            Edit(
                "storage/frames/registration.py",
                "row = row or unread.get((file.place, file.mtime_ns, file.size))",
                "row = row or None",
            ),
        ),
    ),
    Removal(
        "only-the-registered-version-is-read",
        ("tests/worker/test_reading.py::test_an_overwritten_file_is_superseded",),
        _ANY_CONTENT_IS_READ,
    ),
    Removal(
        "a-version-is-read-once",  # its hint or its content tells that it was read before
        (f"{_SLOW}[.png]", f"{_SLOW}[.jpg]", f"{_SLOW}[.tiff]"),
        (
            *_ANY_CONTENT_IS_READ,
            Edit("worker/reading.py", "if sha256 == entry.last_sha256:", "if not sha256:"),
            Edit(
                "storage/frames/repeats.py",
                "if same is not None and same.sha256 == sha256[frame_id]:",
                "if False:",
            ),
        ),
    ),
    Removal(
        "what-is-being-written-is-not-settled",
        (
            "tests/producer/test_producer.py::test_a_file_dated_long_ago_is_not_registered_while_it_is_written",
        ),
        (
            Edit(
                "producer/reconcile.py",
                "max(frame.mtime_ns, frame.ctime_ns)",
                "frame.mtime_ns",
            ),
        ),
    ),
    Removal(
        "a-new-time-is-another-look",
        (_OVERWRITTEN,),
        (_HINTS_WITHOUT_TIMES,),
    ),
    Removal(
        "the-grace-period-begins-with-the-entry",  # otherwise the limit of attempts ends it
        (_DATES,),
        (
            Edit(
                "worker/reading.py",
                "now - entry.seen_at < grace_s and entry.attempts < MAX_ATTEMPTS",
                "now - entry.mtime_ns / 1e9 < grace_s",
            ),
        ),
    ),
    Removal(
        "dates-fit-into-the-ledger",
        (_DATES,),
        (
            Edit(
                "storage/frames/identity.py",
                "    return max(-_BIGINT, min(time_ns, _BIGINT))\n",
                "    return time_ns\n",
            ),
        ),
    ),
)
