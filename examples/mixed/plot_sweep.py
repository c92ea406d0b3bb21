"""Collects the results of the temperature sweep, prints a table and draws the curve as SVG.

    python3 plot_sweep.py --results out --runs 40 --picture out/sweep.svg

Reads out/melt-1.json .. out/melt-40.json. A run that is missing, or whose result cannot be read, is
named and left out of the curve. The exit code is 0 when something could be drawn, 1 when not, and 2
for a wrong argument. Needs only the standard library.
"""

import argparse
import json
import math
import os
import sys

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP, BOTTOM = 760, 210, 78, 24, 52, 30, 50
PANELS = (
    ("potential", "potential energy per atom", "#1f5fa8"),
    ("pressure", "pressure", "#a8431f"),
    ("displacement", "mean square displacement", "#2c7a3f"),
)


def read_results(folder, runs):
    """Returns (results sorted by temperature, list of "index: why" for what is missing)."""
    results, missing = [], []
    for index in range(1, runs + 1):
        path = os.path.join(folder, f"melt-{index}.json")
        try:
            with open(path, encoding="ascii") as stream:
                result = json.load(stream)
            row = {key: float(result[key]) for key in ("T", *(name for name, _, _ in PANELS))}
            if not all(math.isfinite(value) for value in row.values()):
                raise ValueError("not a finite number")
            results.append(row)
        except FileNotFoundError:
            missing.append(f"{index}: no result")
        except (OSError, ValueError, KeyError, TypeError) as error:
            missing.append(f"{index}: {path} cannot be used ({error})")
    return sorted(results, key=lambda row: row["T"]), missing


def nice_ticks(low, high, count=5):
    """Round numbers that cover [low, high]: 1, 2 or 5 times a power of ten apart."""
    span = (high - low) or max(abs(high), 1.0)
    power = 10.0 ** math.floor(math.log10(span / count))
    step = next(f * power for f in (1, 2, 5, 10) if span / (f * power) <= count + 0.5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, max(last, first + 1) + 1)]


def text(x, y, words, size=12, anchor="middle", extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="#222" {extra}>{words}</text>')


def draw_panel(results, panel, top, x_ticks):
    key, label, color = panel
    y_ticks = nice_ticks(min(r[key] for r in results), max(r[key] for r in results), 4)

    def x_of(value):
        return LEFT + (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (WIDTH - LEFT - RIGHT)

    def y_of(value):
        return top + PANEL - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * PANEL

    parts = []
    for tick in y_ticks:
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_of(tick):.1f}" '
                     f'y2="{y_of(tick):.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 8, y_of(tick) + 4, f"{tick:g}", anchor="end"))
    for tick in x_ticks:
        parts.append(f'<line x1="{x_of(tick):.1f}" x2="{x_of(tick):.1f}" y1="{top}" '
                     f'y2="{top + PANEL}" stroke="#eee"/>')
        parts.append(text(x_of(tick), top + PANEL + 16, f"{tick:g}", 11))
    parts.append(f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}" '
                 'fill="none" stroke="#888"/>')
    middle = top + PANEL / 2
    parts.append(text(20, middle, label, extra=f'transform="rotate(-90 20 {middle:.1f})"'))
    points = [(x_of(r["T"]), y_of(r[key])) for r in results]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.8" fill="{color}"/>' for x, y in points]
    return parts


def draw(results, runs):
    height = TOP + len(PANELS) * (PANEL + GAP) + BOTTOM - GAP + 10
    x_ticks = nice_ticks(min(0.0, results[0]["T"]), results[-1]["T"], 10)
    count = f"{len(results)} of {runs} runs" if len(results) < runs else f"{runs} runs"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Helvetica, sans-serif">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        text(WIDTH / 2, 28, f"A Lennard-Jones crystal of 4,000 atoms melts ({count})", 16),
    ]
    for position, panel in enumerate(PANELS):
        parts += draw_panel(results, panel, TOP + position * (PANEL + GAP), x_ticks)
    parts.append(text(WIDTH / 2, height - 12, "temperature (reduced Lennard-Jones units)", 13))
    return "\n".join(parts + ["</svg>", ""])


def print_table(results, rows=10):
    print(f"{'T':>6} {'potential':>11} {'pressure':>10} {'displacement':>13}")
    stride = max(1, math.ceil(len(results) / rows))
    for row in results[stride - 1::stride]:
        print(f"{row['T']:6.2f} {row['potential']:11.4f} {row['pressure']:10.4f} "
              f"{row['displacement']:13.4f}")


def main():
    parser = argparse.ArgumentParser(description="Draw the temperature sweep as SVG.")
    parser.add_argument("--results", default="out", help="folder of melt-INDEX.json (out)")
    parser.add_argument("--runs", type=int, default=40, help="how many runs there should be (40)")
    parser.add_argument("--picture", default="out/sweep.svg", help="file to draw (out/sweep.svg)")
    options = parser.parse_args()
    if not 1 <= options.runs <= 100000:
        parser.error(f"--runs is {options.runs}; it must be between 1 and 100000")

    results, missing = read_results(options.results, options.runs)
    for reason in missing[:10]:
        print(f"missing run {reason}")
    if len(missing) > 10:
        print(f"missing: {len(missing) - 10} more")
    if not results:
        print(f"nothing to draw: none of {options.runs} results in {options.results} could be read")
        return 1
    print_table(results)
    part = options.picture + ".part"
    with open(part, "w", encoding="ascii") as stream:
        stream.write(draw(results, options.runs))
    os.replace(part, options.picture)
    print(f"{len(results)} of {options.runs} runs drawn in {options.picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
