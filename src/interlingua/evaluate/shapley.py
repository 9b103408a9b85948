"""What each player adds to what all of them reach together: Shapley values.

Here the players are modalities and the worth of a set is the accuracy with these alone. A value
is the mean gain of a player over all orders in which the players can come.

Source: Shapley 1953, "A value for n-person games", Contributions to the Theory of Games II.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Mapping, Sequence

Worth = Mapping[frozenset[str], float]


def shapley_values(players: Sequence[str], worth: Worth) -> dict[str, float]:
    """The value of each player; together they are the worth of all minus that of none.

    Args:
        players: M names.
        worth: of every set of players, the empty one included.

    Raises:
        ValueError: a set has no worth, or a player is named twice.
    """
    if len(set(players)) != len(players):
        raise ValueError("a player is named twice")
    missing = [one for one in subsets(players) if one not in worth]
    if missing:
        raise ValueError(f"no worth of the set {sorted(missing[0])}")
    values = {}
    for player in players:
        others = [one for one in players if one != player]
        values[player] = math.fsum(
            _weight(len(group), len(players)) * (worth[group | {player}] - worth[group])
            for group in subsets(others)
        )
    return values


def subsets(players: Collection[str]) -> Iterator[frozenset[str]]:
    """All 2^M sets of players, small ones first."""
    for size in range(len(players) + 1):
        for group in itertools.combinations(players, size):
            yield frozenset(group)


def _weight(size: int, players: int) -> float:
    """The share of orders in which exactly this group of ``size`` comes before a player."""
    return math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
