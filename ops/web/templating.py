"""Renders pages: one template environment, and the variables that all pages share."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from ops.web.security.access import User

FOLDER = Path(__file__).parent

templates = Jinja2Templates(
    env=Environment(
        loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined
    )
)


def page(
    request: Request, user: User | None, name: str, *, status_code: int = 200, **context: Any
) -> Response:
    """Render a page. `user` is None on pages before the login."""
    shared = {
        "user": user,
        "csrf_token": user.csrf_token if user else "",
        "version": version("thermalwatch"),
    }
    return templates.TemplateResponse(request, name, shared | context, status_code=status_code)


def has_template(name: str) -> bool:
    """Whether this template exists."""
    return (FOLDER / "templates" / name).is_file()
