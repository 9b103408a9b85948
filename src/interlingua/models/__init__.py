"""Models: compositions of towers, each readable alone from top to bottom."""

TABLE = {
    "classifier": "interlingua.models.classifier:Classifier",
    "dual_encoder": "interlingua.models.dual_encoder:DualEncoder",
    "fused_classifier": "interlingua.models.fused_classifier:FusedClassifier",
    "masked_pictures": "interlingua.models.masked_pictures:MaskedPictures",
    "masked_words": "interlingua.models.masked_words:MaskedWords",
    "shared_space": "interlingua.models.shared_space:SharedSpace",
}
