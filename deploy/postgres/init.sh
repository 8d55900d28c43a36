#!/bin/sh
# Runs once, when PostgreSQL starts on an empty volume. Each variable ROLE_<name>=<password> becomes a role
# and a database of that name (lower case), which nobody else may enter.
set -eu

env | sed -n 's/^ROLE_\([A-Z_]*\)=.*/\1/p' | sort | while read -r variable; do
    name=$(echo "$variable" | tr '[:upper:]' '[:lower:]')
    eval "password=\$ROLE_$variable"
    psql -v ON_ERROR_STOP=1 --quiet --username "$POSTGRES_USER" --dbname postgres \
        -v name="$name" -v password="$password" <<'SQL'
create role :"name" login password :'password';
create database :"name" owner :"name";
revoke all on database :"name" from public;
SQL
done
