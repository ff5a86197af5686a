"""Protections of what the product writes: exports, messages, files of its own."""

from tests.faults.removals.removal import Edit, Removal

_PASSWORDS = (
    "tests/ops/config/test_settings.py::test_no_output_holds_a_password_whatever_its_characters"
)
_VALUES = (
    "tests/storage/db/test_database.py::test_an_error_does_not_tell_the_values_of_its_statement"
)

REMOVALS = (
    Removal(
        "cells-hold-no-line-ends",
        (
            "tests/storage/results/test_export.py::test_a_name_with_a_line_end_stays_in_its_cell_for_every_reader",
        ),
        (
            Edit(
                "storage/results/csv_file.py",
                "_without_formulas(_printable(array))",
                "_without_formulas(array)",
            ),
        ),
    ),
    Removal(
        "passwords-in-urls-are-hidden",
        (_PASSWORDS,),
        (Edit("storage/redaction.py", r'_ACCOUNT.sub(r"\1:***@", url)', "url"),),
    ),
    Removal(
        "passwords-in-parameters-are-hidden",
        (_PASSWORDS,),
        (Edit("storage/redaction.py", r'_PARAMETER.sub(r"\1***", ', "str("),),
    ),
    Removal(
        "errors-of-sqlite-hold-no-values",
        (f"{_VALUES}[sqlite]",),
        (
            Edit(
                "storage/db/database.py", "SQLITE_BUSY_S}, hide_parameters=True)", "SQLITE_BUSY_S})"
            ),
        ),
    ),
    Removal(
        "errors-of-postgres-hold-no-values",
        (f"{_VALUES}[postgres]",),
        (Edit("storage/db/database.py", "        hide_parameters=True,", ""),),
    ),
    Removal(
        "files-are-private",
        ("tests/ops/cli/test_up.py::test_all_that_a_system_writes_is_private_whatever_the_umask",),
        (Edit("ops/config/state_directory.py", "os.umask(0o077)", "pass"),),
    ),
    Removal(
        "directories-are-private",
        (
            "tests/ops/config/test_state_directory.py::test_its_directories_are_created_for_the_user_alone",
        ),
        (
            Edit(
                "ops/config/state_directory.py",
                "each.mkdir(mode=0o700, exist_ok=True)",
                "each.mkdir(exist_ok=True)",
            ),
        ),
    ),
)
