# The environment holds what weiss needs; this adds weiss itself, from the folder this file belongs to.
set -eu
python -m pip install --no-deps --quiet "$(dirname "$0")/.."
