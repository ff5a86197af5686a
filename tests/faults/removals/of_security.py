"""Protections against people who can write to the queue, a directory or the ledger."""

from tests.faults.removals.removal import Edit, Removal

_QUEUE = "test_security.py::test_what_is_written_into_the_queue_runs_nothing_and_stops_nothing"
_BUNDLE = "test_security.py::test_a_bundle_with_a_pickle_in_it_is_refused_unread"
_CODE = "test_security.py::test_names_are_never_code"
_LOG = "test_security.py::test_a_name_cannot_write_lines_into_a_log"
_SAID = "test_secrets.py::test_no_password_is_ever_said"
_WRONG = "test_secrets.py::test_no_wrong_address_is_told_with_its_password"

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
        (
            Edit(
                "storage/db/database.py",
                "render_as_string(hide_password=True)",
                "render_as_string(hide_password=False)",
            ),
        ),
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
        ),
    ),
    Removal(
        "doctor-masks-addresses",
        (f"{_WRONG}[doctor]",),
        (
            Edit(
                "ops/doctor.py",
                '_guarded("redis", redact(urls.redis_url), start',
                '_guarded("redis", urls.redis_url, start',
            ),
        ),
    ),
)
