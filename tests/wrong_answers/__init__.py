"""Wrong answers, one file a chapter: a dict `WRONG` of (answer, a word of the reason) by the name of the exercise."""
