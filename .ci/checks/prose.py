"""Checks the prose of the project with Vale: Markdown, comments in Rust, the API description, templates and e-mails.

Vale reads Markdown. Every other file becomes a Markdown file under target/prose that has the same lines: a line without prose
is empty there, so the line numbers that Vale prints are those of the source.

    .ci/checks/prose.py VALE [FILE ...]      without FILE: every file of the project
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
OUT = ROOT / "target" / "prose"
SKIPPED = re.compile(r"(^|/)(assets|vectors|histories|corpus|snapshots|certificates)/|^LICENSE|\.lock$")


def rust_comments(text):
    """Returns the comments of a Rust file, each on its line."""
    lines = []
    for line in text.split("\n"):
        match = re.match(r"\s*//[/!]?(?:\s|$)(.*)", line) or re.search(r"\s//\s(.*)$", line)
        lines.append(match.group(1) if match and "\"" not in line[: match.start()] else "")
    return "\n".join(lines)


def yaml_prose(text):
    """Returns the comments and the descriptions of a YAML file, a TOML file or an environment file."""
    lines, indent = [], None
    for line in text.split("\n"):
        comment = re.match(r"\s*#+\s?(.*)", line)
        described = re.match(r"(\s*)(?:-\s+)?(?:\w*Description):\s*[>|]?[+-]?\s*(.*)", line)
        depth = len(line) - len(line.lstrip())
        if described:
            indent = len(described.group(1))
            lines.append(described.group(2).strip("\"'"))
        elif indent is not None and (not line.strip() or depth > indent) and not re.match(r"\s*\w+:( |$)", line):
            lines.append(line.strip())
        else:
            indent = None
            # A setting that is commented out, or a directive of a linter, is not prose.
            is_prose = comment and not re.match(r"[A-Z0-9_]+=|checkov:|!", comment.group(1))
            lines.append(comment.group(1) if is_prose else "")
    return "\n".join(lines)


def openapi_prose(text):
    """Returns the titles, summaries and descriptions of the API description, each on its line."""
    field = re.compile(r'\s*"(?:description|summary)": (".*"),?$')
    lines = (field.match(line) for line in text.split("\n"))
    return "\n".join(json.loads(match.group(1)).replace("\n", " ") if match else "" for match in lines)


def template_prose(text):
    """Returns the text of an e-mail template."""
    return re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]+>", lambda match: "\n" * match.group(0).count("\n"), text, flags=re.DOTALL)


def prose_of(name, text):
    if name.endswith(".rs"):
        return rust_comments(text)
    if name == "docs/openapi.json":
        return openapi_prose(text)
    if re.match(r"worker/templates/", name):
        return template_prose(text)
    if re.search(r"\.(ya?ml|toml)$|(^|/)\.env\.example$", name):
        return yaml_prose(text)
    return None


def main():
    vale, chosen = sys.argv[1], sys.argv[2:]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    files = []
    for name in chosen or listed:
        path = ROOT / name
        if not name or SKIPPED.search(name) or not path.is_file():
            continue
        if name.endswith(".md"):
            files.append(name)
            continue
        if not re.search(r"\.(rs|ya?ml|toml|html|txt)$|(^|/)\.env\.example$|^docs/openapi\.json$", name):
            continue
        prose = prose_of(name, path.read_text())
        if prose is not None:
            copy = OUT / f"{name}.md"
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(prose)
            files.append(str(copy.relative_to(ROOT)))
    result = subprocess.run([vale, "--config", ".vale.ini", "--output=line", *files], cwd=ROOT, capture_output=True, text=True)
    print(re.sub(r"^target/prose/(.*?)\.md:", r"\1:", result.stdout, flags=re.MULTILINE), end="")
    print(result.stderr, end="", file=sys.stderr)
    print(f"{len(files)} files checked")
    return result.returncode


if __name__ == "__main__":
    sys.exit(main())
