"""What pyproject.toml cannot say: the study's JSON schema lives with the workflow and ships inside the package."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src"), "weiss.schemas"],
    package_dir={"": "src", "weiss.schemas": "workflow/schemas"},
    package_data={"weiss.schemas": ["*.json", "models/*.json"], "weiss.report": ["*.j2", "*.html", "*.css", "*.js"]},
)
