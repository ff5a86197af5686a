"""Assembles the server: API, pages, static files, and the checks before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from ops.web import problems
from ops.web.audit_retention import delete_daily
from ops.web.metrics import HttpMetrics, make_registry
from ops.web.routes import health, login, oidc, pages
from ops.web.routes.api import router as api
from ops.web.security.guards import BodyLimit, LocalOnly, SecurityHeaders
from ops.web.security.proxies import ProxyHeaders, TrustedProxies
from ops.web.security.user_header import UserHeader
from ops.web.templating import FOLDER

if TYPE_CHECKING:
    from ops.web.services import Services

API = "/api/v1"


def create_app(services: Services) -> FastAPI:
    """The application that uses these services."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        deleting = asyncio.create_task(delete_daily(services), name="audit log")
        yield
        deleting.cancel()
        await services.live.close()
        services.sandbox.close()

    app = FastAPI(
        title="thermalwatch",
        version=version("thermalwatch"),
        description="Cameras, results, pictures, reviews and the state of the system.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # these pages load scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.services = services
    app.state.registry = registry = make_registry(services)
    problems.install(app)
    app.include_router(api, prefix=API)
    app.include_router(health.router)
    app.include_router(login.router)
    app.include_router(oidc.router)
    app.include_router(pages.router)
    static = FOLDER / "static"
    if static.is_dir():
        app.mount("/static", StaticFiles(directory=static), name="static")
    # the last one added sees a request first
    app.add_middleware(BodyLimit, upload_bytes=services.settings.limits.max_bytes)
    app.add_middleware(LocalOnly, access=services.access)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(HttpMetrics, registry=registry)
    server = services.settings.server
    trusted = TrustedProxies(server.trusted_proxies)
    app.add_middleware(ProxyHeaders, trusted=trusted)
    app.add_middleware(UserHeader, name=server.user_header, trusted=trusted)
    return app
