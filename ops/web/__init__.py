"""The dashboard and HTTP API: see `ops.web.app`."""
