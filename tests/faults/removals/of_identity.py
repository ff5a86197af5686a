"""Protections of a frame's identity, whatever happens to its file."""

from tests.faults.removals.removal import Edit, Removal

_TESTS = "test_identity.py::"
_RING = f"{_TESTS}test_every_content_of_a_ring_buffer_is_scored_if_its_clock_stands_still"
_TIMES = f"{_TESTS}test_an_upload_whose_time_is_set_after_closing_has_one_result"
_CAPTURE = f"{_TESTS}test_a_time_set_late_is_the_time_of_capture"
_AGAIN = f"{_TESTS}test_an_upload_repeated_under_its_name_is_the_same_frame"
_MODES = f"{_TESTS}test_a_file_given_other_permissions_is_not_scored_again"
_RENAMED = f"{_TESTS}test_an_upload_renamed_to_its_final_name_has_one_result"
_FOLDER = f"{_TESTS}test_images_of_a_renamed_folder_keep_their_only_result"
_HASTY = f"{_TESTS}test_a_file_moved_before_it_was_read_is_not_missing"
_COPIES = f"{_TESTS}test_a_copy_and_the_same_image_of_another_camera_are_scored"
_REPLACED = f"{_TESTS}test_what_replaced_an_unread_file_is_registered_with_its_outcome"
_TOUCHED = "test_uploads.py::test_a_file_that_is_touched_is_not_scored_again"

REMOVALS = (
    Removal(
        "ctime-is-part-of-the-hint",
        (_RING, _REPLACED),
        (
            Edit(
                "storage/frames/identity.py",
                "_digest(self.camera, self.path, self.mtime_ns, self.size, self.ctime_ns)",
                "_digest(self.camera, self.path, self.mtime_ns, self.size)",
            ),
        ),
    ),
    Removal(
        "the-content-of-a-place-is-known",
        (_TIMES, _AGAIN, _MODES, _TOUCHED),
        (
            Edit("worker/reading.py", "if sha256 == entry.last_sha256:", "if not sha256:"),
            Edit(
                "storage/frames/repeats.py",
                "if same is not None and same.sha256 == sha256[frame_id]:",
                "if False:",
            ),
        ),
    ),
    Removal(
        "a-late-time-corrects-the-capture",
        (_CAPTURE,),
        (
            Edit(
                "storage/frames/outcomes.py",
                "if seen.mtime_ns < original.mtime_ns:",
                "if False:",
            ),
        ),
    ),
    Removal(
        "moved-files-are-recognized",
        (_RENAMED, _FOLDER),
        (Edit("storage/frames/repeats.py", "if moved is not None:", "if False:"),),
    ),
    Removal(
        "successors-of-missing-files-are-found",
        (_HASTY,),
        (
            Edit(
                "worker/repeats.py",
                "find_successors(engine, gone) if gone else {}",
                "{}",
            ),
            Edit(
                "storage/frames/registration.py",
                "if gone is not None and gone.place != file.place:",
                "if False:",
            ),
        ),
    ),
    Removal(
        "a-copy-is-no-move",
        (_COPIES,),
        (
            Edit(
                "worker/repeats.py",
                "if item.same_place or is_absent(item.root, item.path)]",
                "]",
            ),
            Edit(
                "storage/frames/repeats.py",
                "            other.c.size == mine.c.size,\n            moved_file,\n",
                "            other.c.size == mine.c.size,\n",
            ),
        ),
    ),
    Removal(
        "a-superseded-frame-registers-its-successor",
        (_REPLACED,),
        (
            Edit(
                "storage/frames/outcomes.py",
                "        register_within(connection, files, now=now",
                "        len(files), dict(now=now",
            ),
        ),
    ),
)
