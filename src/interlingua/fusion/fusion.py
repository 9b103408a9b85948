"""The contract that every fusion keeps: tokens by modality in, one ``Tokens`` out.

A sample may lack a modality: its mask is False everywhere then, and whatever its states hold
changes nothing. A fusion that *decides* gives the answers themselves (late fusion joins
decisions); of the others the model reads answers with a linear layer.

Shape legend: B samples, N tokens of one modality, D width of the fusion, A answers.

Source of the taxonomy: Baltrušaitis, Ahuja, Morency 2019, "Multimodal machine learning"
(arXiv 1705.09406), section 6; Liang, Zadeh, Morency 2022 (arXiv 2209.03430), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, PositiveInt, model_validator
from torch import nn

from interlingua.config import NamedConfig, nearest
from interlingua.errors import ConfigError
from interlingua.fusion.own_answer import OwnAnswers
from interlingua.fusion.own_stream import OwnStream, OwnStreams
from interlingua.fusion.own_vector import OwnVectors
from interlingua.tokens import Tokens


class FusionConfig(NamedConfig):
    """Settings that all fusions share; they differ in *where* the modalities meet.

    Attributes:
        width: D.
        num_layers: Transformer blocks on the way of a token from its tower to the answer.
        num_heads: of each block.
        hidden_width: of each block's feed-forward layer; what is changed first where two
            fusions are to have equally many parameters.
        dropout: of what is joined.
        knobs: names of the settings that change the number of parameters and nothing of the kind
            of the fusion, the first one first to be turned.
    """

    folder: ClassVar[str] = "fusion"
    knobs: ClassVar[tuple[str, ...]] = ("hidden_width",)
    width: PositiveInt = 64
    num_layers: int = Field(default=2, ge=0)
    num_heads: PositiveInt = 4
    hidden_width: PositiveInt = 128
    dropout: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_fit(self) -> FusionConfig:
        if self.width % self.num_heads:
            raise ValueError(f"{self.num_heads} heads do not divide a width of {self.width}")
        return self


class Fusion(nn.Module):
    """Joins the tokens of several modalities.

    Args:
        config: its settings.
        widths: of the states of each modality, in the order in which they count.
        answers: A, for a fusion that decides.

    Attributes:
        modalities: their names.
        pooled_width: of what ``forward`` gives; A where it decides.
        decides: what it gives are the answers.
        aligns: it has vectors for a contrastive loss, see ``fill_vectors``.

    Raises:
        ConfigError: no modality at all.
    """

    decides: bool = False
    aligns: ClassVar[bool] = False
    pooled_width: int

    def __init__(self, config: FusionConfig, widths: Mapping[str, int], answers: int):
        super().__init__()
        if not widths:
            raise ConfigError("A fusion needs one modality at least.", where="model.fusion")
        self.config = config
        self.modalities = tuple(widths)
        self.pooled_width = answers if self.decides else config.width

    def forward(self, tokens: Mapping[str, Tokens]) -> Tokens:
        """Join.

        Args:
            tokens: by modality, each with ``states`` [B, N, width] and ``mask`` [B, N]. All
                modalities are there, if only with masks that are False.

        Returns:
            ``pooled`` [B, pooled_width] in fp32 or the autocast type; ``states`` [B, N', D] and
            their ``mask`` where the fusion has joint tokens.
        """
        raise NotImplementedError

    def fill_vectors(self, outputs: Any, tokens: Mapping[str, Tokens]) -> None:
        """Put ``vectors``, ``owner`` and ``scale`` into outputs, for a contrastive loss.

        Raises:
            ConfigError: this fusion aligns nothing.
        """
        raise ConfigError(
            f"The fusion {self.config.name!r} has no vectors to align.",
            where="model.fusion",
            next_step="Take fusion align, or leave the contrastive objective out.",
        )

    def after_step(self, step: int) -> None:
        """What must hold after each update of the parameters; most fusions need nothing."""

    def own_streams(self, widths: Mapping[str, int], num_layers: int) -> OwnStreams:
        """One stream of blocks for each modality."""
        config = self.config
        return OwnStreams(
            {
                name: OwnStream(
                    width, config.width, num_layers, config.num_heads, config.hidden_width
                )
                for name, width in widths.items()
            }
        )

    def own_vectors(self, widths: Mapping[str, int]) -> OwnVectors:
        """One vector of each modality, behind all of its blocks."""
        streams = self.own_streams(widths, self.config.num_layers)
        return OwnVectors(streams, self.config.width, self.config.dropout)

    def own_answers(self, widths: Mapping[str, int], answers: int) -> OwnAnswers:
        """The answer of each modality alone."""
        return OwnAnswers(self.own_vectors(widths), self.config.width, answers)

    def the_modality(self, wanted: str, setting: str) -> str:
        """The modality that a setting names; the first where it names none.

        Raises:
            ConfigError: there is no such modality.
        """
        if wanted and wanted not in self.modalities:
            raise ConfigError(
                f"There is no modality {wanted!r}{nearest(wanted, self.modalities)}.",
                where=f"model.fusion.{setting}",
                next_step=f"Modalities: {', '.join(self.modalities)}.",
            )
        return wanted or self.modalities[0]
