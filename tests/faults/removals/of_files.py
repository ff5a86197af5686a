"""Protections against the content of files and the ways they are uploaded."""

from tests.faults.removals.removal import Edit, Removal

_NAMES = "test_files.py::test_files_of_any_name_are_scored"
_NO_IMAGES = "test_files.py::test_files_that_are_no_images_are_quarantined_with_the_reason"
_BOMBS = "test_files.py::test_decompression_bombs_take_neither_the_worker_nor_its_memory"
_FUZZ = "test_files.py::test_five_thousand_random_contents_are_decoded_or_refused"
_RANDOM = "test_files.py::test_random_contents_do_not_hold_up_the_stream"
_KINDS = "test_files.py::test_what_is_no_regular_file_is_left_alone"
_SWAPPED = "test_files.py::test_what_takes_the_place_of_a_known_file_is_not_read"
_CLOSED = "test_files.py::test_a_file_that_may_not_be_read_is_quarantined_and_can_be_requeued"
_SLOW = "test_uploads.py::test_an_upload_is_scored_whole_and_once_however_slowly_it_comes"
_OVERWRITTEN = "test_uploads.py::test_a_file_that_is_overwritten_has_an_outcome_for_every_version"
_TOUCHED = "test_uploads.py::test_a_file_that_is_touched_is_scored_again_and_one_that_is_not_is_not"
_DATES = "test_uploads.py::test_files_of_any_date_have_their_outcome"
_CLIMBS = "test_security.py::test_a_ledger_row_that_climbs_out_of_its_root_is_not_read"

_ANY_CONTENT_IS_READ = (  # both checks: either notices a version written before the read
    Edit(
        "worker/reading.py",
        "        if _identity(descriptor) != (entry.mtime_ns, entry.size):\n"
        "            return None\n"
        "        if entry.size > limit:\n",
        "        if entry.size > limit:\n",
    ),
    Edit(
        "worker/reading.py",
        "        if _identity(descriptor) != (entry.mtime_ns, entry.size):\n"
        "            return None\n"
        '        return b"".join(chunks)\n',
        '        return b"".join(chunks)\n',
    ),
)
_IDS_WITHOUT_DATE = Edit(
    "storage/frames/ledger.py",
    'f"{self.camera}\\0{self.path}\\0{self.mtime_ns}\\0{self.size}"',
    'f"{self.camera}\\0{self.path}\\0{self.size}"',
)

REMOVALS = (
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
        (Edit("producer/naming.py", 'return name.startswith(".") or name', "return name"),),
    ),
    Removal(
        "every-refusal-has-its-reason",
        (_NO_IMAGES,),
        (
            Edit(
                "thermal/inspection.py",
                '    return "unsupported" if isinstance(error, UnsupportedImage) else "corrupt"\n',
                '    return "corrupt"\n',
            ),
        ),
    ),
    Removal(
        "units-are-not-mixed",
        (_NO_IMAGES,),
        (Edit("thermal/inspection.py", "if frame.unit != unit:", "if not unit:"),),
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
                "    except DecodeError as error:\n",
                "    except DecodeError as error:\n        if content.data:\n            raise\n",
            ),
        ),
    ),
    Removal(
        "scans-follow-no-links",  # both: a link cannot be watched, so it is not listed
        (_KINDS,),
        (
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
                "open_beneath(text_to_path(entry.root), text_to_path(entry.path))",
                'os.open(f"{text_to_path(entry.root)}/{text_to_path(entry.path)}", os.O_RDONLY)',
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
    Removal("only-the-registered-png-is-read", (f"{_SLOW}[.png]",), _ANY_CONTENT_IS_READ),
    Removal("only-the-registered-jpeg-is-read", (f"{_SLOW}[.jpg]",), _ANY_CONTENT_IS_READ),
    Removal("only-the-registered-tiff-is-read", (f"{_SLOW}[.tiff]",), _ANY_CONTENT_IS_READ),
    Removal("only-the-registered-version-is-read", (_OVERWRITTEN,), _ANY_CONTENT_IS_READ),
    Removal(
        "a-new-date-is-a-new-frame",
        (_OVERWRITTEN, _TOUCHED),
        (_IDS_WITHOUT_DATE,),
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
                "storage/frames/ledger.py",
                "    return max(-_BIGINT, min(status.st_mtime_ns, _BIGINT))\n",
                "    return status.st_mtime_ns\n",
            ),
        ),
    ),
)
