"""What everybody is asked for: the terms of the comparison."""

PROMPT = "warm lofi piano with brushed drums and a soft upright bass"
GUIDANCE = 3.0
TOP_K = 250
WARM_UP_SECONDS = 1.0  # of the piece that goes before a measured one
CODEC_SECONDS = 30.0
EARLY, LATE = 100, 1400  # frames before the step; those of `timbre bench`
CODEC_PASSES = 2  # the better one counts, as in `timbre bench`
STEPS = 24  # the median counts, as in `timbre bench`
