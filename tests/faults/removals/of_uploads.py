"""Protections of the watch directory against uploads over HTTP and what else is made in it."""

from tests.faults.removals.removal import Edit, Removal

_UPLOADS = "tests/ops/web/test_uploads.py::"

REMOVALS = (
    Removal(
        "uploads-follow-no-swapped-folder",
        (f"{_UPLOADS}test_a_folder_that_becomes_a_link_during_an_upload_is_not_followed",),
        (
            Edit(
                "ops/web/uploads.py",
                "self.name, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666, dir_fd=self.directory",
                'f"{self.directory}/{self.name}", flags, 0o666',
            ),
            Edit(
                "ops/web/uploads.py",
                "yield TemporaryFile(directory, name)",
                'yield TemporaryFile(f"{place.root}/{place.directory}", name)',
            ),
            Edit(
                "ops/web/uploads.py",
                "os.link(temporary.name, place.name, src_dir_fd=folder, dst_dir_fd=folder)",
                'os.link(f"{folder}/{temporary.name}", f"{folder}/{place.name}")',
            ),
        ),
    ),
    Removal(
        "no-component-of-a-folder-is-a-link",
        ("tests/storage/files/test_directories.py::test_no_path_leaves_the_root[link]",),
        (Edit("storage/files/directories.py", "_DIRECTORY | os.O_NOFOLLOW", "_DIRECTORY"),),
    ),
    Removal(
        "refused-uploads-leave-no-file",
        (f"{_UPLOADS}test_a_file_that_is_not_an_image_is_rejected_without_leftovers",),
        (Edit("ops/web/uploads.py", "os.unlink(name, dir_fd=directory)", "pass"),),
    ),
    Removal(
        "refused-uploads-leave-no-folder",
        (f"{_UPLOADS}test_a_refused_upload_leaves_no_folder",),
        (Edit("storage/files/directories.py", "os.rmdir(name, dir_fd=above)", "pass"),),
    ),
    Removal(
        "uploads-replace-no-file",
        (f"{_UPLOADS}test_an_existing_file_is_not_overwritten",),
        (
            Edit(
                "ops/web/uploads.py",
                "os.link(temporary.name, place.name,",
                "os.rename(temporary.name, place.name,",
            ),
        ),
    ),
    Removal(
        "too-deep-directories-hold-up-nothing",
        (
            "tests/producer/test_directories.py::test_directories_nested_deeper_than_the_system_can_name_hold_up_nothing",
        ),
        (
            Edit(
                "producer/observe.py",
                "os.path.isdir(self._root.join(path))",
                "Path(self._root.join(path)).is_dir()",
            ),
        ),
    ),
)
