"""Basic values that import no other part of the library: actions, strokes, trajectories, versions, sentences, files."""
