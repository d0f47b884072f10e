"""What the machine has: read, never changed."""

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

EXTRAS = {"encoders": ("timm", "huggingface_hub"), "anndata": ("anndata",), "deseq2": ("pydeseq2",)}
EXTRAS |= {"search": ("optuna",), "tsne": ("sklearn",), "viewer": ("nicegui",)}
EXTRAS |= {"zarr": ("zarr",), "czi": ("pylibCZIrw",), "cluster": ("ray",)}


def examine_machine() -> pd.DataFrame:
    """One row a fact: what, and what was found."""
    import openslide
    import torch

    from prognoscope.features.encoders.standing import encoders_on_disk
    from prognoscope.features.encoders.weights import weights_home

    rows = [
        ("prognoscope", version("prognoscope")),
        ("python", platform.python_version()),
        ("system", platform.platform(terse=True)),
        ("cores", str(os.cpu_count())),
        ("memory", _memory()),
        ("disk free here", f"{shutil.disk_usage(Path.cwd()).free / 2**30:.0f} GiB"),
        ("torch", torch.__version__),
        ("GPU", _gpus()),
        ("openslide", f"{openslide.__library_version__} (python {openslide.__version__})"),
    ]
    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if find_spec(name) is None]
        state = f'absent: pip install -c constraints.txt "prognoscope[{extra}]"' if missing else _versions(packages)
        rows.append((f"extra {extra}", state))
    on_disk = ", ".join(encoders_on_disk()) or f"none in {weights_home()} or in the hub's cache"
    rows.append(("weights of encoders", f"{on_disk}; `prognoscope encoders` lists all"))
    return pd.DataFrame(rows, columns=["what", "found"])


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "unknown"
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{total / 2**30:.0f} GiB"


def _gpus() -> str:
    import torch

    if not torch.cuda.is_available():
        return "none that torch can see; training runs on the CPU"
    names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return ", ".join(f"{each.name} ({each.total_memory / 2**30:.0f} GiB)" for each in names)


def _versions(packages: tuple[str, ...]) -> str:
    found = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(name)
    return ", ".join(found)
