"""Protections against files that are made to break their decoder."""

from tests.faults.removals.removal import Edit, Removal

_SANDBOX = "tests/thermal/sandbox/test_sandbox.py::"
_DECODE = "tests/thermal/decode/"

REMOVALS = (
    Removal(
        "decoders-have-limited-memory",
        (
            f"{_SANDBOX}test_a_file_that_needs_too_much_memory_is_too_large",
            "tests/ops/web/test_uploads.py::test_a_file_that_takes_too_much_memory_to_decode_is_rejected",
        ),
        (Edit("thermal/sandbox/process.py", "    limit_memory(memory_bytes)\n", ""),),
    ),
    Removal(
        "decoders-have-limited-time",
        (f"{_SANDBOX}test_a_file_that_takes_too_long_is_too_slow",),
        (Edit("thermal/sandbox/process.py", "        limit_cpu(cpu_s if", "        (cpu_s if"),),
    ),
    Removal(
        "one-crash-is-not-the-files-fault",
        (f"{_SANDBOX}test_a_process_that_crashes_once_is_replaced",),
        (
            Edit(
                "thermal/sandbox/pool.py",
                "for is_sent in (is_asked, False):",
                "for is_sent in (is_asked,):",
            ),
        ),
    ),
    Removal(
        "decoders-know-no-secrets",
        (f"{_SANDBOX}test_the_process_knows_no_secrets_and_ends_with_the_sandbox",),
        (Edit("thermal/sandbox/pool.py", "env=kept | threads", "env=dict(os.environ) | threads"),),
    ),
    Removal(
        "results-belong-to-their-files",
        (f"{_SANDBOX}test_a_result_that_nobody_took_is_not_given_to_the_next",),
        (Edit("thermal/sandbox/pool.py", "            decoder.give_up()\n", "            pass\n"),),
    ),
    Removal(
        "texts-of-tags-are-cut-off",
        (f"{_DECODE}test_tiff.py::test_a_long_text_of_a_tag_is_cut_off",),
        (
            Edit(
                "thermal/decode/tiff.py",
                "self.content(tag, most=_LONGEST_TEXT)",
                "self.content(tag, most=len(self.data))",
            ),
        ),
    ),
    Removal(
        "lines-of-a-matrix-are-limited",
        (
            f"{_DECODE}test_matrix.py::test_a_text_of_millions_of_lines_is_refused_before_it_is_taken_apart",
        ),
        (Edit("thermal/decode/table/lines.py", "> _MAX_LINES:", "< 0:"),),
    ),
    Removal(
        "chunks-of-a-png-are-limited",
        (f"{_DECODE}test_limits.py::test_a_png_of_countless_tiny_chunks_is_refused",),
        (Edit("thermal/decode/png.py", "in range(_MAX_CHUNKS):", "in range(len(data)):"),),
    ),
    Removal(
        "answers-of-decoders-are-checked",
        (f"{_SANDBOX}test_any_value_in_an_answer_is_right_or_refused",),
        (Edit("thermal/sandbox/messages.py", "unit not in _UNITS", "not unit"),),
    ),
    Removal(
        "answers-have-bounded-sizes",
        (f"{_SANDBOX}test_any_head_is_an_answer_or_refused",),
        (
            Edit(
                "thermal/sandbox/messages.py",
                "(KeyError, TypeError, ValueError, AttributeError, RecursionError)",
                "(KeyError, ValueError)",
            ),
        ),
    ),
)
