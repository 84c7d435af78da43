"""Checks that the imports of each Rust file are in three groups: the standard library, external crates, our crates.

rustfmt sorts the imports of a group; the option that makes the groups needs a nightly compiler.

    .ci/checks/imports.py          Lists the files with wrong groups.
    .ci/checks/imports.py --fix    Reorders the imports. Run `cargo fmt` afterwards.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STANDARD = {"std", "core", "alloc"}
USE = re.compile(r"^(?P<indent> *)use (?:::)?(?P<root>[A-Za-z_]\w*)")


def our_crates():
    """Returns the first names of paths to our code: the libraries of the workspace and the keywords."""
    names = {"crate", "super", "self"}
    for manifest in ROOT.glob("**/Cargo.toml"):
        if "target" in manifest.parts:
            continue
        text = manifest.read_text()
        if "[package]" not in text:
            continue
        package = re.search(r'^name = "([^"]+)"', text, re.MULTILINE).group(1)
        library = re.search(r'^\[lib\]\nname = "([^"]+)"', text, re.MULTILINE)
        names.add(library.group(1) if library else package.replace("-", "_"))
    return names


def block_of_imports(lines, first, indent):
    """Returns the import statements from line `first` on, and the index of the line after the block.

    Each statement is a tuple of its first line, the line after its last line, and the first name of its path.
    """
    statements, index = [], first
    while index < len(lines):
        line = lines[index]
        if not line.strip():
            following = index
            while following < len(lines) and not lines[following].strip():
                following += 1
            match = USE.match(lines[following]) if following < len(lines) else None
            if not match or match["indent"] != indent:
                break
            index = following
            continue
        match = USE.match(line)
        if not match or match["indent"] != indent:
            break
        end = index
        while ";" not in re.sub(r"//.*", "", lines[end]):
            end += 1
        statements.append((index, end + 1, match["root"]))
        index = end + 1
    return statements, index


def reorder_imports(text, ours):
    """Returns the text of a Rust file with its imports in groups."""
    lines, out, index = text.split("\n"), [], 0
    while index < len(lines):
        match = USE.match(lines[index])
        if not match or (index and re.match(r"\s*#\[", lines[index - 1])):
            out.append(lines[index])
            index += 1
            continue
        statements, index = block_of_imports(lines, index, match["indent"])
        groups = [[], [], []]
        for first, end, root in statements:
            groups[0 if root in STANDARD else 2 if root in ours else 1] += lines[first:end]
        for number, group in enumerate(filter(None, groups)):
            out += ([""] if number else []) + group
    return "\n".join(out)


def main():
    ours, wrong = our_crates(), []
    names = subprocess.run(["git", "ls-files", "*.rs"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        path = ROOT / name
        text = path.read_text()
        reordered = reorder_imports(text, ours)
        if reordered != text:
            wrong.append(name)
            if "--fix" in sys.argv:
                path.write_text(reordered)
    if "--fix" in sys.argv:
        print(f"{len(wrong)} files changed")
    elif wrong:
        sys.exit("imports are not in three groups (run .ci/checks/imports.py --fix):\n" + "\n".join(wrong))


if __name__ == "__main__":
    main()
