"""Models: compositions of towers, each readable alone from top to bottom."""

TABLE = {
    "shared_space": "interlingua.models.shared_space:SharedSpace",
}
