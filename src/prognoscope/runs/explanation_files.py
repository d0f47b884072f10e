"""Every path of the folder that explains one patient by one method."""

from dataclasses import dataclass
from pathlib import Path

from prognoscope.core.file_names import safe_name

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class ExplanationFiles:
    """The files of the explanation of one patient by one method. Tables are there as CSV and as Parquet."""

    folder: Path

    @property
    def about(self) -> Path:
        """Whose it is, by which models, and what its maps mean."""
        return self.folder / "explanation.json"

    @property
    def patches(self) -> Path:
        """A row a patch, a column a map."""
        return self.folder / "patches.csv"

    @property
    def gene_groups(self) -> Path:
        """A row a gene group, a column a score."""
        return self.folder / "gene_groups.csv"

    @property
    def genes(self) -> Path:
        """A row a gene of a group."""
        return self.folder / "genes.csv"

    @property
    def modalities(self) -> Path:
        """What slides, genes and covariates each add."""
        return self.folder / "modalities.csv"

    @property
    def faithfulness(self) -> Path:
        """How far each map says what the model does."""
        return self.folder / "faithfulness.csv"

    @property
    def manifest(self) -> Path:
        """Which files there are, and what they were made of; written last."""
        return self.folder / MANIFEST

    def stem(self, slide: str) -> str:
        """How the names of all pictures of a slide begin."""
        return safe_name(slide)

    def panel(self, slide: str) -> Path:
        """All maps that the method itself gives, side by side."""
        return self.folder / f"{self.stem(slide)}.maps.png"

    def picture(self, slide: str, patch_map: str, ending: str) -> Path:
        """A map of a slide, with the ending of its kind, such as `.png`."""
        return self.folder / f"{self.stem(slide)}.{patch_map}{ending}"
