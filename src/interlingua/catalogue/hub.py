"""The same files off a public model hub, for those who prefer it: ``--source hub``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interlingua.catalogue.cache import Progress
from interlingua.errors import FetchError, MissingExtraError

# Weights as tensors and text only: nothing that is run when it is read.
_WANTED = ["*.safetensors", "*.json", "*.txt", "model.bin"]


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
