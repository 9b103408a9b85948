"""What a supervised tower knows by name: a picture as a mixture of its class names' vectors.

A classifier's answer (10 % yak, 60 % ox ...) is carried into the language tower's space by
adding up the vectors of the class names, weighted by probability. Pictures of things that
the classifier never learned land between the names that it knows, next to their own.

Source: Norouzi et al. 2014, "Zero-Shot Learning by Convex Combination of Semantic
Embeddings" (ConSE), arXiv:1312.5650, section 3.2.

Shape legend: M pictures, P pooled width, C classes, D width of the language tower's vectors.
"""

from __future__ import annotations

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from interlingua.config import Config as Settings


class NamedClasses(nn.Module):
    """Pooled picture features to unit vectors in the language tower's space.

    Args:
        pooled_width: P of the picture tower.
        num_classes: C of its classifier.
        width: D.
        top_k: how many of the likeliest classes count.
    """

    class Config(Settings):
        """Settings.

        Attributes:
            picture_tower, text_tower: names in the model's ``towers``.
            names: the weights entry, or the folder, that holds the class names.
            top_k: how many of the likeliest classes count.
            share: of the squared length of the whole vector that is this part, 0..1.
        """

        picture_tower: str = "image"
        text_tower: str = "text"
        names: str = "imagenet-names"
        top_k: PositiveInt = 10
        share: float = Field(default=0.5, ge=0, le=1)

    class_weight: Tensor
    class_bias: Tensor
    name_vectors: Tensor

    def __init__(self, pooled_width: int, num_classes: int, width: int, top_k: int):
        super().__init__()
        self.top_k = top_k
        self.register_buffer("class_weight", torch.zeros(num_classes, pooled_width))
        self.register_buffer("class_bias", torch.zeros(num_classes))
        self.register_buffer("name_vectors", torch.zeros(num_classes, width))

    def learn(self, classifier: nn.Linear, name_vectors: Tensor) -> None:
        """Take over a classifier and the vectors [C, D] of its class names."""
        with torch.no_grad():
            self.class_weight.copy_(classifier.weight)
            self.class_bias.copy_(classifier.bias)
            self.name_vectors.copy_(functional.normalize(name_vectors, dim=1))

    def forward(self, pooled: Tensor) -> Tensor:
        """Pooled features [M, P] to unit vectors [M, D], fp32."""
        logits = functional.linear(pooled.float(), self.class_weight, self.class_bias)  # [M, C]
        likely, which = logits.softmax(dim=1).topk(self.top_k, dim=1)  # [M, K]
        mixture = (likely[:, :, None] * self.name_vectors[which]).sum(1)  # [M, D]
        return functional.normalize(mixture, dim=1)
