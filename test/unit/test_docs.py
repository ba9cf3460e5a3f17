"""The documentation: short pages, short sentences, links that lead somewhere, a reference that is the code's."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys

import pytest

from support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Made by programs, as long and as worded as what they are made from: test/tested.py and docs/generate.py.
MADE = ("docs/tested.md", "docs/reference/")
WORDS, LINES = 25, {"README.md": 120}


def name(path):
    return str(path.relative_to(ROOT))


OTHERS = [ROOT / page for page in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")]
WRITTEN = OTHERS + [path for path in PAGES if not name(path).startswith(MADE)]


def prose(text: str) -> list[tuple[int, str]]:
    """The paragraphs of a page, and the line in which each begins: no code, tables, headings and comments."""
    text = re.sub(r"^```.*?^```$", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    found: list[tuple[int, str]] = []
    open_ = False
    for number, line in enumerate(text.splitlines(), 1):
        item = re.match(r"\s*(?:[-*]|\d+\.)\s+", line)
        if not line.strip() or line.startswith(("|", "#", "!", "---")) or (line.startswith("    ") and not open_):
            open_ = False
        elif item or not open_:
            found.append((number, line[item.end() if item else 0 :].strip()))
            open_ = True
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]} {line.strip()}")
    return found


def sentences(text: str) -> list[tuple[int, str]]:
    """The sentences of a page; a piece of code and a link's address count as one word."""
    found = []
    for number, paragraph in prose(text):
        plain = re.sub(r"`[^`]*`", "CODE", paragraph)
        plain = re.sub(r"\]\([^)]*\)", "]", plain)
        found += [
            (number, sentence) for sentence in re.split(r"(?:(?<=[.!?])|(?<=[.!?][)\"'*])|(?<=[.!?][*]{2}))\s+", plain)
        ]
    return found


def test_sentences_are_counted_as_a_reader_does():
    page = "# A title of many words\n\nOne `two three` four.\nFive (six.) Seven:\n\n- eight\n  nine\n\n    code code\n\n| a | b |\n"
    assert [sentence for _, sentence in sentences(page)] == ["One CODE four.", "Five (six.)", "Seven:", "eight nine"]


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_no_sentence_is_longer_than_25_words(path):
    found = [(number, len(said.split()), said) for number, said in sentences(path.read_text())]
    long = [f"{name(path)}:{number}: {count} words: {said}" for number, count, said in found if count > WORDS]
    assert not long, "\n" + "\n".join(long)


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_no_page_is_too_long(path):
    assert len(path.read_text().splitlines()) <= LINES.get(name(path), 200)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    }


@pytest.mark.parametrize("path", [*PAGES, *OTHERS], ids=name)
def test_each_link_leads_somewhere(path):
    text = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE))
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if not re.match(r"https?://", link):
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert target.exists(), f"{name(path)}: {link}"
            assert not anchor or anchor in anchors(target.read_text()), f"{name(path)}: {link}"


@pytest.mark.parametrize("path", [*PAGES, *OTHERS], ids=name)
def test_a_page_names_no_file_that_is_not_there(path):
    for file in re.findall(
        r"`((?:docs|test|bench|lab|hamysql|_utils|_modules|_states|_runners)/[\w./-]+)`", path.read_text()
    ):
        assert (ROOT / file).exists() or list(ROOT.glob(f"{file}*")), f"{name(path)}: {file}"


def test_each_page_can_be_reached_from_the_first_one():
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += [(path.parent / link).resolve() for link in re.findall(r"\]\(([^)#]+\.md)", path.read_text())]
    assert {name(path) for path in PAGES[1:]} - {name(path) for path in reached} == set()


@pytest.mark.parametrize("link", ["nowhere.md", "install.md#no-such-heading"])
def test_the_build_fails_on_a_broken_link(tmp_path, link):
    command = re.search(r"^DOCS = \$\(BIN\)/(.+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)[1].split()
    assert " ".join(command) in (ROOT / ".pre-commit-config.yaml").read_text()
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    for page, text in (("index.md", f"# Here\n\n[there]({link})\n"), ("install.md", "# There\n\n[here](index.md)\n")):
        (tmp_path / "docs").mkdir(exist_ok=True)
        (tmp_path / "docs" / page).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert link.partition("#")[0] in done.stderr


def test_the_reference_is_what_the_code_says():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert not [name(path) for path in generate.outdated()], "`python docs/generate.py` writes them"


def test_the_reference_has_each_key_and_each_function():
    pages = {path.name: path.read_text() for path in (ROOT / "docs" / "reference").rglob("*.md")}
    assert "`vip:address` | **required**" in pages["vip.md"]
    assert "`storage:drbd:options:net:ping-int` | | `1`" in pages["storage.md"]
    assert "## `hamysql.take_over(node, confirm=None" in pages["runner-hamysql.md"]
    assert "- **confirm**:" in pages["runner-hamysql.md"]
    assert "```bash\nsalt-run hamysql.take_over db1\n" in pages["runner-hamysql.md"]


def test_everything_in_lint_is_a_hook_before_a_commit():
    makefile = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    for program in (
        "ruff format",
        "ruff check",
        "mypy _utils/hamysql _modules _states _runners",
        "mypy lab",
        "yamllint",
        "salt-lint",
        "shellcheck",
    ):
        assert program in makefile
        assert program in hooks


WALKS = {
    "From the pillar to drbd.conf": 11,
    "From a survey to a step on a node": 11,
    "From the pillar to a patch of the CIB": 8,
}


@pytest.mark.parametrize("walk", WALKS)
def test_a_walk_through_the_code_enters_few_files_and_all_of_them_are_there(walk):
    page = (ROOT / "docs" / "development" / "architecture.md").read_text()
    table = page.partition(f"\n{walk}")[2].partition("\n\n")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    names = [part for cell in cells for part in re.findall(r"`([\w./-]+\.[\w.]+)`", cell)]
    assert len(cells) <= len(names) <= WALKS[walk]
    folder = ROOT / "hamysql" / "storage" / "drbd" / "files"
    for part in names:
        places = [ROOT / part, folder / part, ROOT / "_utils" / "hamysql" / f"{part.replace('.', '/')}.py"]
        assert any(place.exists() for place in places), part
