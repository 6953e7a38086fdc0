# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows as a picture, SVG: rate and latency over the number of mappings, natpcpd's lines whole and the floor's dashed."""
import math
from html import escape

WIDTH, HEIGHT = 1040, 450
PANEL_W, PANEL_H, LEFT, TOP = 370, 290, 70, 60
COLOURS = ('#888888', '#0072b2', '#d55e00', '#009e73', '#cc79a7', '#56b4e9')  # told apart by colour-blind eyes, too
STYLE = ('text{font:12px sans-serif;fill:#222}.title{font-size:14px;font-weight:bold}.axis{stroke:#222}.grid{stroke:#ddd}'
         '.line{fill:none;stroke-width:2}.floor{stroke-dasharray:6 4}')


def short(n):
    return f'{n // 1000000} M' if n >= 1000000 else f'{n // 1000} k' if n >= 1000 else f'{n:g}'


class Panel:
    """Mappings on the x axis, one step for each number of them; the y axis from 0, or logarithmic."""

    def __init__(self, left, title, unit, xs, highest, lowest=None):
        self.left, self.xs, self.out = left, sorted(xs), []
        self.log = lowest is not None
        if self.log:
            self.low, self.high = math.floor(math.log10(max(lowest, 1))), math.ceil(math.log10(max(highest, 10)))
            self.high = max(self.high, self.low + 1)
            ticks = [10 ** e for e in range(self.low, self.high + 1)]
        else:
            step = 10 ** math.floor(math.log10(max(highest, 1)))
            step = next(s for s in (step / 5, step / 2, step, 2 * step) if highest / s <= 8)
            self.low, self.high = 0, step * math.ceil(highest / step)
            ticks = [step * i for i in range(int(self.high / step) + 1)]
        self.text(left, TOP - 32, title, 'class="title"')
        self.text(left, TOP - 14, unit)
        for t in ticks:
            self.out.append(f'<line class="grid" x1="{left}" x2="{left + PANEL_W}" y1="{self.y(t):.1f}" y2="{self.y(t):.1f}"/>')
            self.text(left - 8, self.y(t) + 4, short(int(t)), 'text-anchor="end"')
        for n in self.xs:
            self.text(self.x(n), TOP + PANEL_H + 18, short(n), 'text-anchor="middle"')
        self.text(left + PANEL_W / 2, TOP + PANEL_H + 36, 'mappings that there are already', 'text-anchor="middle"')
        bottom = TOP + PANEL_H
        self.out.append(f'<path class="axis" fill="none" d="M{left} {TOP}V{bottom}H{left + PANEL_W}"/>')

    def x(self, n):
        return self.left + PANEL_W * (self.xs.index(n) + 0.5) / len(self.xs)

    def y(self, value):
        v = math.log10(max(value, 10 ** self.low)) if self.log else value
        return TOP + PANEL_H * (1 - (v - self.low) / (self.high - self.low))

    def text(self, x, y, text, more=''):
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>')

    def line(self, points, colour, floor):
        points = sorted((n, v) for n, v in points if v is not None)
        path = ' '.join(f'{self.x(n):.1f},{self.y(v):.1f}' for n, v in points)
        self.out.append(f'<polyline class="line{" floor" if floor else ""}" stroke="{colour}" points="{path}"/>')
        if not floor:
            self.out += [f'<circle cx="{self.x(n):.1f}" cy="{self.y(v):.1f}" r="3" fill="{colour}"/>' for n, v in points]

    def legend(self, names):
        y = TOP + PANEL_H + 62
        x = self.left
        for name, colour, floor in names:
            dash = ' floor' if floor else ''
            self.out.append(f'<line class="line{dash}" stroke="{colour}" x1="{x}" x2="{x + 28}" y1="{y - 4}" y2="{y - 4}"/>')
            self.text(x + 33, y, name)
            x += 48 + 7 * len(name)


def rate_panel(rows):
    windows = sorted({r['window'] for r in rows})
    colour = dict(zip(windows, COLOURS * 4))
    panel = Panel(LEFT, 'Creations', 'requests a second', {r['n'] for r in rows},
                  max(max(r['value'], r['against']) for r in rows))
    for w in windows:
        mine = [r for r in rows if r['window'] == w]
        panel.line([(r['n'], r['against']) for r in mine], colour[w], True)
        panel.line([(r['n'], r['value']) for r in mine], colour[w], False)
    panel.legend([(f'window {w}' if w == windows[0] else str(w), colour[w], False) for w in windows] +
                 [('floor', '#444444', True)])
    return panel


def latency_panel(rows):
    window = min(r['window'] for r in rows)
    mine = [r for r in rows if r['window'] == window]
    keys = (('p50_us', 'floor_p50_us', 'median', COLOURS[1]), ('p99_us', 'floor_p99_us', '99th percentile', COLOURS[2]))
    values = [r[k] for r in mine for a, b, _, _ in keys for k in (a, b) if r.get(k)]
    panel = Panel(LEFT + WIDTH // 2, f'Latency, {window} under way', 'microseconds from request to answer', {r['n'] for r in mine},
                  max(values), min(values))
    for a, b, _, colour in keys:
        panel.line([(r['n'], r.get(b)) for r in mine], colour, True)
        panel.line([(r['n'], r.get(a)) for r in mine], colour, False)
    panel.legend([(name, colour, False) for _, _, name, colour in keys] + [('floor', '#444444', True)])
    return panel


def picture(rows, machine):
    created = [r for r in rows if r['what'] == 'create']
    out = [f'<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
           f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}">', f'<style>{STYLE}</style>',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    if created:
        out += rate_panel(created).out + latency_panel(created).out
    where = f"{machine['cpus']} x {machine['model']}, Linux {machine['kernel']}"
    out.append(f'<text x="{WIDTH - 12}" y="{HEIGHT - 6}" text-anchor="end" style="font-size:10px;fill:#777">'
               f'{escape(where)}</text>')
    return '\n'.join(out) + '\n</svg>\n'
