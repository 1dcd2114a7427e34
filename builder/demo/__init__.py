"""The embedded model: a world that is drawn by program, and a small LTX model trained on it.

`scenes` says what there is, `drawing` shows it, `captions` tells it, and `measuring` reads it back
from frames without knowing what was asked for.
"""
