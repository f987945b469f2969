"""Plots as inline SVG: curves on plain or logarithmic axes, and bars in groups.

Colours are classes (s0, s1, ...) that the page's style sheet gives for a light and a dark background.
Everything that is drawn has a <title>, which browsers show under the pointer."""

import html
import math

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 74, 34, 20, 52
COLOURS = 8


def text(x, y, words, anchor="middle", kind="tick", turn=None):
    turned = ' transform="rotate(%d %.1f %.1f)"' % (turn, x, y) if turn else ""
    return '<text class="%s" x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>' % (
        kind, x, y, anchor, turned, html.escape(str(words)))


def number(v):
    """As short as it can be said: 0.25, 3.5, 120, 25k, 1.2M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(v) >= limit:
            return "%.3g%s" % (v / {"G": 1e9, "M": 1e6, "k": 1e3}[unit], unit)
    return "%.4g" % v


class Axis:
    """Values to places on a line from `start` to `end`, and where its ticks are."""

    def __init__(self, values, start, end, log=False, zero=False, ticks=None):
        self.start, self.end, self.log = start, end, log
        low, high = min(values), max(values)
        self.given = ticks
        if log:
            low = min((v for v in values if v > 0), default=1)
            self.low, self.high = 10 ** math.floor(math.log10(low) + 1e-9), max(high, low * 10)
            self.high = 10 ** math.ceil(math.log10(self.high) - 1e-9) if not ticks else self.high
        else:
            low = 0 if zero and low > 0 else low
            if high <= low:
                high = low + 1
            self.step = nice((high - low) / 5)
            self.low = math.floor(low / self.step) * self.step
            self.high = math.ceil(high / self.step - 1e-9) * self.step if not ticks else high

    def at(self, v):
        if self.log:
            share = (math.log10(max(v, self.low)) - math.log10(self.low)) / (
                math.log10(self.high) - math.log10(self.low))
        else:
            share = (v - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self):
        if self.given:
            return [(v, words) for v, words in self.given if self.low <= v <= self.high]
        if self.log:
            first, last = round(math.log10(self.low)), round(math.log10(self.high))
            within = (1,) if last - first > 2 else (1, 2, 5)
            all_ = [m * 10.0 ** e for e in range(first, last + 1) for m in within]
            return [(v, number(v)) for v in all_ if v <= self.high * 1.0001]
        n = round((self.high - self.low) / self.step)
        return [(self.low + i * self.step, number(round(self.low + i * self.step, 9))) for i in range(n + 1)]


def nice(step):
    """The next of 1, 2, 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * 0.999)


def frame(plot, y):
    """Grid lines, ticks and the names of both axes."""
    out = ['<svg viewBox="0 0 %d %d" role="img" aria-label="%s">' % (WIDTH, HEIGHT, html.escape(plot["title"], True))]
    for v, words in y.ticks():
        out.append('<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>' % (LEFT, WIDTH - RIGHT, y.at(v), y.at(v)))
        out.append(text(LEFT - 8, y.at(v) + 4, words, "end"))
    if plot["reference"] is not None:
        out.append('<line class="reference" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>' % (
            LEFT, WIDTH - RIGHT, y.at(plot["reference"]), y.at(plot["reference"])))
    out.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, plot["x"], kind="name"))
    out.append(text(16, (TOP + HEIGHT - BOTTOM) / 2, plot["y"], kind="name", turn=-90))
    return out


def lines(plot):
    points = [p for _, series in plot["series"] for p in series]
    x = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT, plot["log_x"], ticks=plot["ticks"])
    values = [p[1] for p in points] + ([plot["reference"]] if plot["reference"] is not None else [])
    y = Axis(values, HEIGHT - BOTTOM, TOP, plot["log_y"], zero=True)
    out = frame(plot, y)
    for v, words in x.ticks():
        out.append(text(x.at(v), HEIGHT - BOTTOM + 18, words))
    for i, (name, series) in enumerate(plot["series"]):
        path = " ".join("%.1f,%.1f" % (x.at(p[0]), y.at(p[1])) for p in series)
        out.append('<polyline class="line s%d" points="%s"><title>%s</title></polyline>' % (
            i % COLOURS, path, html.escape(name)))
        if len(series) > 60:
            continue
        for p in series:
            out.append('<circle class="dot s%d" cx="%.1f" cy="%.1f" r="3.2"><title>%s: %s, %s</title></circle>' % (
                i % COLOURS, x.at(p[0]), y.at(p[1]), html.escape(name), number(p[0]), number(p[1])))
    return out + ["</svg>"]


def bars(plot):
    labels = []
    for _, series in plot["series"]:
        labels += [p[0] for p in series if p[0] not in labels]
    values = [p[1] for _, series in plot["series"] for p in series]
    values += [plot["reference"]] if plot["reference"] is not None else []
    y = Axis(values, HEIGHT - BOTTOM, TOP, plot["log_y"], zero=True)
    out = frame(plot, y)
    room = (WIDTH - LEFT - RIGHT) / max(len(labels), 1)
    width = min(room * 0.8 / max(len(plot["series"]), 1), 46)
    long = max((len(str(w)) for w in labels), default=0) * 6.2 > room
    for k, label in enumerate(labels):
        middle = LEFT + (k + 0.5) * room
        out.append(text(middle, HEIGHT - BOTTOM + (14 if long else 18), label, "end" if long else "middle",
                        turn=-24 if long else None))
        for i, (name, series) in enumerate(plot["series"]):
            for value in (p[1] for p in series if p[0] == label):
                left = middle + (i - len(plot["series"]) / 2) * width
                top = min(y.at(value), HEIGHT - BOTTOM - 1)
                out.append('<rect class="bar s%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s, %s: %s'
                           '</title></rect>' % (i % COLOURS, left, top, width - 2, HEIGHT - BOTTOM - top,
                                                html.escape(str(label)), html.escape(name), number(value)))
                if width >= 26:
                    out.append(text(left + width / 2 - 1, top - 4, number(value), kind="value"))
    return out + ["</svg>"]


def draw(plot):
    """A plot (as results keeps it) as lines of HTML: legend, picture, note."""
    legend = "".join('<span class="key"><i class="s%d"></i>%s</span>' % (i % COLOURS, html.escape(name))
                     for i, (name, _) in enumerate(plot["series"]))
    picture = (bars if plot["kind"] == "bars" else lines)(plot) if any(s for _, s in plot["series"]) else []
    note = ["<p class=note>%s</p>" % html.escape(plot["note"])] if plot["note"] else []
    return ["<figure><figcaption>%s</figcaption><div class=legend>%s</div>" % (html.escape(plot["title"]), legend),
            *picture, *note, "</figure>"]
