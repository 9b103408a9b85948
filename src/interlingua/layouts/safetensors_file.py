"""Reading and writing tensors as safetensors, one file or a folder with ``model.safetensors``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from interlingua.errors import LayoutError

FILE_NAME = "model.safetensors"


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, or of ``model.safetensors`` in a folder.

    Raises:
        LayoutError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = path / FILE_NAME if path.is_dir() else path
    try:
        return load_file(file)
    except FileNotFoundError as error:
        raise LayoutError("There is no file of weights.", where=str(file)) from error
    except (SafetensorError, OSError) as error:
        raise LayoutError(
            "The file of weights is damaged.",
            where=str(file),
            next_step="Run `interlingua weights verify`, or fetch it again.",
        ) from error


def write_safetensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors to a file, or to ``model.safetensors`` in an existing folder."""
    from safetensors.torch import save_file

    save_file(dict(tensors), path / FILE_NAME if path.is_dir() else path, {"format": "pt"})
