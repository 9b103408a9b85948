from __future__ import annotations

import pytest


@pytest.fixture
def many(make_sample):
    return [make_sample(f"s{number}", "dog") for number in range(200)]


def keys(done) -> set[str]:
    return {one.key for one in done.kept}


def test_shares_and_numbers(many, run_filter) -> None:
    assert len(run_filter("random_thin", many, share=0.25).kept) == 50
    assert len(run_filter("random_thin", many, number=7).kept) == 7
    assert len(run_filter("random_thin", many, number=900).kept) == 200
    assert {one.reason for one in run_filter("random_thin", many, share=0.5).removals} == {
        "by chance"
    }


def test_the_seed_chooses_and_the_order_does_not(many, run_filter) -> None:
    first = run_filter("random_thin", many, number=50)
    assert keys(first) == keys(run_filter("random_thin", many[::-1], number=50))
    assert keys(first) != keys(run_filter("random_thin", many, number=50, seed=1))
    assert keys(run_filter("random_thin", many, number=20)) < keys(first)


def test_it_is_blind(many, run_filter) -> None:
    # of the first half about half is kept, over many seeds: 10,000 draws, 5 standard deviations
    halves = [
        sum(int(key[1:]) < 100 for key in keys(run_filter("random_thin", many, share=0.5, seed=n)))
        for n in range(100)
    ]
    assert abs(sum(halves) - 5000) < 5 * (10_000 * 0.5 * 0.5) ** 0.5
