"""Random numbers within a block are those of the seed, and those after it are as if there had been none."""

import pytest
import torch

from prognoscope.core.seeded import seeded


def test_the_numbers_are_those_of_torchs_own_seeding_and_leave_no_trace(monkeypatch):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected, after = torch.rand(3), torch.rand(1)
        torch.manual_seed(5)
        torch.rand(3)
        others = []
        monkeypatch.setattr(torch.cuda, "manual_seed_all", others.append)
        with pytest.raises(KeyError), seeded(5):
            assert torch.equal(torch.rand(3), expected)
            raise KeyError
        assert torch.equal(torch.rand(1), after) and others == []
