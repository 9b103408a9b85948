"""Objectives: one loss per file, pure functions of a model's outputs and the batch."""

TABLE = {
    "pairwise_contrastive": "interlingua.objectives.contrastive:PairwiseContrastive",
}
