#!/bin/sh
cd "${WORKDIR:-/app}" && python -m pytest -q "$(dirname "$0")"
echo $(($? == 0)) > "${REWARD:-/logs/verifier/reward.txt}"
