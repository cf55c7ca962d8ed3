"""The service beside Asterisk: every door is built here, connected, and owned by one TaskGroup."""

import contextlib

import structlog
import uvicorn

log = structlog.get_logger(__name__)

STOP_SECONDS = 5.0
"""A stop takes no longer: what the journal then still holds is read at the next start."""
_DRAIN_SECONDS = 2.0
_MIGRATION_RETRY_SECONDS = 2.0


class _HttpServer(uvicorn.Server):
    """Uvicorn without signal handlers of its own: the roof decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]
        yield
