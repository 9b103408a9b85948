"""Any vision or text backbone of ``transformers`` as a tower: DINOv2, ModernBERT and the rest.

Notable features:
- the architecture is plain settings, read from a folder's ``config.json`` once and kept in the
  recipe, so that a trained model needs the folder no longer;
- pictures are normalised here, as ``preprocessor_config.json`` says; the tokenizer is the folder's;
- only classes of the library itself are built and only safetensors are read: no code and no pickle
  of a folder is run;
- parameters that the chosen pooling never reaches are frozen, so that every trained one learns.

Shape legend: M inputs, N tokens, D width, C channels.

Source: the ``AutoModel`` contract of transformers (``last_hidden_state``, ``pooler_output``).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from interlingua.catalogue import hub
from interlingua.errors import ConfigError, DataError, LayoutError, MissingExtraError
from interlingua.nn.pixels import normalize_pixels
from interlingua.tokens import Tokens
from interlingua.towers.foreign_folder import read_description
from interlingua.towers.tower import ImagePreprocess, TextPreprocess, Tower


class TransformersBackbone(Tower):
    """A foreign encoder; ``Tokens.pooled`` is one vector per input, [M, D].

    Attributes:
        num_prefix: tokens before the grid's in ``Tokens.states``, known after the first picture.
    """

    class Config(Tower.Config):
        """Settings of a foreign encoder.

        Attributes:
            model: a folder with ``config.json``, or ``hf:owner/name``, which is fetched when the
                settings are read; what is not given below is filled in from it. Weights are read
                only where the model that uses this tower names them.
            settings: of the architecture as in ``config.json``, ``model_type`` included.
            modality: ``image`` or ``text``.
            pooling: the model's own ``pooler``, the first token (``cls``), or the ``mean`` over
                real tokens (over the patches alone where others come first).
            image_size, fit, crop_fraction, interpolation, mean, std: of the preprocessing, see
                ``ImagePreprocess``.
            tokenizer, max_tokens: of the preprocessing, see ``TextPreprocess``.
        """

        name: str = "transformers_backbone"
        model: str = ""
        settings: dict[str, Any] = Field(default_factory=dict)
        modality: Literal["image", "text"] = "image"
        pooling: Literal["pooler", "cls", "mean"] = "cls"
        image_size: PositiveInt = 224
        fit: Literal["crop", "pad", "squash"] = "crop"
        crop_fraction: float = 0.875
        interpolation: Literal["bilinear", "bicubic"] = "bicubic"
        mean: tuple[float, float, float] = ImagePreprocess().mean
        std: tuple[float, float, float] = ImagePreprocess().std
        tokenizer: str = ""
        max_tokens: PositiveInt = 256

        @model_validator(mode="before")
        @classmethod
        def _fill_from_the_folder(cls, data: Any) -> Any:
            if not isinstance(data, Mapping) or not data.get("model") or data.get("settings"):
                return data
            address = str(data["model"])
            folder = hub.download(address) if hub.is_address(address) else Path(address)
            return {**read_description(folder), **data}

        @model_validator(mode="after")
        def _names_an_architecture(self) -> TransformersBackbone.Config:
            if not self.settings.get("model_type"):
                raise ValueError("needs a model (a folder), or settings with a model_type")
            return self

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.num_prefix = 0
        self.model = _build(config)
        self.width = self.pooled_width = _width(self.model.config)
        self._freeze_what_is_not_reached()
        self.preprocess: ImagePreprocess | TextPreprocess
        if config.modality == "text":
            self.preprocess = TextPreprocess(
                tokenizer=config.tokenizer,
                max_tokens=config.max_tokens,
                vocabulary=getattr(self.model.config, "vocab_size", 0),
            )
        else:
            self.preprocess = ImagePreprocess(
                size=config.image_size,
                fit=config.fit,
                crop_fraction=config.crop_fraction,
                interpolation=config.interpolation,
                mean=config.mean,
                std=config.std,
            )

    @property
    def blocks(self) -> nn.ModuleList:  # type: ignore[override]
        """The model's own list of layers, empty where none is as long as its settings say."""
        length = getattr(self.model.config, "num_hidden_layers", 0)
        for part in self.model.modules():
            if isinstance(part, nn.ModuleList) and len(part) == length:
                return part
        return nn.ModuleList()

    def init_weights(self) -> None:
        """Random weights as the model's own code makes them."""
        device = next(self.model.parameters()).device
        with torch.device("cpu"):  # buffers that are saved nowhere are filled in its constructor
            self.model = _build(self.config).to(device)
        self._freeze_what_is_not_reached()

    def read_folder(self, folder: Path) -> None:
        """Take the weights of a folder; the tower may be on the meta device.

        Raises:
            LayoutError: there are none, some are missing, or they have other shapes.
        """
        auto = _transformers().AutoModel
        try:
            with torch.device("cpu"):
                model, report = auto.from_pretrained(
                    folder, config=self.model.config, dtype=torch.float32, use_safetensors=True,
                    local_files_only=True, output_loading_info=True,
                )  # fmt: skip
        except (OSError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise LayoutError(f"The weights can't be read: {reason}", where=str(folder)) from error
        self.model = model
        self._freeze_what_is_not_reached()
        learning = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        missing = sorted(learning & set(report["missing_keys"]))
        if missing:
            raise LayoutError(f"The weights lack {', '.join(missing)}.", where=str(folder))

    def forward(
        self, values: Tensor, mask: Tensor | None = None, layers: Sequence[int] = ()
    ) -> Tokens:
        """Encode.

        Args:
            values: [M, 3, H, W] uint8, or float that is normalised already; or [M, N] token ids.
            mask: [M, N] True = real, of ids; all real where it is not given.
            layers: numbers of blocks whose states are wanted too, 0 = before the first.

        Returns:
            ``states`` [M, N, D], ``mask`` [M, N] of texts, ``pooled`` float32 [M, D], ``grid`` of
            pictures.

        Raises:
            ValueError: a layer that there is not.
            DataError: the model has no pooler of its own.
        """
        self.check_layers(layers)
        if not len(values):  # not every model takes an empty batch
            return self._empty(values, mask, layers)
        wanted = {"output_hidden_states": bool(layers), "return_dict": True}
        if self.config.modality == "text":
            mask = torch.ones_like(values, dtype=torch.bool) if mask is None else mask.bool()
            outputs = self.model(input_ids=values, attention_mask=mask.long(), **wanted)
        else:
            dtype = next(self.model.parameters()).dtype
            pixels = normalize_pixels(values, self.config.mean, self.config.std, dtype)
            outputs = self.model(pixel_values=pixels, **wanted)
            mask = None
        grid = self._grid(outputs.last_hidden_state, values)
        states = _as_tokens(outputs.last_hidden_state)
        return Tokens(
            states=states,
            mask=mask,
            pooled=self._pool(outputs, states, mask),
            grid=grid,
            layers={n: _as_tokens(outputs.hidden_states[n]) for n in layers} or None,
        )

    def _pool(self, outputs: Any, states: Tensor, mask: Tensor | None) -> Tensor:
        if self.config.pooling == "cls":
            return states[:, 0].float()
        if self.config.pooling == "mean":
            if mask is None:
                return states[:, self.num_prefix :].float().mean(1)
            weights = mask.float()[:, :, None]  # [M, N, 1]
            return (states.float() * weights).sum(1) / weights.sum(1).clamp(min=1)
        pooled = getattr(outputs, "pooler_output", None)
        if pooled is None or pooled.flatten(1).shape[1] != self.pooled_width:
            raise DataError(
                f"{type(self.model).__name__} gives no pooled vector of {self.pooled_width} "
                "numbers.",
                next_step="Set pooling=cls or pooling=mean.",
            )
        vectors: Tensor = pooled.flatten(1).float()
        return vectors

    def _grid(self, states: Tensor, values: Tensor) -> tuple[int, int, int] | None:
        if states.dim() == 4:
            return 1, states.shape[2], states.shape[3]
        patch = getattr(self.model.config, "patch_size", None)
        if self.config.modality == "text" or not isinstance(patch, int):
            return None
        rows, columns = values.shape[2] // patch, values.shape[3] // patch
        if states.shape[1] < rows * columns:
            return None
        self.num_prefix = states.shape[1] - rows * columns
        return 1, rows, columns

    def _empty(self, values: Tensor, mask: Tensor | None, layers: Sequence[int]) -> Tokens:
        one = values.new_ones((1, *values.shape[1:]))
        tokens = self.forward(
            one, None if mask is None else mask.new_ones(1, mask.shape[1]), layers
        )
        assert tokens.states is not None and tokens.pooled is not None
        kept = None if tokens.layers is None else {n: s[:0] for n, s in tokens.layers.items()}
        return Tokens(tokens.states[:0], mask, tokens.pooled[:0], tokens.grid, layers=kept)

    def _freeze_what_is_not_reached(self) -> None:
        for name, parameter in self.model.named_parameters():
            is_pooler = name.startswith("pooler.") and self.config.pooling != "pooler"
            if is_pooler or name.endswith("mask_token"):
                parameter.requires_grad_(False)

    def for_inference(self, precision: torch.dtype) -> TransformersBackbone:
        """A copy for frozen use: parameters in this precision, buffers and batch norms in fp32."""
        frozen = copy.deepcopy(self).eval().requires_grad_(False)
        for part in frozen.model.modules():
            if not isinstance(part, nn.modules.batchnorm._BatchNorm):
                for parameter in part.parameters(recurse=False):
                    parameter.data = parameter.data.to(precision)
        return frozen


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "hf", "A backbone of transformers") from error
    return transformers


def _build(config: TransformersBackbone.Config) -> Any:
    """The model with random weights, on torch's default device, in fp32."""
    library = _transformers()
    settings = dict(config.settings)
    kind = settings.pop("model_type")
    try:
        described = library.AutoConfig.for_model(kind, **settings)
        return library.AutoModel.from_config(described, dtype=torch.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"transformers can't build a {kind!r} of these settings: {error}",
            where=config.model or "settings",
        ) from error


def _width(described: Any) -> int:
    width = getattr(described, "hidden_size", None)
    if width is None:
        sizes = getattr(described, "hidden_sizes", None) or ()
        width = sizes[-1] if sizes else None
    if not isinstance(width, int):
        raise ConfigError(
            f"A {described.model_type!r} has no single width.",
            next_step="Name one encoder, for example clip_vision_model in place of clip.",
        )
    return width


def _as_tokens(states: Tensor) -> Tensor:
    """[M, N, D] of itself or of a map [M, D, H, W]."""
    return states.flatten(2).transpose(1, 2) if states.dim() == 4 else states
