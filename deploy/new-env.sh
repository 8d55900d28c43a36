#!/bin/sh
# Prints a .env for docker-compose.yml: `deploy/new-env.sh > .env`, then fill in what is left empty.
# Secrets are made at random. Keep DOORSTEP_VAULT_KEY and DOORSTEP_TENANT_SECRET for ever and apart from the
# database's backups: without the first nothing sealed can be opened, a new second gives every case a new id.
# DOORSTEP_LOG_KEY too: whoever has it can sign another history, and without it the log ends.
set -eu

compose=$(dirname "$0")/../docker-compose.yml
sed -n 's/.*${\([A-Z_]*\):?\([^}]*\)}.*/\1 \2/p' "$compose" | sort -u | while read -r name why; do
    case $name in
        *PASSWORD | DOORSTEP_VAULT_KEY | DOORSTEP_TENANT_SECRET)
            value=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n') ;;
        DOORSTEP_LOG_KEY) value=$(openssl genpkey -algorithm ed25519 | awk '{ printf "%s\\n", $0 }') ;;
        *) value= ;;
    esac
    printf '# %s\n%s=%s\n' "$why" "$name" "$value"
done
