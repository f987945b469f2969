"""What a run has found, kept as JSON, and made into one HTML page that needs nothing beside itself and
into a Markdown summary.

Results are a dict: `machine` and `settings` (lines of text), `sections`: a list of {name, engine, date, quick, parts}, where a
part is a table ({title, head, rows, told}) or a plot (see common.Plot). A run adds to the file that is
there: what it measured again takes the place of what there was, so that long sections can be run apart.
The page says of each section when it was."""

import html
import json
import os

from .svg import draw

# What a reader looks for first; sections that are not named follow.
ORDER = ["throughput", "cpu", "latency", "always", "cold-clients", "forks", "merge", "restart", "memory", "memory-limit",
         "memory-types", "large", "types", "growth", "tls", "features", "idle", "engine", "cold", "volume"]

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b2330;--soft:#5b6675;--line:#e3e7ed;--card:#f7f8fa;
--s0:#2f6fde;--s1:#d9822b;--s2:#2b9d6b;--s3:#a855c8;--s4:#c8384a;--s5:#4b9fc4;--s6:#8a8f2a;--s7:#7a6a5d}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e3e8ef;--soft:#98a4b3;--line:#2a323d;--card:#191f27;
--s0:#6ea0ff;--s1:#f0a35a;--s2:#56c796;--s3:#cf8bea;--s4:#ef6a79;--s5:#7cc5e6;--s6:#c2c85c;--s7:#b5a393}}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:980px;margin:0 auto;padding:24px 20px 80px}
h1{font-size:26px;margin:0 0 4px}h2{font-size:20px;margin:44px 0 8px;padding-top:12px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:22px 0 6px}p,li{max-width:76ch}.note,.when{color:var(--soft);font-size:13px}
nav a{margin-right:14px;white-space:nowrap}a{color:var(--s0)}
pre{background:var(--card);padding:10px 12px;overflow-x:auto;font-size:12.5px;border-radius:6px}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:13.5px;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px 4px 0;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600}th:first-child,td:first-child{text-align:left}
figure{margin:18px 0;padding:12px 14px;background:var(--card);border-radius:8px}
figcaption{font-weight:600}.legend{font-size:13px;color:var(--soft);margin:4px 0}.key{margin-right:16px;white-space:nowrap}
.key i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;background:currentColor}
svg{width:100%;height:auto}.tick{font-size:11.5px;fill:var(--soft)}.name{font-size:12px;fill:var(--soft)}
.value{font-size:10.5px;fill:var(--fg)}.grid{stroke:var(--line)}.reference{stroke:var(--soft);stroke-dasharray:5 4}
.line{fill:none;stroke:currentColor;stroke-width:2}.dot,.bar{fill:currentColor}
""" + "".join(".s%d{color:var(--s%d)}" % (i, i) for i in range(8))


def part_of(made):
    """A Table or a Plot as what JSON can hold."""
    fields = dict(made.__dict__)
    fields["part"] = type(made).__name__.lower()
    return fields


def merged(path, new):
    """The results in the file, if there are any of this machine, with those of this run in their places."""
    try:
        with open(path) as f:
            old = json.load(f)
    except (OSError, ValueError):
        return new
    if old["machine"] != new["machine"]:
        return new
    key = lambda s: (s["name"], s["engine"])  # noqa: E731
    now = {key(s) for s in new["sections"]}
    new["sections"] += [s for s in old["sections"] if key(s) not in now]
    new["settings"] += [line for line in old["settings"] if line not in new["settings"]]
    return new


def rank(section):
    name = section["name"]
    return ORDER.index(name) if name in ORDER else len(ORDER), section["engine"] or ""


def title(section):
    return section["name"] + (" (%s)" % section["engine"] if section["engine"] else "")


def table_html(t):
    row = lambda cells, tag: "<tr>%s</tr>" % "".join("<%s>%s</%s>" % (tag, html.escape(c), tag) for c in cells)  # noqa: E731
    return ["<h3>%s</h3><div class=scroll><table>" % html.escape(t["title"]), row(t["head"], "th"),
            *[row(r, "td") for r in t["rows"]], "</table></div>",
            *["<p>%s</p>" % html.escape(w) for w in t["told"]]]


def page(results):
    """The HTML page."""
    sections = sorted(results["sections"], key=rank)
    out = ["<!doctype html><html lang=en><meta charset=utf-8><title>Stave: measured</title>",
           '<meta name=viewport content="width=device-width,initial-scale=1"><style>%s</style><main>' % STYLE,
           "<h1>Stave, measured</h1><p>Each section puts servers beside each other in one run on one machine, taking "
           "turns. Absolute figures are this machine's; ratios are what counts. A ratio of time, CPU or memory is better "
           "below 1, one of commands a second above.</p><nav>",
           *['<a href="#%s">%s</a>' % (title(s).replace(" ", ""), html.escape(title(s))) for s in sections],
           "</nav><h2>Machine and settings</h2><pre>%s</pre>" % html.escape("\n".join(results["machine"])),
           "<pre>%s</pre>" % html.escape("\n".join(results["settings"]))]
    for s in sections:
        out.append('<h2 id="%s">%s</h2><p class=when>%s</p>' % (
            title(s).replace(" ", ""), html.escape(title(s)), html.escape(s["date"] + (", a short run: only to see that it works" if s["quick"] else ""))))
        parts = sorted(s["parts"], key=lambda p: p["part"] != "plot")
        for p in parts:
            out += draw(p) if p["part"] == "plot" else table_html(p)
    return "\n".join(out + ["</main></html>"]) + "\n"


def markdown(results):
    """The summary: what sections say of themselves, then their tables."""
    out = ["", *["    " + line for line in results["machine"] + results["settings"]], ""]
    sections = sorted(results["sections"], key=rank)
    tables = [(s, p) for s in sections for p in s["parts"] if p["part"] == "table"]
    out += ["- %s: %s (%s)" % (title(s), words, s["date"]) for s, t in tables for words in t["told"]]
    for s, t in tables:
        out += ["", "### %s, %s" % (t["title"], s["date"]), "", "| " + " | ".join(t["head"]) + " |",
                "|" + "---|" * len(t["head"]), *["| " + " | ".join(r) + " |" for r in t["rows"]]]
    return "\n".join(out[1:]) + "\n"


def write(directory, results):
    """results.json, index.html and summary.md, each whole or as it was; returns the page's path."""
    os.makedirs(directory, exist_ok=True)
    results = merged(os.path.join(directory, "results.json"), results)
    texts = {"results.json": json.dumps(results, indent=1), "index.html": page(results), "summary.md": markdown(results)}
    for name, words in texts.items():
        path = os.path.join(directory, name)
        with open(path + ".tmp", "w") as f:
            f.write(words)
        os.replace(path + ".tmp", path)
    return os.path.join(directory, "index.html")
