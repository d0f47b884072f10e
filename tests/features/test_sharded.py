import json
import zipfile
from importlib.util import find_spec

import pytest
import torch
from safetensors.torch import load_file, save_file

from prognoscope.core.errors import FeatureError, MissingFileError
from prognoscope.features.encoders.sharded import INDEX
from prognoscope.features.encoders.timm_encoder import TimmEncoder
from prognoscope.features.encoders.weights import find_weights
from tests.features.test_timm_encoder import patches, random_weights, tiny

pytestmark = [
    pytest.mark.skipif(find_spec("timm") is None, reason="timm is not installed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def whole(tmp_path):
    """The weights of a tiny encoder in one file, and the same in two parts with an index."""
    told = tiny("openmidnight")
    state = load_file(random_weights(told, tmp_path / "plain.safetensors"))
    folder, names = tmp_path / "parts", sorted(state)
    folder.mkdir()
    index = {}
    for number, own in enumerate((names[::2], names[1::2]), 1):
        part = f"model-0000{number}-of-00002.safetensors"
        save_file({name: state[name] for name in own}, folder / part)
        index |= dict.fromkeys(own, part)
    (folder / f"model{INDEX}").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return told, tmp_path / "plain.safetensors", folder


def test_weights_in_several_files_are_those_in_one(whole):
    told, plain, folder = whole
    assert find_weights(told, folder) == folder / f"model{INDEX}"
    one, several = (TimmEncoder(told, weights=path) for path in (plain, folder))
    assert (one.encode(patches(), 0.5) == several.encode(patches(), 0.5)).all()
    part = folder / "model-00001-of-00002.safetensors"
    save_file({name: value + 1 for name, value in load_file(part).items()}, part)
    assert TimmEncoder(told, weights=folder).weights_hash != several.weights_hash


def test_an_index_and_its_parts_have_to_agree(whole):
    told, _, folder = whole
    index = folder / f"model{INDEX}"
    names = json.loads(index.read_text())["weight_map"]
    index.write_text(json.dumps({"weight_map": {name: part for name, part in names.items() if name != "norm.bias"}}))
    with pytest.raises(FeatureError, match=r"model.safetensors.index.json differ in norm\.bias\. Fetch all"):
        TimmEncoder(told, weights=folder)
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "../plain.safetensors")}))
    with pytest.raises(FeatureError, match=r"names \.\./plain\.safetensors, where safetensors beside it are meant"):
        TimmEncoder(told, weights=folder)
    index.write_text("{}")
    with pytest.raises(FeatureError, match="is no index of weights"):
        TimmEncoder(told, weights=folder)
    index.write_text(json.dumps({"weight_map": names}))
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(MissingFileError, match=r"not beside it: model-00002-of-00002\.safetensors\. Put them"):
        TimmEncoder(told, weights=folder)


def test_a_squeezed_file_is_refused_before_it_fills_the_memory(whole, tmp_path):
    told, plain, _ = whole
    torch.save(load_file(plain) | {"more": torch.zeros(10**6)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as stored, zipfile.ZipFile(tmp_path / "b.pth", "w", 8) as squeezed:
        for each in stored.infolist():
            squeezed.writestr(each.filename, stored.read(each))
    with pytest.raises(FeatureError, match=r"b\.pth is damaged, or squeezed, which could fill the memory"):
        TimmEncoder(told, weights=tmp_path / "b.pth")
