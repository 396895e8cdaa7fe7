"""The exercises, one file a chapter: a dict `EXERCISES` of `bertedu.exercise.Exercise`, by the name of the task."""
