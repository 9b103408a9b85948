"""Reading and writing tensors as safetensors: one file, a folder with one, or its pieces.

A folder has ``model.safetensors``, or ``model.safetensors.index.json``, which says in which file
beside it each tensor stands. What is read stays mapped to the file until it is touched.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from torch import Tensor

from interlingua.errors import LayoutError

FILE_NAME = "model.safetensors"
INDEX_SUFFIX = ".index.json"
_FETCH_AGAIN = "Fetch it again; of a catalogue entry, run `interlingua weights verify`."


def read_safetensors(path: Path, file_name: str = FILE_NAME) -> dict[str, Tensor]:
    """All tensors of a file, or of the file of that name in a folder, in one piece or several.

    Raises:
        LayoutError: a file is missing or damaged, or the index names one outside of the folder.
    """
    file = path / file_name if path.is_dir() else path
    index = file.with_name(file.name + INDEX_SUFFIX)
    if path.is_dir() and not file.exists() and index.exists():
        return _read_pieces(index)
    return _read_file(file)


def write_safetensors(
    tensors: Mapping[str, Tensor], path: Path, file_name: str = FILE_NAME
) -> None:
    """Write tensors to a file, or to the file of that name in an existing folder."""
    from safetensors.torch import save_file

    save_file(dict(tensors), path / file_name if path.is_dir() else path, {"format": "pt"})


def _read_file(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(file)
    except FileNotFoundError as error:
        raise LayoutError(
            "There is no file of weights.", where=str(file), next_step=_next_step(file)
        ) from error
    except (SafetensorError, OSError) as error:
        raise LayoutError(
            "The file of weights is damaged.", where=str(file), next_step=_FETCH_AGAIN
        ) from error


def _next_step(file: Path) -> str:
    pickled = sorted(
        found for ending in ("*.bin", "*.pt", "*.pth") for found in file.parent.glob(ending)
    )
    if not pickled:
        return "Check the path."
    return f"Turn the pickle beside it: interlingua weights convert {pickled[0]} --out FOLDER"


def _read_pieces(index: Path) -> dict[str, Tensor]:
    try:
        placed = json.loads(index.read_bytes())["weight_map"]
        pieces: dict[str, list[str]] = {}
        for name, piece in placed.items():
            pieces.setdefault(str(piece), []).append(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LayoutError(
            "The index of the files of weights is damaged.",
            where=str(index),
            next_step=_FETCH_AGAIN,
        ) from error
    tensors: dict[str, Tensor] = {}
    for piece, names in sorted(pieces.items()):
        if not _is_plain(piece):
            raise LayoutError(
                f"The index names {piece!r}, which is not a file of its folder.",
                where=str(index),
                next_step="Don't use this checkpoint: such an index was made to mislead.",
            )
        found = _read_file(index.parent / piece)
        absent = sorted(set(names) - set(found))
        if absent or set(found) - set(names):
            named = absent or sorted(set(found) - set(names))
            raise LayoutError(
                f"The index and the file {piece} disagree about {named[0]!r}"
                f"{f' and {len(named) - 1} more' if len(named) > 1 else ''}.",
                where=str(index),
                next_step=_FETCH_AGAIN,
            )
        tensors.update(found)
    return tensors


def _is_plain(name: str) -> bool:
    """Whether it is the name of a safetensors file and nothing of a path."""
    whole = PurePosixPath(name).name == name == PureWindowsPath(name).name
    return whole and name.endswith(".safetensors")
