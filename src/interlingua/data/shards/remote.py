"""Shards that are far away, through fsspec: ranged reads, tried again, failures in words.

Every range is asked for as a range; a server that sends whole files instead is refused, not read
into memory. What may pass (a broken connection, a time-out, 429, 5xx) is tried again with growing
pauses; what won't (404, 403) is not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from interlingua.config import Config
from interlingua.data.shards.places import shown_address
from interlingua.data.shards.storage import cut_off
from interlingua.errors import DataError, MediaError, MissingExtraError

Value = TypeVar("Value")

_EXTRA = {"http": "remote", "https": "remote", "s3": "s3", "s3a": "s3"}
_PASSING = (408, 425, 429)  # status codes that may be others a moment later


class Retry(Config):
    """How often and how long a far shard is asked.

    Attributes:
        attempts: at most, for each range.
        pause: seconds before the second attempt; twice as long before each further one.
        max_pause: seconds at most.
        timeout: seconds without an answer after which an attempt has failed.
    """

    attempts: PositiveInt = Field(default=5, le=100)
    pause: NonNegativeFloat = 0.5
    max_pause: PositiveFloat = 30.0
    timeout: PositiveFloat = 60.0


class RemoteFile:
    """A file behind an address.

    Args:
        address: ``https://…``, ``s3://…`` and what else fsspec has.
        options: of the fsspec file system, ``{"anon": True}`` for public S3 for instance.
        retry: how often it is asked.

    Raises:
        MissingExtraError: fsspec, or its part for this kind of address, is not installed.
    """

    is_local = False

    def __init__(
        self, address: str, options: Mapping[str, Any] | None = None, retry: Retry | None = None
    ):
        self.address = address
        self.options = dict(options or {})
        self.retry = retry or Retry()
        self._protocol = address.partition("://")[0]
        self._info: dict[str, Any] | None = None
        self._system, self._path = _open_system(address, self.options, self.retry)

    @property
    def name(self) -> str:
        return shown_address(self.address)

    def __repr__(self) -> str:
        return f"RemoteFile({self.name!r})"

    def __reduce__(self) -> tuple[type[RemoteFile], tuple[Any, ...]]:
        return RemoteFile, (self.address, self.options, self.retry)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteFile) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def size(self) -> int:
        size = self._about().get("size")
        if not isinstance(size, int):
            raise MediaError(
                "The server doesn't say how long the shard is.",
                reason="no_size",
                where=self.name,
                next_step="Copy the shard to a disk, or to a server that gives ranges of files.",
            )
        return size

    def stamp(self) -> str:
        about = self._about()
        names = (
            "ETag",
            "etag",
            "Last-Modified",
            "LastModified",
            "md5Hash",
            "generation",
            "created",
        )
        marks = [f"{name}={about[name]}" for name in names if about.get(name)]
        return "\n".join([self.name, str(self.size()), *marks]) if marks else ""

    def read(self, start: int, length: int) -> bytes:
        if length <= 0:
            return b""

        def once() -> bytes:
            data = self._range(start, start + length)
            if len(data) != length:
                raise _ShortError(len(data))
            return data

        return self._patiently(once, start, length)

    def _about(self) -> dict[str, Any]:
        if self._info is None:
            try:
                self._info = dict(self._patiently(lambda: self._system.info(self._path)))
            except TypeError as error:
                if not self.options:
                    raise
                raise _wrong_options(self.address) from error  # noticed at the first request
        return self._info

    def _range(self, start: int, stop: int) -> bytes:
        if self._protocol in ("http", "https"):
            # its file objects notice a server that sends the whole file instead of a range
            with self._system.open(
                self._path, "rb", size=self.size(), cache_type="none", block_size=stop - start
            ) as file:
                file.seek(start)
                data: bytes = file.read(stop - start)
                return data
        whole: bytes = self._system.cat_file(self._path, start=start, end=stop)
        return whole

    def _patiently(self, attempt: Callable[[], Value], start: int = 0, length: int = 0) -> Value:
        pause = self.retry.pause
        for left in range(self.retry.attempts - 1, -1, -1):
            try:
                return attempt()
            except MediaError:
                raise
            except Exception as error:
                if not left or not _may_pass(error):
                    raise self._explained(error, start, length) from error
            time.sleep(pause)
            pause = min(2 * pause, self.retry.max_pause)
        raise AssertionError("there is at least one attempt")

    def _explained(self, error: Exception, start: int, length: int) -> Exception:
        """The failure in words; our own bugs as they are."""
        if isinstance(error, _ShortError):
            return cut_off(self.name, start, length, error.got)
        what, reason, next_step = _in_words(error)
        if not what:
            return error
        tried = f" ({self.retry.attempts} attempts)" if _may_pass(error) else ""
        return MediaError(what + tried + ".", reason=reason, where=self.name, next_step=next_step)


class _ShortError(OSError):
    """Fewer bytes came than were asked for."""

    def __init__(self, got: int):
        super().__init__("short answer")
        self.got = got


def _open_system(address: str, options: Mapping[str, Any], retry: Retry) -> tuple[Any, str]:
    protocol = address.partition("://")[0]
    extra = _EXTRA.get(protocol, "remote")
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError("fsspec", "remote", "Reading shards from an address") from error
    given = dict(options)
    try:
        if protocol in ("http", "https"):
            import aiohttp

            limits = aiohttp.ClientTimeout(
                total=None, sock_connect=retry.timeout, sock_read=retry.timeout
            )
            given.setdefault("client_kwargs", {"timeout": limits})
        system, path = fsspec.core.url_to_fs(address, **given)
    except ImportError as error:
        package = {"remote": "aiohttp", "s3": "s3fs"}[extra]
        if protocol not in _EXTRA:
            raise DataError(
                f"fsspec has no part for {protocol}:// here: {error}.", where=shown_address(address)
            ) from error
        raise MissingExtraError(package, extra, f"Reading shards from {protocol}://") from error
    except (TypeError, ValueError) as error:
        raise _wrong_options(address) from error
    return system, path


def _wrong_options(address: str) -> DataError:
    return DataError(
        "fsspec doesn't take these options for this address.",
        where=shown_address(address),
        next_step="Check `options`; the fsspec documentation lists those of each kind of address.",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it came from: fsspec hides a refused connection behind "not found"."""
    for _ in range(10):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status of a failure; of S3 too."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        return status
    response = getattr(error, "response", None)
    about = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    code = about.get("HTTPStatusCode")
    return code if isinstance(code, int) else None


def _may_pass(error: BaseException) -> bool:
    for one in _chain(error):
        if (status := _status(one)) is not None:
            return status in _PASSING or status >= 500
    for one in _chain(error):
        if isinstance(one, asyncio.TimeoutError | ConnectionError | _ShortError):
            return True
        if type(one).__module__.split(".")[0] in ("aiohttp", "botocore", "aiobotocore"):
            return True
    permanent = (FileNotFoundError, PermissionError, IsADirectoryError, NotImplementedError)
    return isinstance(error, OSError) and not isinstance(error, permanent)


def _in_words(error: Exception) -> tuple[str, str, str]:
    """(what happened, reason, what to do); empty where it is a bug of ours."""
    status = next((code for one in _chain(error) if (code := _status(one)) is not None), None)
    if status == 404 or (status is None and type(error) is FileNotFoundError and not (
        _may_pass(error)
    )):  # fmt: skip
        return "There is no such shard", "missing", "Check the address, its numbers too."
    if status in (401, 403) or isinstance(error, PermissionError):
        return (
            "The server doesn't give this shard to you",
            "refused",
            "Log in for this storage, renew the address's signature, or set options={anon: true}.",
        )
    if status is not None:
        return (
            f"The server answers with {status}",
            "unreachable",
            "Try again later; what was read stays.",
        )
    if isinstance(error, ValueError) and "range" in str(error):
        return (
            "The server sends whole files instead of ranges",
            "no_ranges",
            "Copy the shards to a disk, or to a server that gives ranges (Accept-Ranges: bytes).",
        )
    if any(isinstance(one, asyncio.TimeoutError) for one in _chain(error)):
        return "The server doesn't answer in time", "unreachable", "Check the network; try again."
    if _may_pass(error):
        return (
            "The connection to the server fails or breaks",
            "unreachable",
            "Check the network and the address; try again.",
        )
    return "", "", ""
