"""Whether a slide is still the one that its embeddings were made of."""

import numpy as np

from prognoscope.features.source import is_replaced, made_of_slide
from prognoscope.features.store import Embeddings, write_embeddings


def test_a_slide_is_replaced_where_its_content_is_another_and_the_embeddings_tell(tmp_path):
    slide, ours, silent = tmp_path / "a.tiff", tmp_path / "a.h5", tmp_path / "b.h5"
    slide.write_bytes(b"one picture")
    made = Embeddings("a", np.ones((2, 3), np.float32))
    write_embeddings(ours, made, made_of=made_of_slide(slide, None))
    write_embeddings(silent, made)
    assert not is_replaced(slide, ours)
    slide.write_bytes(b"another picture")
    assert is_replaced(slide, ours)
    for untold in (silent, tmp_path / "features.pt", None):
        assert not is_replaced(slide, untold)
