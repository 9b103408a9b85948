from __future__ import annotations

import errno
import re
from pathlib import Path

import pytest
import torch

from interlingua.cli import failures
from interlingua.errors import ConfigError, DataError, Interrupted, MissingExtraError


def raiser(error: BaseException):
    def program() -> None:
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("No pictures.", where="my/folder", next_step="Add some."), 1),
        (ConfigError("Unknown key."), 2),
        (MissingExtraError("soundfile", "audio", "Reading sounds"), 3),
    ],
)
def test_our_errors_are_messages(error, code: int, capsys) -> None:
    assert failures.run(raiser(error)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"error: {error}\n"


def test_the_install_line_keeps_its_brackets(capsys) -> None:
    failures.run(raiser(MissingExtraError("soundfile", "audio", "Reading sounds")))
    assert 'pip install "interlingua[audio]"' in capsys.readouterr().err


def test_long_messages_are_not_wrapped(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    where = "/a/very/long/path" * 10
    failures.run(raiser(DataError("No.", where=where)))
    assert where in capsys.readouterr().err


def test_a_bug_leaves_its_traceback_in_a_file(capsys, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert failures.run(raiser(KeyError("oops"))) == 70
    message = capsys.readouterr().err
    assert "bug" in message
    assert "Traceback" not in message
    path = Path(re.search(r"the traceback is in (\S+)", message)[1])
    assert path.parent == tmp_path
    text = path.read_text()
    assert "KeyError: 'oops'" in text
    assert "in program" in text


def test_where_no_file_can_be_written_the_message_has_the_traceback(capsys, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/does/not/exist")
    assert failures.run(raiser(KeyError("oops"))) == 70
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_130(capsys) -> None:
    assert failures.run(raiser(KeyboardInterrupt())) == 130
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGINT", 130)])
def test_a_run_that_was_stopped_and_saved_is_no_error(name: str, code: int, capsys) -> None:
    stopped = Interrupted(name, where="runs/x", next_step="interlingua train --resume runs/x")
    assert failures.run(raiser(stopped)) == code
    message = capsys.readouterr().err
    assert "error" not in message
    assert "interlingua train --resume runs/x" in message


@pytest.mark.parametrize(("stop", "code"), [(0, 0), (None, 0), (130, 130), (2, 2)])
def test_exit_codes_pass_through(stop, code: int) -> None:
    assert failures.run(raiser(SystemExit(stop))) == code


def test_full_disk_and_full_memory_are_no_bugs(capsys) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "runs/demo/x")
    for error, word in (
        (full, "disk"),
        (MemoryError(), "memory"),
        (torch.OutOfMemoryError("x"), "memory"),
        (PermissionError(errno.EACCES, "Permission denied", "runs/demo"), "runs/demo"),
    ):
        assert failures.run(raiser(error)) == 1
        assert word in capsys.readouterr().err


def test_a_program_that_ends_well_is_0() -> None:
    assert failures.run(lambda: None) == 0


def test_the_table_in_the_docstring_names_every_code() -> None:
    codes = {int(code) for code in re.findall(r"^(\d+) ", failures.__doc__, flags=re.MULTILINE)}
    assert codes == {int(code) for code in re.findall(r"\b(\d+) ", failures.EXIT_CODES)}
    assert {failures.EXIT_FAILED, failures.EXIT_BUG, failures.EXIT_INTERRUPTED} < codes
    for error in (DataError, ConfigError, MissingExtraError):
        assert error.exit_code in codes
