"""Structured logging: one line per event, `key=value`, quiet unless asked."""

import json
import logging
import sys
from contextvars import ContextVar

SESSION: ContextVar[str | None] = ContextVar("session", default=None)     # whose work is being done; a task's tasks inherit it


class PlainLines(logging.Formatter):
    """`W limner.clients.serve message key=value ...`"""

    def format(self, record: logging.LogRecord) -> str:
        said = "".join(f" {key}={value}" for key, value in fields(record).items())
        line = f"{record.levelname[0]} {record.name} {record.getMessage()}{said}"
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


def fields(record: logging.LogRecord) -> dict:
    """What was passed as `extra={"fields": {...}}`, and the session it happened in."""
    session = SESSION.get()
    return ({"session": session} if session else {}) | getattr(record, "fields", {})


class JsonLines(logging.Formatter):
    """Each record as one JSON object; fields passed as `extra={"fields": {...}}` are kept apart from the text."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        line.update(fields(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def worth_a_line(record: logging.LogRecord) -> bool:
    """False for requests that are no HTTP: their sender was told, and anybody could fill the log with tracebacks of them."""
    error = record.exc_info[1] if record.exc_info else None
    return type(error).__module__ != "aiohttp.http_exceptions"


def configure(level: str = "warning", as_json: bool = False) -> None:
    """Set up the `limner` logger once; libraries stay at error level so that their chatter reaches nobody."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else PlainLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR)
    logging.getLogger("aiohttp.server").addFilter(worth_a_line)
    logging.getLogger("limner").setLevel(level.upper())
