"""Protections against forged model bundles."""

from tests.faults.removals.removal import Edit, Removal

_BUNDLE = "tests/thermal/detection/test_bundle.py::"
_FILE = "test_what_is_no_file_of_the_bundle_is_refused_without_blocking"
_SIGNATURE = "tests/thermal/detection/test_signature.py::"

REMOVALS = (
    Removal(
        "weights-are-not-zero",
        (f"{_BUNDLE}test_weights_that_are_zero_are_refused",),
        (Edit("thermal/detection/detector.py", "        _check_weights(bundle)\n", ""),),
    ),
    Removal(
        "weights-give-numbers",
        (f"{_BUNDLE}test_finite_weights_that_give_no_numbers_are_refused",),
        (Edit("thermal/detection/detector.py", "        _probe(scorer, bundle)\n", ""),),
    ),
    Removal(
        "weights-are-finite",
        (f"{_BUNDLE}test_weights_that_are_not_finite_are_refused",),
        (Edit("thermal/detection/bundle.py", " or not np.isfinite(array).all():", ":"),),
    ),
    Removal(
        "held-out-scores-are-bounded",
        (f"{_BUNDLE}test_held_out_scores_that_no_image_exceeds_are_refused",),
        (Edit("thermal/detection/bundle.py", " or scores[-1] > MAX_HELD_OUT_SCORE:", ":"),),
    ),
    Removal(
        "held-out-scores-are-positive",
        (f"{_BUNDLE}test_held_out_scores_that_are_impossible_are_refused[0.0]",),
        (Edit("thermal/detection/bundle.py", "if scores[0] <= 0 or ", "if "),),
    ),
    Removal(
        "fifos-are-not-opened",
        (f"{_BUNDLE}{_FILE}[to_fifo-model.json]",),
        (
            Edit(
                "thermal/detection/bundle_files.py",
                "if not stat.S_ISREG(path.stat().st_mode):",
                "if not path:",
            ),
            Edit(
                "thermal/detection/bundle_files.py",
                "os.O_RDONLY | os.O_NONBLOCK |",
                "os.O_RDONLY |",
            ),
        ),
    ),
    Removal(
        "bundles-have-no-links-out",
        (f"{_BUNDLE}{_FILE}[to_link_out-model.json]",),
        (
            Edit(
                "thermal/detection/bundle_files.py",
                "if not path.is_relative_to(inside):",
                "if not inside:",
            ),
        ),
    ),
    Removal(
        "bundles-have-bounded-sizes",
        (f"{_BUNDLE}{_FILE}[to_sparse_file-model.safetensors]",),
        (
            Edit(
                "thermal/detection/bundle_files.py",
                "    if len(content) > most_bytes:\n",
                "    if not name:\n",
            ),
        ),
    ),
    Removal(
        "bundles-are-signed",
        (
            f"{_SIGNATURE}test_an_unsigned_bundle_is_refused_and_told_what_to_do",
            f"{_SIGNATURE}test_a_signed_bundle_that_was_altered_is_refused[model.json.minisig]",
        ),
        (
            Edit(
                "thermal/detection/bundle.py",
                "            _check_signature(folder, metadata, trusted)\n",
                "            pass\n",
            ),
        ),
    ),
    Removal(
        "bundles-are-signed-by-trusted-keys",
        (f"{_SIGNATURE}test_a_bundle_signed_by_a_stranger_is_refused",),
        (
            Edit(
                "thermal/detection/signature.py",
                "    if key is None:\n",
                "    if key is None:\n        return\n    if key is None:\n",
            ),
        ),
    ),
    Removal(
        "signatures-are-checked-with-the-key",
        (f"{_SIGNATURE}test_a_stranger_who_takes_the_number_of_a_trusted_key_is_refused",),
        (
            Edit(
                "thermal/detection/signature.py",
                "    except InvalidSignature:\n",
                "    except InvalidSignature:\n        return\n",
            ),
        ),
    ),
    Removal(
        "signatures-are-of-this-bundle",
        (f"{_SIGNATURE}test_a_signed_bundle_with_another_number_is_refused",),
        (
            Edit(
                "thermal/detection/signature.py", "        public.verify(data[10:], content)\n", ""
            ),
            Edit(
                "thermal/detection/bundle.py",
                "    if bundle.model_id != stated_id:\n",
                "    if not stated_id:\n",
            ),
        ),
    ),
    Removal(
        "comments-are-signed",
        (f"{_SIGNATURE}test_a_comment_that_was_altered_is_refused",),
        (
            Edit(
                "thermal/detection/signature.py",
                "        public.verify(whole, data[10:] + comment.encode())\n",
                "",
            ),
        ),
    ),
    Removal(
        "bundles-are-what-their-id-says",
        (
            f"{_BUNDLE}test_altered_metadata_is_refused",
            f"{_BUNDLE}test_altered_weights_are_refused",
        ),
        (
            Edit(
                "thermal/detection/bundle.py",
                "    if bundle.model_id != stated_id:\n",
                "    if not stated_id:\n",
            ),
        ),
    ),
)
