"""An ECG-like signal of a given heart rate, and the heart rate of a signal.

Each beat is a sum of five bell curves (P, Q, R, S, T) whose distance varies a little from beat to beat, with noise. The
rate is read from the R peaks. It is for programs and lessons: no diagnosis can be read from it.

Source: McSharry, Clifford, Tarassenko and Smith, A Dynamical Model for Generating Synthetic Electrocardiogram Signals,
IEEE Trans Biomed Eng 2003;50:289-294, https://doi.org/10.1109/TBME.2003.808805
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import find_peaks

from counterproof.tools.synth.documents import Signal

RATE_HZ = 250.0
_WAVES = ((-0.2, 0.12, 0.025), (-0.04, -0.12, 0.01), (0.0, 1.1, 0.011), (0.04, -0.25, 0.01), (0.28, 0.28, 0.045))
"""Each wave: seconds from the R peak at 60 beats a minute, millivolts, and width in seconds."""
_VARIES = 0.02
_NOISE_MV = 0.015
_REFRACTORY_S = 0.25


def ecg(beats_per_minute: float, *, seconds: float, seed: int) -> Signal:
    """Return a signal with this mean heart rate.

    Args:
        beats_per_minute: 20 to 220.
        seconds: how long.
        seed: of noise and variation.
    """
    random = np.random.default_rng(seed)
    interval = 60.0 / beats_per_minute
    times = np.arange(0, seconds, 1 / RATE_HZ)
    samples = random.normal(0, _NOISE_MV, len(times))
    peak = interval * random.uniform(0.3, 0.9)
    while peak < seconds + interval:
        for offset, height, width in _WAVES:
            at = peak + offset * min(1.0, interval) ** 0.5
            samples += height * np.exp(-((times - at) ** 2) / (2 * width**2))
        peak += interval * (1 + random.normal(0, _VARIES))
    return Signal(rate_hz=RATE_HZ, samples=tuple(np.round(samples, 3).tolist()))


def heart_rate(signal: Signal) -> float | None:
    """Return the beats a minute that a signal shows; None with fewer than three peaks."""
    samples: NDArray[np.float64] = np.array(signal.samples)
    level = float(np.median(samples))
    height = level + 0.5 * (float(samples.max()) - level)
    peaks, _ = find_peaks(samples, height=height, distance=max(1, int(_REFRACTORY_S * signal.rate_hz)))
    if len(peaks) < 3:
        return None
    return float(60 * signal.rate_hz / np.diff(peaks).mean())
