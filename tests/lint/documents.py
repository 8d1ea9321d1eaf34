"""Documents: every file that a README names exists, every folder with sources has a README, every source file is named in the README of its folder (or of the folder
above), and links lead somewhere."""

import re
import sys
from pathlib import Path

import tree

FOLDERS = ("common", "ingest", "loader", "tests", "deploy", "deploy/local")


def links(text: str) -> list[str]:
    return [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)
            if not re.match(r"[a-z]+:", target) and not target.startswith("#")]


def named_files(text: str) -> list[str]:
    """What stands in backticks and looks like one of our files; tables that a program prints name files of its users."""
    text = re.sub(r"<!-- options: .*?<!-- end -->", "", text, flags=re.S)
    return re.findall(r"`([\w./-]+\.(?:c|h|py|sh|sql|json|md|txt))`", text)


def exists(readme: Path, target: str) -> bool:
    candidates = (readme.parent / target, tree.ROOT / target)
    return any(c.exists() for c in candidates) or bool(list(readme.parent.rglob(Path(target).name)))


def readme_findings(readme: Path) -> list[str]:
    text = readme.read_text()
    name = tree.name(readme)
    findings = [f"{name}: link to {t}, which is not there" for t in links(text) if not (readme.parent / t).exists()]
    findings += [f"{name}: names {f}, which is not there" for f in named_files(text) if not exists(readme, f)]
    return findings


def unnamed_sources(folder: str) -> list[str]:
    """Modules that no README of their folder tree names, by stem."""
    text = "".join(p.read_text() for p in (tree.ROOT / folder).rglob("README.md"))
    stems = {p.stem for p in tree.files(".c", ".h", folders=(folder,))}
    return [f"{folder}: no README names {stem}" for stem in sorted(stems) if not re.search(rf"\b{stem}\b", text)]


def main() -> int:
    readmes = [p for p in sorted(tree.ROOT.rglob("README.md")) if not {"build", ".local", "node_modules"} & set(p.parts)]
    findings = [f"{folder} has no README.md" for folder in FOLDERS if not (tree.ROOT / folder / "README.md").exists()]
    for readme in readmes:
        findings += readme_findings(readme)
    for folder in tree.PRODUCT:
        findings += unnamed_sources(folder)
    return tree.report("documents", findings, len(readmes))


if __name__ == "__main__":
    sys.exit(main())
