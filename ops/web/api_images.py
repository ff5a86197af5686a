"""`POST /api/v1/images`: an upload over HTTP, put into the watch directory like any other."""

from __future__ import annotations

from fastapi import APIRouter

router = APIRouter(tags=["images"])
