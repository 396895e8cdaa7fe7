"""Answers, one file a chapter. By the name of the exercise: a dict `WRONG` of (answer, a word of the reason) and a dict
`RIGHT` of answers in other styles than the solution's."""
