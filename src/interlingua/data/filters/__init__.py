"""Filters by name: steps that take noisy picture-text pairs out of the training samples.

One file per filter; ``filter.py`` is their contract, ``chain.py`` applies several in order.
"""

TABLE = {
    "boilerplate": "interlingua.data.filters.boilerplate:Boilerplate",
    "exact_duplicates": "interlingua.data.filters.exact_duplicates:ExactDuplicates",
    "near_duplicates": "interlingua.data.filters.near_duplicates:NearDuplicates",
    "pair_score": "interlingua.data.filters.pair_score:PairScore",
    "random_thin": "interlingua.data.filters.random_thin:RandomThin",
    "rare_words": "interlingua.data.filters.rare_words:RareWords",
    "repeated_words": "interlingua.data.filters.repeated_words:RepeatedWords",
    "shared_text": "interlingua.data.filters.shared_text:SharedText",
    "size": "interlingua.data.filters.size:Size",
    "text_length": "interlingua.data.filters.text_length:TextLength",
}
