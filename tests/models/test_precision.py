"""Values are cast for products where autocast is on, and only there."""

import torch

from prognoscope.models.layers.precision import at_least_float32, for_products


def test_values_are_cast_once_for_the_products_that_autocast_narrows():
    x, exact = torch.ones(3), torch.ones(3, dtype=torch.float64)
    assert for_products(x) is x
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrow = for_products(x)
        assert narrow.dtype == torch.bfloat16 and for_products(narrow) is narrow and for_products(exact) is exact
    assert at_least_float32(narrow).dtype == torch.float32
