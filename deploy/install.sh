#!/bin/sh
# Install pbx112 on a Debian or Ubuntu host: user, folders, virtualenv, units. Run as root from a checkout.
# Asks nothing, starts nothing; run again to upgrade. Then edit /etc/pbx112/pbx112.env and enable the units.
set -eu
# The system's own programs: a Python below somebody's home could not be run by the service's user.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
umask 022

[ "$(id -u)" = 0 ] || { echo "Run this as root." >&2; exit 1; }
source_dir=$(cd "$(dirname "$0")/.." && pwd)
command -v rsync >/dev/null || apt-get install -y --no-install-recommends rsync

getent passwd pbx112 >/dev/null || useradd --system --home-dir /var/lib/pbx112 --shell /usr/sbin/nologin pbx112
install -d -m 0755 /opt/pbx112
install -d -m 0750 -o pbx112 -g pbx112 /var/lib/pbx112 /var/lib/pbx112/state /var/lib/pbx112/runtime
install -d -m 0750 -g pbx112 /etc/pbx112
[ -e /etc/pbx112/pbx112.env ] || install -m 0640 -g pbx112 "$source_dir/deploy/pbx112.env" /etc/pbx112/pbx112.env

rsync -a --delete --chown=root:root --chmod=u+rwX,go+rX,go-w --exclude .git --exclude .venv --exclude .runtime "$source_dir/" /opt/pbx112/
/opt/pbx112/deploy/bootstrap-venv.sh
# The classic intake script is started for a call: it must find its byte code, and its user cannot write it.
/opt/pbx112/.venv/bin/python -m compileall -q /opt/pbx112/src
install -m 0644 "$source_dir"/deploy/systemd/*.service /etc/systemd/system/
install -m 0644 "$source_dir/deploy/logrotate.conf" /etc/logrotate.d/pbx112
install -D -m 0644 "$source_dir/deploy/logrotate-hourly.conf" /etc/systemd/system/logrotate.timer.d/pbx112.conf
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi

# As the service's user: fetch Asterisk when the system has none that is new enough, and make the prompts.
runuser -u pbx112 -- sh -c 'set -a; . /etc/pbx112/pbx112.env; exec /opt/pbx112/.venv/bin/pbx112 setup'

cat <<'TEXT'
pbx112 is installed. Next:
  1. Edit /etc/pbx112/pbx112.env (database, SIP address, node, time zone).
  2. In PostgreSQL, as its superuser (the service's login cannot change or delete events and audit rows):
       CREATE ROLE pbx112_owner LOGIN PASSWORD '...';
       CREATE ROLE pbx112_service LOGIN PASSWORD '...';
       GRANT pbx112_service TO pbx112_owner;
       CREATE DATABASE pbx112 OWNER pbx112_owner;
  3. systemctl enable --now pbx112-prepare pbx112-asterisk pbx112
  4. sudo -u pbx112 sh -c 'set -a; . /etc/pbx112/pbx112.env; /opt/pbx112/.venv/bin/pbx112 doctor'
First passwords: /var/lib/pbx112/state/secrets.json, once pbx112-prepare has run.
Upgrade: run this again, then systemctl restart pbx112-prepare pbx112 (and pbx112-asterisk at a quiet hour), then, as
in 4., pbx112 calls --rebuild: it adds what the new version knows to the calls that the old one still wrote.
TEXT
