"""Models: compositions of towers, each readable alone from top to bottom."""

TABLE = {
    "dual_encoder": "interlingua.models.dual_encoder:DualEncoder",
    "shared_space": "interlingua.models.shared_space:SharedSpace",
}
