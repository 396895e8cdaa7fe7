"""The exercises, one file per chapter: a dict `EXERCISES` of `course.exercise.Exercise`, by the name of the task."""
