"""Files off a public model hub: the catalogue's own (``--source hub``) and any ``hf:owner/name``.

Only tensors and text are fetched, nothing that is run when it is read. ``hf:`` puts them into the
hub client's own cache, which other tools share; ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN`` and
``HF_HUB_OFFLINE`` hold as anywhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from interlingua.catalogue.cache import Progress, to_stderr
from interlingua.errors import FetchError, InterlinguaError, MissingExtraError

PREFIX = "hf:"
# Weights as tensors and text only: nothing that is run when it is read.
_WANTED = ["*.safetensors", "*.json", "*.txt", "model.bin"]
_TEXTS = ["*.json", "*.txt", "spiece.model"]
_PICKLES = (".bin", ".pt", ".pth", ".ckpt")
_ADDRESS = re.compile(r"hf:(?P<repository>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?")
# The hub's own converter offers safetensors to repositories that hold pickles alone.
_CONVERTER = "SFconvertbot"


def is_address(text: str) -> bool:
    """Whether this is ``hf:`` and what follows it."""
    return text.startswith(PREFIX)


def download(
    address: str,
    *,
    check: Callable[[Path], object] | None = None,
    progress: Progress | None = None,
) -> Path:
    """The folder with a repository's description and tensors, fetched if it isn't cached.

    Args:
        address: ``hf:owner/name`` or ``hf:owner/name@revision``.
        check: called with the folder once the description is there, before the tensors are
            fetched; raises where there is no use in them.
        progress: told what is going on.

    Raises:
        MissingExtraError: huggingface_hub isn't installed.
        FetchError: the address is wrong, there is no such repository, no network, or no weights
            but a pickle.
    """
    progress = progress or to_stderr
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise FetchError(
            f"{address!r} is no address of a model hub.",
            next_step="Write hf:owner/name, or hf:owner/name@revision.",
        )
    repository, revision = match["repository"], match["revision"]
    folder = _snapshot(address, repository, revision, _TEXTS)
    if check is not None:
        check(folder)
    names = _files(repository, folder)
    tensors = _tensor_files(names)
    if not tensors and revision is None:
        revision = _converted(repository)
        if revision is not None:
            progress(f"{address}: holds a pickle; taking {revision}, the hub's own safetensors")
            folder = _snapshot(address, repository, revision, _TEXTS)
            tensors = _tensor_files(_files(repository, folder))
    if not tensors:
        raise _no_tensors(address, names)
    progress(f"{address}: at revision {folder.name}")
    # the commit that the texts are of, so that the tensors are of the same
    return _snapshot(address, repository, folder.name, [*_TEXTS, *tensors])


def _tensor_files(names: Sequence[str]) -> list[str]:
    """Which of a repository's files hold the model: some carry it twice, for two libraries."""
    tensors = [name for name in names if name.endswith(".safetensors") and "/" not in name]
    usual = [name for name in tensors if name.startswith("model")]
    return usual or tensors


def _snapshot(address: str, repository: str, revision: str | None, patterns: list[str]) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hf", "Loading from a model hub") from error
    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=patterns,
                ignore_patterns=["*/*"],
                endpoint=_endpoint(),
            )
        )
    except Exception as error:  # its own, requests' and httpx' errors share no base class
        raise _failed(address, repository, error) from error


def _files(repository: str, folder: Path) -> list[str]:
    """The names of a repository's files; offline those that are cached."""
    from huggingface_hub import HfApi

    try:
        return HfApi(endpoint=_endpoint()).list_repo_files(repository, revision=folder.name)
    except Exception:  # the snapshot came from the cache, so the hub can't be reached
        return sorted(path.name for path in folder.iterdir())


def _converted(repository: str) -> str | None:
    """The revision that the hub's converter has proposed, if it has."""
    from huggingface_hub import HfApi

    try:
        proposals = HfApi(endpoint=_endpoint()).get_repo_discussions(
            repository, author=_CONVERTER, discussion_type="pull_request", discussion_status="open"
        )
        found = (
            f"refs/pr/{proposal.num}"
            for proposal in proposals
            if proposal.author == _CONVERTER and "safetensors" in proposal.title
        )
        return next(found, None)
    except Exception:  # a mirror that knows files only
        return None


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


def _web(repository: str) -> str:
    return f"{(_endpoint() or 'https://huggingface.co').rstrip('/')}/{repository}"


def _no_tensors(address: str, names: Sequence[str]) -> InterlinguaError:
    pickles = [name for name in names if name.endswith(_PICKLES) and "/" not in name]
    if not pickles:
        return FetchError(f"{address} has no weights.", next_step="Check the name.")
    return FetchError(
        f"{address} has its weights as a pickle only ({pickles[0]}), which is not opened.",
        next_step="Download its files, then turn them in a process of their own: "
        f"interlingua weights convert {pickles[0]} --out FOLDER",
    )


def _failed(address: str, repository: str, error: Exception) -> FetchError:
    kind = type(error).__name__
    if kind in ("RepositoryNotFoundError", "RevisionNotFoundError", "HFValidationError"):
        return FetchError(
            f"The hub has no {address.removeprefix(PREFIX)}.",
            where=_web(repository),
            next_step="Check the name and revision; for a private one set HF_TOKEN.",
        )
    if kind == "GatedRepoError":
        return FetchError(
            f"{repository} is only given to those who have asked for it.",
            where=_web(repository),
            next_step="Ask on its page, then set HF_TOKEN.",
        )
    return FetchError(
        f"{address} can't be fetched from the hub ({kind}).",
        where=_web(repository),
        next_step="Check the network; what was fetched before is found offline too.",
    )


def snapshot(name: str, repository: str | None, folder: Path, progress: Progress) -> dict[str, Any]:
    """Download a hub repository's weights and tokenizer into ``folder``.

    Returns:
        What to record about where they come from.

    Raises:
        MissingExtraError: huggingface_hub isn't installed.
        FetchError: the entry has no address on a hub, or the hub can't be reached.
    """
    if repository is None:
        raise FetchError(
            f"{name!r} has no address on a model hub.",
            next_step="Fetch it without --source hub.",
        )
    try:
        from huggingface_hub import HfApi, snapshot_download
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hf", "Fetching from a model hub") from error
    progress(f"{name}: downloading {repository} from the hub")
    try:
        revision = HfApi().model_info(repository, timeout=30).sha
        snapshot_download(repository, revision=revision, local_dir=folder, allow_patterns=_WANTED)
    except Exception as error:  # its own, requests' and httpx' errors share no base class
        raise FetchError(
            f"{name} can't be fetched from the hub ({type(error).__name__}).",
            where=f"https://huggingface.co/{repository}",
            next_step="Check the network, or fetch it without --source hub.",
        ) from error
    progress(f"{name}: the hub's files carry no pinned hash; taken at revision {revision}")
    return {"hub": repository, "revision": revision}
