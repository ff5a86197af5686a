"""Protections against people who can write to the queue, a directory or the ledger."""

from tests.faults.removals.removal import Edit, Removal

_QUEUE = "test_security.py::test_what_is_written_into_the_queue_runs_nothing_and_stops_nothing"
_BUNDLE = "test_security.py::test_a_bundle_with_a_pickle_in_it_is_refused_unread"
_CODE = "test_security.py::test_names_are_never_code"
_LOG = "test_security.py::test_a_name_cannot_write_lines_into_a_log"
_VALUES = "test_redis_values.py::test_any_key_may_hold_anything"
_RQ_KEYS = "test_redis_values.py::test_any_key_of_the_queues_may_hold_anything"
_THRESHOLD = "test_redis_values.py::test_a_forged_threshold_blinds_no_camera"
_NOTES = "test_redis_values.py::test_forged_notes_quarantine_no_image"
_SAID = "test_secrets.py::test_no_password_is_ever_said"
_WRONG = "test_secrets.py::test_no_wrong_address_is_told_with_its_password"

#: The one redaction of all messages, logs and outputs.
_AS_IT_IS = Edit(
    "storage/redaction.py",
    r'    return _PARAMETER.sub(r"\1***", _ACCOUNT.sub(r"\1:***@", url))',
    "    return url",
)

REMOVALS = (
    Removal(
        "workers-run-one-function",
        (f"{_QUEUE}[write_foreign_function]",),
        (
            Edit(
                "worker/rq_worker.py",
                '            raise InvalidMessage(f"a job asks for {self.func_name!r}, '
                'which workers do not run")\n',
                "            return super().func\n",
            ),
        ),
    ),
    Removal(
        "workers-read-json-only",
        (f"{_QUEUE}[write_pickle]",),
        (
            Edit(
                "worker/rq_worker.py",
                "from rq.serializers import JSONSerializer\n",
                """import pickle
from rq.serializers import JSONSerializer as _Json


class JSONSerializer(_Json):
    @staticmethod
    def loads(text, *args, **kwargs):
        try:
            return _Json.loads(text, *args, **kwargs)
        except ValueError:
            return pickle.loads(text)


""",
            ),
        ),
    ),
    Removal(
        "messages-carry-ids-only",
        (f"{_QUEUE}[write_paths_in_messages]",),
        (
            Edit(
                "storage/queue.py",
                "        if not all(isinstance(frame, str) and _FRAME_ID.fullmatch(frame) "
                "for frame in frames):\n"
                '            raise InvalidMessage("a frame id must be 32 hexadecimal digits")\n',
                "",
            ),
        ),
    ),
    Removal(
        "a-worker-outlives-what-is-no-job",
        (f"{_QUEUE}[write_no_jobs_at_all]",),
        (
            Edit(
                "worker/app.py",
                "        return burst or self._must_end()\n",
                "        return True\n",
            ),
        ),
    ),
    Removal(
        "a-producer-outlives-what-is-no-job",
        (f"{_QUEUE}[write_no_jobs_at_all]",),
        (
            Edit(
                "storage/queue.py",
                "    except (InvalidMessage, zlib.error, ValueError, LookupError, TypeError, "
                "RecursionError):\n",
                "    except InvalidMessage:\n",
            ),
        ),
    ),
    Removal(
        "weights-are-never-unpickled",
        (_BUNDLE,),
        (
            Edit(
                "thermal/detection/bundle.py",
                "        tensors = load_tensors(weights)\n",
                '        if weights.startswith(b"PK"):\n'
                "            import io\n\n"
                "            import torch\n\n"
                "            torch.load(io.BytesIO(weights), weights_only=False)\n"
                "        tensors = load_tensors(weights)\n",
            ),
        ),
    ),
    Removal(
        "formulas-are-quoted",
        (_CODE,),
        (
            Edit(
                "storage/results/csv_file.py",
                "    if not np.isin(np.frombuffer(characters, np.uint8)[starts], "
                "_FORMULA_BYTES).any():\n"
                "        return texts\n",
                "    return texts\n",
            ),
        ),
    ),
    Removal(
        "cameras-are-parameters",
        (_CODE,),
        (
            Edit(
                "storage/results/queries.py",
                "            query = query.where(results.c.camera == self.camera)\n",
                "            from sqlalchemy import text\n\n"
                "            query = query.where("
                "text(f\"results.camera = '{self.camera}'\"))\n",
            ),
        ),
    ),
    Removal(
        "log-lines-are-printable",
        (_LOG,),
        (
            Edit(
                "ops/logs.py",
                "        formatter = PrintableFormatter(\n",
                "        formatter = logging.Formatter(\n",
            ),
        ),
    ),
    Removal(
        "answers-are-printable",
        (_LOG,),
        (
            Edit(
                "ops/cli/records/requeue.py",
                'click.echo(printable(f"{record.id[:12]}  {record.camera}  {record.path}  {why}"))',
                'click.echo(f"{record.id[:12]}  {record.camera}  {record.path}  {why}")',
            ),
        ),
    ),
    Removal(
        "database-urls-are-masked",
        (_SAID,),
        (_AS_IT_IS,),
    ),
    Removal(
        "wrong-addresses-are-not-quoted",
        tuple(f"{_WRONG}[{name}]" for name in ("status", "audit", "doctor", "produce", "work")),
        (
            Edit(
                "ops/config/settings.py",
                '        raise ValueError(f"should begin with ',
                '        raise ValueError(f"{value.get_secret_value()} should begin with ',
            ),
        ),
    ),
    Removal(
        "unreadable-database-urls-are-not-quoted",
        (f"{_WRONG}[audit]",),
        (
            Edit(
                "storage/db/database.py",
                '            "the database URL cannot be read; expected',
                '            f"the database URL {url} cannot be read; expected',
            ),
            Edit(
                "ops/cli/main.py",
                "return click.ClickException(as_called(redact_urls(str(error))))",
                "return click.ClickException(as_called(str(error)))",
            ),
        ),
    ),
    Removal(
        "doctor-masks-addresses",
        (f"{_WRONG}[doctor]",),
        (_AS_IT_IS,),
    ),
    Removal(
        "decisions-from-redis-are-checked",
        (_THRESHOLD,),
        (
            Edit(
                "storage/stream/streams.py",
                "        except Refused as error:\n",
                "        except Refused as error:\n            return True\n",
            ),
        ),
    ),
    Removal(
        "malformed-windows-are-rebuilt",
        (_VALUES,),
        (
            Edit(
                "storage/stream/wire.py",
                "        if is_malformed(reply):\n",
                "        if False:\n",
            ),
        ),
    ),
    Removal(
        "malformed-keys-of-rq-are-deleted",
        (_RQ_KEYS,),
        (
            Edit(
                "storage/queue_keys.py",
                '        if kind not in (wanted, "none"):\n',
                "        if False:\n",
            ),
        ),
    ),
    Removal(
        "notes-alone-quarantine-nothing",
        (f"{_NOTES}[3]",),
        (
            Edit(
                "worker/isolation.py",
                "            entry.attempts >= MAX_FAILURES - 1 for entry",
                "            entry.attempts >= 0 for entry",
            ),
        ),
    ),
    Removal(
        "notes-are-bounded",
        (f"{_NOTES}[99]",),
        (
            Edit(
                "worker/poison_frames.py",
                "            elif count is not None:\n",
                "            elif count is not None and count.isdigit():\n"
                "                notes[frame_id] = int(count)\n"
                "            elif count is not None:\n",
            ),
            Edit(
                "worker/isolation.py",
                "            entry.attempts >= MAX_FAILURES - 1 for entry",
                "            entry.attempts >= 0 for entry",
            ),
        ),
    ),
)
