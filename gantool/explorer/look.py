"""How the pages look, in fonts of the system: nothing is loaded from elsewhere."""

from html import escape
from typing import Any

import gradio as gr  # pyright: ignore[reportMissingImports]

from gantool.finished import Finished

EVENTS: dict[str, Any] = {"concurrency_id": "G", "concurrency_limit": 1, "show_progress": "hidden"}
KEPT = (60, 600)  # seconds: how often pictures are deleted, and how old they are then
CSS = """
.gradio-container { width: 100% !important; max-width: 1240px !important; margin: 0 auto !important;
    overflow: visible !important; }
#heading { line-height: 1.4; overflow-wrap: anywhere; }
#heading b { font-size: 1.25em; }
#heading span, #caption, #saved { opacity: 0.75; }
#caption, #saved { overflow-wrap: anywhere; }
.shown { position: sticky; top: 8px; align-self: flex-start; }
.picture img { max-height: 78vh; cursor: pointer; }
.pair .image-frame, .pair .upload-container:has(img) { width: 100% !important; }
.pair img { width: 100% !important; object-fit: contain !important; max-height: 78vh; }
.beside { align-self: end; height: 42px; }
#command textarea { font-family: var(--font-mono); }
footer { display: none !important; }
@media (max-width: 799px) {
    .shown { display: contents; }
    .shown > * { flex: 1 0 100%; order: 2; }
    .shown > .picture { position: sticky; top: 0; z-index: 50; order: 0; }
    .shown > #caption { order: 0; }
    .controls { order: 1; }
    .shown img { max-height: 42vh; }
}
"""


def page_of(title: str) -> Any:
    """An empty page."""
    return gr.Blocks(title=title, analytics_enabled=False, delete_cache=KEPT)


def theme() -> Any:
    """In fonts that every system has."""
    sans, mono = ["system-ui", "Segoe UI", "Roboto", "sans-serif"], ["Menlo", "Consolas", "monospace"]
    plain = gr.themes.Default(font=sans, font_mono=mono)
    return plain.set(block_info_text_color="*neutral_500", block_info_text_color_dark="*neutral_400")


def heading(run: Finished) -> str:
    family = run.config.get("groups", {}).get("model") or "generator"
    text = f"{run.path} at {run.gan.images:,} images"
    return f'<div id="heading"><b>{escape(str(family))}</b><br><span>{escape(text)}</span></div>'
