"""Ground values, which import nothing of the rest: actions, strokes, trajectories, versions, sentences, files."""
