"""The projects, one file each. A file imports nothing of the course but `exercise` and `project`."""

from bertedu.course.exercises.projects import change, classifier, head, search, tokens
from bertedu.course.project import Project

PROJECTS: dict[str, Project] = {
    f"projects.{project.__name__.rpartition('.')[2]}": project.PROJECT
    for project in (tokens, head, search, classifier, change)
}
"""Every project by its name, "projects.name", in the order of the course."""
