"""Shapley values: their axioms, and the definition over all orders."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from interlingua.evaluate.shapley import shapley_values, subsets

PLAYERS = ("picture", "sound", "text", "numbers")

Worth = dict[frozenset[str], float]


def random_game(seed: int, players: tuple[str, ...] = PLAYERS) -> Worth:
    random = np.random.default_rng(seed)
    return {group: float(random.random()) for group in subsets(players)}


def by_orders(players: tuple[str, ...], worth: Worth) -> dict[str, float]:
    """The definition: the mean gain over all orders."""
    orders = list(itertools.permutations(players))
    total = dict.fromkeys(players, 0.0)
    for order in orders:
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            total[player] += (worth[before | {player}] - worth[before]) / len(orders)
    return total


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_as_over_all_orders(seed: int, count: int) -> None:
    worth = random_game(seed, PLAYERS[:count])
    assert shapley_values(PLAYERS[:count], worth) == pytest.approx(
        by_orders(PLAYERS[:count], worth)
    )


def test_they_add_up() -> None:
    worth = random_game(1)
    values = shapley_values(PLAYERS, worth)
    assert sum(values.values()) == pytest.approx(worth[frozenset(PLAYERS)] - worth[frozenset()])


def test_equal_players_get_the_same() -> None:
    worth = {group: float(len(group & {"picture", "sound"}) == 2) for group in subsets(PLAYERS)}
    values = shapley_values(PLAYERS, worth)
    assert values["picture"] == pytest.approx(0.5)
    assert values["sound"] == pytest.approx(0.5)


def test_who_adds_nothing_gets_nothing() -> None:
    base = random_game(2, PLAYERS[:3])
    worth = {group: base[group - {"numbers"}] for group in subsets(PLAYERS)}
    values = shapley_values(PLAYERS, worth)
    assert values["numbers"] == pytest.approx(0)
    assert {name: values[name] for name in PLAYERS[:3]} == pytest.approx(
        shapley_values(PLAYERS[:3], base)
    )


def test_values_of_a_sum_are_sums() -> None:
    first, second = random_game(3), random_game(4)
    both = {group: first[group] + second[group] for group in first}
    one, other = shapley_values(PLAYERS, first), shapley_values(PLAYERS, second)
    assert shapley_values(PLAYERS, both) == pytest.approx(
        {name: one[name] + other[name] for name in PLAYERS}
    )


def test_by_hand() -> None:
    # alone 0.6 and 0.5, both 0.9, none 0.5: (0.1 + 0.4) / 2 and (0 + 0.3) / 2
    worth = {
        frozenset(): 0.5,
        frozenset({"picture"}): 0.6,
        frozenset({"sound"}): 0.5,
        frozenset({"picture", "sound"}): 0.9,
    }
    assert shapley_values(("picture", "sound"), worth) == pytest.approx(
        {"picture": 0.25, "sound": 0.15}
    )


def test_a_set_without_worth_is_refused() -> None:
    with pytest.raises(ValueError, match="no worth"):
        shapley_values(("picture", "sound"), {frozenset(): 0.0})
    with pytest.raises(ValueError, match="twice"):
        shapley_values(("picture", "picture"), {})
