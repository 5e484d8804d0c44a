"""How `make docs` turns these documents into pages: Sphinx, MyST's Markdown and furo, all of it without a network."""

project = "Elasticket"
extensions = ["myst_parser"]
# Headings are linked as on GitHub: `file-formats.md#torch_prune`.
myst_heading_anchors = 3

html_theme = "furo"
html_title = "Elasticket"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_static_path: list[str] = []
