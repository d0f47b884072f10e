"""Files of torch's that name a class in endless letters never reach torch, whoever reads them."""

import io
import random
import zipfile

import pytest
import torch

from prognoscope.core.errors import FeatureError, InputError, ModelError
from prognoscope.core.pickled_names import COSTLY, SHORT, names_endlessly
from prognoscope.features.encoders.weights import read_weights as read_encoder
from prognoscope.features.store import look_at
from prognoscope.models.checkpoints.loading import read_weights

MOST = int(COSTLY**0.5)  # letters of one text


def named(letters: int) -> bytes:
    return b"\x80\x02c" + b"a" * (letters - 2) + b"\nb\n."  # genops puts a blank between module and class


def told(letters: int) -> bytes:
    """A text in the place of a function, which torch names in its message as well."""
    return b"\x80\x02X" + letters.to_bytes(4, "little") + b"a" * letters + b")R."


def old_form(path, pickle):
    path.write_bytes(pickle)


def behind_another(path, pickle):
    path.write_bytes(b"\x80\x02K\x01." + pickle)


def packed(path, pickle):
    buffer = io.BytesIO()
    torch.save(torch.zeros(2), buffer)
    with zipfile.ZipFile(buffer) as whole, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as other:
        for name in whole.namelist():
            other.writestr(name, pickle if name.endswith("data.pkl") else whole.read(name))


@pytest.mark.parametrize("pickled", [named, told])
@pytest.mark.parametrize("write", [old_form, behind_another, packed])
def test_a_text_is_endless_from_a_length_on_in_any_form(tmp_path, write, pickled):
    path = tmp_path / "s.pt"
    write(path, pickled(MOST))
    assert not names_endlessly(path)
    write(path, pickled(MOST + 1))
    assert names_endlessly(path)


def test_many_texts_cost_as_one(tmp_path):
    text = b"X" + (1000).to_bytes(4, "little") + b"a" * 1000
    old_form(tmp_path / "s.pt", b"\x80\x02](" + text * 99 + b"e.")
    assert not names_endlessly(tmp_path / "s.pt")
    old_form(tmp_path / "s.pt", b"\x80\x02](" + text * 101 + b"e.")
    assert names_endlessly(tmp_path / "s.pt")


@pytest.mark.parametrize("write", [old_form, behind_another, packed])
def test_a_damaged_pickle_whose_last_line_does_not_end_is_not_read_to_the_end(tmp_path, write):
    write(tmp_path / "s.pt", b"\x80\x02ccollections\nOrder" + b"a" * SHORT)
    assert names_endlessly(tmp_path / "s.pt")


@pytest.mark.parametrize("read", [look_at, read_weights, read_encoder])
@pytest.mark.parametrize("write", [old_form, packed])
def test_no_reader_hands_an_endless_name_to_torch(tmp_path, monkeypatch, read, write):
    write(tmp_path / "s.pt", named(20_000))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch reads it"))
    with pytest.raises((InputError, ModelError), match=r"without running code|could run code"):
        read(tmp_path / "s.pt")


@pytest.mark.parametrize("read", [read_weights, read_encoder])
@pytest.mark.parametrize("is_new", [True, False])
def test_damaged_weights_are_refused_in_a_sentence_whatever_torch_makes_of_them(tmp_path, read, is_new):
    path, draw = tmp_path / "s.pth", random.Random(0)
    torch.save({"a.weight": torch.zeros(4, 4), "b": torch.ones(3)}, path, _use_new_zipfile_serialization=is_new)
    whole, refused = path.read_bytes(), 0
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(draw.randint(1, 6)):
            damaged[draw.randrange(min(len(whole), 900))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.choice([len(whole)] * 4 + [draw.randrange(len(whole))])])
        try:
            read(path)
        except (FeatureError, ModelError):
            refused += 1
    assert refused > 150


@pytest.mark.parametrize("is_new", [True, False])
def test_what_torch_saves_names_nothing_endlessly(tmp_path, is_new):
    torch.save({"features": torch.zeros(3, 2)}, tmp_path / "s.pt", _use_new_zipfile_serialization=is_new)
    assert not names_endlessly(tmp_path / "s.pt")
    assert read_weights(tmp_path / "s.pt")["features"].shape == (3, 2)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + b"x" * 9999, b"\x80\x02c"])
def test_what_is_no_pickle_is_left_to_torch(tmp_path, content):
    (tmp_path / "s.pt").write_bytes(content)
    assert not names_endlessly(tmp_path / "s.pt")
