"""The files of a folder and below, through links, each folder once."""

from prognoscope.core.walk import files_below


def test_links_are_followed_and_loops_are_not(tmp_path):
    for name in ("here/in/a.txt", "here/b.txt", "here/.hidden/c.txt", "elsewhere/d.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    here = tmp_path / "here"
    (here / "batch").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (here / "in" / "up").symlink_to(here, target_is_directory=True)
    (here / "again").symlink_to(here / "in", target_is_directory=True)
    (here / "itself").symlink_to(here / "itself")
    found = [str((place / name).relative_to(here)) for place, names in files_below(here) for name in names]
    assert found == ["b.txt", "itself", "batch/d.txt", "in/a.txt"]
