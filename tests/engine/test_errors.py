"""One tree of errors, each with its exit status and HTTP status."""

import pytest

from limner.engine import errors


@pytest.mark.parametrize(("kind", "exit_code", "status"), [
    (errors.UsageError, 2, 400), (errors.InputError, 2, 422), (errors.PortraitError, 2, 422),
    (errors.MediaError, 2, 422), (errors.WeightsError, 2, 422), (errors.DeviceError, 2, 503),
    (errors.MissingPackage, 2, 503), (errors.TooLarge, 2, 413), (errors.Busy, 1, 503),
    (errors.ContractError, 1, 500),
])  # fmt: skip
def test_statuses(kind, exit_code, status):
    error = kind("found this, expected that, do so")
    assert isinstance(error, errors.LimnerError)
    assert (error.exit_code, error.http_status) == (exit_code, status)
    assert str(error) == "found this, expected that, do so"


def test_the_first_error_of_a_group_of_groups():
    inner = errors.DeviceError("unplugged")
    group = ExceptionGroup("", [ExceptionGroup("", [inner, ValueError()]), KeyError()])
    assert errors.first_error(group) is inner
