"""Objectives: one loss per file, pure functions of a model's outputs and the batch."""

TABLE = {
    "classification": "interlingua.objectives.classification:ClassificationObjective",
    "masked_patches": "interlingua.objectives.masked_patches:MaskedPatchesObjective",
    "masked_words": "interlingua.objectives.masked_words:MaskedWordsObjective",
    "pairwise_contrastive": "interlingua.objectives.contrastive:PairwiseContrastive",
    "sigmoid_contrastive": "interlingua.objectives.sigmoid:SigmoidContrastive",
}
