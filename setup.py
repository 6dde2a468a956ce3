"""What pyproject.toml cannot say: the study's JSON schemas live with the workflow and ship inside the package."""

import sys

from setuptools import find_packages, setup

packages, folders = find_packages("src"), {"": "src"}
if "editable_wheel" not in sys.argv:  # an editable installation finds them in the source tree
    packages.append("weiss.schemas")
    folders["weiss.schemas"] = "workflow/schemas"

setup(
    packages=packages,
    package_dir=folders,
    package_data={
        "weiss.schemas": ["*.json", "models/*.json"],
        "weiss.report": ["*.j2", "*.html", "*.css", "*.js"],
        "weiss": ["fftw_wisdom.txt"],
        "": ["*.cu"],
    },
)
