"""Requests made up from the OpenAPI document: whatever comes, the server has an answer."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode

from tests.web.site import WebSite

#: Requests made up for each operation and kind; all of them together stay below a minute.
EXAMPLES = 8
HOST = {"Host": "127.0.0.1:8080"}


def test_whatever_is_asked_the_server_has_an_answer(site: WebSite) -> None:
    site.commit([{"anomaly": True}, {}])
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", site.app, headers=HOST)
    operations = [found.ok() for found in schema.get_all_operations()]
    paths = {(operation.method.upper(), operation.path) for operation in operations}
    assert len(paths) >= 20
    for operation in operations:
        if not operation.path.endswith("/events"):  # its answer has no end
            for mode in GenerationMode:
                ask(operation, mode)


def ask(operation: APIOperation, mode: GenerationMode) -> None:
    """Ask for an operation as its description has it, or (negative) in spite of it."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def has_an_answer(case: Case) -> None:
        answer = case.call(headers=HOST)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        (kind, *_) = answer.headers["content-type"]
        if answer.status_code >= 400:
            assert kind == "application/problem+json", case.as_curl_command()
        if answer.status_code == 200 and "json" in kind:
            operation.validate_response(answer)

    has_an_answer()
