"""Files of torch's that name a class in endless letters never reach torch, whoever reads them."""

import io
import zipfile

import pytest
import torch

from prognoscope.core.errors import InputError, ModelError
from prognoscope.core.pickled_names import LONGEST_NAME, names_endlessly
from prognoscope.features.encoders.resnet import _read
from prognoscope.features.store import look_at
from prognoscope.models.checkpoints.loading import read_weights


def pickled(letters: int) -> bytes:
    return b"\x80\x02c" + b"a" * (letters - 2) + b"\nb\n."  # genops puts a blank between module and class


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


@pytest.mark.parametrize("write", [old_form, behind_another, packed])
def test_a_name_is_endless_from_a_length_on_in_any_form(tmp_path, write):
    path = tmp_path / "s.pt"
    write(path, pickled(LONGEST_NAME))
    assert not names_endlessly(path)
    write(path, pickled(LONGEST_NAME + 1))
    assert names_endlessly(path)


@pytest.mark.parametrize("read", [look_at, read_weights, _read])
@pytest.mark.parametrize("write", [old_form, packed])
def test_no_reader_hands_an_endless_name_to_torch(tmp_path, monkeypatch, read, write):
    write(tmp_path / "s.pt", pickled(5000))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("torch reads it"))
    with pytest.raises((InputError, ModelError), match=r"without running code|could run code"):
        read(tmp_path / "s.pt")


@pytest.mark.parametrize("is_new", [True, False])
def test_what_torch_saves_names_nothing_endlessly(tmp_path, is_new):
    torch.save({"features": torch.zeros(3, 2)}, tmp_path / "s.pt", _use_new_zipfile_serialization=is_new)
    assert not names_endlessly(tmp_path / "s.pt")
    assert read_weights(tmp_path / "s.pt")["features"].shape == (3, 2)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04" + b"x" * 99, b"\x80\x02c"])
def test_what_is_no_pickle_is_left_to_torch(tmp_path, content):
    (tmp_path / "s.pt").write_bytes(content)
    assert not names_endlessly(tmp_path / "s.pt")
