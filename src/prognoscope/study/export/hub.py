"""An exported model to the Hugging Face hub, when it is asked for, and from there; nothing fetched runs code."""

import re
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from prognoscope.core.errors import InputError, MissingFileError, some
from prognoscope.core.files import need_writable
from prognoscope.runs.layout import MANIFEST
from prognoscope.runs.manifest import damage, read_manifest
from prognoscope.study.apply.export import is_model, open_model, read_about
from prognoscope.study.apply.front_matter import NOT_TOLD
from prognoscope.study.export.map_files import need_new
from prognoscope.training.spec import TrainingSpec

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
OURS = re.compile(  # all that `prognoscope export` writes
    r"README\.md|(model|manifest)\.json"
    r"|[\w-][\w.-]*/(fold_\d+|final)/((model|manifest)\.json|(model|training_summary)\.safetensors)",
    re.ASCII,
)
HOLDS = (
    "The folder holds no patient's row and no id. It does hold the names of its study, genes and covariates, means, "
    "SDs, the lowest and highest value of each covariate, quantiles, and numbers of patients."
)


@dataclass(frozen=True, slots=True)
class Shipment:
    """What would go to the hub, looked through."""

    folder: Path
    repo: str
    files: tuple[str, ...]
    size: int  # in bytes
    is_private: bool

    def told(self) -> str:
        """What, where to and who can see it, in sentences."""
        seen = "private: you alone see it" if self.is_private else "public: everybody can read it"
        size = f"{len(self.files)} files, {self.size / 1e6:.1f} MB"
        return f"{self.folder} ({size}) to the model repository {self.repo} ({seen}). {HOLDS}"


def shipment(folder: Path, repo: str, *, is_private: bool = True) -> Shipment:
    """Look through what is to be sent; nothing is sent.

    Args:
        folder: What `prognoscope export` wrote.
        repo: OWNER/NAME on the hub.

    Raises:
        InputError: It is no exported model, holds something that `export` did not write, was changed, or tells no
            licence; or there is no such name.
    """
    _need_name(repo)
    if not is_model(folder):
        raise InputError(
            f"{folder} is no exported model. Write one with `prognoscope export RUN --licence ... --out model`, look "
            "at it, and send that folder."
        )
    about = read_about(folder)
    paths = [path for path in sorted(folder.rglob("*")) if not path.is_dir() or path.is_symlink()]
    names = [path.relative_to(folder).as_posix() for path in paths]
    if strange := [n for n, path in zip(names, paths, strict=True) if path.is_symlink() or not OURS.fullmatch(n)]:
        raise InputError(
            f"{folder} holds what `export` did not write: {some(strange)}. Move it away; nothing was sent."
        )
    _need_whole(folder)
    if about["licence"] == NOT_TOLD:
        raise InputError(f"{folder} tells no licence. Export it again with --licence, such as --licence CC-BY-4.0.")
    return Shipment(folder, repo, tuple(names), sum(path.stat().st_size for path in paths), is_private)


def push(sent: Shipment, *, endpoint: str | None = None) -> str:
    """Send it, making the repository if there is none; returns its address.

    Args:
        endpoint: Another hub; by default the one that the environment names.

    Raises:
        InputError: `huggingface_hub` is not installed, or the hub refuses.
    """
    api = _api(endpoint)
    try:
        where = api.create_repo(sent.repo, private=sent.is_private, exist_ok=True)
        if sent.is_private and not api.model_info(sent.repo).private:
            raise InputError(f"{sent.repo} is there already and public. Send with --public, or to another --repo.")
        api.upload_folder(
            repo_id=sent.repo,
            folder_path=sent.folder,
            allow_patterns=list(sent.files),
            commit_message="A model of prognoscope",
        )
    except InputError:
        raise
    except _faults() as cause:
        raise InputError(
            f"The hub did not take {sent.repo} ({type(cause).__name__}: {_first_line(cause)}). Log in with `hf auth "
            "login`, or set HF_TOKEN to a token that may write; the folder is as it was."
        ) from cause
    return str(where)


def pull(repo: str, to: Path, *, revision: str | None = None, endpoint: str | None = None) -> tuple[Path, str]:
    """Fetch a model that `push` sent: its weights as safetensors, its tables as JSON, and nothing else.

    Args:
        repo: OWNER/NAME on the hub.
        to: A folder that is empty or not there yet.
        revision: A commit, a tag or a branch.

    Returns:
        The folder, and the commit that it is of.

    Raises:
        InputError: It is no whole model of ours, or the place is taken.
        MissingFileError: It cannot be fetched.
    """
    _need_name(repo)
    need_new(to)
    need_writable(to.parent, "The model", "Name another folder with --out.")
    api = _api(endpoint)
    to.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(mkdtemp(prefix=".pull-", dir=to.parent))
    try:
        told = api.model_info(repo, revision=revision)
        names = [each.rfilename for each in told.siblings or () if OURS.fullmatch(each.rfilename)]
        if "model.json" not in names:
            raise InputError(f"{repo} on the hub is no model of Prognoscope: it has no model.json of an export.")
        for name in names:
            api.hf_hub_download(repo, name, revision=told.sha, local_dir=beside)
        rmtree(beside / ".cache", ignore_errors=True)  # the hub's own notes
        _need_whole(beside)
        open_model(beside, None, TrainingSpec())
        to.rmdir() if to.is_dir() else None
        beside.rename(to)
    except InputError:
        raise
    except _faults() as cause:
        raise MissingFileError(
            f"{repo} cannot be fetched from the hub ({type(cause).__name__}: {_first_line(cause)}). See that the name "
            "and the revision are right, and of what is private or gated, set HF_TOKEN to your token."
        ) from cause
    finally:
        rmtree(beside, ignore_errors=True)
    return to, str(told.sha)


def _need_whole(folder: Path) -> None:
    """Refuse a model of which a file is not what the manifest beside it says, or that no manifest tells of."""
    bad = []
    for place in sorted({path.parent for path in folder.rglob("*") if path.is_file()}):
        manifest = read_manifest(place)
        told = set() if manifest is None else {*manifest.files, MANIFEST}
        here = {path.name for path in place.iterdir() if path.is_file()}
        bad += [(place / name).relative_to(folder).as_posix() for name in sorted({*(here - told), *damage(place)})]
    if bad:
        raise InputError(f"{some(bad)} of the model {folder.name} was changed or lost. Export the model again.")


def _need_name(repo: str) -> None:
    if not NAME.fullmatch(repo):
        raise InputError(f"A model on the hub is called OWNER/NAME, not {repo!r}.")


def _api(endpoint: str | None) -> "HfApi":
    try:
        from huggingface_hub import HfApi
    except ImportError as cause:
        raise InputError('The hub needs an extra: install "prognoscope[hub]" -c constraints.txt.') from cause
    return HfApi(endpoint=endpoint, library_name="prognoscope")


def _faults() -> tuple[type[Exception], ...]:
    """The parents of all that the hub and the way to it raise."""
    from huggingface_hub.errors import HfHubHTTPError

    # of whatever speaks HTTP for the hub's package, which changes from release to release
    http = [each for each in HfHubHTTPError.__mro__ if each.__name__ == "HTTPError"]
    return OSError, ValueError, RuntimeError, *http


def _first_line(cause: BaseException) -> str:
    return (str(cause).strip().splitlines() or [""])[0].rstrip(".")[:200]
