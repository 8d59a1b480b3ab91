"""essentia, where it is installed. Both functions want one channel at 44100 frames per second."""

import importlib.util

AVAILABLE = importlib.util.find_spec("essentia") is not None


def algorithms():
    import essentia

    essentia.log.infoActive = essentia.log.warningActive = False
    import essentia.standard

    return essentia.standard


def bpm(mono):
    return float(algorithms().RhythmExtractor2013(method="multifeature")(mono)[0])


def key(mono):
    """As text: "F# minor"."""
    tonic, mode, _ = algorithms().KeyExtractor()(mono)
    return f"{tonic} {mode}"
