"""The first few hundred random graphs; `make check-random` runs thousands."""

import pytest
import random_graphs

CHUNK, COUNT = 100, 600


@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_graphs(first, tmp_path):
    failures = random_graphs.run(range(first, first + CHUNK), tmp_path)
    assert not failures, "\n".join(failures)


def test_a_seed_is_always_the_same_graph():
    assert all(random_graphs.make(seed)[0] == random_graphs.make(seed)[0] for seed in range(20))


def test_every_operator_is_drawn():
    drawn = {node.op_type for seed in range(COUNT) for node in random_graphs.make(seed)[0].graph.node}
    assert len(drawn) >= 60, sorted(drawn)
