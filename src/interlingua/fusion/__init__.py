"""Fusion: how the tokens of several modalities become one; a way of joining per file."""

TABLE = {
    "align": "interlingua.fusion.align:AlignThenFuse",
    "bottleneck": "interlingua.fusion.bottleneck:Bottleneck",
    "concatenation": "interlingua.fusion.concatenation:Concatenation",
    "cross_attention": "interlingua.fusion.cross_attention:CrossAttentionFusion",
    "early": "interlingua.fusion.early:EarlyFusion",
    "film": "interlingua.fusion.film:FiLM",
    "gated": "interlingua.fusion.gated:Gated",
    "late_average": "interlingua.fusion.late_average:LateAverage",
    "late_mlp": "interlingua.fusion.late_mlp:LateMLP",
    "late_weighted": "interlingua.fusion.late_weighted:LateWeighted",
    "low_rank": "interlingua.fusion.low_rank:LowRank",
    "tensor": "interlingua.fusion.tensor:TensorFusion",
}
