"""The pages that are made from the code whenever the site is built, in docs/reference; a Sphinx extension."""

from pathlib import Path

from reference.api_pages import api_pages
from reference.command_page import command_page
from reference.gallery_page import gallery_page
from reference.method_pages import method_pages
from reference.setting_page import setting_page


def write_reference(folder: Path) -> None:
    """Write every page, each only where it changed, and remove those of what is no more."""
    overview, methods = method_pages()
    gallery, pictures = gallery_page()
    pages = {
        "commands.md": command_page(),
        "study-file.md": setting_page(),
        "methods.inc": overview,
        "gallery.md": gallery,
        **{f"gallery/{name}.svg": text for name, text in pictures.items()},
        **{f"methods/{name}.md": text for name, text in methods.items()},
        **{f"api/{name}.md": text for name, text in api_pages().items()},
    }
    for old in [path for path in folder.rglob("*") if path.is_file()]:
        if old.relative_to(folder).as_posix() not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def setup(app):
    """Make the pages before Sphinx looks for them."""
    app.connect("builder-inited", lambda app: write_reference(Path(app.srcdir) / "reference"))
    return {"parallel_read_safe": True}
