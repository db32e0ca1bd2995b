#!/usr/bin/env bash
# One virtual environment per peer, from the pinned requirements/<peer>.txt.
#   ./setup.sh                 all peers
#   ./setup.sh vectorbt bt     only these
# They go to ${PEERS_HOME:-$HOME/.cache/ml4t-backtest-peers}/<peer>; a finished one is
# left alone (delete its directory to rebuild it). PYTHON names the interpreter (3.11), PYTHON312
# that of ml4t-backtest-0.2, of which pip picks an older version on 3.11 where none is pinned.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
home="${PEERS_HOME:-$HOME/.cache/ml4t-backtest-peers}"

python_of() {
    case "$1" in
        ml4t-backtest-0.2) echo "${PYTHON312:-python3.12}" ;;
        *) echo "${PYTHON:-python3.11}" ;;
    esac
}

peers=("$@")
if [ ${#peers[@]} -eq 0 ]; then
    peers=(numpy phasor polars-backtest polars-bt pitbacktest wbt ml4t-backtest ml4t-backtest-0.2
        vectorbt backtrader bt pybroker zipline nautilus)
fi

failed=()
for peer in "${peers[@]}"; do
    requirements="$here/requirements/$peer.txt"
    if [ ! -f "$requirements" ]; then
        echo "unknown peer: $peer" >&2
        failed+=("$peer")
    elif [ -f "$home/$peer/.complete" ]; then
        echo "$peer: already there" >&2
    elif "$(python_of "$peer")" -m venv --clear "$home/$peer" \
        && "$home/$peer/bin/python" -m pip install --quiet -r "$requirements"; then
        touch "$home/$peer/.complete"
        echo "$peer: ready" >&2
    else
        failed+=("$peer")
    fi
done

if [ ${#failed[@]} -gt 0 ]; then
    echo "failed: ${failed[*]}" >&2
    exit 1
fi
