"""InfoNCE between every pair of views: what is the same thing lies close together.

Notable: false negatives (equal texts, equal components) are left out of the denominators; the
batches of all ranks count as one; memory grows with B and not B² (``info_nce``).

Source: van den Oord et al. 2018, arXiv:1807.03748, section 2.3 (InfoNCE); Radford et al. 2021,
arXiv:2103.00020, figure 3 (symmetric, learned temperature); Girdhar et al. 2023,
arXiv:2305.05665, section 3 (one space, many pairs of views).
"""

from __future__ import annotations

from typing import Any

from interlingua.batch import Batch
from interlingua.objectives.info_nce import info_nce
from interlingua.objectives.objective import Loss
from interlingua.objectives.pairs import PairsConfig, pairwise_loss


class PairwiseContrastive:
    """InfoNCE between every pair of views both of which a sample has.

    Reads ``outputs.vectors`` (view -> [M, D] unit vectors), ``outputs.owner`` (view -> [M])
    and ``outputs.scale``. The batches of all ranks count as one. A pair that fewer than two of
    all samples have says nothing and is left out. The total is the weighted sum over the pairs.
    """

    needs: frozenset[str] = frozenset({"vectors"})

    class Config(PairsConfig):
        """Settings: see ``PairsConfig``."""

        name: str = "pairwise_contrastive"

    def __init__(self, config: Config):
        self.config = config

    def __call__(self, outputs: Any, batch: Batch) -> Loss:
        """The loss of one batch.

        Raises:
            ValueError: a sample owns two vectors of one view.
        """
        return pairwise_loss(
            outputs,
            batch,
            self.config,
            lambda pair: info_nce(pair.a, pair.b, outputs.scale, pair.same, sizes=pair.sizes),
            fewest=2,
        )
