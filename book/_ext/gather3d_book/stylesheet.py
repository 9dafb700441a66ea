"""One stylesheet for the book, `_static/book.css`: of the theme's rules, those that a page can use.

The theme brings Bootstrap, FontAwesome and much else, 0.5 MB of rules. A rule stays if every tag,
class and id that its selector asks for is written somewhere: in a tag of a built page, or in a
script that pages load, which may add it later. A custom property stays if something reads it. The
book's own stylesheets stay whole. Of the icon fonts, the icons stay that the rules that stay name.
"""

import hashlib
import logging
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import tinycss2
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx
from tinycss2.ast import AtRule, Declaration, Node, QualifiedRule

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells each table that it drops

NAME = "book.css"
THEME = ["styles/theme.css", "styles/pydata-sphinx-theme.css"]  # which its layout puts first
OWN = Path(__file__).parents[2] / "_static"
ICONS = "vendor/fontawesome/webfonts/"

WORD = re.compile(r"(?:--)?[A-Za-z_][\w-]*")
TAG = re.compile(r"<[A-Za-z][^>]*>")
SCRIPT = re.compile(r'<script[^>]*\bsrc="([^"?]+)')
URL = re.compile(r"""url\(\s*(['"]?)(?!data:|#|[a-z]+:)([^'")]+)\1\s*\)""")
IMPORT = re.compile(r"""@import\s+(?:url\()?["']([^"']+)["']\)?\s*;""")
READ = re.compile(r"var\(\s*(--[\w-]+)")
STAMP = re.compile(rf"(/{re.escape(NAME)})[^\"]*")


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", remember, priority=950)
    app.connect("build-finished", write, priority=900)  # after the theme has written its last


def remember(app: Sphinx, pagename: str, template: str, context: dict, doctree: object) -> None:
    """The stylesheets of a page, in their order; the book's layout asks for the joint one."""
    known = app.builder.__dict__.setdefault("g3_stylesheets", [])
    for sheet in context["css_files"]:
        entry = (posixpath.relpath(str(sheet.filename), "_static"), sheet.attributes.get("media"))
        if entry not in known:
            known.append(entry)


def write(app: Sphinx, exception: Exception | None) -> None:
    """Make the stylesheet for the pages as they are now, and stamp the pages with its version."""
    sheets = getattr(app.builder, "g3_stylesheets", [])
    if exception or app.builder.format != "html" or not sheets:
        return  # no page was written: the stylesheet of the last build is right
    static = Path(app.outdir, "_static")
    pages = [p for p in Path(app.outdir).rglob("*.html") if static not in p.parents]
    modules = Path(app.outdir).glob("_widgets/modules/*.js")  # no tag names them: widgets.js does
    words = words_of(pages, modules)
    css = joined(static, [(name, None) for name in THEME] + sheets, words)
    css = with_few_icons(css, static)
    (static / NAME).write_text(css)
    version = hashlib.sha256(css.encode()).hexdigest()[:8]
    for page in pages:
        text = page.read_text()
        stamped = STAMP.sub(rf"\1?v={version}", text)
        if stamped != text:
            page.write_text(stamped)


def words_of(pages: Iterable[Path], others: Iterable[Path] = ()) -> tuple[set[str], set[str]]:
    """The words in the tags of these pages, and those in the scripts that they load and others."""
    in_tags: set[str] = set()
    in_scripts: set[str] = set()
    scripts = set(others)
    for page in pages:
        text = page.read_text()
        for tag in TAG.findall(text):
            in_tags.update(WORD.findall(tag))
        scripts.update((page.parent / source).resolve() for source in SCRIPT.findall(text))
    for script in scripts:
        if script.exists():
            in_scripts.update(WORD.findall(script.read_text()))
    return in_tags, in_scripts


def joined(
    static: Path, sheets: list[tuple[str, str | None]], words: tuple[set[str], set[str]]
) -> str:
    """The sheets as one: the theme's rules that can match, then the book's own."""
    theirs: list[Rule | Group | str] = []
    ours: list[Rule | Group | str] = []
    for name, media in sheets:
        text = read(static, name)
        if media and media != "all":
            text = f"@media {media} {{ {text} }}"
        rules = rules_of(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True))
        if (OWN / name).exists():
            ours += rules
        else:
            theirs += matching(rules, words)
    own = written(ours)
    css = written(theirs)
    while True:  # a property may be read by another that nothing reads
        read_somewhere = set(READ.findall(css + own)) | words[0] | words[1]
        shorter = written(theirs, read_somewhere)
        if shorter == css:
            return f'@charset "UTF-8";{css}{own}\n'
        css = shorter


def read(static: Path, name: str) -> str:
    """A sheet after those that it imports, its addresses seen from the folder of the joint one."""
    folder = posixpath.dirname(name)

    def moved(address: str) -> str:
        return posixpath.normpath(posixpath.join(folder, address))

    text = (static / name).read_text()
    imported = "".join(read(static, moved(other)) for other in IMPORT.findall(text))
    return imported + URL.sub(lambda found: f'url("{moved(found[2])}")', IMPORT.sub("", text))


# ---- rules


@dataclass
class Rule:
    """Selectors, and what they set: a name and the text of the declaration."""

    selectors: list[list[Node]]
    declarations: list[tuple[str, str]]


@dataclass
class Group:
    """The rules under one @media or @supports."""

    condition: str
    rules: list["Rule | Group | str"]


def rules_of(nodes: Iterable[Node]) -> list[Rule | Group | str]:
    """Parsed CSS as rules and groups; an at-rule that is neither stays text."""
    found: list[Rule | Group | str] = []
    for node in nodes:
        if isinstance(node, QualifiedRule):
            content = tinycss2.parse_blocks_contents(node.content, True, True)
            plain = [item for item in content if isinstance(item, Declaration)]
            if len(plain) < len(content):
                raise ValueError(f"rules in rules are not read yet: {node.serialize()[:200]}")
            found.append(Rule(split(node.prelude), [(d.name, text_of(d)) for d in plain]))
        elif isinstance(node, AtRule) and node.lower_at_keyword in ("media", "supports"):
            inner = tinycss2.parse_rule_list(node.content, True, True)
            condition = f"@{node.at_keyword}{tinycss2.serialize(node.prelude).rstrip()}"
            found.append(Group(condition, rules_of(inner)))
        elif isinstance(node, AtRule):
            if node.lower_at_keyword != "charset":
                found.append(node.serialize())
        else:
            raise ValueError(f"a stylesheet cannot be read: {node.message}")
    return found


def text_of(declaration: Declaration) -> str:
    value = tinycss2.serialize(declaration.value).strip()
    return f"{declaration.name}:{value}{'!important' if declaration.important else ''}"


def split(prelude: list[Node]) -> list[list[Node]]:
    """The selectors of a rule."""
    selectors: list[list[Node]] = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            selectors.append([])
        elif token.type != "comment":
            selectors[-1].append(token)
    return selectors


def matching(
    rules: list[Rule | Group | str], words: tuple[set[str], set[str]]
) -> Iterator[Rule | Group | str]:
    """The rules that can match something, each with the selectors that can."""
    for rule in rules:
        if isinstance(rule, Rule):
            selectors = [selector for selector in rule.selectors if can_match(selector, *words)]
            if selectors:
                yield Rule(selectors, rule.declarations)
        elif isinstance(rule, Group):
            inner = list(matching(rule.rules, words))
            if inner:
                yield Group(rule.condition, inner)
        else:
            yield rule


def can_match(selector: list[Node], in_tags: set[str], in_scripts: set[str]) -> bool:
    """Whether every tag, class and id that the selector asks for is written somewhere.

    What stands in the brackets of :not() or :is() is not asked for. A script may put a name
    together, "bs-tooltip" and "-auto": its first part will do where it has a dash of its own.
    """
    before = ""
    for token in selector:
        if token.type == "hash" or (token.type == "ident" and before != ":"):
            name = token.value
            parts = [name[: dash.start()] for dash in re.finditer("-", name)]
            if name not in in_tags and not any(
                part in in_scripts for part in [name, *(p for p in parts if "-" in p)]
            ):
                return False
        before = token.value if token.type == "literal" else ""
    return True


def written(rules: list[Rule | Group | str], read_somewhere: set[str] | None = None) -> str:
    """The rules as text, without the custom properties that nothing reads."""
    text = ""
    for rule in rules:
        if isinstance(rule, str):
            text += rule
        elif isinstance(rule, Group):
            inner = written(rule.rules, read_somewhere)
            text += f"{rule.condition}{{{inner}}}" if inner else ""
        else:
            declarations = [
                declaration
                for name, declaration in rule.declarations
                if read_somewhere is None or not name.startswith("--") or name in read_somewhere
            ]
            if declarations:
                selectors = ",".join(tinycss2.serialize(s).strip() for s in rule.selectors)
                text += f"{selectors}{{{';'.join(declarations)}}}"
    return text


# ---- icons


def with_few_icons(css: str, static: Path) -> str:
    """The stylesheet with fonts that hold the icons it names, or no font where it names none.

    An icon is a character of Unicode's private use area.
    """
    named = {ord(character) for character in css if "\ue000" <= character <= "\uf8ff"}

    def fewer(face: re.Match) -> str:
        if ICONS not in face[0]:
            return face[0]
        source = static / re.search(rf"{ICONS}[\w-]+\.woff2", face[0])[0]
        target = static / "fonts" / f"icons-{source.name}"
        font = TTFont(source)
        if not named & set(font.getBestCmap()):
            return ""
        subsetter = Subsetter(Options(flavor="woff2", layout_features=[], notdef_outline=True))
        subsetter.populate(unicodes=named)
        subsetter.subset(font)
        font.flavor = "woff2"
        font.save(target)
        address = f'url("fonts/{target.name}") format("woff2")'
        return re.sub(r"src:[^;}]*(?:;\s*src:[^;}]*)*", f"src:{address}", face[0])

    return re.sub(r"@font-face\s*\{[^}]*\}", fewer, css)
