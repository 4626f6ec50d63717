"""Running a unit or a project at every level, and comparing what comes out with what must come out."""
