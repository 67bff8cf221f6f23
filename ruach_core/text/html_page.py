"""Pages of one HTML file each, which work offline: head, style and script from templates.

A page's own policy lets nothing run but its one script, and plays nothing but what it holds.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files
from string import Template


def fill_page(package: str, name: str, *, title: str, **parts: str) -> str:
    """A page as HTML.

    Args:
        package: whose folder `templates` has NAME.html (the body), NAME.css and NAME.js.
        name: of the page's kind.
        title: as HTML.
        parts: what the body's `$names` stand for, as HTML.
    """
    ours, theirs = files("ruach_core.text") / "templates", files(package) / "templates"
    script = "".join(
        (folder / file).read_text(encoding="utf-8")
        for folder, file in ((ours, "page.js"), (theirs, f"{name}.js"))
    )
    style = "".join(
        (folder / file).read_text(encoding="utf-8")
        for folder, file in ((ours, "page.css"), (theirs, f"{name}.css"))
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    body = Template((theirs / f"{name}.html").read_text(encoding="utf-8"))
    return Template((ours / "page.html").read_text(encoding="utf-8")).substitute(
        title=title,
        style=style,
        body=body.substitute(parts).strip(),
        script=script,
        script_hash=f"sha256-{digest}",
    )
