"""Requests generated from the OpenAPI document never make the server fail."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok

from tests.ops.web.site import WebSite

#: Requests per operation and mode; all of them together take less than a minute.
EXAMPLES = 8
#: Seconds to wait for a response on a busy machine.
PATIENCE_S = 120
HOST = {"Host": "127.0.0.1:8080"}


def test_generated_requests_get_valid_responses(site: WebSite) -> None:
    site.commit([{"anomaly": True}, {}])
    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", site.app, headers=HOST)
    found = list(schema.get_all_operations())
    operations = [one.ok() for one in found if isinstance(one, Ok)]
    assert len(operations) == len(found)
    paths = {(operation.method.upper(), operation.path) for operation in operations}
    assert len(paths) >= 20
    for operation in operations:
        if not operation.path.endswith("/events"):  # its response never ends
            ask(operation, GenerationMode.POSITIVE)
            with suppress(Unsatisfiable):  # no invalid request exists
                ask(operation, GenerationMode.NEGATIVE)


def ask(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
    """Send requests that match the description of an operation or (negative) violate it."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def has_an_answer(case: Case[Any]) -> None:
        answer = case.call(headers=HOST, timeout=PATIENCE_S)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        (kind, *_) = answer.headers["content-type"]
        if answer.status_code >= 400:
            assert kind == "application/problem+json", case.as_curl_command()
        if answer.status_code == 200 and "json" in kind:
            operation.validate_response(answer)

    has_an_answer()
