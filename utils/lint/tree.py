"""What the lint scripts share: the files of the repository, and a plain reading of C.

The C reader relies on the layout that clang-format gives: a function's body opens with a brace at the
end of a line that belongs to column 0, and closes with a brace alone in column 0."""

import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def files(*suffixes, under=("src", "tests", "utils", "deps")):
    """Paths of tracked and new files (not ignored ones) below the given folders, from the top."""
    command = ["git", "-C", TOP, "ls-files", "--cached", "--others", "--exclude-standard", "--"]
    try:
        names = subprocess.run(command + list(under), capture_output=True, text=True,
                               check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):  # no git: an unpacked archive
        names = [os.path.relpath(os.path.join(d, f), TOP)
                 for u in under for d, _, fs in os.walk(os.path.join(TOP, u)) for f in fs]
        names = [n for n in names if not n.startswith(("build/", "data/", ".git"))]
    return sorted({n for n in names if n.endswith(suffixes or ("",)) and n
                   and os.path.isfile(os.path.join(TOP, n))})


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def lines(path):
    return read(path).split("\n")[:-1] if read(path).endswith("\n") else read(path).split("\n")


def own_includes(path):
    """(line number, "folder/name.h") of each #include with quotes."""
    found = []
    for number, line in enumerate(lines(path), 1):
        m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if m:
            found.append((number, m.group(1)))
    return found


def comment_lines(text_lines):
    """How many lines hold a comment or a part of one."""
    count, inside = 0, False
    for line in text_lines:
        if inside:
            count += 1
            inside = "*/" not in line
            continue
        bare = re.sub(r'"(\\.|[^"\\])*"', '""', line)
        if "/*" in bare or "//" in bare:
            count += 1
            inside = "/*" in bare and "*/" not in bare.split("/*")[-1]
    return count


class Function:
    """One function of a .c file: its name, where it starts, its lines, and the comment above it."""

    def __init__(self, path, start, body, above):
        self.path, self.start, self.body, self.above = path, start, body, above
        m = re.search(r"(\w+)\(", body[0] if "(" in body[0] else " ".join(body[:3]))
        self.name = m.group(1) if m else "?"

    def __len__(self):
        return len(self.body)


def functions(path):
    """The functions that a C file defines, in order."""
    text = lines(path)
    found, i, comment = [], 0, []
    while i < len(text):
        line = text[i]
        if line.startswith("/*"):
            comment = [line]
            while "*/" not in text[i] and i + 1 < len(text):
                i += 1
                comment.append(text[i])
        elif re.match(r"[A-Za-z_]", line) and not line.startswith(("typedef", "#", "extern")):
            j = i  # a declaration may take several lines before its brace or semicolon
            while j < len(text) and not re.search(r"[{;]\s*(/\*.*)?$", text[j]):
                j += 1
            head = " ".join(text[i:j + 1])
            if j < len(text) and text[j].rstrip().endswith("{") and "(" in head and "=" not in head:
                end = j
                while end < len(text) and text[end] != "}":
                    end += 1
                found.append(Function(path, i + 1, text[i:end + 1], "\n".join(comment)))
                i = end
            else:
                i = j
            comment = []
        elif line.strip():
            comment = []
        i += 1
    return found


class Findings:
    """Collects findings; each is printed as PLACE: what is wrong; what to do."""

    def __init__(self, check):
        self.check, self.count = check, 0

    def add(self, place, wrong, do):
        self.count += 1
        print("%s: %s\n    %s" % (place, wrong, do))

    def end(self):
        """The exit status of a check; says that it passed, as one line."""
        if not self.count:
            print("ok   %s" % self.check)
        else:
            print("FAIL %s: %d finding%s" % (self.check, self.count, "s" * (self.count > 1)))
        sys.exit(1 if self.count else 0)
