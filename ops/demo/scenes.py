"""The scenes of the simulated plant's two cameras: a substation and a conveyor drive."""

from __future__ import annotations

from typing import Final

import numpy as np

from ops.demo.canvas import Canvas, Joint, Scene

#: Where each phase hangs, px.
PHASES: Final = {"A": 52.0, "B": 78.0, "C": 104.0}


def substation(seed: int) -> Scene:
    """A power transformer: three bushings below their lines, radiators, conservator, gantry."""
    c = Canvas(seed, ("steady", "sky", "sun", "load"))
    leaves, gravel = c.clutter(1.6), c.clutter(0.8)
    c.paint(c.y < 200, sky=c.ramp_y(0, 1.0, 62, 0.45))
    treetops = 57 + 4 * c.clutter(5)[0] + 2 * c.clutter(1.5)[0]
    c.paint(c.y > treetops, sun=3 + 1.2 * leaves, sky=0.08 * leaves, steady=-1 + 0.4 * leaves)
    c.paint(c.y > 84, sun=c.ramp_y(84, 6, 126, 11) + 1.2 * gravel, steady=1 + 0.3 * gravel)
    _gantry(c)
    for x in PHASES.values():
        c.paint(c.bar(x, 14, x, 21, 3.2), steady=1.0, sun=2.0)  # string of suspension insulators
    _transformer(c)
    joints = []
    for phase, x in PHASES.items():
        joints += _bushing(c, phase, x)
    _radiators(c)
    return Scene(
        c.layers(),
        c.parts(),
        joints=tuple(joints),
        bodies=("bushing A", "bushing B", "bushing C", "conservator"),
        coolers=tuple(f"radiator {n}" for n in range(1, 7)),
    )


def _gantry(c: Canvas) -> None:
    def steel(x0: float, y0: float, x1: float, y1: float, width: float = 1.0) -> None:
        c.paint(c.bar(x0, y0, x1, y1, width), steady=0.5, sun=5.0)

    for x in (14.0, 142.0):
        steel(x - 4, 6, x - 4, 100, 1.6)
        steel(x + 4, 6, x + 4, 100, 1.6)
        for y in range(10, 100, 10):
            tilt = 4 if (y // 10) % 2 else -4
            steel(x - tilt, y, x + tilt, y + 10)
    steel(-10, 7, 170, 7, 1.6)
    steel(-10, 13, 170, 13, 1.6)
    for x in range(-10, 170, 8):
        tilt = 6 if (x // 8) % 2 else 0
        steel(x, 7 + tilt, x + 8, 13 - tilt)


def _transformer(c: Canvas) -> None:
    oil = c.ramp_y(70, 30, 112, 17)
    c.paint(c.box(22, 112, 138, 116), steady=1.5, sun=6.0, load=3.0)  # rails and foundation
    tank = c.box(32, 70, 124, 112)
    ribs = c.ripple(c.x - 32, 15.4, 0.9)
    c.paint(tank, "tank", "load", steady=4.0, sun=4.0, load=oil * ribs)
    c.paint(c.box(30, 67, 126, 71), "cover", "load", steady=4.0, sun=6.0, load=27.0)
    barrel = c.round_y(48, 60)
    c.paint(c.bar(128, 56, 128, 76, 2.4), steady=2.0, load=20.0)  # pipe with the gas relay
    c.paint(
        c.box(112, 48, 141, 60) | c.ellipse(112, 54, 3, 6) | c.ellipse(141, 54, 3, 6),
        "conservator",
        "load",
        steady=2.0,
        sun=5.0 * barrel,
        load=14 * barrel,
    )
    c.paint(c.box(118, 60, 121, 67), steady=2.0, sun=4.0, load=10.0)
    c.paint(c.box(22, 84, 31, 104), steady=2.5, sun=5.0)  # control cabinet


def _bushing(c: Canvas, phase: str, x: float) -> list[Joint]:
    """One bushing with its top terminal, and the conductor that comes down to it."""
    line, porcelain = f"line {phase}", f"bushing {phase}"
    # A comes from the left, C from the right, B from behind the gantry.
    span = {
        "A": c.wire(-12, 15, x, 22, sag=3, width=1.5),
        "B": c.bar(x, 22, x + 12, -8, 1.5),
        "C": c.wire(x, 22, 172, 15, sag=3, width=1.5),
    }[phase]
    drop = np.abs(c.x - x - 2.2 * np.sin((c.y - 22) / 13 * np.pi)) <= 0.8
    drop &= (c.y >= 22) & (c.y < 35)
    c.paint(span | drop, line, "load", steady=0.5, sun=2.0, load=5.5)
    c.paint(c.ellipse(x, 22, 1.8, 1.5), f"clamp {phase}", "load", steady=0.5, sun=2.0, load=6.0)
    sheds = c.ripple(c.y - 40, 3.0, 0.55)
    core = c.round_x(x - 4, x + 4) * sheds
    taper = 2.2 + 1.6 * c.ripple(c.y - 40, 3.0, 0.0) + (c.y - 40) * 0.02
    body = (np.abs(c.x - x) <= taper) & (c.y >= 40) & (c.y < 67)
    warm = c.ramp_y(40, 5, 67, 14)
    c.paint(body, porcelain, "load", steady=0.5, sun=2.5 * core, load=warm * core)
    c.paint(c.box(x - 4.5, 64, x + 4.5, 67.5), steady=3.0, sun=4.0, load=20.0)  # flange
    c.paint(c.box(x - 2, 34, x + 2, 41), f"terminal {phase}", "load", sun=2.0, load=7.0)
    return [
        Joint(f"terminal {phase}", "load", x, 36.0, line),
        Joint(f"clamp {phase}", "load", x, 22.0, line),
    ]


def _radiators(c: Canvas) -> None:
    """Six radiator banks before the tank: oil enters hot at the top and leaves cooler below."""
    for n in range(6):
        x = 36 + n * 14.3
        fins = c.ripple(c.x - x, 2.75, 0.6)
        c.paint(c.bar(x, 76, x + 11, 76, 2.0), steady=3.0, load=29.0)
        c.paint(
            c.box(x, 77, x + 11, 108),
            f"radiator {n + 1}",
            "load",
            steady=3.0,
            sun=3.0,
            load=c.ramp_y(77, 29, 108, 12) * fins,
        )
        c.paint(c.bar(x, 108, x + 11, 108, 2.0), steady=3.0, load=13.0)


def conveyor(seed: int) -> Scene:
    """The drive end of a belt conveyor in its hall: idlers, drum, gearbox, motor, oil cooler."""
    c = Canvas(seed, ("steady", "sun", "belt", "motor", "gear"))
    stain, grain = c.clutter(4), c.clutter(0.9)
    panels = c.ripple(c.x, 20, 0.8)
    c.paint(c.y < 200, steady=c.ramp_y(0, 4, 96, 0.5) + 0.35 * stain, sun=1.5 * panels)
    c.paint(c.box(18, 6, 46, 20) | c.box(58, 6, 86, 20), steady=-3.5, sun=5.0)  # windows
    c.paint(c.box(31.5, 6, 32.5, 20) | c.box(71.5, 6, 72.5, 20), steady=0.0)
    c.paint(c.y > 98, steady=c.ramp_y(98, -1.5, 126, 0) + 0.3 * grain, sun=0.5)
    for x in (12.0, 46.0, 80.0):
        c.paint(c.bar(x, 58, x - 3, 102, 2.6), steady=0.8)
        c.paint(c.bar(x, 58, x + 18, 102, 1.4), steady=0.8)
    c.paint(c.box(-10, 54, 112, 58), steady=1.0, belt=0.8)  # stringer
    idlers = _belt(c)
    _drive(c)
    joints = (*idlers, *_drive_terminals(c))
    return Scene(
        c.layers(),
        c.parts(),
        joints=joints,
        bodies=("motor", "gearbox", "drum bearing", "idler 2", "idler 3"),
        coolers=("oil cooler",),
        moving=("ore",),
    )


def _belt(c: Canvas) -> list[Joint]:
    heap = 36 - 2.6 * np.abs(np.sin(c.x / 9)) - 1.3 * np.abs(np.sin(c.x / 3.7 + 1))
    c.paint((c.y > heap) & (c.y < 40) & (c.x < 112), "ore", "belt", steady=-2.0, belt=1.5)
    c.paint(c.box(-10, 39, 116, 42.5), "belt", "belt", steady=1.0, belt=5.0)
    c.paint(c.box(-10, 72, 112, 74.5), "return belt", "belt", steady=1.0, belt=4.0)
    joints = []
    for n, x in enumerate((8.0, 26.0, 44.0, 62.0, 80.0)):
        idler = f"idler {n + 1}"
        c.paint(c.bar(x, 47, x - 3, 55, 1.4) | c.bar(x, 47, x + 3, 55, 1.4), steady=0.8)
        c.paint(c.ellipse(x, 47, 4.4, 4.4), idler, "belt", steady=1.0, belt=5.0)
        c.paint(c.ellipse(x, 47, 1.7, 1.7), idler, "belt", steady=1.0, belt=9.0)
        joints.append(Joint(f"{idler} bearing", "belt", x, 47.0, idler))
    for x in (17.0, 53.0, 89.0):
        c.paint(c.bar(x, 57, x, 77, 1.4), steady=0.8)
        c.paint(c.ellipse(x, 77.5, 3, 3), steady=1.0, belt=4.5)
    c.paint(c.ellipse(112, 57, 17.5, 17.5), "drum", "belt", steady=1.0, belt=6.0)
    c.paint(c.ellipse(112, 57, 15, 15), "drum", "belt", steady=1.0, belt=3.5)
    c.paint(c.ellipse(112, 57, 5, 5), "drum bearing", "belt", steady=1.5, belt=12.0)
    return joints


def _drive(c: Canvas) -> None:
    c.paint(c.box(96, 98, 160, 102) | c.box(104, 76, 110, 98), steady=0.8, gear=1.5)  # base frame
    c.paint(
        c.box(92, 76, 116, 98),
        "gearbox",
        "gear",
        steady=2.0,
        gear=c.ramp_y(76, 21, 98, 14) * c.ripple(c.x - 92, 8, 0.93),
    )
    c.paint(c.box(95, 73, 113, 76), "gearbox", "gear", steady=2.0, gear=18.0)
    c.paint(c.box(116, 84, 123, 91), steady=1.0, motor=7.0)  # coupling under its guard
    fins = c.ripple(c.y - 77, 2.8, 0.7)
    c.paint(
        c.box(123, 76, 151, 98),
        "motor",
        "motor",
        steady=2.0,
        motor=30 * fins * c.round_y(74, 100),
    )
    c.paint(c.box(119.5, 79, 123, 96), "motor", "motor", steady=2.0, motor=26.0)  # end shield
    c.paint(c.box(151, 75, 159, 99), steady=1.0, motor=9.0)  # fan cowl: sees the air that comes in
    c.paint(c.box(130, 69, 142, 76), "terminal box", "motor", steady=1.0, motor=13.0)
    c.paint(c.box(127, 98, 131, 102) | c.box(143, 98, 147, 102), steady=1.0, motor=10.0)
    fins = c.ripple(c.x - 132, 2.6, 0.55)
    c.paint(c.box(130, 20, 156, 48), steady=1.0)
    c.paint(
        c.box(132, 22, 154, 46),
        "oil cooler",
        "gear",
        steady=2.0,
        gear=c.ramp_y(22, 22, 46, 12) * fins,
    )
    for x, bend, warm in ((126.0, 26.0, 19.0), (122.0, 43.0, 12.0)):
        c.paint(
            c.bar(x, bend, 131, bend, 2.2)
            | c.bar(x, bend, x, 66, 2.2)
            | c.bar(x, 66, 108, 74, 2.2),
            steady=1.0,
            gear=warm,
        )


def _drive_terminals(c: Canvas) -> list[Joint]:
    """Cables into the motor's terminal box, lug by lug."""
    joints = []
    for lug, x in zip("UVW", (132.5, 136.0, 139.5), strict=True):
        cable = f"cable {lug}"
        c.paint(
            c.bar(x, 60, x, 70, 1.6) | c.bar(x, 60, 172, 56 + x - 132.5, 1.6),
            cable,
            "motor",
            steady=0.8,
            motor=7.0,
        )
        joints.append(Joint(f"lug {lug}", "motor", x, 69.5, cable))
    return joints


SCENES: Final = {"cam-substation": substation, "cam-conveyor": conveyor}
