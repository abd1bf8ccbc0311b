"""Structured logging: one line per event, `key=value`, quiet unless asked."""

import json
import logging
import sys

PLAIN = "%(levelname).1s %(name)s %(message)s"


class JsonLines(logging.Formatter):
    """Each record as one JSON object; fields passed as `extra={"fields": {...}}` are kept apart from the text."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        line.update(getattr(record, "fields", {}))
        return json.dumps(line, default=str)


def configure(level: str = "warning", as_json: bool = False) -> None:
    """Set up the `limner` logger once; libraries stay at error level so that their chatter reaches nobody."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else logging.Formatter(PLAIN))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR)
    logging.getLogger("limner").setLevel(level.upper())
