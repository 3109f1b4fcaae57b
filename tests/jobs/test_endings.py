"""Exit codes of the jobs, and what they say of errors that were foreseen."""

import pytest

from itportrait.errors import ItportraitError, LeaseHeldError, NoInputError, OutputError
from itportrait.jobs.endings import run_job


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (LeaseHeldError("job 7 holds it"), 75, "job 7 holds it"),
        (ItportraitError("so it is"), 2, "error: so it is"),
        (NoInputError("no photos"), 2, "error: no photos"),
        (OutputError("no space at /x"), 2, "error: no space at /x"),
        (PermissionError(13, "denied", "/x"), 2, "error: /x: denied; check the path"),
        (BrokenPipeError(32, "the store hung up"), 2, "error: the store hung up; check"),
        (KeyboardInterrupt(), 130, "stopped; what is committed stays"),
    ],
)
def test_an_error_that_was_foreseen_is_one_line_and_a_code(error, code, said, capsys):
    def job() -> int:
        raise error

    assert run_job(job) == code
    printed = capsys.readouterr()
    assert printed.err.startswith(said)
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_the_code_of_a_job_is_its_own():
    assert run_job(lambda: 1) == 1


def test_a_defect_is_shown_whole():
    def job() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_job(job)
