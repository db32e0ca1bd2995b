#!/usr/bin/env bash
# Makes an environment of its own for each package, where it is missing: setup.sh [FOLDER]
set -euo pipefail

home="${1:-${PEERS_HOME:-$HOME/.cache/ml4t-backtest-leaks}}"
planted="pandas==3.1.1 scikit-learn==1.9.1 duckdb==2.0.1"
for pinned in nullcheck==0.2.5 nullius==0.1.0 monte-neo==0.54.0 lookahead-lint==1.0.1 \
    lookahead-free==0.1.3 backtest-audit==1.0.0; do
    name="${pinned%%==*}"
    if [ ! -e "$home/$name/.installed" ]; then
        echo "making an environment for $pinned" >&2
        python3 -m venv "$home/$name"
        # shellcheck disable=SC2086
        "$home/$name/bin/python" -m pip install --quiet "$pinned" $planted
        touch "$home/$name/.installed"
    fi
done
