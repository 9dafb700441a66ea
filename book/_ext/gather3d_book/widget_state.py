"""The state that a notebook's widgets have left in it, and the form in which a page gets it."""

import re
from collections.abc import Iterator
from typing import Any

from myst_nb.core.render import WIDGET_STATE_MIMETYPE, NbElementRenderer

from . import beside

REFERENCE = re.compile(r"(IPY_MODEL_|anywidget:)([\w-]+)")  # ipywidgets' own and anywidget's
NOT_FOR_PAGES = ("_esm", "_css", "_anywidget_id", "_model_", "_view_")  # traits that begin so

REGION = re.compile(r"^//#region \w+\n(.*?)^//#endregion *\n?", re.MULTILINE | re.DOTALL)
EXPORT = re.compile(
    r"^export (?:async )?(?:function\*?|class|const|let|var) +([\w$]+)", re.MULTILINE
)


def of_notebook(renderer: NbElementRenderer) -> "Models":
    """The widgets of the notebook that is read now."""
    store = renderer.renderer.sphinx_env.temp_data  # Sphinx empties it after each page
    if "g3_widgets" not in store:
        stored = renderer.renderer.nb_client.nb_metadata.get("widgets", {})
        store["g3_widgets"] = Models(stored.get(WIDGET_STATE_MIMETYPE, {}).get("state", {}))
    return store["g3_widgets"]


class Models:
    """All widgets of a notebook, by the id that the kernel gave each."""

    def __init__(self, models: dict[str, dict]) -> None:
        self._models = models
        self._names: dict[str, str] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._models

    def __getitem__(self, key: str) -> dict:
        return self._models[key]

    def name(self, key: str) -> str:
        """A model's name on its page, the same in every build; the kernel's ids are random."""
        return self._names.setdefault(key, str(len(self._names)))

    def parts(self, key: str, title: str = "") -> Iterator[tuple[str, str]]:
        """What is inside containers, in reading order, with the title that its container gives."""
        state = self[key]["state"]
        if "_esm" in state or "children" not in state:
            yield key, title
            return
        titles = state.get("titles") or []
        for place, child in enumerate(self._references(state["children"])):
            yield from self.parts(child, titles[place] if place < len(titles) else "")

    def reachable(self, key: str) -> list[str]:
        """The model and all that its state refers to."""
        found = [key]
        for each in found:
            others = self._references(self._for_pages(each))
            found += dict.fromkeys(other for other in others if other not in found)
        return found

    def page_form(self, key: str) -> dict:
        """What the host needs of a model."""
        model = self[key]
        form: dict[str, Any] = {"state": self._renamed(self._for_pages(key))}
        if model.get("buffers"):
            form["buffers"] = [{k: each[k] for k in ("path", "data")} for each in model["buffers"]]
        for trait, what in (("_esm", "module"), ("_css", "style")):
            if model["state"].get(trait):
                form[what] = code_name(model["state"][trait])
        return form

    def _for_pages(self, key: str) -> dict:
        """The traits of a model less its code and its ipywidgets layout and style."""
        return {
            trait: value
            for trait, value in sorted(self[key]["state"].items())
            if not trait.startswith(NOT_FOR_PAGES)
            and not any(self._is_appearance(other) for other in self._references(value))
        }

    def _is_appearance(self, key: str) -> bool:
        return self[key]["model_name"].endswith(("LayoutModel", "StyleModel"))

    def _references(self, value: Any) -> Iterator[str]:
        if isinstance(value, str):
            match = REFERENCE.fullmatch(value)
            if match and match[2] in self:
                yield match[2]
        elif isinstance(value, dict | list):
            for item in value.values() if isinstance(value, dict) else value:
                yield from self._references(item)

    def _renamed(self, value: Any) -> Any:
        if isinstance(value, str):
            match = REFERENCE.fullmatch(value)
            return match[1] + self.name(match[2]) if match and match[2] in self else value
        if isinstance(value, dict):
            return {key: self._renamed(item) for key, item in value.items()}
        return [self._renamed(item) for item in value] if isinstance(value, list) else value


# ---- code


def code_files(state: dict) -> dict[str, bytes]:
    """The module of a widget, the modules it shares with others, and its style sheet, by name."""
    files = {}
    if state.get("_esm"):
        shared = [region[1] for region in REGION.finditer(state["_esm"])]
        imports = [{"module": code_name(text), "names": EXPORT.findall(text)} for text in shared]
        for text in shared:
            files |= _module_file(code_name(text), text, [])
        files |= _module_file(code_name(state["_esm"]), REGION.sub("", state["_esm"]), imports)
    if state.get("_css"):
        files[f"{code_name(state['_css'])}.css"] = state["_css"].encode()
    return files


def code_name(text: str) -> str:
    return beside.content_hash(text.encode())


def _module_file(name: str, text: str, imports: list[dict]) -> dict[str, bytes]:
    content = {"text": text, "imports": imports}
    return {f"{name}.js": beside.assignment("g3Modules", name, content)}
