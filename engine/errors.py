"""One tree of errors. Each message says what was found, what was expected and what to do.

The command line prints `str(error)` as its single line and exits with `exit_code`; the HTTP face answers with
`http_status`. Anything else that escapes is a defect and may show a traceback.
"""


class LimnerError(Exception):
    """Base of every error a user can meet."""

    exit_code = 1
    http_status = 500


class UsageError(LimnerError):
    """Wrong command line, configuration value or combination of options."""

    exit_code = 2
    http_status = 400


class InputError(LimnerError):
    """A file, stream or message that cannot be used: broken image, no face, no sound, junk packet."""

    exit_code = 2
    http_status = 422


class PortraitError(InputError):
    """The picture holds no usable face (none, too small, turned away)."""


class MediaError(InputError):
    """A sound or video file that cannot be decoded or is outside the accepted limits."""


class WeightsError(InputError):
    """A checkpoint of the wrong network, truncated, unsafe or missing."""


class DeviceError(LimnerError):
    """A microphone, camera or GPU that is absent, busy or was unplugged."""

    exit_code = 2
    http_status = 503


class MissingPackage(DeviceError):
    """An optional package or system library is not installed; the message holds the install command."""


class OutputError(LimnerError):
    """A file that cannot be written further: no room left, folder gone."""


class TooLarge(InputError):
    """Input over a stated limit, refused before it was decoded or allocated."""

    http_status = 413


class Busy(LimnerError):
    """No room for another session."""

    http_status = 503


class ContractError(LimnerError):
    """An implementation broke its protocol (shape, dtype, order of pts). Raised at assembly or by the contract checks."""


def first_error(group: BaseExceptionGroup) -> BaseException:
    """The first plain exception in a group of groups: what a task group is about."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
