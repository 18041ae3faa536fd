# shellcheck shell=bash
# prepare.sh - what scripts/run and scripts/test share: packages, build directories, one-line complaints. Sourced, not run.
#
# Everything here does nothing when there is nothing to do, and fails with one line that says what is missing.

# One list a purpose. "package:program" is satisfied by a program of that name from anywhere.
# shellcheck disable=SC2034
packages_build=(g++ make autoconf automake pkg-config libevent-dev libjemalloc-dev libxxhash-dev libssl-dev libsqlite3-dev
  libmariadb-dev libpq-dev)
# shellcheck disable=SC2034
packages_test=(libgtest-dev python3 sqlite3 nodejs:node npm:npm ca-certificates procps libsasl2-2)
# The compilers that the clients of Java and Go need are some 200 MB to fetch (730 MB on disk); all the others some 20 MB.
# shellcheck disable=SC2034
packages_clients=(libmemcached-dev libmemcached-tools php-cli php-memcached php-memcache python3-django python3-pymemcache python3-pylibmc
  python3-memcache ruby ruby-actionpack ruby-connection-pool ruby-dalli ruby-webrick libcache-memcached-perl libcache-memcached-fast-perl
  default-jdk-headless:javac libspymemcached-java golang-go:go golang-github-bradfitz-gomemcache-dev)

# Servers: installed without being started.
# shellcheck disable=SC2034
packages_cluster=(mariadb-server galera-4 rsync lsof)
# shellcheck disable=SC2034
packages_databases=("${packages_cluster[@]}" postgresql)

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
script="scripts/$(basename "$0")"

say() { echo "$script: $*" >&2; }

die() {
  say "$@"
  exit 1
}

# missing_packages LIST... - prints the packages of the lists that are not installed.
missing_packages() {
  local entry package program installed
  installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' 2>/dev/null) "
  for entry in "$@"; do
    package=${entry%%:*}
    program=${entry#*:}
    if [[ $entry == *:* ]] && command -v "$program" >/dev/null; then continue; fi
    [[ $installed == *" installed:$package "* ]] || echo -n "$package "
  done
}

# become_root COMMAND... - runs a command as root, with sudo if need be. Asks for a password only at a terminal.
become_root() {
  if ((EUID == 0)); then
    "$@"
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

# install_packages LIST... - installs what is missing.
install_packages() {
  # Without dpkg (another distribution) configure is the judge of what is missing.
  command -v dpkg-query >/dev/null || return 0
  local missing log reason
  read -ra missing <<<"$(missing_packages "$@")"
  ((${#missing[@]})) || return 0
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "missing packages, and no sudo to install them: as root, apt-get install ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  log=$(mktemp)
  # The lists may be absent or old: try, and fetch them only when that fails.
  if ! apt_install "$log" "${missing[@]}" && ! { apt_get "$log" update && apt_install "$log" "${missing[@]}"; }; then
    reason=$(why_not "$log")
    rm -f "$log"
    die "missing packages: ${missing[*]}; they could not be installed (${reason:-is there a network?})"
  fi
  rm -f "$log"
}

# install_packages_unstarted LIST... - the same, and the services in them are not started. Where the machine has a policy it holds.
install_packages_unstarted() {
  local policy=/usr/sbin/policy-rc.d status=0
  [[ -n $(missing_packages "$@") ]] || return 0
  if [[ -e $policy ]]; then
    install_packages "$@"
    return
  fi
  printf '#!/bin/sh\n# Written by %s while it installs packages.\nexit 101\n' "$script" | become_root tee "$policy" >/dev/null
  become_root chmod 0755 "$policy"
  (install_packages "$@") || status=$?
  become_root rm -f "$policy"
  ((status == 0)) || exit "$status"
}

# why_not LOG - prints the line of sudo and apt-get that tells most: no rights, then no network, then whatever apt-get says.
why_not() {
  local cause
  for cause in '^sudo: (a|I|[^ ]+ is not)' 'Temporary failure|Could not (resolve|connect)|Unable to connect|timed out' '^E: '; do
    if grep -m1 -oE "($cause).*" "$1" | cut -c1-160; then return 0; fi
  done
}

# apt_get LOG ARGUMENTS... - quiet apt-get that does not wait for ever; what it says goes to LOG.
apt_get() {
  local log=$1
  shift
  become_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 \
    -o Acquire::http::Timeout=30 "$@" >>"$log" 2>&1 </dev/null
}

apt_install() {
  local log=$1
  shift
  apt_get "$log" install -y --no-install-recommends "$@"
}

# lock_tree - one build at a time: configure and the Makefile.in are written into the tree.
lock_tree() {
  mkdir -p "$top/build" 2>/dev/null || true
  if ! [[ -w $top && -w $top/build ]] || ! { exec 9>>"$top/build/lock"; } 2>/dev/null; then
    die "cannot write to $top/build as $(id -un): run as $(stat -c %U "$top"), or give yourself the directory"
  fi
  flock -n 9 || { say "waiting for another build in $top" && flock 9; }
}

unlock_tree() {
  give_back "$top/build"
  exec 9>&-
}

# give_back PATH... - files made by root in somebody's tree go to the owner of the tree.
give_back() {
  local owner
  owner=$(stat -c %u:%g "$top")
  if ((EUID == 0)) && [[ $owner != 0:* ]]; then
    find "$@" ! -user "${owner%:*}" -exec chown -h "$owner" {} + 2>/dev/null || true
  fi
}

# configure_build NAME ARGUMENTS... - build/NAME is configured with these arguments, again if they changed.
configure_build() {
  local name=$1
  shift
  local directory=$top/build/$name
  if ! [[ -x $top/configure && -f $top/Makefile.in && -f $top/config.h.in ]]; then
    say "generating configure"
    (cd "$top" && autoreconf -i >"$top/build/autoreconf.log" 2>&1) || fail_with_log "$top/build/autoreconf.log" "autoreconf failed"
    give_back "$top" -maxdepth 2 -not -path '*/.git/*'
  fi
  # Objects in the tree would be taken for ours by every build beside it, which configure refuses for that reason.
  if [[ -e $top/config.status ]]; then
    say "the tree was built in place: make distclean, since builds in build/ cannot be mixed with that"
    make -s -C "$top" distclean >"$top/build/distclean.log" 2>&1 || fail_with_log "$top/build/distclean.log" "make distclean failed"
  fi
  mkdir -p "$directory"
  if [[ -f $directory/Makefile && $(cat "$directory/configured_with" 2>/dev/null) == "$*" ]]; then return 0; fi
  say "configuring build/$name"
  (cd "$directory" && "$top/configure" -q "$@" >configure.log 2>&1) || fail_with_log "$directory/configure.log" "configure failed"
  echo "$*" >"$directory/configured_with"
}

# build NAME TARGET... - makes targets in build/NAME, with the short lines of what is compiled on stderr.
build() {
  local name=$1
  shift
  make -s --no-print-directory -j"$(nproc)" -C "$top/build/$name" "$@" >&2
}

fail_with_log() {
  tail -n 20 "$1" >&2
  die "$2; all of it is in $1"
}
