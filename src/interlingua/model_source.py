"""Where a trained model is loaded from: a run, a checkpoint folder, or a public model hub."""

from __future__ import annotations

import os
from pathlib import Path

from torch import nn

from interlingua.catalogue import hub
from interlingua.errors import CheckpointError
from interlingua.layouts.model_layout import is_checkpoint, layout_of


def load_model(source: str | os.PathLike[str]) -> tuple[nn.Module, Path]:
    """The model that ``Space.load`` makes a space of, and its folder.

    Raises:
        CheckpointError, ConfigError, FetchError, LayoutError: see ``Space.load``.
    """
    from interlingua.models.pretrained import load_pretrained

    address = os.fspath(source)
    if hub.is_address(address):
        folder = hub.download(address, check=layout_of)
        return load_pretrained(folder), folder
    path = Path(source)
    if is_checkpoint(path) and not (path / "recipe.yaml").exists():
        return load_pretrained(path), path
    return _load_run(path)


def _load_run(path: Path) -> tuple[nn.Module, Path]:
    from interlingua.train.checkpoint import load_newest
    from interlingua.train.recipe import read_yaml
    from interlingua.train.run_folder import RunFolder
    from interlingua.train.run_state import load_model as put_weights

    checkpoint = load_newest(path)
    folder = path.parent.parent if path.name.startswith("step-") else path
    recipe = read_yaml(RunFolder(folder).recipe_path)
    model: nn.Module = recipe.model.build()
    try:
        put_weights(model, checkpoint, averaged=True)
    except CheckpointError as error:
        raise CheckpointError(
            f"The checkpoint doesn't fit the run's recipe: {error.what}",
            where=str(folder),
            next_step="Was recipe.yaml changed after training? Put it back.",
        ) from error
    return model, folder
